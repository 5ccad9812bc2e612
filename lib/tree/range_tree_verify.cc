// Checking every invariant, and drawing the tree.
#include <algorithm>
#include <ostream>

#include "lib/tree/range_tree_instances.h"
#include "lib/tree/range_tree_private.h"

namespace inod {

// What going over the nodes counts, in order.
template <unsigned words>
struct BasicRangeTree<words>::Counts {
    std::uint64_t nodes = 0;
    std::uint64_t entries = 0;
    std::uint64_t ids = 0;
    std::uint64_t owed = 0;
    std::uint64_t surplus = 0;
    Id low = 0;            // behind the last live ID so far
    Value last_value = 0;  // of that ID; 0 before the first
    const void* tail = nullptr;
};

namespace {

std::string failure(const char* what, std::uint64_t got, std::uint64_t want) {
    return std::string(what) + " is " + std::to_string(got) + ", should be " + std::to_string(want);
}

}  // namespace

template <unsigned words>
std::optional<std::string> BasicRangeTree<words>::verify() const {
    Counts counts;
    if (root_ != nullptr) {
        if (root_->meta().level > 0 && Inner(*root_).count() < 2) {
            return "an inner root has only one child";
        }
        if (auto wrong = verify_node(*root_, counts)) return wrong;
        if (last_id_ != counts.low - 1) return failure("last ID", last_id_, counts.low - 1);
        if (tail_ != counts.tail) return "the tail is not the last leaf";
    }
    if (shared_root_.load() != root_) return "readers are shown another root";
    if (structure_.load() % 2 != 0) return "a change of the structure has not ended";
    if (root_ != nullptr && !is_last_way_good()) return "the way gone last leads elsewhere";
    // clang-format off
    const struct {
        const char* what;
        std::uint64_t got;
        std::uint64_t want;
    } numbers[] = {
        {"entry_count",             entry_count_,      counts.entries},
        {"id_count",                id_count_,         counts.ids},
        {"number of leaves owed",   debt_.leaves(),    counts.owed},
        {"number of nodes wanted",  wanted_,           debt_.with_store(0, height())},
        {"surplus of inner nodes",  debt_.surplus(),   counts.surplus},
        {"number of nodes in use",  reserve_.in_use(), counts.nodes},
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

// If it is one that would be gone once more, does it lead where another leads?
template <unsigned words>
bool BasicRangeTree<words>::is_last_way_good() const {
    if (last_way_.structure != structure_.load()) return true;
    const Path& last = last_way_.path;
    Path path;
    go(last.low, path);
    const bool is_same_way = std::equal(
        path.at.begin() + 1, path.at.begin() + path.height, last.at.begin() + 1,
        [](const auto& a, const auto& b) { return a.node == b.node && a.index == b.index; });
    return last.height == path.height && is_same_way && last.leaf == path.leaf &&
           last.low == path.low && (last.high == path.high || last.leaf == tail_);
}

template <unsigned words>
std::optional<std::string> BasicRangeTree<words>::verify_node(const Node& node,
                                                              Counts& counts) const {
    ++counts.nodes;
    if (node.meta().count == 0) return "a node is empty";
    if (node.version() % 2 != 0) return "a change of a node has not ended";
    return node.meta().level == 0 ? verify_leaf(node, counts) : verify_inner(node, counts);
}

template <unsigned words>
std::optional<std::string> BasicRangeTree<words>::verify_leaf(const Node& node,
                                                              Counts& counts) const {
    const Leaf leaf(const_cast<Node&>(node));  // NOLINT: a view that only reads
    if (auto wrong = leaf.verify()) return wrong;
    const auto first = leaf.next(0);
    if (!first) return "nothing is live in a leaf";
    if (counts.last_value != 0 && counts.low == 0) return "a leaf begins behind the last ID of all";
    if (*first < counts.low) return "a leaf begins before the one before ends";
    const bool touches = counts.last_value != 0 && *first == counts.low;
    const bool goes_on = touches && leaf.is_joined(*first);
    if (goes_on && leaf.load(*first) != counts.last_value) {
        return "joined over leaves, with another value: ID " + std::to_string(*first);
    }
    const Id last = *leaf.previous(id_max);
    if (const auto wide = leaf.wide()) {
        counts.ids += wide->count();
        counts.entries += goes_on ? 0 : 1;
        counts.owed += owed_by(leaf);
    } else {
        counts.ids += leaf.live_count();
        counts.entries += leaf.starts_in({*first, id_max}, touches);
    }
    counts.low = last + 1;
    counts.last_value = leaf.load(last);
    counts.tail = &node;
    return std::nullopt;
}

template <unsigned words>
std::optional<std::string> BasicRangeTree<words>::verify_inner(const Node& node,
                                                               Counts& counts) const {
    const Inner inner(const_cast<Node&>(node));  // NOLINT: a view that only reads
    counts.surplus += surplus_of(inner);
    for (unsigned i = 0; i < inner.count(); ++i) {
        const Node& child = *inner.child(i);
        if (child.meta().level + 1 != node.meta().level) {
            return failure("a child's level", child.meta().level, node.meta().level - 1U);
        }
        const Id low = counts.low;
        if (auto wrong = verify_node(child, counts)) return wrong;
        const std::uint64_t gap = child.meta().level == 0
                                      ? Leaf(const_cast<Node&>(child)).longest_gap(low)  // NOLINT
                                      : Inner(const_cast<Node&>(child)).max_gap();       // NOLINT
        if (inner.gap(i) != gap) return failure("a slot's gap", inner.gap(i), gap);
        if (i + 1 < inner.count() && inner.pivot(i) != counts.low - 1) {
            return failure("a pivot", inner.pivot(i), counts.low - 1);
        }
    }
    for (unsigned i = inner.count() - 1; i < Inner::capacity; ++i) {
        if (inner.pivot(i) != id_max) return failure("a last pivot", inner.pivot(i), id_max);
    }
    if (!inner.has_fences()) return "a fence is not the pivot that it stands for";
    return std::nullopt;
}

template <unsigned words>
void BasicRangeTree<words>::dump(std::ostream& out) const {
    out << entry_count_ << " entries in " << node_count() << " nodes, height " << height()
        << ", reserve " << reserve_.size() << ", worst case " << worst_case_nodes() << '\n';
    if (root_ != nullptr) dump_node(out, *root_, 0);
}

// An inner node: "(to 21, gap 10) (gap 3)", its children below it.
template <unsigned words>
void BasicRangeTree<words>::dump_node(std::ostream& out, const Node& node, unsigned indent) const {
    out << std::string(indent, ' ');
    if (node.meta().level == 0) {
        Leaf(const_cast<Node&>(node)).dump(out);  // NOLINT: a view that only reads
        out << '\n';
        return;
    }
    const Inner inner(const_cast<Node&>(node));  // NOLINT
    for (unsigned i = 0; i < inner.count(); ++i) {
        out << (i == 0 ? "(" : " (");
        if (i + 1 < inner.count()) out << "to " << inner.pivot(i) << ", ";
        out << "gap " << inner.gap(i) << ')';
    }
    out << '\n';
    for (unsigned i = 0; i < inner.count(); ++i)
        dump_node(out, *inner.child(i), indent + 2);
}

INOD_RANGE_TREE_INSTANCES

}  // namespace inod
