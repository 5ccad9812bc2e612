// The values in the pools' trees: each stands for one (pool, holder, generation, claimed, via), and for
// how many IDs carry it. Equal tags have equal values, so that touching leases of one holder and one
// generation are one entry of the tree.
//
// All tags of a holder are chained, so that its end takes all that it held away at once: the tags are
// *dead* then. Their IDs read as free from that moment on, and their entries are swept out of the trees
// in slices later.
//
// Memory: a tag takes 48 bytes, a holder's chain 4, and a hash table 4 for each tag. It grows by a block of
// 64 and by a chain at a time: no call moves or copies more than a few tags.
//
// Thread safety: none of its own; the lock that guards the pools guards it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "lib/base/blocks.h"
#include "lib/base/chains.h"
#include "lib/base/memory_budget.h"
#include "lib/base/result.h"
#include "lib/pool/lease.h"
#include "lib/tree/range_tree.h"

namespace inod {

struct Tag {
    HolderIndex holder;
    bool claimed;             // Leased by its number, in a pool that records no other leases.
    PoolIndex via = no_pool;  // The pool right below through which it was asked for; none: here.
    std::uint64_t generation;

    friend bool operator==(const Tag&, const Tag&) = default;
};

// IDs, and the runs that they form: entries of the tree.
struct TagCount {
    std::uint64_t ids = 0;
    std::uint64_t runs = 0;

    friend bool operator==(const TagCount&, const TagCount&) = default;
    // Modulo 2^64.
    TagCount& operator+=(const TagCount& more) noexcept {
        ids += more.ids;
        runs += more.runs;
        return *this;
    }
    friend TagCount operator-(const TagCount& a, const TagCount& b) {
        return {.ids = a.ids - b.ids, .runs = a.runs - b.runs};
    }
};

class Tags {
public:
    explicit Tags(MemoryBudget& budget) : budget_(budget) {}
    Tags(const Tags&) = delete;
    Tags& operator=(const Tags&) = delete;
    ~Tags();

    // Makes room for one more tag of this holder, or `count` more, so that as many add() cannot fail.
    // Fails with out_of_memory.
    Result<> prepare(HolderIndex holder);
    Result<> prepare(HolderIndex holder, std::size_t count);

    // Counts `ids` more for `tag` in this pool. Returns its value, which is never 0. Requires that
    // prepare() succeeded since the last add(), for this one too, or that IDs with this tag are live.
    Value add(PoolIndex pool, const Tag& tag, std::uint64_t ids) noexcept;
    // By so many the runs of a value are more now, modulo 2^64: they may be fewer.
    void change_runs(Value value, std::uint64_t by) noexcept;
    // Counts `ids` less. A tag without IDs is forgotten and its value used again.
    void remove(Value value, std::uint64_t ids) noexcept;

    // What is known of a value that is in use.
    const Tag& operator[](Value value) const noexcept { return slot(value).tag; }
    [[nodiscard]] PoolIndex pool_of(Value value) const noexcept { return slot(value).pool; }
    [[nodiscard]] const TagCount& count(Value value) const noexcept { return slot(value).count; }
    [[nodiscard]] bool is_dead(Value value) const noexcept { return slot(value).dead; }

    // Calls f(value) for each tag of this holder that is not dead.
    template <class F>
    void for_each_of(HolderIndex holder, F&& f) const {
        if (holder >= first_of_holder_.size()) return;
        for (Index at = first_of_holder_[holder]; at != none; at = slots_[at].next_of_holder)
            f(Value{at} + 1);
    }
    // The holder is at its end: all its tags are dead, and f(value) was called for each. All that a tag
    // costs is that it is read, some tens of nanoseconds, since nobody else waits for more.
    template <class F>
    void end(HolderIndex holder, F&& f) noexcept {
        if (holder >= first_of_holder_.size()) return;
        Index at = std::exchange(first_of_holder_[holder], none);
        for (std::size_t count = 0; at != none; at = slots_[at].next_of_holder, ++count) {
            Slot& killed = slots_[at];
            killed.dead = true;
            killed.in_chain = count >= taken_out_at_once;
            if (!killed.in_chain) take_out_of_chain(at);
            f(Value{at} + 1);
        }
    }
    [[nodiscard]] bool has_any(HolderIndex holder) const noexcept {
        return holder < first_of_holder_.size() && first_of_holder_[holder] != none;
    }

private:
    using Index = ChainIndex;  // of a slot: its value less 1
    static constexpr Index none = no_index;

    // Dead tags that leave their chains with their holder's end; the others do when their IDs are gone.
    // Holders that come and go at one index have no more tags than that which are the same, pool by
    // pool, so that these do not gather in one chain.
    static constexpr std::size_t taken_out_at_once = 1024;

    struct Slot {
        Tag tag{};
        TagCount count;
        PoolIndex pool = 0;
        bool dead = false;
        bool in_chain = true;
        Index next = none;  // in its chain of the hash table, or of spare ones
        Index next_of_holder = none;
        Index previous_of_holder = none;
    };
    static_assert(sizeof(Slot) <= 48);

    [[nodiscard]] const Slot& slot(Value value) const noexcept;
    [[nodiscard]] Slot& slot(Value value) noexcept;
    // For the hash table.
    [[nodiscard]] static std::uint64_t hash_of(PoolIndex pool, const Tag& tag) noexcept;
    [[nodiscard]] auto hash() const noexcept {
        return [this](Index index) { return hash_of(slots_[index].pool, slots_[index].tag); };
    }
    [[nodiscard]] auto link() noexcept {
        return [this](Index index) -> Index& { return slots_[index].next; };
    }

    Result<> prepare_chain_of(HolderIndex holder);
    Result<> prepare_slot();
    void join_holder(Index index) noexcept;
    void leave_holder(Index index) noexcept;
    void take_out_of_chain(Index index) noexcept;

    MemoryBudget& budget_;
    std::uint64_t budgeted_ = 0;
    Blocks<Slot> slots_;
    Index spare_ = none;             // the first slot without IDs
    Chains chains_;                  // of those with a tag, dead ones in part; as many as slots
    Blocks<Index> first_of_holder_;  // by HolderIndex
};

}  // namespace inod
