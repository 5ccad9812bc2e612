// Words as sets of 64 IDs: what leaves do with them.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "lib/base/range.h"

namespace inod {

inline constexpr unsigned word_bits = 64;

// IDs come in groups of 64, aligned in the ID space, so that the same ID has the same bit wherever
// its group is copied to.
constexpr Id group_of(Id id) {
    return id & ~Id{word_bits - 1};
}
constexpr unsigned bit_of(Id id) {
    return static_cast<unsigned>(id % word_bits);
}
constexpr std::uint64_t mask_of(Id id) {
    return std::uint64_t{1} << bit_of(id);
}
// The bits from `from` to `to`, both included.
constexpr std::uint64_t mask_between(unsigned from, unsigned to) {
    return (~std::uint64_t{0} << from) & (~std::uint64_t{0} >> (word_bits - 1 - to));
}
// The bits of the group that begins at `base` which lie in `range`. Requires that some do.
constexpr std::uint64_t mask_in_group(Range range, Id base) {
    const unsigned from = range.first > base ? bit_of(range.first) : 0;
    const unsigned to = range.last - base < word_bits ? bit_of(range.last) : word_bits - 1;
    return mask_between(from, to);
}
// Has the group that begins at `base` IDs that are not in `range`?
constexpr bool is_cut(Id base, Range range) {
    return base < range.first || range.last - base < word_bits - 1;
}
constexpr unsigned lowest_bit(std::uint64_t word) {
    return static_cast<unsigned>(std::countr_zero(word));
}
constexpr unsigned highest_bit(std::uint64_t word) {
    return word_bits - 1 - static_cast<unsigned>(std::countl_zero(word));
}

// How many bits are set. Debian's amd64 may not assume the instruction, and what the compiler does
// instead is a call that costs several times as much.
#if defined(__x86_64__)
inline const bool cpu_counts_bits = __builtin_cpu_supports("popcnt") != 0;
#endif
inline unsigned count_bits(std::uint64_t word) {
#if defined(__x86_64__)
    if (cpu_counts_bits) [[likely]] {
        std::uint64_t count = 0;
        asm("popcnt %1, %0" : "=r"(count) : "r"(word) : "cc");  // NOLINT(hicpp-no-assembler)
        return static_cast<unsigned>(count);
    }
#endif
    return static_cast<unsigned>(std::popcount(word));
}

// Where `count` set bits in a row begin, 1 to 64: each round doubles how many a bit stands for.
constexpr std::uint64_t run_starts(std::uint64_t word, unsigned count) {
    unsigned reached = 1;
    while (reached < count && word != 0) {
        const unsigned step = std::min(reached, count - reached);
        word &= word >> step;
        reached += step;
    }
    return word;
}

// The longest run of set bits.
constexpr unsigned longest_run(std::uint64_t word) {
    unsigned count = 0;
    for (; word != 0; word &= word >> 1U)
        ++count;
    return count;
}

}  // namespace inod
