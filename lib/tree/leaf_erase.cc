// Taking IDs out of a leaf, in place.
#include "lib/tree/leaf_item.h"

namespace inod {
namespace {

// From so many groups of a `one` on that are empty in front they are taken out: to go over them with each release
// would cost more than to move the others once.
constexpr unsigned empty_groups_max = 16;

}  // namespace

template <unsigned words>
void Leaf<words>::clear(Range range) noexcept {
    for (unsigned i = search(range.last); i-- > 0;) {
        const Item it = item(i);
        if (it.shape == Shape::single) {
            if (!range.contains(it.first)) break;
            remove_item(i);
            node_->change_meta({}, {.live = 1});
            continue;
        }
        const auto group_before = [&](Id id) {
            return static_cast<unsigned>(std::min<std::uint64_t>(it.groups, it.group_index(id)));
        };
        const unsigned from = range.first > it.first ? group_before(range.first) : 0;
        const unsigned to = std::min(it.groups, group_before(range.last) + 1);
        unsigned cleared = 0;
        std::uint64_t left = 0;
        for (unsigned g = from; g < to; ++g) {
            const std::uint64_t live = node_->get(it.live_at(g));
            const std::uint64_t taken = live & mask_in_group(range, it.base() + Id{word_bits} * g);
            left |= live & ~taken;
            if (taken == 0) continue;
            node_->set(it.live_at(g), live & ~taken);
            cleared += count_bits(taken);
        }
        node_->change_meta({.dead = it.shape == Shape::many ? cleared : 0}, {.live = cleared});
        if (cleared > 0 && left == 0 && !has_live(it, 0, from) && !has_live(it, to, it.groups))
            remove_item(i);
        if (it.first <= range.first) break;
    }
}

// In the groups [from, to) of a `many` or `one`.
template <unsigned words>
bool Leaf<words>::has_live(const Item& item, unsigned from, unsigned to) const noexcept {
    for (unsigned g = from; g < to; ++g) {
        if (node_->get(item.live_at(g)) != 0) return true;
    }
    return false;
}

template <unsigned words>
std::optional<typename Leaf<words>::Released> Leaf<words>::clear_one(Id id, Id low) noexcept {
    const unsigned behind = search(id);
    if (behind == 0) return std::nullopt;
    const Item it = item(behind - 1);
    const std::uint64_t index = it.group_index(id);
    if (it.shape == Shape::single || index >= it.groups) return std::nullopt;
    const Group found = group(it, static_cast<unsigned>(index));
    const std::uint64_t bit = mask_of(id);
    // The last of a group may be the last of its item, which then goes.
    if ((found.live & bit) == 0 || found.live == bit) return std::nullopt;

    const Range around = gap_around(found, {id, id}, low);
    const std::uint64_t joins = joined(found);
    const bool continued = id == around.first && id > 0 && (joins & bit) != 0;
    // What follows may be of the group, or of another item.
    const std::uint64_t behind_bit = found.live & bit << 1U;
    const bool goes_on =
        around.last == id && (behind_bit != 0 ? (joins & behind_bit) != 0 : is_joined(id + 1));

    const NodeEdit edit(*node_);
    node_->set(it.live_at(static_cast<unsigned>(index)), found.live & ~bit);
    node_->change_meta({.dead = it.shape == Shape::many ? 1U : 0U}, {.live = 1});
    const bool is_front = around.first <= it.first;
    if (it.shape == Shape::one && is_front && index >= empty_groups_max) {
        begin_item_at(behind - 1, around.last + 1, false);
    }
    return Released{
        .gap = around.last - around.first + 1, .was_first = !continued, .was_last = !goes_on};
}

// Takes out an item of which nothing is live, or a `single`, whose ID the caller counts.
template <unsigned words>
void Leaf<words>::remove_item(unsigned index) noexcept {
    const Item it = item(index);
    close_words(index, it.at, it.payload_count());
    NodeMeta meta = node_->meta();
    for (unsigned i = index + 1; i < meta.count; ++i)
        set_item(i - 1, item(i));
    --meta.count;
    meta.dead -= it.slots;
    node_->set_meta(meta);
}

template <unsigned words>
unsigned Leaf<words>::packed_count() const noexcept {
    const NodeMeta meta = node_->meta();
    return meta.end - meta.dead + 2 * meta.count;
}

INOD_LEAF_INSTANCES

}  // namespace inod
