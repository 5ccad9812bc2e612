// How far each pool has come, as a few bytes that outlive the state directory: what a witness
// keeps, so that an older copy of the state is noticed and can be told what to skip.
//
//   size  field
//      1  version  of this format: 1
//   then for each pool of which there is anything to tell, in order of index:
//   1..3  pool     its PoolIndex, as a varint
//  1..10  value    a varint. Of a unique pool the high-water mark: no ID above it was handed out,
//                  but for claims and where the pool takes no stride. Of one that wraps its
//                  generation.
//
// Values never fall. Only what is durable is written, so that a sound state is never behind them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lib/base/result.h"
#include "lib/pool/record.h"

namespace inod {

struct PoolMark {
    PoolIndex pool;
    std::uint64_t value;

    friend bool operator==(const PoolMark&, const PoolMark&) = default;
};

// Requires that the pools ascend.
std::vector<std::byte> encode_marks(std::span<const PoolMark> marks);

// Errors: record_unknown (another version, which is the detail), journal_damaged (not whole, or not
// in order).
Result<std::vector<PoolMark>> decode_marks(std::span<const std::byte> bytes);

}  // namespace inod
