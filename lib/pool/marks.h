// How far each pool has come, as a few bytes that outlive the state directory: what a witness
// keeps, so that an older copy of the state is noticed and can be told what to skip.
//
//   size  field
//      1  version  of this format: 1
//   then for each pool, in order of index:
//   1..3  pool     its PoolIndex, as a varint
//  1..10  value    a varint. Of a unique pool the high-water mark, or the highest claim if that is
//                  above it: nothing above was handed out. Of one that wraps its generation.
//  1..10  max      a varint. Its highest ID, which may have been raised since
//
// Values never fall.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/base/result.h"
#include "lib/pool/pool.h"
#include "lib/pool/record.h"

namespace inod {

struct PoolMark {
    PoolIndex pool;
    std::uint64_t value;
    Id max;

    friend bool operator==(const PoolMark&, const PoolMark&) = default;
};

// How far the pool has come, as far as that is recorded; 0 if it never handed anything out.
PoolMark mark_of(PoolIndex index, const Pool& pool) noexcept;

// The most bytes that the marks of so many pools take.
constexpr std::size_t marks_size_max(std::size_t pool_count) {
    return 1 + pool_count * (3 + 2 * varint_size_max);
}

// Requires that the pools ascend, and room for marks_size_max() of them. Allocates nothing.
void encode_marks(std::span<const PoolMark> marks, ByteWriter& out) noexcept;

// Errors: record_unknown (another version, which is the detail), journal_damaged (not whole, or not
// in order).
Result<std::vector<PoolMark>> decode_marks(std::span<const std::byte> bytes);

}  // namespace inod
