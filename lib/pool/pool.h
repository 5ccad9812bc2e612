// One pool: which numbers are live, who holds them, and which come next.
//
// Every call that changes something first refuses, then prepares what the change may need, then
// commits, which cannot fail. The release of whatever is live is prepaid: release() needs nothing.
//
// Thread safety: none of its own. One lock guards a pool with all that its owner keeps beside it;
// calls that may need memory take that lock's guard, drop it while they allocate, retake it, and
// decide anew.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "lib/base/guard.h"
#include "lib/base/memory_budget.h"
#include "lib/base/result.h"
#include "lib/pool/lease.h"
#include "lib/pool/pool_spec.h"
#include "lib/pool/runs.h"
#include "lib/pool/sequence.h"
#include "lib/pool/tags.h"
#include "lib/tree/range_tree.h"

namespace inod {

// What an allocation handed out, and what else is to be recorded for it.
struct Granted {
    Lease lease;
    bool raised_generation;
    std::optional<Id> mark;  // The high-water mark was moved here.
};

// Bytes of snapshot records, with their prefixes, that a state can take: as it is, which releases of
// whole leases only make less, and by how much more holes in wide ranges can make it. What the journal
// sets aside for it: lib/journal/space.h.
struct SavedSize {
    std::uint64_t kept = 0;
    std::uint64_t holes = 0;
};

// Counters since the pool was made or recovered, for statistics.
struct PoolCounters {
    std::uint64_t allocations = 0;  // claims included
    std::uint64_t releases = 0;
};

class Pool {
public:
    // Requires that validate(spec) succeeds. `budget` outlives the pool.
    Pool(PoolSpec spec, MemoryBudget& budget);

    // Hands out `count` IDs in a row to `holder` and prepays their release. May drop `guard`.
    // Errors: count_zero, lease_too_large, pool_exhausted, out_of_memory; nothing has changed then.
    //   block_pending: the detail is a mark that must become durable first. Whoever owns the pool
    //   records it, if it is not the one recorded last, and asks again after settle_mark().
    Result<Granted> allocate(GuardRef guard, std::uint64_t count, HolderIndex holder);

    // Hands out just these IDs. May drop `guard`.
    // Errors: range_reversed, id_out_of_range, lease_too_large, id_taken, id_burned, pool_exhausted
    //   (no generation is left), out_of_memory.
    Result<Granted> allocate_at(GuardRef guard, Range range, HolderIndex holder);

    // Takes back `range`: any IDs that are all live, held by `holder` and of `generation`. All of
    // them or, after an error, none. `generation` 0 says that none was named. True if the release
    // is to be recorded: in a pool whose leases are not, only of what was claimed. Allocates
    // nothing. Errors: range_reversed, id_out_of_range, generation_required, stale_generation, released,
    //   never_allocated, not_holder.
    Result<bool> release(Range range, std::uint64_t generation, HolderIndex holder) noexcept;

    // Whose `id` is, as the longest run with one holder and generation; where leases are not
    // recorded, claims are runs of their own. `generation` 0 asks for any. Errors: id_out_of_range, stale_generation, released, never_allocated.
    [[nodiscard]] Result<LiveRun> lookup(Id id, std::uint64_t generation) const;

    // The run that covers `id`, whole, or the first after it. Error: no_more_leases.
    [[nodiscard]] Result<LiveRun> next(Id id) const;

    // Do leases of this pool wait for their record? Claims do in every pool.
    [[nodiscard]] bool records_leases() const { return spec_.durability == Durability::lease; }

    [[nodiscard]] const PoolSpec& spec() const { return spec_; }
    [[nodiscard]] const PoolCounters& counters() const { return counters_; }
    [[nodiscard]] const RangeTree& live() const { return live_; }
    // What was claimed of a unique pool above its cursor; null where sequence() has all of it.
    [[nodiscard]] const RangeTree* claims() const { return sequence_->claims(); }
    // What an entry of live() stands for.
    [[nodiscard]] const Tag& tag_of(const Entry& entry) const noexcept {
        return tags_[entry.value];
    }
    [[nodiscard]] SequenceState sequence() const { return sequence_->state(); }

