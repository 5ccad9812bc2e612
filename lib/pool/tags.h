// The values in a pool's tree: each stands for one (holder, generation, claimed) and for how many
// live IDs carry it. Equal tags have equal values, so that touching leases of one holder and one
// generation are one entry of the tree.
//
// Thread safety: none of its own; the pool's lock guards it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lib/base/memory_budget.h"
#include "lib/base/result.h"
#include "lib/pool/lease.h"
#include "lib/tree/range_tree.h"

namespace inod {

struct Tag {
    HolderIndex holder;
    bool claimed;  // Leased by its number, in a pool that records no other leases.
    std::uint64_t generation;

    friend bool operator==(const Tag&, const Tag&) = default;
};

class Tags {
public:
    explicit Tags(MemoryBudget& budget) : budget_(budget) {}
    Tags(const Tags&) = delete;
    Tags& operator=(const Tags&) = delete;
    ~Tags();

    // Makes room for one more tag, so that the next add() cannot fail. Fails with out_of_memory.
    Result<> prepare();

    // Counts `count` more IDs for `tag`. Returns its value, which is never 0. Requires that
    // prepare() succeeded since the last add(), or that IDs with this tag are live.
    Value add(const Tag& tag, std::uint64_t count) noexcept;

    // Counts `count` IDs less. A tag without IDs is forgotten and its value used again.
    void remove(Value value, std::uint64_t count) noexcept;

    // The tag of a value that is in use.
    const Tag& operator[](Value value) const noexcept;

    // How many live IDs carry a value that is in use.
    [[nodiscard]] std::uint64_t id_count(Value value) const noexcept;

private:
    struct Slot {
        Tag tag;
        std::uint64_t id_count;
        Value next;  // in its chain, 0 at the end
    };

    [[nodiscard]] std::size_t chain_of(const Tag& tag) const noexcept;
    void grow_chains();

    MemoryBudget& budget_;
    std::uint64_t budgeted_ = 0;
    std::vector<Slot> slots_;    // value - 1 is the index
    std::vector<Value> spare_;   // slots without IDs; room for all of them is kept
    std::vector<Value> chains_;  // a hash table: the first value of each chain, 0 if none
};

}  // namespace inod
