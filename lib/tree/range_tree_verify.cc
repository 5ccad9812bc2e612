// Checking every invariant, and drawing the tree.
#include <algorithm>
#include <ostream>

#include "lib/tree/range_tree.h"
#include "lib/tree/range_tree_change.h"
#include "lib/tree/range_tree_instances.h"

namespace inod {

// What going over the nodes counts, in order.
template <std::size_t capacity>
struct BasicRangeTree<capacity>::Counts {
    std::uint64_t nodes = 0;
    std::uint64_t entries = 0;
    std::uint64_t ids = 0;
    std::uint64_t holes = 0;
    std::uint64_t surplus = 0;
    Id lower = 0;         // one after the last entry so far
    bool at_end = false;  // the last entry so far ends with the space, and `lower` has wrapped
};

namespace {

std::string failure(const char* what, std::uint64_t got, std::uint64_t want) {
    return std::string(what) + " is " + std::to_string(got) + ", should be " + std::to_string(want);
}

std::string text_of(Range range) {
    return std::to_string(range.first) + "-" + std::to_string(range.last);
}

}  // namespace

template <std::size_t capacity>
std::optional<std::string> BasicRangeTree<capacity>::verify() const {
    Counts counts;
    if (root_ != nullptr) {
        if (!root_->is_leaf() && root_->count < 2) return "an inner root has only one child";
        if (auto wrong = verify_node(*root_, counts)) return wrong;
    }
    // clang-format off
    const struct {
        const char* what;
        std::uint64_t got;
        std::uint64_t want;
    } numbers[] = {
        {"entry_count",     entry_count_,      counts.entries},
        {"id_count",        id_count_,         counts.ids},
        {"number of holes", holes_,            counts.holes},
        {"surplus",         surplus_,          counts.surplus},
        {"nodes in use",    reserve_.in_use(), counts.nodes},
    };
    // clang-format on
    for (const auto& number : numbers) {
        if (number.got != number.want) return failure(number.what, number.got, number.want);
    }
    if (reserve_.size() < worst_case_nodes()) {
        return failure("reserve too small: it", reserve_.size(), worst_case_nodes());
    }
    return std::nullopt;
}

template <std::size_t capacity>
std::optional<std::string> BasicRangeTree<capacity>::verify_node(const Node& node,
                                                                 Counts& counts) const {
    if (node.count == 0) return "a node is empty";
    if (node.count > capacity) return failure("a node's count", node.count, capacity);
    if (node.count < 64 && (node.wide >> node.count) != 0) return "a slot not in use is wide";
    ++counts.nodes;
    counts.surplus += surplus_of(node);
    return node.is_leaf() ? verify_leaf(node, counts) : verify_inner(node, counts);
}

template <std::size_t capacity>
std::optional<std::string> BasicRangeTree<capacity>::verify_leaf(const Node& leaf,
                                                                 Counts& counts) const {
    for (std::size_t i = 0; i < leaf.count; ++i) {
        const Range range{leaf.first(i), leaf.last[i]};
        if (range.first > range.last) return "an entry is turned round: " + text_of(range);
        if (counts.at_end || range.first < counts.lower) {
            return "an entry overlaps the one before it: " + text_of(range);
        }
        if (leaf.payload[i] == 0) return "an entry has no value: " + text_of(range);
        if (leaf.is_wide(i) != is_wide(range)) return "wide is wrong for " + text_of(range);
        ++counts.entries;
        counts.ids += range.count();
        counts.holes += holes_in(range);
        counts.lower = range.last + 1;
        counts.at_end = range.last == id_max;
    }
    return std::nullopt;
}

template <std::size_t capacity>
std::optional<std::string> BasicRangeTree<capacity>::verify_inner(const Node& node,
                                                                  Counts& counts) const {
    for (std::size_t i = 0; i < node.count; ++i) {
        const Node& child = *node.child(i);
        if (child.level + 1U != node.level) {
            return failure("a child's level", child.level, node.level - 1U);
        }
        if (counts.at_end) return "a child begins behind the last ID of all";
        const Id lower = counts.lower;
        if (auto wrong = verify_node(child, counts)) return wrong;
        const Summary want = summary_of(child, lower);
        if (node.last[i] != want.last) return failure("a slot's last", node.last[i], want.last);
        if (node.gap(i) != want.gap) return failure("a slot's gap", node.gap(i), want.gap);
        if (node.is_wide(i) != want.wide) return failure("wide", node.is_wide(i), want.wide);
    }
    return std::nullopt;
}

template <std::size_t capacity>
void BasicRangeTree<capacity>::dump(std::ostream& out) const {
    out << entry_count_ << " entries in " << node_count() << " nodes, height " << height()
        << ", reserve " << reserve_.size() << ", worst case " << worst_case_nodes() << '\n';
    if (root_ != nullptr) dump_node(out, *root_, 0);
}

// A leaf: "[10-19=1 21=1]". An inner node: "(to 21, gap 10) (to 40, gap 3)", its children below it.
template <std::size_t capacity>
void BasicRangeTree<capacity>::dump_node(std::ostream& out, const Node& node,
                                         unsigned indent) const {
    out << std::string(indent, ' ');
    for (std::size_t i = 0; i < node.count; ++i) {
        if (node.is_leaf()) {
            out << (i == 0 ? "[" : " ") << node.first(i);
            if (node.last[i] != node.first(i)) out << '-' << node.last[i];
            out << '=' << node.payload[i];
        } else {
            out << (i == 0 ? "(to " : " (to ") << node.last[i] << ", gap " << node.gap(i) << ')';
        }
    }
    out << (node.is_leaf() ? "]\n" : "\n");
    for (std::size_t i = 0; !node.is_leaf() && i < node.count; ++i) {
        dump_node(out, *node.child(i), indent + 2);
    }
}

INOD_RANGE_TREE_INSTANCES

}  // namespace inod
