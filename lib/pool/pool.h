// One pool: which numbers are live, who holds them, and which come next.
//
// Every call that changes something first refuses, then prepares what the change may need, then
// commits, which cannot fail. The release of whatever is live is prepaid: release() needs nothing.
//
// What an administrator reserves occupies its IDs and is not live. Who claims one of them by its number
// holds it; once given back it is reserved again, or in a unique pool burned.
//
// When a holder comes to its end, all that it held is free at once. The entries of the tree that said so
// are *dead* then, and swept out in slices. Until that is done a search may take them for occupied; a
// pool that finds nothing else is told sweep_pending, not pool_exhausted.
//
// In a pool with a quarantine a released ID rests before it is handed out again: it is not live, and
// occupied. Where nothing else is left, what has rested longest goes out early if the configuration
// says so.
//
// A pool without tracking keeps nothing but its sequence.
//
// Some of its numbers may go with numbers of a pool below, through which they were asked for: those are
// released there. A hand-out of several pools at once is planned in each, and then committed in each.
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
#include "lib/pool/level_links.h"
#include "lib/pool/pool_spec.h"
#include "lib/pool/quarantine.h"
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
    TagCount growth{};       // by so much more is live, in runs modulo 2^64
};

// Bytes of snapshot records, with their prefixes, that a state can take: as it is, which releases of
// whole leases only make less, and by how much more holes in wide ranges can make it. What the journal
// sets aside for it: lib/journal/space.h.
struct SavedSize {
    std::uint64_t kept = 0;
    std::uint64_t holes = 0;
    std::uint64_t rests = 0;  // of `kept`, to a byte: what rests, which goes with time alone
};

// Counters since the pool was made or recovered, for statistics.
struct PoolCounters {
    std::uint64_t allocations = 0;  // claims included
    std::uint64_t releases = 0;
};

// What may be asked of a hand-out beside how many.
struct Wish {
    std::uint64_t count = 1;
    std::uint64_t align = 1;  // the first ID is a multiple of this, and of the pool's own
    bool recorded = false;    // where leases have no record, this one has: it is kept as a claim is

    friend bool operator==(const Wish&, const Wish&) = default;
};

class Pool {
public:
    // Requires that validate(spec) succeeds, if need be with a higher `max`, which widen() is told before
    // anything is handed out: `wrap_to` and reserved bands may lie there. `tags`, `budget` and `now`, which is always the present
    // time, outlive the pool; `index` is its own among all that share the tags.
    Pool(PoolSpec spec, PoolIndex index, Tags& tags, MemoryBudget& budget,
         const BootTime& now = no_time);
    static constexpr BootTime no_time = 0;
    // What it tells and asks of the pools above and below; it outlives the pool. Without, there are none.
    void set_links(LevelLinks& links) noexcept { links_ = &links; }

    // Hands out IDs in a row to `holder` and prepays their release. May drop `guard`.
    // Errors: count_zero, lease_too_large, align_invalid, out_of_memory; pool_exhausted, with the
    //   milliseconds until the next ID has rested enough, 0 if none rests. Nothing has changed then.
    //   block_pending: the detail is a mark that must become durable first. Whoever owns the pool
    //   records it, if it is not the one recorded last, and asks again after settle_mark().
    //   sweep_pending: ask again after sweep().
    Result<Granted> allocate(GuardRef guard, const Wish& wish, HolderIndex holder);

    // Hands out just these IDs. May drop `guard`. `may_take_reserved`: all of them may be reserved.
    // Errors: not_tracked, range_reversed, id_out_of_range, lease_too_large, id_taken, id_reserved,
    //   id_resting, id_burned, pool_exhausted (no generation is left), out_of_memory;
    //   sweep_pending, as of allocate().
    Result<Granted> allocate_at(GuardRef guard, Range range, HolderIndex holder,
                                bool may_take_reserved = false);

