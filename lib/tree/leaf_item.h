// For the .cc files of Leaf: what stands in a leaf of an item, and how to read it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>

#include "lib/tree/leaf.h"

namespace inod {

inline constexpr unsigned word_bits = 64;

// The bits from `from` to `to`, both included.
constexpr std::uint64_t mask_of(unsigned from, unsigned to) {
    return (~std::uint64_t{0} << from) & (~std::uint64_t{0} >> (word_bits - 1 - to));
}

// Calls f(w, mask) for each word w of a bitmap that bits `first` to `last` stand in, with their mask.
template <class F>
void for_each_word(std::uint64_t first, std::uint64_t last, F&& f) {
    for (std::uint64_t w = first / word_bits; w <= last / word_bits; ++w) {
        const auto from = static_cast<unsigned>(std::max(first, w * word_bits) % word_bits);
        const auto to =
            static_cast<unsigned>(std::min(last, w * word_bits + word_bits - 1) % word_bits);
        f(w, mask_of(from, to));
    }
}

constexpr unsigned words_for(std::uint64_t bit_count) {
    return static_cast<unsigned>((bit_count + word_bits - 1) / word_bits);
}

template <unsigned words_count>
struct Leaf<words_count>::Item {
    Shape shape;
    bool separate;
    unsigned at;            // first payload word
    unsigned bitmap_count;  // words; of a wide item 0
    unsigned value_count;   // of `many` as many as bits are set, else 1
    Id first;

    static Item read(const Leaf& leaf, unsigned index) noexcept {
        const std::uint64_t word = leaf.words_[words_count - 2 - 2 * index];
        const auto field = [word](unsigned shift) {
            return static_cast<unsigned>((word >> shift) & 0xffU);
        };
        return {.shape = static_cast<Shape>(field(0)),
                .separate = field(8) != 0,
                .at = field(16),
                .bitmap_count = field(24),
                .value_count = field(32),
                .first = leaf.words_[words_count - 1 - 2 * index]};
    }
    void write(Leaf& leaf, unsigned index) const noexcept {
        leaf.words_[words_count - 2 - 2 * index] =
            static_cast<std::uint64_t>(shape) | std::uint64_t{separate} << 8U |
            std::uint64_t{at} << 16U | std::uint64_t{bitmap_count} << 24U |
            std::uint64_t{value_count} << 32U;
        leaf.words_[words_count - 1 - 2 * index] = first;
    }

    [[nodiscard]] unsigned payload_count() const {
        return shape == Shape::wide ? 2 : bitmap_count + value_count;
    }
    [[nodiscard]] unsigned bitmap_at() const { return at + (shape == Shape::one ? 1U : 0U); }
    [[nodiscard]] unsigned values_at() const {
        return at + (shape == Shape::many ? bitmap_count : 0U);
    }
    // How many IDs its bitmap stands for.
    [[nodiscard]] std::uint64_t bit_count() const {
        return std::uint64_t{bitmap_count} * word_bits;
    }
};

// Reads what an item says of its IDs, by their offset from the item's first.
template <unsigned words_count>
class Leaf<words_count>::Reader {
public:
    Reader(const Leaf& leaf, unsigned index) noexcept
        : leaf_(leaf), item_(Item::read(leaf, index)) {}

    [[nodiscard]] const Item& item() const { return item_; }
    [[nodiscard]] Id wide_last() const { return leaf_.words_[item_.at + 1]; }

