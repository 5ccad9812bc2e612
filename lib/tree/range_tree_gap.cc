// Runs of free IDs: one descent to the window's edge, as far as there may be such a run below, and
// from there one descent to the nearest slot that has one.
#include <algorithm>

#include "lib/base/assert.h"
#include "lib/tree/range_tree.h"
#include "lib/tree/range_tree_instances.h"

namespace inod {

template <std::size_t capacity>
std::optional<Range> BasicRangeTree<capacity>::find_gap(std::uint64_t count, Id min, Id max,
                                                        Id from) const noexcept {
    INOD_ASSERT(count > 0);
    const Id low = std::max(min, from);
    std::optional<Id> first = low;
    if (root_ != nullptr && low <= last_id()) {
        first = lowest_gap(count, low);
        if (!first && last_id() != id_max) first = last_id() + 1;
    }
    // The lowest run begins at `first`: one that does not fit has none above it that does.
    if (!first || *first > max || max - *first < count - 1) return std::nullopt;
    return Range{*first, *first + (count - 1)};
}

template <std::size_t capacity>
std::optional<Range> BasicRangeTree<capacity>::find_gap_down(std::uint64_t count, Id min, Id max,
                                                             Id from) const noexcept {
    INOD_ASSERT(count > 0);
    const Id high = std::min(max, from);
    if (high < min || high - min < count - 1) return std::nullopt;
    std::optional<Id> last = high;
    // Behind the last entry is a gap that no slot answers for.
    if (root_ != nullptr && (high <= last_id() || high - last_id() < count)) {
        last = highest_gap(count, std::min(high, last_id()));
    }
    if (!last || *last < min || *last - min < count - 1) return std::nullopt;
    return Range{*last - (count - 1), *last};
}

// What is free before a slot of the path's leaf, after the entry before it.
template <std::size_t capacity>
std::optional<Range> BasicRangeTree<capacity>::gap_before(const Path& path,
                                                          unsigned index) noexcept {
    const Node& leaf = path.leaf();
    const Id first = index > 0 ? leaf.last[index - 1] + 1 : lower_bound(path, 0);
    if (first == leaf.first(index)) return std::nullopt;
    return Range{first, leaf.first(index) - 1};
}

// The first of `count` free IDs in a row at or after `low`, each before an entry of the path's leaf
// from `index` on.
template <std::size_t capacity>
std::optional<Id> BasicRangeTree<capacity>::lowest_gap_of_leaf(const Path& path, unsigned index,
                                                               std::uint64_t count,
                                                               Id low) noexcept {
    for (; index < path.leaf().count; ++index) {
        const std::optional<Range> gap = gap_before(path, index);
        if (!gap || gap->last < low) continue;
        const Id first = std::max(gap->first, low);
        if (gap->last - first >= count - 1) return first;
    }
    return std::nullopt;
}

// The last of `count` free IDs in a row at or before `high`, each before one of the first `left`
// entries of the path's leaf.
template <std::size_t capacity>
std::optional<Id> BasicRangeTree<capacity>::highest_gap_of_leaf(const Path& path, unsigned left,
                                                                std::uint64_t count,
                                                                Id high) noexcept {
    for (; left > 0; --left) {
        const std::optional<Range> gap = gap_before(path, left - 1);
        if (!gap || gap->first > high) continue;
        const Id last = std::min(gap->last, high);
        if (last - gap->first >= count - 1) return last;
    }
    return std::nullopt;
}

// The first ID of the lowest run of `count` free IDs at or after `low`, which ends before an entry.
// Requires low <= last_id().
template <std::size_t capacity>
std::optional<Id> BasicRangeTree<capacity>::lowest_gap(std::uint64_t count, Id low) const noexcept {
    Path path;
    path.height = height();
    unsigned level = root_->level;
    path.set(level, root_, root_->search(low));
    bool rising = false;  // from the edge of the window toward slots that lie in it altogether
    for (;;) {
        const Node& node = *path.node[level];
        unsigned index = path.index[level];
        if (level == 0) {
            if (const auto first = lowest_gap_of_leaf(path, index, count, low)) return first;
        } else {
            if (rising) ++index;
            while (index < node.count && node.gap(index) < count)
                ++index;
            path.index[level] = static_cast<std::uint8_t>(index);
        }
        rising = level == 0 || index == node.count;
        if (rising) {
            if (++level == path.height) return std::nullopt;
        } else {
            Node* child = node.child(index);
            path.set(--level, child, child->search(low));
        }
    }
}

// The last ID of the highest run of `count` free IDs at or before `high`, which ends before an
// entry or at `high`. Requires high <= last_id().
template <std::size_t capacity>
std::optional<Id> BasicRangeTree<capacity>::highest_gap(std::uint64_t count,
                                                        Id high) const noexcept {
    Path path;
    path.height = height();
    unsigned level = root_->level;
    path.set(level, root_, root_->search(high));
    bool rising = false;
    for (;;) {
        const Node& node = *path.node[level];
        // One more than the index, so that none left is 0.
        unsigned left = path.index[level] + (rising ? 0U : 1U);
        if (level == 0) {
            if (const auto last = highest_gap_of_leaf(path, left, count, high)) return last;
            left = 0;
        } else {
            while (left > 0 && node.gap(left - 1) < count)
                --left;
            if (left > 0) path.index[level] = static_cast<std::uint8_t>(left - 1);
        }
        rising = left == 0;
        if (rising) {
            if (++level == path.height) return std::nullopt;
        } else {
            Node* child = node.child(left - 1);
            path.set(--level, child, std::min(child->search(high), child->count - 1));
        }
    }
}

INOD_RANGE_TREE_INSTANCES

}  // namespace inod
