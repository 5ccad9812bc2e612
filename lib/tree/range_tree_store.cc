// More entries: each taken node was put into the reserve by preallocate().
#include "lib/base/assert.h"
#include "lib/tree/range_tree.h"
#include "lib/tree/range_tree_change.h"
#include "lib/tree/range_tree_instances.h"

namespace inod {

template <std::size_t capacity>
void BasicRangeTree<capacity>::store(Range range, Value value) noexcept {
    INOD_ASSERT(range.first <= range.last && value != 0);
    Path path;
    make_room(path, range);
    insert_entry(path, {range, value});
}

template <std::size_t capacity>
void BasicRangeTree<capacity>::store_merged(Range range, Value value) noexcept {
    INOD_ASSERT(range.first <= range.last && value != 0);
    Path path;
    make_room(path, range);
    if (!join(path, range, value)) insert_entry(path, {range, value});
}

// Erases what `range` overlaps and leads to the slot before which it goes.
template <std::size_t capacity>
void BasicRangeTree<capacity>::make_room(Path& path, Range range) noexcept {
    if (!seek(path, range.first) || entry_at(path).range.first > range.last) return;
    erase(range);
    seek(path, range.first);
}

// Widens the neighbours that touch `range` and carry `value`, if there are any. The path leads to
// the slot before which `range` would go.
template <std::size_t capacity>
bool BasicRangeTree<capacity>::join(Path& path, Range range, Value value) noexcept {
    if (root_ == nullptr) return false;
    Path before = path;
    std::optional<Entry> left;
    if (step_back(before)) left = entry_at(before);
    std::optional<Entry> right;
    if (path.index[0] < path.leaf().count) right = entry_at(path);
    const bool joins_left = left && left->value == value && left->range.last + 1 == range.first;
    const bool joins_right = right && right->value == value && right->range.first - 1 == range.last;

    if (joins_left && joins_right) {
        erase(left->range);
        seek(path, range.first);
        set_range(path.leaf(), path.index[0], {left->range.first, right->range.last});
        refresh(path, 0);
    } else if (joins_right) {
        set_range(path.leaf(), path.index[0], {range.first, right->range.last});
        refresh(path, 0);
    } else if (joins_left) {
        set_range(before.leaf(), before.index[0], {left->range.first, range.last});
        refresh(before, 0);
        if (right && &before.leaf() != &path.leaf()) refresh(path, 0);
    }
    return joins_left || joins_right;
}

template <std::size_t capacity>
void BasicRangeTree<capacity>::insert_entry(Path& path, Entry entry) noexcept {
    if (root_ == nullptr) {
        set_root(new_node(0));
        path.height = 1;
        path.set(0, root_, 0);
    }
    const bool at_end = path.index[0] == path.leaf().count;
    count_in(entry.range);
    insert_slot(path, 0, path.index[0],
                {entry.range.last, entry.range.first, entry.value, is_wide(entry.range)}, at_end);
}

// Puts a slot before the one at `index` of the path's node at `level`; `at_end`: a store behind all
// that is stored. The path is used up: it may lead to one half of a node and the slot be in the
// other.
template <std::size_t capacity>
void BasicRangeTree<capacity>::insert_slot(Path& path, unsigned level, unsigned index,
                                           const TreeSlot& slot, bool at_end) noexcept {
    Node& node = *path.node[level];
    if (node.is_full()) {
        split(path, level, index, slot, at_end);
        return;
    }
    {
        const Change change(*this, node);
        node.insert(index, slot);
    }
    refresh(path, level);
}

// Makes two nodes of a full one and `slot`: halves, or, at the right edge of the tree, a full one
// and one with nothing but `slot`. Ascending stores so leave full nodes behind.
template <std::size_t capacity>
void BasicRangeTree<capacity>::split(Path& path, unsigned level, unsigned index,
                                     const TreeSlot& slot, bool at_end) noexcept {
    if (level + 1 == path.height) grow(path);
    Node& left = *path.node[level];
    Node& right = *new_node(level);
    const Id lower = lower_bound(path, level);
    {
        const Change change_left(*this, left);
        const Change change_right(*this, right);
        if (at_end) {
            right.insert(0, slot);
        } else if (index < Node::half) {
            left.move_tail(Node::half - 1, right);
            left.insert(index, slot);
        } else {
            left.move_tail(Node::half, right);
            right.insert(index - Node::half, slot);
        }
    }
    Node& parent = *path.node[level + 1];
    const unsigned left_index = path.index[level + 1];
    set_summary(parent, left_index, summary_of(left, lower));
    const Summary summary = summary_of(right, left.last[left.count - 1] + 1);
    insert_slot(path, level + 1, left_index + 1,
                {summary.last, summary.gap, Node::word_of(&right), summary.wide}, at_end);
}

// Puts a root with one slot above the root. Its one caller gives it a second slot.
template <std::size_t capacity>
void BasicRangeTree<capacity>::grow(Path& path) noexcept {
    INOD_ASSERT(path.height < Path::height_max);
    Node* old_root = root_;
    Node* root = new_node(path.height);
    const Summary summary = summary_of(*old_root, 0);
    root->insert(0, {summary.last, summary.gap, Node::word_of(old_root), summary.wide});
    set_root(root);
    path.set(path.height++, root, 0);
}

INOD_RANGE_TREE_INSTANCES

}  // namespace inod
