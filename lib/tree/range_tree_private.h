// For the .cc files of BasicRangeTree.
#pragma once

#include "lib/tree/range_tree.h"

namespace inod {

// Stands around every change of pivots, children and the root, and of leaves at once with them, so
// that readers on their way down notice. Within another it keeps the books alone.
template <unsigned words>
class BasicRangeTree<words>::StructureEdit {
public:
    explicit StructureEdit(BasicRangeTree& tree) noexcept
        : tree_(tree), before_(tree.structure_.load(std::memory_order_relaxed)) {
        if (before_ % 2 == 0) tree_.structure_.store(before_ + 1, std::memory_order_relaxed);
    }
    ~StructureEdit() {
        tree_.find_tail();
        if (before_ % 2 == 0) tree_.structure_.store(before_ + 2, std::memory_order_release);
    }
    StructureEdit(const StructureEdit&) = delete;
    StructureEdit& operator=(const StructureEdit&) = delete;

private:
    BasicRangeTree& tree_;
    const std::uint64_t before_;
};

// The first ID that the child at `index` of the path's node at `level` answers for.
template <unsigned words>
Id BasicRangeTree<words>::lower_bound(const Path& path, unsigned level, unsigned index) noexcept {
    for (;;) {
        if (index > 0) return path.inner(level).pivot(index - 1) + 1;
        if (++level == path.height) return 0;
        index = path.at[level].index;
    }
}

// How many leaves an entry owes: see prepaid.h. Reserved ones are not prepaid.
template <unsigned words>
std::uint64_t BasicRangeTree<words>::owed_by(Range range, Value value) noexcept {
    if (value == reserved || !Leaf::is_wide(range)) return 0;
    return range.last / Leaf::cell_size - range.first / Leaf::cell_size;
}
template <unsigned words>
std::uint64_t BasicRangeTree<words>::owed_by(Leaf leaf) noexcept {
    const auto range = leaf.wide();
    return range ? owed_by(*range, leaf.load(range->first)) : 0;
}

}  // namespace inod
