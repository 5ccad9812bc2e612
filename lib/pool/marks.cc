#include "lib/pool/marks.h"

#include <limits>

#include "lib/base/assert.h"

namespace inod {
namespace {

constexpr std::uint8_t version = 2;
constexpr std::uint8_t has_mark = 1;
constexpr std::uint8_t has_claim = 2;

}  // namespace

PoolMark mark_of(PoolIndex index, const Pool& pool) noexcept {
    const SequenceState state = pool.sequence();
    PoolMark mark{.pool = index, .mark = state.mark, .claim = {}, .max = pool.spec().range.last};
    if (pool.spec().policy != Policy::unique) {
        mark.mark = state.generation;
    } else if (state.highest && (!state.mark || *state.highest > *state.mark)) {
        mark.claim = state.highest;
    }
    return mark;
}

void encode_marks(std::span<const PoolMark> marks, ByteWriter& out) noexcept {
    out.put(version);
    for (const PoolMark& mark : marks) {
        out.put_varint(mark.pool);
        out.put(
            static_cast<std::uint8_t>((mark.mark ? has_mark : 0) | (mark.claim ? has_claim : 0)));
        if (mark.mark) out.put_varint(*mark.mark);
        if (mark.claim) out.put_varint(*mark.claim);
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
        PoolMark mark;
        const std::uint64_t pool = in.get_varint();
        const auto flags = in.get<std::uint8_t>();
        if ((flags & has_mark) != 0) mark.mark = in.get_varint();
        if ((flags & has_claim) != 0) mark.claim = in.get_varint();
        mark.max = in.get_varint();
        const bool ascends = marks.empty() || pool > marks.back().pool;
        const bool is_known = flags <= (has_mark | has_claim);
        if (in.overflowed() || !ascends || !is_known ||
            pool > std::numeric_limits<PoolIndex>::max()) {
            return Errc::journal_damaged;
        }
        mark.pool = static_cast<PoolIndex>(pool);
        marks.push_back(mark);
    }
    return marks;
}

}  // namespace inod