    // The two steps of which allocate() and allocate_at() consist, for somebody who has more to prepare
    // than this pool: what is to be handed out, and everything that can fail done for it. Where the
    // guard was dropped since, it is planned anew; otherwise the commit comes next, before any other
    // change of the pool. Give memory back with trim() before all that, and never in between.
    struct Plan {
        Range range{};
        bool raises_generation = false;
        bool is_claim = false;
        bool is_of_reserved = false;
        bool is_recorded = false;  // see Wish::recorded
    };
    Result<Plan> plan(GuardRef guard, const Wish& wish, HolderIndex holder);
    Result<Plan> plan_at(GuardRef guard, Range range, HolderIndex holder, bool may_take_reserved);
    // `via`: the pool right below through which it is asked for. A mark that is to be moved ahead of
    // demand can wait if it `may_move_mark` not.
    Granted commit(const Plan& plan, HolderIndex holder, PoolIndex via = no_pool,
                   bool may_move_mark = true) noexcept;
    // Gives back what releases have left behind; all that reads the trees holds their lock.
    void trim() noexcept;

    // Takes back `range`: any IDs that are all live, held by `holder` (none: by whomever) and of
    // `generation`. All of them or, after an error, none. `generation` 0 says that none was named. True
    // if the release is to be recorded: in a pool whose leases are not, only of what was claimed.
    // Allocates nothing. Errors: not_tracked, range_reversed, id_out_of_range, generation_required,
    //   stale_generation, released, never_allocated, not_holder, held_below.
    Result<bool> release(Range range, std::uint64_t generation,
                         std::optional<HolderIndex> holder) noexcept;

    // Would release() do it? As that, and nothing changes.
    [[nodiscard]] Result<bool> check_release(Range range, std::uint64_t generation,
                                             std::optional<HolderIndex> holder) const noexcept;

    // Takes back live IDs, whosever they are and wherever they were asked for.
    void take_back(Range range) noexcept;
    // Such was somebody's release of this pool.
    void count_release() noexcept { ++counters_.releases; }

    // Whose `id` is, as the longest run with one holder and generation; where leases are not
    // recorded, claims are runs of their own. `generation` 0 asks for any. Errors: not_tracked,
    //   id_out_of_range, stale_generation, released, never_allocated.
    [[nodiscard]] Result<LiveRun> lookup(Id id, std::uint64_t generation) const;

    // The run that covers `id`, whole, or the first after it. Errors: not_tracked, no_more_leases;
    //   sweep_pending: there is much to be swept before it; ask again after sweep().
    [[nodiscard]] Result<LiveRun> next(Id id) const;

    // Keeps `range`, all of which is free, out of circulation, or ends that. May drop `guard`.
    // Errors: not_tracked, range_reversed, id_out_of_range, id_taken (live, or reserved already),
    //   id_resting, id_burned, out_of_memory, sweep_pending; to end it not_reserved, and id_taken if somebody
    //   holds some of it.
    Result<> reserve(GuardRef guard, Range range);
    Result<> unreserve(GuardRef guard, Range range);
    // The first run of IDs within `range` that could be reserved.
    [[nodiscard]] std::optional<Range> next_reservable(Range range) const;
    // The first run of reserved IDs at or after `id`, somebody's claims in it included.
    [[nodiscard]] std::optional<Range> next_reserved(Id id) const;

    // The pool goes on above `last`: all up to it counts as handed out. Errors: id_out_of_range,
    //   not_offered (the policy does not go up).
    Result<> advance(Id last) noexcept;

    // So much is no longer live: the tags that it has are dead.
    void leases_died(const TagCount& count) noexcept;
    // Is there something to be swept?
    [[nodiscard]] bool has_dead() const noexcept { return dead_runs_ > 0; }
    // Has something rested enough?
    [[nodiscard]] bool has_rested() const noexcept;
    // How long what is released now rests, milliseconds; 0 where nothing does.
    [[nodiscard]] std::uint64_t rest_ms() const noexcept {
        return quarantine_ ? spec_.quarantine_ms : 0;
    }
    // Entries that are still to be swept out.
    [[nodiscard]] std::uint64_t dead_runs() const noexcept { return dead_runs_; }
    // What is dead in `range` is swept out.
    void sweep_out(Range range) noexcept {
        if (has_dead()) clear_dead(range);
    }
    // Goes on sweeping, and looks at no more entries than `visits_left` says, which counts down.
    void sweep(std::size_t& visits_left) noexcept;

