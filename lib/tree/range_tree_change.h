// For the .cc files of BasicRangeTree that change nodes.
#pragma once

#include "lib/tree/range_tree.h"

namespace inod {

// Stands around every change of a node's slots, so that surplus_ stays the sum that the proof in
// range_tree_node.h speaks of. The root stays the root meanwhile: see set_root().
template <std::size_t capacity>
class BasicRangeTree<capacity>::Change {
public:
    Change(BasicRangeTree& tree, const Node& node) noexcept : tree_(tree), node_(node) {
        tree_.surplus_ -= tree_.surplus_of(node_);
    }
    ~Change() { tree_.surplus_ += tree_.surplus_of(node_); }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

private:
    BasicRangeTree& tree_;
    const Node& node_;
};

// A hole can be made in a range of three IDs or more.
constexpr bool is_wide(Range range) {
    return range.span() >= 2;
}
// How many holes releases can make in it one after the other.
constexpr std::uint64_t holes_in(Range range) {
    return range.span() / 2;
}

}  // namespace inod
