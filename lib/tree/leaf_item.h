// For the .cc files of Leaf: what stands in a leaf of an item, and how to go over its groups.
#pragma once

#include <algorithm>

#include "lib/tree/leaf.h"

namespace inod {

template <unsigned words>
struct Leaf<words>::Item {
    Shape shape;
    bool joined;      // the first ID, to the one before
    unsigned at;      // first payload word
    unsigned groups;  // of `many` and `one`
    unsigned slots;   // of `many`
    Id first;

    // Where its word has which field, of twelve bits each.
    static constexpr unsigned at_shift = 4;
    static constexpr unsigned groups_shift = 16;
    static constexpr unsigned slots_shift = 28;
    static constexpr unsigned field_of(std::uint64_t word, unsigned shift) {
        return static_cast<unsigned>(word >> shift) & 0xfffU;
    }
    static constexpr Shape shape_of(std::uint64_t word) { return static_cast<Shape>(word & 3U); }

    [[nodiscard]] Id base() const { return group_of(first); }
    // The group that an ID at or after the first stands in, which may be one that the item lacks.
    [[nodiscard]] std::uint64_t group_index(Id id) const {
        return id / word_bits - first / word_bits;
    }
    [[nodiscard]] unsigned payload_count() const {
        switch (shape) {
            case Shape::single: return 1;
            case Shape::many: return 3 * groups + slots;
            case Shape::one: return 1 + groups;
            case Shape::wide: break;
        }
        return 2;
    }
    // Of a `many`: where its group's three words begin, and its values.
    [[nodiscard]] unsigned slots_at(unsigned group) const { return at + 3 * group; }
    [[nodiscard]] unsigned live_at(unsigned group) const {
        return shape == Shape::many ? at + 3 * group + 1 : at + 1 + group;
    }
    [[nodiscard]] unsigned joined_at(unsigned group) const { return at + 3 * group + 2; }
    [[nodiscard]] unsigned values_at() const { return at + 3 * groups; }
};

// 64 IDs of an item, or fewer. Of a `single` it is the one that its ID lies in.
template <unsigned words>
struct Leaf<words>::Group {
    Id base;
    std::uint64_t live;
    const Item* item;
    unsigned index;
};

template <unsigned words>
inline unsigned Leaf<words>::item_count() const noexcept {
    return std::min(node_->meta().count, body_count / 2);
}

// A reader beside a writer may find anything, so sizes are cut to what the leaf has.
template <unsigned words>
inline typename Leaf<words>::Item Leaf<words>::item(unsigned index) const noexcept {
    const std::uint64_t word = node_->get(body_count - 2 - 2 * index);
    Item item{.shape = Item::shape_of(word),
              .joined = (word & 4U) != 0,
              .at = std::min(Item::field_of(word, Item::at_shift), body_count),
              .groups = Item::field_of(word, Item::groups_shift),
              .slots = Item::field_of(word, Item::slots_shift),
              .first = node_->get(body_count - 1 - 2 * index)};
    const unsigned left = body_count - item.at;
    item.groups = std::min(item.groups, item.shape == Shape::many ? left / 3 : left);
    return item;
}

template <unsigned words>
inline void Leaf<words>::set_item(unsigned index, const Item& item) noexcept {
    node_->set(body_count - 2 - 2 * index, static_cast<std::uint64_t>(item.shape) |
                                               std::uint64_t{item.joined} << 2U |
                                               std::uint64_t{item.at} << Item::at_shift |
                                               std::uint64_t{item.groups} << Item::groups_shift |
                                               std::uint64_t{item.slots} << Item::slots_shift);
    node_->set(body_count - 1 - 2 * index, item.first);
}

// Reads and writes only the fields that it needs, where they stand: this is what cyclic allocation does
// all day.
template <unsigned words>
[[gnu::always_inline]] inline bool Leaf<words>::append_next(Id before, Id id, Value value,
                                                            bool merged) noexcept {
    Node& node = *node_;
    const NodeMeta meta = node.meta();
    const std::size_t item_at = body_count - 2 * meta.count;
    const std::uint64_t item = node.get(item_at);
    const Id first = node.get(item_at + 1);
    const std::uint64_t groups = Item::field_of(item, Item::groups_shift);
    const std::uint64_t group = id / word_bits - first / word_bits;
    if (Item::shape_of(item) != Shape::many || group + 1 != groups || before < first) return false;
    if (meta.end >= item_at) return false;
    const std::uint64_t bit = mask_of(id);
    const std::size_t at = Item::field_of(item, Item::at_shift) + 3 * group;
    const std::uint64_t slots = node.get(at);
    if (slots >= bit) return false;  // behind are slots of released IDs, or its own
    // So if the last live ID is the one before, its value is the last of all.
    if (merged && id - before == 1 && node.get(meta.end - 1) == value) return false;
    const NodeEdit edit(node);
    node.set(meta.end, value);
    node.set(at, slots | bit);
    node.set(at + 1, node.get(at + 1) | bit);
    node.set(at + 2, node.get(at + 2) & ~bit);
    node.set(item_at, item + (std::uint64_t{1} << Item::slots_shift));
    node.change_meta({.end = 1, .live = 1});
    return true;
}

template <unsigned words>
[[gnu::always_inline]] inline bool Leaf<words>::append_joined(Id id, Value value) noexcept {
    Node& node = *node_;
    const NodeMeta meta = node.meta();
    const std::size_t item_at = body_count - 2 * meta.count;
    const std::uint64_t item = node.get(item_at);
    if (Item::shape_of(item) != Shape::one) return false;
    const std::size_t at = Item::field_of(item, Item::at_shift);
    if (node.get(at) != value) return false;
    const std::uint64_t groups = Item::field_of(item, Item::groups_shift);
    const std::uint64_t group = id / word_bits - node.get(item_at + 1) / word_bits;
    const std::size_t live_at = at + 1 + group;
    if (group < groups) {
        const NodeEdit edit(node);
        node.set(live_at, node.get(live_at) | mask_of(id));
        node.change_meta({.live = 1});
        return true;
    }
    if (group > groups || live_at >= item_at) return false;
    const NodeEdit edit(node);
    node.set(live_at, mask_of(id));
    node.set(item_at, item + (std::uint64_t{1} << Item::groups_shift));
    node.change_meta({.end = 1, .live = 1});
    return true;
}

template <unsigned words>
[[gnu::always_inline]] inline bool Leaf<words>::extend_wide(Id last, Value value) noexcept {
    Node& node = *node_;
    const std::uint64_t item = node.get(body_count - 2);
    if (node.meta().count == 0 || Item::shape_of(item) != Shape::wide) return false;
    const std::size_t at = Item::field_of(item, Item::at_shift);
    if (node.get(at) != value) return false;
    const NodeEdit edit(node);
    node.set(at + 1, last);
    return true;
}

// How many items begin at or before `id`: the last of them is the one that `id` may be live in.
template <unsigned words>
inline unsigned Leaf<words>::search(Id id) const noexcept {
    unsigned begin = 0;
    for (unsigned count = item_count(); count > 0;) {
        const unsigned half = (count + 1) / 2;
        const bool below = node_->get(body_count - 1 - 2 * (begin + half - 1)) <= id;
        begin += below ? half : 0;
        count = below ? count - half : half - 1;
    }
    return begin;
}

// Requires a group that the item has, which is no wide one.
template <unsigned words>
inline typename Leaf<words>::Group Leaf<words>::group(const Item& item,
                                                      unsigned index) const noexcept {
    const std::uint64_t live =
        item.shape == Shape::single ? mask_of(item.first) : node_->get(item.live_at(index));
    return {item.base() + Id{word_bits} * index, live, &item, index};
}

// Which IDs of a group are joined to the one before. Says nothing of those that are not live.
template <unsigned words>
inline std::uint64_t Leaf<words>::joined(const Group& group) const noexcept {
    const Item& item = *group.item;
    if (item.shape == Shape::many) return node_->get(item.joined_at(group.index));
    return item.joined || group.index > 0 ? ~std::uint64_t{0} : ~mask_of(item.first);
}

// How many slots a `many` has before `below`, a mask of bits of the group.
template <unsigned words>
inline unsigned Leaf<words>::rank(const Item& item, unsigned group,
                                  std::uint64_t below) const noexcept {
    unsigned rank = 0;
    for (unsigned g = 0; g < group; ++g)
        rank += count_bits(node_->get(item.slots_at(g)));
    return rank + count_bits(node_->get(item.slots_at(group)) & below);
}

// Calls f(group) for each group with a live ID in `range`, cut to these, ascending, until one call
// returns true. Not for a wide entry.
template <unsigned words>
template <class F>
void Leaf<words>::for_each_group(Range range, F&& f) const noexcept {
    const unsigned behind = search(range.first);
    const unsigned count = item_count();
    for (unsigned i = behind > 0 ? behind - 1 : 0; i < count; ++i) {
        const Item it = item(i);
        if (it.first > range.last) return;
        const unsigned groups = it.shape == Shape::single ? 1 : it.groups;
        const std::uint64_t skipped = range.first > it.first ? it.group_index(range.first) : 0;
        for (std::uint64_t g = skipped; g < groups; ++g) {
            Group found = group(it, static_cast<unsigned>(g));
            if (found.live == 0) continue;
            if (found.base > range.last) break;  // the item has groups that only the next one uses
            if (is_cut(found.base, range)) found.live &= mask_in_group(range, found.base);
            if (found.live != 0 && f(found)) return;
        }
    }
}

// The same, descending.
template <unsigned words>
template <class F>
void Leaf<words>::for_each_group_down(Range range, F&& f) const noexcept {
    for (unsigned i = search(range.last); i-- > 0;) {
        const Item it = item(i);
        const std::uint64_t groups = it.shape == Shape::single ? 1 : it.groups;
        for (std::uint64_t g = std::min(groups, it.group_index(range.last) + 1); g-- > 0;) {
            Group found = group(it, static_cast<unsigned>(g));
            if (found.live == 0) continue;
            if (range.first > found.base && range.first - found.base >= word_bits) return;
            if (is_cut(found.base, range)) found.live &= mask_in_group(range, found.base);
            if (found.live != 0 && f(found)) return;
        }
    }
}

// From behind the last live ID before `range`, which is of the group, to before the first one behind
// it. Requires that there is one behind it; `low` is the first ID that the leaf answers for.
template <unsigned words>
inline Range Leaf<words>::gap_around(const Group& group, Range range, Id low) const noexcept {
    // Mostly both are of the same group.
    const std::uint64_t below = group.live & (mask_of(range.first) - 1);
    const std::uint64_t above = group.live & ~(mask_of(range.last) | (mask_of(range.last) - 1));
    Range gap{low, 0};
    if (below != 0) {
        gap.first = group.base + highest_bit(below) + 1;
    } else if (const auto before = range.first > low ? previous(range.first - 1) : std::nullopt) {
        gap.first = *before + 1;
    }
    gap.last = (above != 0 ? group.base + lowest_bit(above) : *next(range.last + 1)) - 1;
    return gap;
}

}  // namespace inod

// Which sizes of leaves there are, at the end of each of those files: see range_tree_instances.h.
#define INOD_LEAF_INSTANCES  \
    template class Leaf<16>; \
    template class Leaf<24>; \
    template class Leaf<256>;
