#include "lib/tree/range_tree.h"

#include "lib/base/assert.h"
#include "lib/tree/range_tree_instances.h"
#include "lib/tree/range_tree_private.h"

namespace inod {

template <unsigned words>
BasicRangeTree<words>::BasicRangeTree(MemoryBudget& budget, NodeMemory& memory)
    : reserve_(budget, memory, sizeof(Node)) {
    work_out_wanted();
}

template <unsigned words>
Result<> BasicRangeTree<words>::fill_reserve(GuardRef guard, Range range, Value value) {
    INOD_ASSERT(range.first <= range.last);
    for (;;) {
        const std::uint64_t wanted = debt_.with_store(owed_by(range, value), height());
        if (reserve_.size() >= wanted) [[likely]]
            return {};
        if (!guard.may_drop()) return Errc::out_of_memory;
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

// Twice what is needed may stay, so that a tree at its usual size asks the system for nothing.
template <unsigned words>
void BasicRangeTree<words>::trim() noexcept {
    const std::uint64_t spare = 4 * NodeReserve::nodes_per_slab;
    if (reserve_.size() / 2 > wanted_ + spare) reserve_.trim(wanted_ + wanted_ / 2 + spare);
}

template <unsigned words>
void BasicRangeTree<words>::clear() noexcept {
    const StructureEdit edit(*this);
    root_ = nullptr;
    shared_root_.store(nullptr, std::memory_order_release);
    reserve_.give_all();
    debt_.clear();
    work_out_wanted();
    entry_count_ = 0;
    id_count_ = 0;
}

template <unsigned words>
std::uint64_t BasicRangeTree<words>::surplus_of(Inner inner) const noexcept {
    constexpr unsigned free_below_root = Inner::capacity - Inner::rise;
    constexpr unsigned free_in_root = Inner::capacity - 2 * Inner::rise + 1;
    const unsigned free = &inner.node() == root_ ? free_in_root : free_below_root;
    return inner.count() > free ? inner.count() - free : 0;
}

template <unsigned words>
void BasicRangeTree<words>::owes(std::uint64_t before, std::uint64_t now) noexcept {
    debt_.remove_leaves(before);
    debt_.add_leaves(now);
    if (before != now) work_out_wanted();
}

// Whatever changes the debt or the height calls it.
template <unsigned words>
void BasicRangeTree<words>::work_out_wanted() noexcept {
    wanted_ = debt_.with_store(0, height());
}

template <unsigned words>
void BasicRangeTree<words>::set_root(Node* root) noexcept {
    Node* const before = root_;
    const auto surplus = [this](Node* node) {
        return node != nullptr && node->meta().level > 0 ? surplus_of(Inner(*node)) : 0;
    };
    debt_.remove_surplus(surplus(before) + surplus(root));
    root_ = root;
    debt_.add_surplus(surplus(before) + surplus(root));
    work_out_wanted();
    shared_root_.store(root, std::memory_order_release);
}

template <unsigned words>
void BasicRangeTree<words>::find_tail() noexcept {
    tail_ = root_;
    if (root_ == nullptr) return;
    for (unsigned level = root_->meta().level; level > 0; --level) {
        const Inner inner(*tail_);
        tail_ = inner.child(inner.count() - 1);
    }
}

// An empty node. Its version goes on from where it was, since readers may still look at it.
template <unsigned words>
typename BasicRangeTree<words>::Node* BasicRangeTree<words>::new_node(unsigned level) noexcept {
    const NodeReserve::Taken taken = reserve_.take();
    Node* const node = static_cast<Node*>(taken.node);
    const NodeEdit edit(*node);
    node->set_meta({.place = taken.place, .level = level});
    return node;
}

template <unsigned words>
void BasicRangeTree<words>::give_node(Node& node) noexcept {
    { const NodeEdit edit(node); }
    reserve_.give(&node, node.meta().place);
}

// Makes `range` all that the leaf holds.
template <unsigned words>
void BasicRangeTree<words>::fill(Leaf leaf, Range range, Value value, bool joined) noexcept {
    const NodeEdit edit(leaf.node());
    const std::uint64_t before = owed_by(leaf);
    leaf.make_empty();
    const bool fits = leaf.append(range, value, joined);
    INOD_ASSERT(fits);
    owes(before, owed_by(leaf));
}

INOD_RANGE_TREE_INSTANCES

}  // namespace inod
