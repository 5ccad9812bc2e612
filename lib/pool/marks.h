// How far each pool has come, as a few bytes that outlive the state directory: what a witness
// keeps, so that an older copy of the state is noticed and can be told what to skip.
//
//   size  field
//      1  version  of this format: 2
//   then for each pool, in order of index:
//   1..3  pool     its PoolIndex, as a varint
//      1  flags    bit 0: there is a mark; bit 1: there is a claim
//  0..10  mark     a varint. Of a unique pool the high-water mark: but for claims, nothing above it
//                  was handed out. Of one that wraps its generation
//  0..10  claim    a varint. Of a unique pool the highest claim, if that is above the mark
//  1..10  max      a varint. Its highest ID, which may have been raised since
//
// Marks never fall.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/base/result.h"
#include "lib/pool/pool.h"
#include "lib/pool/record.h"

namespace inod {

struct PoolMark {
    PoolIndex pool = 0;
    std::optional<std::uint64_t> mark;  // none: a unique pool that never handed anything out
    std::optional<Id> claim;
    Id max = 0;

    friend bool operator==(const PoolMark&, const PoolMark&) = default;
};

// How far the pool has come, as far as that is recorded.
PoolMark mark_of(PoolIndex index, const Pool& pool) noexcept;

// The most bytes that the marks of so many pools take.
constexpr std::size_t marks_size_max(std::size_t pool_count) {
    return 1 + pool_count * (4 + 3 * varint_size_max);
}

// How many pools' marks always fit into so many bytes.
constexpr std::size_t marks_count_max(std::size_t size) {
    return (size - std::min(size, marks_size_max(0))) / (marks_size_max(1) - marks_size_max(0));
}

// Requires that the pools ascend, and room for marks_size_max() of them. Allocates nothing.
void encode_marks(std::span<const PoolMark> marks, ByteWriter& out) noexcept;

// Errors: record_unknown (another version, which is the detail), journal_damaged (not whole, or not
// in order).
Result<std::vector<PoolMark>> decode_marks(std::span<const std::byte> bytes);

}  // namespace inod
