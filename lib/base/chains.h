// The chains of a hash table, for values that lie elsewhere and are known by an index: it grows by one chain
// at a time, so that no call moves more than a few values, however many there are.
//
// What a value's hash is, and where its link to the next of its chain lies, the owner says in each call:
// hash(index) is a std::uint64_t that stays the same, link(index) a ChainIndex&. Neither may throw.
//
// Thread safety: none of its own.
#pragma once

#include <bit>
#include <cstdint>
#include <utility>

#include "lib/base/blocks.h"

namespace inod {

using ChainIndex = std::uint32_t;
inline constexpr ChainIndex no_index = ~ChainIndex{0};

class Chains {
public:
    // How many there are. An owner has about as many as values.
    [[nodiscard]] std::size_t count() const noexcept { return first_.size(); }
    // Has it to be given a block before the next add_chain()?
    [[nodiscard]] bool is_full() const noexcept { return first_.is_full(); }
    static constexpr std::size_t bytes_per_block = Blocks<ChainIndex>::bytes_per_block;
    // Throws std::bad_alloc, and nothing has changed.
    void add_block() { first_.add_block(); }

    // One more. What belongs into it is all in one other, that which has its number but for the highest
    // bit. Requires that it is not full. Source: Litwin, "Linear hashing", VLDB 1980.
    template <class Hash, class Link>
    void add_chain(Hash&& hash, Link&& link) noexcept {
        const std::size_t fresh = first_.size();
        first_.push_back();
        first_[fresh] = no_index;
        if (fresh == 0) return;
        ChainIndex* at = &first_[fresh - std::bit_floor(fresh)];
        while (*at != no_index) {
            const ChainIndex index = *at;
            if (chain_of(hash(index)) != fresh) {
                at = &link(index);
                continue;
            }
            *at = link(index);
            link(index) = std::exchange(first_[fresh], index);
        }
    }

    // Requires a chain, and that it is in none yet.
    template <class Link>
    void insert(ChainIndex index, std::uint64_t hash, Link&& link) noexcept {
        link(index) = std::exchange(first_[chain_of(hash)], index);
    }
    // Requires that it is in one.
    template <class Link>
    void remove(ChainIndex index, std::uint64_t hash, Link&& link) noexcept {
        ChainIndex* at = &first_[chain_of(hash)];
        while (*at != index)
            at = &link(*at);
        *at = link(index);
    }
    // The first with this hash of which is_it(index) says so, or no_index.
    template <class Link, class IsIt>
    [[nodiscard]] ChainIndex find(std::uint64_t hash, Link&& link, IsIt&& is_it) const noexcept {
        if (first_.size() == 0) return no_index;
        ChainIndex index = first_[chain_of(hash)];
        while (index != no_index && !is_it(index))
            index = link(index);
        return index;
    }

private:
    // As many bits of the hash as number all chains, and one less where there is no such chain yet.
    [[nodiscard]] std::size_t chain_of(std::uint64_t hash) const noexcept {
        const std::size_t mask = std::bit_ceil(first_.size()) - 1;
        const std::size_t index = hash & mask;
        return index < first_.size() ? index : index & (mask >> 1U);
    }

    Blocks<ChainIndex> first_;  // of each
};

// Spreads a number over 64 bits. The finalizer of SplitMix64. Source: Steele, Lea, Flood, "Fast Splittable
// Pseudorandom Number Generators", OOPSLA 2014.
constexpr std::uint64_t mixed(std::uint64_t number) noexcept {
    number = (number ^ (number >> 30U)) * 0xBF58476D1CE4E5B9;
    number = (number ^ (number >> 27U)) * 0x94D049BB133111EB;
    return number ^ (number >> 31U);
}

}  // namespace inod
