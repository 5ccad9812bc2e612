// Which numbers of a pool go with which of its parent: those that one allocation handed out at both
// levels.
//
// For each pool that has a parent there are two trees, exact mirror images: one by the pool's own IDs,
// one by those of its parent. Their value is how far the parent's ID is from the pool's own, so that
// a lease, or many in a row that lie in a row at both levels, are one entry.
//
// Links go with what is live. What a holder that ended leaves behind in the trees of the pools leaves
// its links behind too: they are *stale*, and erased when either level is swept there. So whoever looks a
// link up has seen first that the number is live.
//
// A release is prepaid, as that of the pools: to erase links needs nothing.
//
// Thread safety: none of its own; the allocator's lock guards it, for all levels at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/guard.h"
#include "lib/base/memory_budget.h"
#include "lib/base/range.h"
#include "lib/base/result.h"
#include "lib/pool/lease.h"
#include "lib/pool/level_links.h"
#include "lib/pool/pool.h"
#include "lib/pool/runs.h"
#include "lib/tree/range_tree.h"

namespace inod {

// Numbers in a row of a pool, and as many of its parent, each with the one in the same place.
struct Link {
    Range own;
    Range above;

    friend bool operator==(const Link&, const Link&) = default;
};

class Links final : public LevelLinks {
public:
    explicit Links(MemoryBudget& budget) : budget_(budget) {}

    // `pool` has this parent. Errors: out_of_memory; journal_damaged, if it has another.
    Result<> set_parent(PoolIndex pool, PoolIndex parent);
    // It is nobody's child any more. Requires that it has no links.
    void forget_pool(PoolIndex pool) noexcept;
    [[nodiscard]] PoolIndex parent_of(PoolIndex pool) const noexcept {
        return edge(pool) != nullptr ? edge(pool)->parent : no_pool;
    }
    // The pools that have it as their parent.
    [[nodiscard]] const std::vector<PoolIndex>& children_of(PoolIndex pool) const noexcept;

    // Can numbers so far apart go together? In what is configured they always can.
    [[nodiscard]] static bool is_possible(const Link& link) noexcept;
    // Takes what store() and all erasing afterwards need. May drop `guard`; the store comes next, before
    // any other change. Error: out_of_memory.
    Result<> prepare(GuardRef guard, PoolIndex pool, const Link& link);
    // Requires that none of these numbers has a link to or from this pool.
    void store(PoolIndex pool, const Link& link) noexcept;
    // Gives memory back, as RangeTree::trim(); never between prepare() and store().
    void trim(PoolIndex pool) noexcept;
    // What the first of `range`, numbers of the pool, goes with that goes with anything, and what
    // behind it is in the same link.
    [[nodiscard]] std::optional<Link> next_above(PoolIndex pool, Range range) const noexcept;
    // The same of numbers of its parent.
    [[nodiscard]] std::optional<Link> next_below(PoolIndex pool, Range range) const noexcept;
    // These numbers of the pool, or of its parent, go with nothing any more.
    void erase(PoolIndex pool, Range own) noexcept;
    void erase_below(PoolIndex pool, Range above) noexcept;
    // These numbers of the pool go with nothing any more at all, above or below.
    void forget(PoolIndex pool, Range range) noexcept;

    // lib/pool/level_links.h
    [[nodiscard]] Way way_of(PoolIndex pool, Range range) const noexcept override;
    void swept(PoolIndex pool, PoolIndex via, Range range) noexcept override;

    // Snapshot, as lib/pool/pool.h has it: adds the links of a pool's own IDs from `from` on, stale ones
    // included. One is told by how far it goes: the tag's generation is 2^64 - 1 less 2 d if the parent's
    // ID is d above the own one, and less 2 d - 1 if it is d below.
    static constexpr std::uint64_t saved_generation = ~std::uint64_t{0};
    [[nodiscard]] static Link saved_link(const Run& run) noexcept;
    [[nodiscard]] Id save(PoolIndex pool, Id from, RunWriter& out, std::size_t& visits_left) const;
    // What of `covered` was known before does not hold any more. Errors: journal_damaged, out_of_memory.
    Result<> restore(PoolIndex pool, Range covered, RunReader items);
    // What the pool's links can take in a snapshot.
    [[nodiscard]] SavedSize saved_size(PoolIndex pool) const noexcept;
    // One more than the highest index of a pool that has a parent.
    [[nodiscard]] std::size_t index_end() const noexcept { return pools_.size(); }
    // How many of the pool's own IDs have one.
    [[nodiscard]] std::uint64_t count(PoolIndex pool) const noexcept {
        return edge(pool) != nullptr ? edge(pool)->by_own.id_count() : 0;
    }

    // Checks that the trees are mirror images. Says what is broken, or nothing.
    [[nodiscard]] std::optional<std::string> verify() const;

private:
    struct Edge {
        Edge(PoolIndex parent_index, MemoryBudget& budget)
            : parent(parent_index), by_own(budget), by_above(budget) {}

        const PoolIndex parent;
        RangeTree by_own;
        RangeTree by_above;
    };
    struct Node {
        std::unique_ptr<Edge> up;
        std::vector<PoolIndex> children;
    };

    [[nodiscard]] Edge* edge(PoolIndex pool) const noexcept {
        return pool < pools_.size() ? pools_[pool].up.get() : nullptr;
    }

    MemoryBudget& budget_;
    std::vector<Node> pools_;  // by PoolIndex
};

}  // namespace inod