    // Do leases of this pool wait for their record? Claims do in every pool.
    [[nodiscard]] bool records_leases() const { return spec_.durability == Durability::lease; }

    [[nodiscard]] const PoolSpec& spec() const { return spec_; }
    [[nodiscard]] const PoolCounters& counters() const { return counters_; }
    // What is live; the dead and the reserved do not count.
    [[nodiscard]] const TagCount& live_count() const noexcept { return live_count_; }
    // For statistics and tests: what is live, dead or reserved.
    [[nodiscard]] const RangeTree& tree() const { return tree_; }
    [[nodiscard]] std::uint64_t resting_count() const noexcept {
        return quarantine_ ? quarantine_->resting_count() : 0;
    }
    // What was claimed of a unique pool above its cursor; null where sequence() has all of it.
    [[nodiscard]] const RangeTree* claims() const { return sequence_->claims(); }
    [[nodiscard]] SequenceState sequence() const { return sequence_->state(); }
    // The run of live IDs at `id`, or the first after it, with its tag; nothing behind the last one.
    [[nodiscard]] std::optional<Run> next_run(Id id) const;
    // Calls f(Run) for each, in ascending order.
    template <class F>
    void for_each_run(F&& f) const {
        for (auto run = next_run(0); run;) {
            f(*run);
            run = run->range.last < id_max ? next_run(run->range.last + 1) : std::nullopt;
        }
    }

    // The high-water mark that was recorded last is durable: up to it IDs may be handed out.
    void settle_mark() noexcept { sequence_->settle_mark(); }
    // The mark of a unique pool as far as that is known to be durable.
    [[nodiscard]] std::optional<Id> settled_mark() const noexcept {
        return sequence_->settled_mark();
    }

    // An administrator adopts an old copy: what may have been handed out after it was made is not
    // handed out again. Live leases stay as they are. A unique pool goes on above its mark and
    // `count` more IDs, all burned, and is exhausted if it has no more than that. What is reserved below
    // that is burned too, unless `count` is 0: surely nothing was handed out. Of a pool that wraps the
    // generation rises by `count`, at least by one. 2^64 - 1 is no generation any more: a pool that
    // comes to it hands out nothing, ever.
    void skip_ahead(std::uint64_t count) noexcept;
    // Likewise above `floor`: an ID of a unique pool, a generation of one that wraps.
    void skip_above(std::uint64_t floor) noexcept;

    // The administrator moved `max` up: all that was handed out stays as it is. Requires
    // max >= spec().range.last.
    void widen(Id max) noexcept;

    // Replay. Each fails with journal_damaged where the record contradicts what is there, and with
    // out_of_memory.
    Result<> replay_allocated(Range range, HolderIndex holder, bool raised_generation,
                              PoolIndex via = no_pool);
    Result<> replay_claimed(Range range, HolderIndex holder, bool raised_generation);
    Result<> replay_passed(Range range, bool raised_generation);
    Result<> replay_released(Range range);
    // They were released at that time and rest for so long, milliseconds.
    Result<> replay_rested(Range range, BootTime at, std::uint64_t rest_ms);
    // The machine was started anew: what rests has its whole rest again from now on.
    Result<> replay_reboot();
    Result<> replay_reserved(Range range);
    Result<> replay_unreserved(Range range);
    Result<> replay_advanced(Id last);
    Result<> replay_mark(Id mark);
    // The last life did not end by itself: leases that were not recorded are forgotten, and what
    // may have been handed out is burned or gets a new generation.
    void replay_unclean_stop() noexcept;
    // Replay comes, and changes what is there.
    void begin_replay() noexcept { is_replaying_ = true; }
    // Replay is over, and all of it is durable. Error: out_of_memory.
    Result<> begin_run();