    // The high-water mark that was recorded last is durable: up to it IDs may be handed out.
    void settle_mark() noexcept { sequence_->settle_mark(); }
    // The mark of a unique pool as far as that is known to be durable.
    [[nodiscard]] std::optional<Id> settled_mark() const noexcept {
        return sequence_->settled_mark();
    }

    // An administrator adopts an old copy: what may have been handed out after it was made is not
    // handed out again. Live leases stay as they are. A unique pool goes on above its mark and
    // `count` more IDs, all burned, and is exhausted if it has no more than that; of one that wraps
    // the generation rises by `count`, at least by one. 2^64 - 1 is no generation any more: a pool
    // that comes to it hands out nothing, ever.
    void skip_ahead(std::uint64_t count) noexcept;
    // Likewise above `floor`: an ID of a unique pool, a generation of one that wraps.
    void skip_above(std::uint64_t floor) noexcept;

    // The administrator moved `max` up: all that was handed out stays as it is. Requires
    // max >= spec().range.last.
    void widen(Id max) noexcept;

    // Replay. Each fails with journal_damaged where the record contradicts what is there, and with
    // out_of_memory.
    Result<> replay_allocated(Range range, HolderIndex holder, bool raised_generation);
    Result<> replay_claimed(Range range, HolderIndex holder, bool raised_generation);
    Result<> replay_released(Range range);
    Result<> replay_mark(Id mark);
    // The last life did not end by itself: leases that were not recorded are forgotten, and what
    // may have been handed out is burned or gets a new generation.
    void replay_unclean_stop() noexcept;
    // Replay is over, and all of it is durable.
    void begin_run() noexcept { sequence_->begin_run(); }

    // Snapshot. What a pool saves is restored in the order of lib/pool/record.h, with what happened
    // meanwhile replayed in between: until restore_live() has covered an ID, what is replayed leaves
    // it out, since what is restored later has it in it.

    // Adds what is live, or what was claimed above the cursor, from `from` on, as far as there is
    // room. Returns up to which ID `out` has it all. Leases that are not recorded are left out unless
    // `all` is said. Looks at no more entries than `visits_left` says, which counts down; at one at
    // least. Requires room for one run in `out`.
    [[nodiscard]] Id save_live(Id from, bool all, RunWriter& out, std::size_t& visits_left) const;
    [[nodiscard]] Id save_claims(Id from, RunWriter& out, std::size_t& visits_left) const;

    // What the pool can take in a snapshot, with all records' heads, where there are `holder_count`
    // holders.
    [[nodiscard]] SavedSize saved_size(std::uint64_t holder_count) const noexcept;

    // Nothing is known of what is live until it is restored.
    void begin_restore() noexcept { known_ = std::nullopt; }
    Result<> restore_sequence(const SequenceState& state);
    Result<> restore_claims(Range covered, RunReader items);
    // No holder has the index `holder_end` or a higher one.
    Result<> restore_live(Range covered, RunReader items, HolderIndex holder_end);
    // True if all that is live is known.
    [[nodiscard]] bool is_restored() const noexcept { return known_ == whole_space; }

    // Checks every invariant. Says what is broken, or nothing.
    [[nodiscard]] std::optional<std::string> verify() const;

private:
    [[nodiscard]] Result<> check_inside(Range range) const;
    [[nodiscard]] Result<> check_free(Range range) const;
    [[nodiscard]] Error not_live(Id id) const;
    [[nodiscard]] Result<bool> check_release(Range range, std::uint64_t generation,
                                             HolderIndex holder) const noexcept;
    [[nodiscard]] std::optional<Entry> first_part(Range range) const noexcept;
    [[nodiscard]] Result<> check_replay(Range range) const;
    [[nodiscard]] std::optional<Range> known_part(Range range) const;
    [[nodiscard]] LiveRun run_of(const Entry& entry) const;
    Result<> prepare(GuardRef guard, Range range);
    Lease store(Range range, HolderIndex holder, bool claimed) noexcept;
    void forget(Range range) noexcept;
    [[nodiscard]] bool can_be_live(const Run& run, const SequenceState& state) const;
    Result<> restore_run(const Run& run);

    PoolSpec spec_;
    Tags tags_;
    RangeTree live_;  // values are those of tags_
    std::unique_ptr<Sequence> sequence_;
    PoolCounters counters_;
    std::optional<Range> known_ =
        whole_space;  // the IDs of which it is known whether they are live
};

}  // namespace inod
