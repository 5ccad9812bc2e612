// The inner nodes: slots, splits, merges, and what they say of what is below.
#include <algorithm>

#include "lib/base/assert.h"
#include "lib/tree/range_tree_instances.h"
#include "lib/tree/range_tree_private.h"

namespace inod {

// Puts a slot beside the one that the path leads through at `level`, before or behind it. Of the two,
// `left_pivot` is the pivot of the left one; the right one has the pivot that there was. `at_end`: a
// store behind all that is stored, where a full node stays full. The path is used up.
template <unsigned words>
void BasicRangeTree<words>::insert_slot(Path& path, unsigned level, bool behind, Id left_pivot,
                                        Slot slot, bool at_end) noexcept {
    if (level == path.height) grow(path);
    Inner left = path.inner(level);
    const unsigned index = path.at[level].index;
    const unsigned position = index + (behind ? 1 : 0);
    slot.pivot = behind ? left.pivot(index) : left_pivot;
    if (behind) left.set_pivot(index, left_pivot);
    if (!left.is_full()) {
        recount(left, [&] { left.insert(position, slot); });
        set_gap(path, level + 1, left.max_gap());
        return;
    }
    Inner right(*new_node(level));
    right.make_empty();
    const unsigned kept = at_end ? Inner::capacity : Inner::half - (position < Inner::half ? 1 : 0);
    recount(left, [&] {
        recount(right, [&] {
            left.move_tail(kept, right);
            if (position <= kept && kept < Inner::half) {
                left.insert(position, slot);
            } else {
                right.insert(position - kept, slot);
            }
        });
    });
    const Id separator = left.take_last_pivot();
    if (level + 1 < path.height) set_gap(path, level + 1, left.max_gap());
    insert_slot(path, level + 1, true, separator, {0, &right.node(), right.max_gap()}, at_end);
}

// Puts a root with one slot above the root. Its caller gives it a second slot.
template <unsigned words>
void BasicRangeTree<words>::grow(Path& path) noexcept {
    INOD_ASSERT(path.height < height_max);
    Node* const old_root = root_;
    Inner root(*new_node(path.height));
    root.make_empty();
    const std::uint64_t gap =
        path.height == 1 ? Leaf(*old_root).longest_gap(0) : Inner(*old_root).max_gap();
    root.insert(0, {id_max, old_root, gap});
    set_root(&root.node());
    path.at[path.height++] = {&root.node(), 0};
}

// Takes out the slot that the path leads through at `level`, whose child is gone, and nodes that it
// leaves empty. The path is used up.
template <unsigned words>
void BasicRangeTree<words>::remove_slot(Path& path, unsigned level) noexcept {
    Inner inner = path.inner(level);
    const unsigned index = path.at[level].index;
    recount(inner, [&] { inner.remove(index); });
    if (inner.count() == 0) {
        const bool was_root = &inner.node() == root_;
        if (was_root) set_root(nullptr);
        give_node(inner.node());
        if (!was_root) remove_slot(path, level + 1);
        return;
    }
    if (index == inner.count()) set_pivot(path, level + 1, inner.take_last_pivot());
    set_gap(path, level + 1, inner.max_gap());
    settle(path, level);
}

// After slots of the path's node at `level` went: merges small nodes with a neighbour.
template <unsigned words>
void BasicRangeTree<words>::settle(Path& path, unsigned level) noexcept {
    while (level + 1 < path.height && merge_with_neighbour(path, level))
        ++level;
    collapse_root();
}

// A node at most half full is merged with a neighbour if both together leave a quarter of a node
// free, so that the next store does not split it again.
template <unsigned words>
bool BasicRangeTree<words>::merge_with_neighbour(Path& path, unsigned level) noexcept {
    constexpr unsigned merged_max = Inner::capacity - Inner::capacity / 4;
    const unsigned count = path.inner(level).count();
    if (count > Inner::capacity / 2) return false;
    const Inner parent = path.inner(level + 1);
    const unsigned index = path.at[level + 1].index;
    const auto fits = [&](unsigned other) {
        return count + Inner(*parent.child(other)).count() <= merged_max;
    };
    if (index + 1 < parent.count() && fits(index + 1)) {
        merge_inner(path, level, index);
        return true;
    }
    if (index > 0 && fits(index - 1)) {
        merge_inner(path, level, index - 1);
        return true;
    }
    return false;
}

// Moves all slots of the child after `left_index` into that at `left_index`.
template <unsigned words>
void BasicRangeTree<words>::merge_inner(Path& path, unsigned level, unsigned left_index) noexcept {
    Inner parent = path.inner(level + 1);
    Inner left(*parent.child(left_index));
    Inner right(*parent.child(left_index + 1));
    left.set_pivot(left.count() - 1, parent.pivot(left_index));
    recount(left, [&] { recount(right, [&] { right.move_tail(0, left); }); });
    give_node(right.node());
    parent.set_pivot(left_index, parent.pivot(left_index + 1));
    parent.set_gap(left_index, left.max_gap());
    recount(parent, [&] { parent.remove(left_index + 1); });
    path.at[level + 1].index = left_index;
}

template <unsigned words>
void BasicRangeTree<words>::collapse_root() noexcept {
    while (root_->meta().level > 0 && Inner(*root_).count() == 1) {
        Node* const old_root = root_;
        set_root(Inner(*old_root).child(0));
        give_node(*old_root);
    }
}

// Says of what the path leads through at `level` where it ends now: in the lowest node in which that is
// not the last child.
template <unsigned words>
void BasicRangeTree<words>::set_pivot(const Path& path, unsigned level, Id pivot) noexcept {
    for (; level < path.height; ++level) {
        Inner inner = path.inner(level);
        if (path.at[level].index + 1 < inner.count()) {
            inner.set_pivot(path.at[level].index, pivot);
            return;
        }
    }
    last_id_ = pivot;
}

// The longest gap below what the path leads through at `level` is this now.
template <unsigned words>
void BasicRangeTree<words>::set_gap(const Path& path, unsigned level, std::uint64_t gap) noexcept {
    for (; level < path.height; ++level) {
        Inner inner = path.inner(level);
        const unsigned index = path.at[level].index;
        const std::uint64_t before = inner.gap(index);
        if (before == gap) return;
        inner.set_gap(index, gap);
        if (level + 1 == path.height) return;
        // One that was not the longest, and is not, changes nothing above.
        const std::uint64_t longest = path.inner(level + 1).gap(path.at[level + 1].index);
        if (before < longest && gap <= longest) return;
        gap = gap >= longest ? gap : inner.max_gap();
    }
}

// The path's leaf has a gap of this length now, perhaps its longest.
template <unsigned words>
void BasicRangeTree<words>::raise_gap(const Path& path, std::uint64_t gap) noexcept {
    for (unsigned level = 1; level < path.height; ++level) {
        Inner inner = path.inner(level);
        const unsigned index = path.at[level].index;
        if (inner.gap(index) >= gap) return;
        inner.set_gap(index, gap);
    }
}

// Works out anew the longest gap of the leaf that answers for `id`.
template <unsigned words>
void BasicRangeTree<words>::refresh_gap(Id id) noexcept {
    const Path path = descend(id);
    set_gap(path, 1, Leaf(*path.leaf).longest_gap(path.low));
}

INOD_RANGE_TREE_INSTANCES

}  // namespace inod