    // Snapshot. What a pool saves is restored in the order of lib/pool/record.h, with what happened
    // meanwhile replayed in between: until restore_live() has covered an ID, what is replayed leaves
    // it out, since what is restored later has it in it.

    // Adds what is live, or what was claimed above the cursor, from `from` on, as far as there is
    // room. Returns up to which ID `out` has it all. Leases that are not recorded are left out unless
    // `all` is said. Looks at no more entries than `visits_left` says, which counts down; at one at
    // least. Requires room for one run in `out`.
    [[nodiscard]] Id save_live(Id from, bool all, RunWriter& out, std::size_t& visits_left) const;
    [[nodiscard]] Id save_claims(Id from, RunWriter& out, std::size_t& visits_left) const;
    // Likewise what is reserved.
    [[nodiscard]] Id save_reserved(Id from, RunWriter& out, std::size_t& visits_left) const;
    // Likewise what rests, and when all of that has rested enough.
    [[nodiscard]] Id save_resting(Id from, RunWriter& out, std::size_t& visits_left) const;
    [[nodiscard]] BootTime last_end_of_rest() const noexcept;

    // What the pool can take in a snapshot, with all records' heads, where there are `holder_count`
    // holders.
    [[nodiscard]] SavedSize saved_size(std::uint64_t holder_count) const noexcept;

    // Nothing is known of what is reserved or live until it is restored.
    void begin_restore() noexcept { known_ = known_reserved_ = std::nullopt; }
    Result<> restore_sequence(const SequenceState& state);
    Result<> restore_claims(Range covered, RunReader items);
    // Comes before restore_live(), unless nothing is reserved.
    Result<> restore_reserved(Range covered, RunReader items);
    // No holder has the index `holder_end` or a higher one.
    Result<> restore_live(Range covered, RunReader items, HolderIndex holder_end);
    // Comes behind restore_live(), if anything rests.
    Result<> restore_resting(Range covered, BootTime until, RunReader items);
    // True if all that is live is known.
    [[nodiscard]] bool is_restored() const noexcept { return known_ == whole_space; }

    // Checks every invariant. Says what is broken, or nothing.
    [[nodiscard]] std::optional<std::string> verify() const;

private:
    // What a claim may be of: free IDs, or reserved ones.
    enum class ClaimOf : std::uint8_t { free_ids, reserved_ids };
    // Live IDs, all of one value, and the tree that has them.
    struct Part {
        Entry entry;
        bool is_assigned;
    };
    // IDs that may be released.
    struct Releasable {
        Part first;        // what begins them: mostly all of them
        bool is_recorded;  // their release
    };

    // pool.cc
    [[nodiscard]] Result<> check_inside(Range range) const;
    Result<ClaimOf> find_free(Range range, bool may_take_reserved);
    [[nodiscard]] Result<ClaimOf> check_free(Range range, bool may_take_reserved) const;
    [[nodiscard]] Result<> check_not_live(const RangeTree& tree, Range range) const;
    [[nodiscard]] Result<> check_not_live(Range range) const;
    [[nodiscard]] Result<Sequence::Next> find_next(const Wish& wish);
    [[nodiscard]] Result<> check_unoccupied(Range range) const;
    // What a search goes by: what is live or dead, reserved, or rests.
    [[nodiscard]] RangeTree& occupied() noexcept {
        return quarantine_ ? quarantine_->occupied() : tree_;
    }
    [[nodiscard]] const RangeTree& occupied() const noexcept {
        return quarantine_ ? quarantine_->occupied() : tree_;
    }
    [[nodiscard]] Error not_live(Id id) const;
    [[nodiscard]] std::optional<Part> first_part(Range range) const noexcept;
    [[nodiscard]] std::optional<Entry> find_live(const RangeTree& tree, Range range) const noexcept;
    [[nodiscard]] LiveRun run_of(const Entry& entry) const;
    [[nodiscard]] bool is_assigned(ClaimOf what) const noexcept;
    [[nodiscard]] RangeTree& tree_of(bool is_assigned) noexcept {
        return is_assigned ? assigned_ : tree_;
    }
    [[nodiscard]] const RangeTree& tree_of(bool is_assigned) const noexcept {
        return is_assigned ? assigned_ : tree_;
    }
    Result<> prepare(GuardRef guard, Range range, HolderIndex holder, bool is_assigned);
    Lease store(Range range, const Tag& tag, bool is_assigned,
                std::uint64_t reserved_runs_more = 0) noexcept;
    [[nodiscard]] Tag tag_for(HolderIndex holder, bool is_claim,
                              PoolIndex via = no_pool) const noexcept;
    [[nodiscard]] std::uint64_t runs_left_of_reserved(Range range) const noexcept;
    [[nodiscard]] Result<Releasable> find_releasable(
        Range range, std::uint64_t generation, std::optional<HolderIndex> holder) const noexcept;
    void take_back_part(const Part& part) noexcept;
    void forget_part(const Part& part) noexcept;

