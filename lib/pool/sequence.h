// Which IDs come next: what differs between the policies. A Pool has one.
//
// A sequence knows where the pool stands, not who holds what: it is shown the tree of live IDs. It
// decides first, without changing anything, and commits afterwards, which cannot fail.
//
// Thread safety: none of its own; the pool's lock guards it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "lib/base/guard.h"
#include "lib/base/memory_budget.h"
#include "lib/base/result.h"
#include "lib/pool/pool_spec.h"
#include "lib/tree/range_tree.h"

namespace inod {

// All that a sequence keeps, as the journal's snapshot stores it. A policy uses what it needs.
struct SequenceState {
    std::optional<Id> cursor;     // where the search goes on; none: past the pool's last ID
    std::optional<Id> highest;    // the highest ever handed out or burned; none: nothing yet
    std::optional<Id> mark;       // unique: nothing above it was handed out, but for claims
    std::uint64_t generation;     // 0 in a unique pool
    std::optional<Id> swept;      // cyclic: from here to the cursor this generation was handed out
    std::optional<Range> claims;  // spans what was claimed in this generation; lowest: all of it
    std::optional<Id> passed{};   // where numbers return: the highest handed out, claims aside
    std::optional<Id> claimed{};  // likewise: the lowest claim ever made above that

    friend bool operator==(const SequenceState&, const SequenceState&) = default;
};

class Sequence {
public:
    // What an allocation would get. A raised generation holds from this hand-out on.
    struct Next {
        Range range;
        bool raises_generation;
    };

    // The sequence of `spec.policy`, before the first hand-out.
    static std::unique_ptr<Sequence> make(const PoolSpec& spec, MemoryBudget& budget);

    Sequence() = default;
    Sequence(const Sequence&) = delete;
    Sequence& operator=(const Sequence&) = delete;
    virtual ~Sequence() = default;

    // What is looked for. Requires count > 0 and 1 <= align <= GapRequest::align_max.
    struct Wanted {
        std::uint64_t count;
        std::uint64_t align = 1;
    };
    // The next IDs in a row of those that are free, or nothing if there are none.
    [[nodiscard]] virtual std::optional<Next> next(Wanted wanted,
                                                   const RangeTree& occupied) const = 0;
    // Hands out what next() answered, generation included.
    virtual void take(const Next& next) noexcept = 0;

    // May `range`, which is not live, be claimed by its numbers? Says whether that raises the
    // generation. Fails with id_burned, or pool_exhausted if there is no further generation.
    [[nodiscard]] virtual Result<bool> check_claim(Range range) const = 0;
    // Takes what claim() will need. May drop `guard`: check_claim() again afterwards. Fails with
    // out_of_memory.
    virtual Result<> prepare_claim(GuardRef guard, Range range) = 0;
    // Claims what check_claim() allowed.
    virtual void claim(Range range, bool raises_generation) noexcept = 0;

    // An administrator keeps `range`, of which nothing is live, out of circulation, or gives it back.
    // Where the tree of what is occupied says it all, there is nothing to do.

    // Fails with id_burned: it would never be handed out anyway.
    [[nodiscard]] virtual Result<> check_reserve(Range range) const = 0;
    // The first part of `range` that is not burned.
    [[nodiscard]] virtual std::optional<Range> next_unburned(Range range) const = 0;
    // Takes what the next reserve(), or unreserve(), will need. May drop `guard`. Fails with
    // out_of_memory.
    virtual Result<> prepare_reserve(GuardRef guard, Range range) = 0;
    virtual void reserve(Range range) noexcept = 0;
    virtual void unreserve(Range range) noexcept = 0;
    // May IDs that are reserved be claimed by their numbers? As check_claim().
    [[nodiscard]] virtual Result<bool> check_reserved_claim(Range range) const = 0;

    // All up to `last`, which lies in the pool, counts as handed out: the pool goes on above it. False,
    // and nothing has changed, where the policy does not go up.
    [[nodiscard]] virtual bool advance(Id last) noexcept = 0;

    // The high-water mark, which only unique pools have. It is *moved* when a record says so, and
    // *settled* when it is known to be durable; one move at a time is on its way.

    // Does the settled mark allow to hand out `next`? Fails with block_pending; the detail is the
    // mark that is to be recorded, if that has not been done, and to become durable first.
    virtual Result<> check_mark(const Next& next) noexcept = 0;
    // How far the mark is to be moved by a record along with the hand-out of `next`, which
    // check_mark() allowed; nothing if it stays. Comes before take().
    virtual std::optional<Id> move_mark(const Next& next) noexcept = 0;
    // The mark that was moved last is durable.
    virtual void settle_mark() noexcept = 0;
    // Replay is over, and all of it durable.
    virtual void begin_run() noexcept = 0;
    [[nodiscard]] virtual std::optional<Id> settled_mark() const noexcept = 0;

    // Replay: a record says how far the mark was moved.
    virtual void set_mark(Id mark) noexcept = 0;
    // The last life did not end by itself, so that the end of the journal may be missing.
    virtual void after_unclean_stop() noexcept = 0;

    // An administrator put back an old copy. Of what came after it, so much is never handed out
    // again: the next `count` IDs above the mark, or `count` generations, at least one.
    virtual void skip_ahead(std::uint64_t count) noexcept = 0;
    // Likewise all IDs up to `floor`, or all generations up to it.
    virtual void skip_above(std::uint64_t floor) noexcept = 0;

    // Replay: can a record be right that says `next` was handed out here? So that a record which is
    // out of place is refused before it moves anything back.
    [[nodiscard]] virtual bool allows(const Next& next) const = 0;

    // Is it so that no ID of `range` is handed out again with the present generation? All that is
    // live with it has to be.
    [[nodiscard]] virtual bool is_past(Range range) const noexcept = 0;

    // The pool ends at `max` from now on. Requires that this is not below where it ended.
    virtual void widen(Id max) noexcept = 0;

    [[nodiscard]] virtual SequenceState state() const = 0;
    // The same two of it alone, for what asks often.
    [[nodiscard]] virtual std::uint64_t generation() const noexcept = 0;
    [[nodiscard]] virtual std::optional<Id> highest() const noexcept = 0;
    // Was it ever handed out, or passed over so that it counts as such? Told from O(1) state: between
    // claims above all that was handed out, IDs count as handed out.
    [[nodiscard]] virtual bool was_passed(Id id) const noexcept = 0;
    // False, and nothing has changed, if no sequence of this policy and pool can have been there.
    [[nodiscard]] virtual bool restore(const SequenceState& state) noexcept = 0;

    // What was claimed and state() does not cover, as ranges of any value; null where state() covers
    // all. restore_claim() takes a part of it back, any number of times; it fails with out_of_memory.
    // The value `reserved` is of what was reserved there.
    [[nodiscard]] virtual const RangeTree* claims() const = 0;
    virtual Result<> restore_claim(Range range, bool is_reserved) = 0;
};

}  // namespace inod
