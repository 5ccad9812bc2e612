#include "lib/pool/marks.h"

#include <algorithm>
#include <limits>

#include "lib/base/assert.h"

namespace inod {
namespace {

constexpr std::uint8_t version = 1;

}  // namespace

PoolMark mark_of(PoolIndex index, const Pool& pool) noexcept {
    const SequenceState state = pool.sequence();
    const Id reached = std::max(state.mark.value_or(0), state.highest.value_or(0));
    const bool wraps = pool.spec().policy != Policy::unique;
    return {
        .pool = index, .value = wraps ? state.generation : reached, .max = pool.spec().range.last};
}

void encode_marks(std::span<const PoolMark> marks, ByteWriter& out) noexcept {
    out.put(version);
    for (const PoolMark& mark : marks) {
        out.put_varint(mark.pool);
        out.put_varint(mark.value);
        out.put_varint(mark.max);
    }
    INOD_ASSERT(!out.overflowed());
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
        const Id max = in.get_varint();
        const bool ascends = marks.empty() || pool > marks.back().pool;
        if (in.overflowed() || !ascends || pool > std::numeric_limits<PoolIndex>::max()) {
            return Errc::journal_damaged;
        }
        marks.push_back({.pool = static_cast<PoolIndex>(pool), .value = value, .max = max});
    }
    return marks;
}

}  // namespace inod
