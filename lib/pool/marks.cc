#include "lib/pool/marks.h"

#include <limits>

#include "lib/base/assert.h"
#include "lib/base/bytes.h"

namespace inod {
namespace {

constexpr std::uint8_t version = 1;

}  // namespace

std::vector<std::byte> encode_marks(std::span<const PoolMark> marks) {
    std::vector<std::byte> bytes(sizeof(version) + marks.size() * 2 * varint_size_max);
    ByteWriter out(bytes);
    out.put(version);
    for (const PoolMark& mark : marks) {
        out.put_varint(mark.pool);
        out.put_varint(mark.value);
    }
    INOD_ASSERT(!out.overflowed());
    bytes.resize(out.size());
    return bytes;
}

Result<std::vector<PoolMark>> decode_marks(std::span<const std::byte> bytes) {
    ByteReader in(bytes);
    const auto found_version = in.get<std::uint8_t>();
    if (in.overflowed()) return Errc::journal_damaged;
    if (found_version != version) return Error{Errc::record_unknown, found_version};
    std::vector<PoolMark> marks;
    while (in.left() > 0) {
        const std::uint64_t pool = in.get_varint();
        const std::uint64_t value = in.get_varint();
        const bool ascends = marks.empty() || pool > marks.back().pool;
        if (in.overflowed() || !ascends || pool > std::numeric_limits<PoolIndex>::max()) {
            return Errc::journal_damaged;
        }
        marks.push_back({.pool = static_cast<PoolIndex>(pool), .value = value});
    }
    return marks;
}

}  // namespace inod
