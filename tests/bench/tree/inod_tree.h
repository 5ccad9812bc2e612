// inod's own tree, used as a pool uses it: room is set aside before each store, so that no release
// needs memory. See structure.h.
#pragma once

#include <limits>
#include <new>

#include "lib/tree/range_tree.h"
#include "tests/bench/tree/structure.h"

namespace inod::bench {

class InodTree {
public:
    static constexpr unsigned gap_max = 16;
    static constexpr unsigned gap_count = 2000;

    Id allocate(Value value) {
        cursor_ = tree_.find_gap({}, cursor_)->first;
        store({cursor_, cursor_}, value);
        return cursor_++;
    }
    [[nodiscard]] Value lookup(Id id) const { return tree_.load(id); }
    void release(Id id) { tree_.erase({id, id}); }
    void allocate_lowest(unsigned n, Value value) { store(*tree_.find_gap({.count = n}), value); }

    // One holder's: the same value for all, in as few entries as there are runs.
    void allocate_merged(Value value) {
        prepare({cursor_, cursor_});
        tree_.store_merged({cursor_, cursor_}, value);
        ++cursor_;
    }

    // A lease of `count` IDs behind all others.
    void allocate_lease(std::uint64_t count, Value value) {
        store({cursor_, cursor_ + count - 1}, value);
        cursor_ += count;
    }

    [[nodiscard]] const RangeTree& tree() const { return tree_; }
    // Bytes of nodes in use, and of those set aside for releases.
    [[nodiscard]] double size() const {
        return static_cast<double>(tree_.node_count() * RangeTree::node_size);
    }
    [[nodiscard]] double reserve_size() const {
        return static_cast<double>(tree_.reserve_size() * RangeTree::node_size);
    }

private:
    void prepare(Range range) {
        NoGuard guard;  // the lock would be its pool's, and is not what is measured
        if (!tree_.preallocate(guard, range)) throw std::bad_alloc();
    }
    void store(Range range, Value value) {
        prepare(range);
        tree_.store(range, value);
    }

    MemoryBudget budget_{std::numeric_limits<std::uint64_t>::max()};
    RangeTree tree_{budget_};
    Id cursor_ = 0;
};

}  // namespace inod::bench