    // pool_sweep.cc
    void clear_dead(Range range) noexcept;
    bool clear_first_dead(Range range) noexcept;
    void erase_dead(const Part& part) noexcept;
    bool sweep(bool is_assigned, Id& from, std::size_t& visits_left) noexcept;
    void end_due_rests() noexcept;
    [[nodiscard]] std::optional<Sequence::Next> end_rests_for(const Sequence::Wanted& wanted,
                                                              bool may_yield) noexcept;
    [[nodiscard]] bool has_place_but_for_rests(const Sequence::Wanted& wanted) const noexcept;
    [[nodiscard]] std::optional<Range> first_reserved(Range range,
                                                      std::size_t& visits_left) const noexcept;
    // The first that is dead, at or after where it was asked for; up to `looked_to` there is no other.
    struct NextDead {
        std::optional<Range> range;
        Id looked_to;
    };
    [[nodiscard]] NextDead next_dead(Id from, std::size_t& visits_left) const noexcept;

    // pool_reserve.cc
    [[nodiscard]] bool is_reserved(Range range) const;
    Result<> find_reservable(Range range);
    void store_reserved(Range range) noexcept;
    void drop_reserved(Range range) noexcept;
    Result<> put_reserved(Range range);

    // pool_replay.cc
    [[nodiscard]] Result<> check_replay(Range range) const;
    [[nodiscard]] Result<ClaimOf> check_known_free(Range range) const;
    [[nodiscard]] std::optional<Range> known_part(Range range) const;
    [[nodiscard]] Result<> check_all_live(Range range) const;
    [[nodiscard]] Result<ClaimOf> check_replayed_claim(Range range, bool raised_generation) const;
    void burn_skipped() noexcept;

    // pool_verify.cc
    [[nodiscard]] std::optional<std::string> verify_live(const Entry& entry,
                                                         bool is_assigned) const;
    [[nodiscard]] std::optional<std::string> verify_reserved() const;

    // pool_snapshot.cc
    [[nodiscard]] std::uint64_t rests_size(std::uint64_t extent) const noexcept;
    [[nodiscard]] bool can_be_live(const Run& run, const SequenceState& state) const;
    Result<> restore_run(const Run& run);

    PoolSpec spec_;
    const PoolIndex index_;
    Tags& tags_;
    RangeTree tree_;      // what is live, with values of tags_, and what is reserved
    RangeTree assigned_;  // where numbers return: what is live of what is reserved
    std::optional<Quarantine> quarantine_;
    const BootTime& now_;
    LevelLinks* links_ = nullptr;
    std::unique_ptr<Sequence> sequence_;
    PoolCounters counters_;
    TagCount live_count_;
    std::uint64_t reserved_runs_ = 0;
    std::uint64_t dead_runs_ = 0;  // entries of both trees
    Id sweep_from_ = 0;            // where sweep() goes on
    Id sweep_assigned_from_ = 0;
    bool is_replaying_ = false;
    // The IDs of which it is known whether they are live, and whether they are reserved.
    std::optional<Range> known_ = whole_space;
    std::optional<Range> known_reserved_ = whole_space;
};

}  // namespace inod
