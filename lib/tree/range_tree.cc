#include "lib/tree/range_tree.h"

#include <algorithm>
#include <new>

#include "lib/base/assert.h"
#include "lib/tree/range_tree_change.h"
#include "lib/tree/range_tree_instances.h"

namespace inod {

template <std::size_t capacity>
BasicRangeTree<capacity>::BasicRangeTree(MemoryBudget& budget, NodeMemory& memory)
    : reserve_(budget, memory, sizeof(Node)) {}

template <std::size_t capacity>
Result<> BasicRangeTree<capacity>::preallocate(GuardRef guard, Range range) {
    INOD_ASSERT(range.first <= range.last);
    for (;;) {
        const std::uint64_t wanted = nodes_for_store(range);
        if (reserve_.size() >= wanted) {
            // Twice what is needed may stay, so that a tree at its usual size asks the system for
            // nothing.
            if (reserve_.size() / 2 > wanted + 4 * NodeReserve::nodes_per_slab) {
                reserve_.trim(wanted + wanted / 2 + 4 * NodeReserve::nodes_per_slab);
            }
            return {};
        }
        NodeReserve::Batch batch(reserve_);
        Result<> result = batch.claim(wanted - reserve_.size());
        if (!result) return result;
        guard.unlock();
        result = batch.fill();
        guard.lock();
        if (!result) return result;
        batch.add();
    }
}

// What a store of `range` and then the worst order of releases take at most. By how much it makes
// U = d N + S + A of the proof larger, in a tree of height H:
//   - Erasing what it overlaps is a release: not at all, but H may become H + 1.
//   - The new entry has floor((w - 1) / 2) holes. Joined with one neighbour, or two, it may have up
//     to 2 more than they had apart, since each floor loses at most a half.
//   - The nodes above it have a wide slot now, if they had none: at most d each, 2d - 1 the root.
//   - It is one slot more: 1. If its leaf is full: one node more is d, the halves have at most d
//     between them (at the right edge the left one stays full), which is counted already; the 1
//     goes to the parent, and so on upward. A new root is one node more.
// Together at most 2 + floor((w - 1) / 2) + (H + 1) d + d - 1 + 1 + (H + 2) d, and that over d,
// with what was there before, is the number of nodes that suffice.
template <std::size_t capacity>
std::uint64_t BasicRangeTree<capacity>::nodes_for_store(Range range) const noexcept {
    constexpr std::uint64_t holes_max = std::uint64_t{1} << 63U;  // the whole space has no more
    const std::uint64_t more = holes_in(range) + 2;
    const std::uint64_t holes = more >= holes_max - holes_ ? holes_max : holes_ + more;
    return (surplus_ + holes) / Node::rise + 2 * std::uint64_t{height()} + 4;
}

template <std::size_t capacity>
std::uint64_t BasicRangeTree<capacity>::worst_case_nodes() const noexcept {
    return (surplus_ + holes_) / Node::rise;
}

template <std::size_t capacity>
std::uint64_t BasicRangeTree<capacity>::surplus_of(const Node& node) const noexcept {
    if (node.wide == 0) return 0;
    constexpr std::uint64_t free_below_root = capacity - Node::rise;
    constexpr std::uint64_t free_in_root = capacity - 2 * Node::rise + 1;
    const std::uint64_t free = &node == root_ ? free_in_root : free_below_root;
    return node.count > free ? node.count - free : 0;
}

template <std::size_t capacity>
void BasicRangeTree<capacity>::clear() noexcept {
    reserve_.give_all();
    root_ = nullptr;
    entry_count_ = 0;
    id_count_ = 0;
    holes_ = 0;
    surplus_ = 0;
}

// `lower` is the first ID that the node answers for.
template <std::size_t capacity>
typename BasicRangeTree<capacity>::Summary BasicRangeTree<capacity>::summary_of(const Node& node,
                                                                                Id lower) noexcept {
    Summary summary{node.last[node.count - 1], 0, node.wide != 0};
    for (std::size_t i = 0; i < node.count; ++i) {
        std::uint64_t gap = node.low[i];
        if (node.is_leaf()) gap -= i == 0 ? lower : node.last[i - 1] + 1;
        summary.gap = std::max(summary.gap, gap);
    }
    return summary;
}

// Returns whether that changed anything.
template <std::size_t capacity>
bool BasicRangeTree<capacity>::set_summary(Node& parent, unsigned index,
                                           const Summary& summary) noexcept {
    if (parent.last[index] == summary.last && parent.gap(index) == summary.gap &&
        parent.is_wide(index) == summary.wide) {
        return false;
    }
    const Change change(*this, parent);
    parent.last[index] = summary.last;
    parent.low[index] = summary.gap;
    parent.set_wide(index, summary.wide);
    return true;
}

// Gives an entry other bounds. What stands above it is refreshed by the caller.
template <std::size_t capacity>
void BasicRangeTree<capacity>::set_range(Node& leaf, unsigned index, Range range) noexcept {
    count_out({leaf.first(index), leaf.last[index]});
    count_in(range);
    const Change change(*this, leaf);
    leaf.set(index, {range.last, range.first, leaf.payload[index], is_wide(range)});
}

// Brings up to date what the nodes above the path's node at `level` keep of it.
template <std::size_t capacity>
void BasicRangeTree<capacity>::refresh(const Path& path, unsigned level) noexcept {
    for (; level + 1 < path.height; ++level) {
        const Summary summary = summary_of(*path.node[level], lower_bound(path, level));
        if (!set_summary(*path.node[level + 1], path.index[level + 1], summary)) return;
    }
}

// The same for the leaf of the first entry that ends at or after `id`. Needed when the last entry
// of the leaf before has changed: the gap between the two is the second leaf's.
template <std::size_t capacity>
void BasicRangeTree<capacity>::refresh_at(Id id) noexcept {
    Path path;
    if (seek(path, id)) refresh(path, 0);
}

template <std::size_t capacity>
void BasicRangeTree<capacity>::set_root(Node* root) noexcept {
    Node* const before = root_;
    if (before != nullptr) surplus_ -= surplus_of(*before);
    if (root != nullptr) surplus_ -= surplus_of(*root);
    root_ = root;
    if (before != nullptr) surplus_ += surplus_of(*before);
    if (root != nullptr) surplus_ += surplus_of(*root);
}

template <std::size_t capacity>
void BasicRangeTree<capacity>::count_in(Range range) noexcept {
    ++entry_count_;
    id_count_ += range.count();
    holes_ += holes_in(range);
}

template <std::size_t capacity>
void BasicRangeTree<capacity>::count_out(Range range) noexcept {
    --entry_count_;
    id_count_ -= range.count();
    holes_ -= holes_in(range);
}

template <std::size_t capacity>
typename BasicRangeTree<capacity>::Node* BasicRangeTree<capacity>::new_node(
    unsigned level) noexcept {
    void* memory = reserve_.take();
    const NodePlace place = *static_cast<const NodePlace*>(memory);
    Node* node = new (memory) Node;
    node->place = place;
    node->level = static_cast<std::uint16_t>(level);
    node->count = 0;
    node->wide = 0;
    return node;
}

INOD_RANGE_TREE_INSTANCES

}  // namespace inod