    [[nodiscard]] bool is_live(Id id) const {
        if (item_.shape == Shape::wide) return id <= wide_last();
        const std::uint64_t offset = id - item_.first;
        return offset < item_.bit_count() &&
               (bitmap(offset / word_bits) >> offset % word_bits) & 1U;
    }
    // Requires is_live(id).
    [[nodiscard]] std::uint64_t value_of(Id id) const {
        if (item_.shape != Shape::many) return leaf_.words_[item_.at];
        return leaf_.words_[item_.values_at() + rank_of(id - item_.first)];
    }
    // How many bits are set below this offset.
    [[nodiscard]] unsigned rank_of(std::uint64_t offset) const {
        unsigned rank = 0;
        for (std::uint64_t w = 0; w < offset / word_bits && w < item_.bitmap_count; ++w)
            rank += static_cast<unsigned>(std::popcount(bitmap(w)));
        if (offset % word_bits == 0 || offset / word_bits >= item_.bitmap_count) return rank;
        const std::uint64_t below = mask_of(0, static_cast<unsigned>(offset % word_bits) - 1);
        return rank + static_cast<unsigned>(std::popcount(bitmap(offset / word_bits) & below));
    }

    // The nearest ID at or after (before) `id` that is live (`live`) or free here. Where none is,
    // nothing; behind its bitmap an item has nothing but free IDs.
    [[nodiscard]] std::optional<Id> next(Id id, bool live) const {
        if (item_.shape == Shape::wide) {
            if (live) return id <= wide_last() ? std::optional(id) : std::nullopt;
            if (id > wide_last()) return id;
            return wide_last() == id_max ? std::nullopt : std::optional(wide_last() + 1);
        }
        const std::uint64_t offset = id - item_.first;
        if (offset >= item_.bit_count()) return live ? std::nullopt : std::optional(id);
        std::uint64_t mask = ~std::uint64_t{0} << offset % word_bits;
        for (std::uint64_t w = offset / word_bits; w < item_.bitmap_count; ++w) {
            const std::uint64_t found = (live ? bitmap(w) : ~bitmap(w)) & mask;
            if (found != 0) return within_space(w * word_bits + countr_zero(found));
            mask = ~std::uint64_t{0};
        }
        return live ? std::nullopt : within_space(item_.bit_count());
    }
    [[nodiscard]] std::optional<Id> previous(Id id, bool live) const {
        if (item_.shape == Shape::wide) {
            if (live) return std::min(id, wide_last());
            if (id > wide_last()) return id;
            return item_.first == 0 ? std::nullopt : std::optional(item_.first - 1);
        }
        std::uint64_t offset = id - item_.first;
        if (offset >= item_.bit_count()) {
            if (!live) return id;
            offset = item_.bit_count() - 1;
        }
        std::uint64_t mask = mask_of(0, static_cast<unsigned>(offset % word_bits));
        for (std::uint64_t w = offset / word_bits + 1; w-- > 0;) {
            const std::uint64_t found = (live ? bitmap(w) : ~bitmap(w)) & mask;
            if (found != 0) {
                return item_.first + w * word_bits +
                       (word_bits - 1 - static_cast<unsigned>(std::countl_zero(found)));
            }
            mask = ~std::uint64_t{0};
        }
        return live || item_.first == 0 ? std::nullopt : std::optional(item_.first - 1);
    }
    // Every item has some.
    [[nodiscard]] Id first_live() const { return next(item_.first, true).value_or(item_.first); }
    [[nodiscard]] Id last_live() const { return previous(id_max, true).value_or(item_.first); }

private:
    [[nodiscard]] std::uint64_t bitmap(std::uint64_t w) const {
        return leaf_.words_[item_.bitmap_at() + w];
    }
    [[nodiscard]] static unsigned countr_zero(std::uint64_t word) {
        return static_cast<unsigned>(std::countr_zero(word));
    }
    // The last words of a bitmap at the end of the space stand for IDs that there are not.
    [[nodiscard]] std::optional<Id> within_space(std::uint64_t offset) const {
        if (offset > id_max - item_.first) return std::nullopt;
        return item_.first + offset;
    }

    const Leaf& leaf_;
    const Item item_;
};

}  // namespace inod

// Which sizes of leaves there are, at the end of each of those files: what trees take, and two so small
// that everything happens early.
#define INOD_LEAF_INSTANCES  \
    template class Leaf<16>; \
    template class Leaf<24>; \
    template class Leaf<127>;
