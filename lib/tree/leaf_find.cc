// Looking into a leaf.
#include "lib/base/assert.h"
#include "lib/tree/leaf_item.h"

namespace inod {

template <unsigned words>
std::optional<Range> Leaf<words>::wide() const noexcept {
    if (item_count() == 0) return std::nullopt;
    const Item it = item(0);
    if (it.shape != Shape::wide) return std::nullopt;
    return Range{it.first, node_->get(it.at + 1)};
}

template <unsigned words>
Value Leaf<words>::load(Id id) const noexcept {
    const unsigned behind = search(id);
    if (behind == 0) return 0;
    const Item it = item(behind - 1);
    const std::uint64_t index = it.group_index(id);
    switch (it.shape) {
        case Shape::single: return it.first == id ? node_->get(it.at) : 0;
        case Shape::wide: return id <= node_->get(it.at + 1) ? node_->get(it.at) : 0;
        case Shape::one: {
            if (index >= it.groups) return 0;
            const auto g = static_cast<unsigned>(index);
            return (node_->get(it.live_at(g)) & mask_of(id)) != 0 ? node_->get(it.at) : 0;
        }
        case Shape::many: break;
    }
    if (index >= it.groups) return 0;
    const auto g = static_cast<unsigned>(index);
    if ((node_->get(it.live_at(g)) & mask_of(id)) == 0) return 0;
    const unsigned position = it.values_at() + rank(it, g, mask_of(id) - 1);
    return position < body_count ? node_->get(position) : 0;
}

template <unsigned words>
bool Leaf<words>::is_joined(Id id) const noexcept {
    if (const auto range = wide())
        return range->contains(id) && (id > range->first || item(0).joined);
    bool result = false;
    for_each_group({id, id}, [&](const Group& found) {
        result = (joined(found) & mask_of(id)) != 0;
        return true;
    });
    return result;
}

template <unsigned words>
std::optional<Id> Leaf<words>::next(Id id) const noexcept {
    if (const auto range = wide()) {
        if (id > range->last) return std::nullopt;
        return std::max(id, range->first);
    }
    std::optional<Id> result;
    for_each_group({id, id_max}, [&](const Group& found) {
        result = found.base + lowest_bit(found.live);
        return true;
    });
    return result;
}

template <unsigned words>
std::optional<Id> Leaf<words>::previous(Id id) const noexcept {
    if (const auto range = wide()) {
        if (id < range->first) return std::nullopt;
        return std::min(id, range->last);
    }
    std::optional<Id> result;
    for_each_group_down({0, id}, [&](const Group& found) {
        result = found.base + highest_bit(found.live);
        return true;
    });
    return result;
}

template <unsigned words>
Id Leaf<words>::entry_last(Id id, Id limit) const noexcept {
    if (const auto range = wide()) return std::min(std::max(id, range->last), limit);
    if (id == limit) return id;
    Id last = id;
    for_each_group({id + 1, limit}, [&](const Group& found) {
        const Id next = last + 1;
        if (next < found.base || next - found.base >= word_bits) return true;
        // Upward as long as an ID is live and joined.
        const std::uint64_t live = found.live >> bit_of(next);
        const std::uint64_t joins = joined(found) >> bit_of(next);
        const auto count = static_cast<unsigned>(std::countr_one(live & joins));
        last += count;
        // It may go on in the group behind, or in another item, if this one ends here.
        const bool ends_here = count == word_bits || live >> count == 0;
        return count == 0 || last == id_max || !ends_here;
    });
    return last;
}

template <unsigned words>
Id Leaf<words>::entry_first(Id id) const noexcept {
    if (const auto range = wide()) return std::min(id, range->first);
    Id first = id;
    Id next = id;  // where it goes on downward
    for_each_group_down({0, id}, [&](const Group& found) {
        if (next - found.base >= word_bits || (found.live & mask_of(next)) == 0) return true;
        // Downward as long as an ID is joined and the one before it live.
        const std::uint64_t joins = joined(found);
        const std::uint64_t goes_on = joins & found.live << 1U;
        first = next -
                static_cast<unsigned>(std::countl_one(goes_on << (word_bits - 1 - bit_of(next))));
        const bool begins_here = (found.live & (mask_of(first) - 1)) == 0;
        next = first - 1;
        return first == 0 || !begins_here || (joins & mask_of(first)) == 0;
    });
    return first;
}

template <unsigned words>
std::optional<Range> Leaf<words>::only_entry() const noexcept {
    if (const auto range = wide()) return range;
    const auto first = next(0);
    if (!first) return std::nullopt;
    const Id last = *previous(id_max);
    // As many IDs as there are from the first to the last, and none of them begins another entry.
    if (live_count() - 1 != last - *first || entry_first(last) != *first) return std::nullopt;
    return Range{*first, last};
}

template <unsigned words>
std::uint64_t Leaf<words>::starts_in(Range range, bool joins) const noexcept {
    std::uint64_t starts = 0;
    Id next = range.first;  // what follows the last live ID seen
    bool before = joins && range.first > 0;
    for_each_group(range, [&](const Group& found) {
        const bool touches = before && next >= found.base && next - found.base < word_bits;
        const std::uint64_t live_before = (found.live << 1U) | (touches ? mask_of(next) : 0);
        starts += count_bits(found.live & ~(joined(found) & live_before));
        next = found.base + highest_bit(found.live) + 1;
        before = next != 0;
        return false;
    });
    return starts;
}

template <unsigned words>
Id Leaf<words>::middle() const noexcept {
    // Words of payload and directory, until half of them have gone by.
    const NodeMeta meta = node_->meta();
    const unsigned half = (meta.end + 2 * meta.count) / 2;
    unsigned count = 0;
    Id id = item(0).first;
    for (unsigned i = 0; i < meta.count && count < half; ++i) {
        const Item it = item(i);
        count += 2;
        const unsigned groups = it.shape == Shape::single ? 1 : it.groups;
        for (unsigned g = 0; g < groups && count < half; ++g) {
            const Group found = group(it, g);
            if (it.shape == Shape::many) {
                count += 3 + count_bits(node_->get(it.slots_at(g)));
            } else {
                ++count;
            }
            if (found.live != 0) id = found.base + highest_bit(found.live);
        }
    }
    // Both sides have some: the split is at an ID that is not the first.
    const Id first = *next(0);
    const Id last = *previous(id_max);
    if (id < last) ++id;
    return std::clamp(id, first + 1, last);
}

INOD_LEAF_INSTANCES

}  // namespace inod
