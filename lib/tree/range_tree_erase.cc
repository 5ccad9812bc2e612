// Fewer entries, and never a node from outside the reserve: range_tree_node.h has the proof, which
// goes through the steps of this file.
#include "lib/base/assert.h"
#include "lib/tree/range_tree.h"
#include "lib/tree/range_tree_change.h"
#include "lib/tree/range_tree_instances.h"

namespace inod {

template <std::size_t capacity>
void BasicRangeTree<capacity>::erase(Range range) noexcept {
    INOD_ASSERT(range.first <= range.last);
    Path path;
    // Once for each leaf that has some of it.
    while (seek(path, range.first) && entry_at(path).range.first <= range.last) {
        const Entry entry = entry_at(path);
        if (entry.range.first < range.first && entry.range.last > range.last) {
            make_hole(path, range);
            return;
        }
        const Node& leaf = path.leaf();
        const bool reaches_further = leaf.last[leaf.count - 1] < range.last;
        erase_in_leaf(path, range);
        if (!reaches_further) return;
    }
}

// Makes two entries of the one at the path, which goes on at both sides of `hole`.
template <std::size_t capacity>
void BasicRangeTree<capacity>::make_hole(Path& path, Range hole) noexcept {
    Node& leaf = path.leaf();
    const unsigned index = path.index[0];
    const Entry entry = entry_at(path);
    const Range right{hole.last + 1, entry.range.last};
    set_range(leaf, index, {entry.range.first, hole.first - 1});
    count_in(right);
    insert_slot(path, 0, index + 1, {right.last, right.first, entry.value, is_wide(right)}, false);
}

// Shortens and removes what `range` overlaps in the path's leaf, from the path's entry on, of which
// not both ends stay.
template <std::size_t capacity>
void BasicRangeTree<capacity>::erase_in_leaf(Path& path, Range range) noexcept {
    Node& leaf = path.leaf();
    const Id last_before = leaf.last[leaf.count - 1];
    unsigned from = path.index[0];
    if (leaf.first(from) < range.first) {
        set_range(leaf, from, {leaf.first(from), range.first - 1});
        ++from;
    }
    unsigned to = from;
    while (to < leaf.count && leaf.last[to] <= range.last)
        ++to;
    if (to < leaf.count && leaf.first(to) <= range.last) {
        set_range(leaf, to, {range.last + 1, leaf.last[to]});
    }
    remove_entries(leaf, from, to);
    // The next leaf answers for the gap before its first entry, which is now longer.
    const bool end_moved = leaf.count == 0 || leaf.last[leaf.count - 1] != last_before;
    settle(path);
    if (end_moved) refresh_at(range.first);
}

template <std::size_t capacity>
void BasicRangeTree<capacity>::remove_entries(Node& leaf, unsigned from, unsigned to) noexcept {
    for (unsigned i = from; i < to; ++i)
        count_out({leaf.first(i), leaf.last[i]});
    const Change change(*this, leaf);
    leaf.remove(from, to);
}

// After slots of the path's leaf went: takes out empty nodes, brings the nodes above up to date and
// merges small ones with a neighbour. Path: used up.
template <std::size_t capacity>
void BasicRangeTree<capacity>::settle(Path& path) noexcept {
    unsigned level = 0;
    while (path.node[level]->count == 0) {
        Node* const empty = path.node[level];
        if (empty == root_) set_root(nullptr);
        reserve_.give(empty);
        if (root_ == nullptr) return;
        ++level;
        const Change change(*this, *path.node[level]);
        path.node[level]->remove(path.index[level], path.index[level] + 1U);
    }
    refresh(path, level);
    while (level + 1 < path.height && merge_with_neighbour(path, level))
        ++level;
    collapse_root();
}

// A node at most half full is merged with a neighbour if both together leave a quarter of a node
// free, so that the next store does not split it again.
template <std::size_t capacity>
bool BasicRangeTree<capacity>::merge_with_neighbour(Path& path, unsigned level) noexcept {
    constexpr std::size_t merged_max = capacity - capacity / 4;
    const Node& node = *path.node[level];
    if (node.count > capacity / 2) return false;
    const Node& parent = *path.node[level + 1];
    const unsigned index = path.index[level + 1];
    if (index + 1 < parent.count && node.count + parent.child(index + 1)->count <= merged_max) {
        merge(path, level, index);
        return true;
    }
    if (index > 0 && node.count + parent.child(index - 1)->count <= merged_max) {
        merge(path, level, index - 1);
        return true;
    }
    return false;
}

// Moves all slots of the child after `left_index` into that at `left_index`.
template <std::size_t capacity>
void BasicRangeTree<capacity>::merge(Path& path, unsigned level, unsigned left_index) noexcept {
    Node& parent = *path.node[level + 1];
    Node& left = *parent.child(left_index);
    Node& right = *parent.child(left_index + 1);
    {
        const Change change_left(*this, left);
        const Change change_right(*this, right);
        right.move_tail(0, left);
    }
    reserve_.give(&right);
    {
        const Change change(*this, parent);
        parent.remove(left_index + 1, left_index + 2);
    }
    path.set(level + 1, &parent, left_index);
    path.node[level] = &left;
    refresh(path, level);
}

template <std::size_t capacity>
void BasicRangeTree<capacity>::collapse_root() noexcept {
    while (!root_->is_leaf() && root_->count == 1) {
        Node* const old_root = root_;
        {
            // From here on the old root counts as a node without slots.
            Node* const child = old_root->child(0);
            set_root(child);
            const Change change(*this, *old_root);
            old_root->remove(0, 1);
        }
        reserve_.give(old_root);
    }
}

INOD_RANGE_TREE_INSTANCES

}  // namespace inod
