// What the allocator has the witness remember of its pools: bytes to the journal, numbers here.
//
// Thread safety: none needed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/pool/record.h"

namespace inod {

// How far one pool had come.
struct WitnessMark {
    enum class Kind : std::uint8_t {
        mark = 1,        // of a unique pool: its high-water mark, the highest claim included
        generation = 2,  // of a pool that wraps: the generation of its newest lease
    };

    PoolIndex pool = 0;
    Kind kind = Kind::mark;
    std::uint64_t value = 0;

    friend bool operator==(const WitnessMark&, const WitnessMark&) = default;
};

// The marks of a witness: one entry per pool that ever handed something out, ascending by pool.
// Integers are little-endian.
//
//   offset  size  field
//        0     2  pool   its index
//        2     1  kind   a WitnessMark::Kind
//        3     5  zeros
//        8     8  value
inline constexpr std::size_t witness_mark_size = 16;

// How far a pool may go above what the witness says of it before the witness has to be written
// again: what `inoctl adopt --skip-ahead auto` skips above it, and so the price of an adoption.
inline constexpr std::uint64_t witness_generation_stride = 1024;
// At most a thousandth of what is left, and 0 where less than a thousand are left: there each
// hand-out is witnessed first. Requires mark <= max.
std::uint64_t witness_mark_stride(Id mark, Id max) noexcept;

// Appends one entry. Requires room for witness_mark_size bytes.
void put_witness_mark(const WitnessMark& mark, ByteWriter& out);

// Nothing if the bytes are not such entries, in order: another version wrote them.
std::optional<std::vector<WitnessMark>> decode_witness_marks(std::span<const std::byte> bytes);

}  // namespace inod
