#include "lib/pool/pool.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "lib/base/assert.h"

namespace inod {
namespace {

// Entries of the dead that next() passes over before it asks for a sweep. Each takes up to 100 ns.
constexpr std::size_t dead_passed_max = 4096;

// Rests that are ended with each hand-out, so that those who wait for a low number get it: more than one,
// or they would fall behind.
constexpr std::size_t rests_per_hand_out = 4;

}  // namespace

Pool::Pool(PoolSpec spec, PoolIndex index, Tags& tags, MemoryBudget& budget, const BootTime& now)
    : spec_(std::move(spec)),
      index_(index),
      tags_(tags),
      tree_(budget),
      assigned_(budget),
      now_(now),
      sequence_(Sequence::make(spec_, budget)) {
    if (spec_.quarantine_ms > 0) quarantine_.emplace(spec_.quarantine_ms, budget);
}

Result<Granted> Pool::allocate(GuardRef guard, const Wish& wish, HolderIndex holder) {
    WatchedGuard watched(guard);
    trim();
    for (;;) {
        const auto planned = plan(watched, wish, holder);
        if (!planned) return planned.error();
        if (!watched.was_dropped()) return commit(*planned, holder);
    }
}

Result<Pool::Plan> Pool::plan(GuardRef guard, const Wish& wish, HolderIndex holder) {
    if (wish.count == 0) return Errc::count_zero;
    if (wish.count > spec_.lease_count_max) {
        return Error{Errc::lease_too_large, spec_.lease_count_max};
    }
    const auto next = find_next(wish);
    if (!next) return next.error();
    if (auto allowed = sequence_->check_mark(*next); !allowed) return allowed.error();
    if (auto prepared = prepare(guard, next->range, holder, false); !prepared) {
        return prepared.error();
    }
    return Plan{.range = next->range,
                .raises_generation = next->raises_generation,
                .is_recorded = wish.recorded};
}

// Everything that can fail comes before this call, everything that leases is in it.
Granted Pool::commit(const Plan& plan, HolderIndex holder, PoolIndex via,
                     bool may_move_mark) noexcept {
    std::optional<Id> mark;
    std::uint64_t reserved_runs_more = 0;
    const ClaimOf what = plan.is_of_reserved ? ClaimOf::reserved_ids : ClaimOf::free_ids;
    if (plan.is_claim) {
        sequence_->claim(plan.range, plan.raises_generation);
        const bool replaces = plan.is_of_reserved && !is_assigned(what);
        if (replaces) reserved_runs_more = runs_left_of_reserved(plan.range) - 1;
        reserved_runs_ += reserved_runs_more;
    } else {
        const Sequence::Next next{plan.range, plan.raises_generation};
        if (may_move_mark) mark = sequence_->move_mark(next);
        sequence_->take(next);
    }
    if (via == no_pool) ++counters_.allocations;
    const TagCount before = live_count_;
    const Tag tag = tag_for(holder, plan.is_claim || plan.is_recorded, via);
    const Lease lease = store(plan.range, tag, is_assigned(what), reserved_runs_more);
    return {.lease = lease,
            .raised_generation = plan.raises_generation,
            .mark = mark,
            .growth = live_count_ - before};
}

Result<Sequence::Next> Pool::find_next(const Wish& wish) {
    if (wish.align == 0 || wish.align > align_limit) return Error{Errc::align_invalid, align_limit};
    const std::uint64_t align = wish.align == 1 ? spec_.align : std::lcm(wish.align, spec_.align);
    if (align > align_limit) return Error{Errc::align_invalid, align_limit};
    // Nobody can pass over more of what never comes back than by a lease.
    const auto burned_max = std::max<std::uint64_t>(spec_.lease_count_max, spec_.align);
    if (spec_.policy == Policy::unique && align > burned_max) {
        return Error{Errc::align_invalid, burned_max};
    }
    const Sequence::Wanted wanted{.count = wish.count, .align = align};
    if (quarantine_) quarantine_->end_rests(now_, rests_per_hand_out);
    if (const auto next = sequence_->next(wanted, occupied())) return *next;
    if (has_dead()) return Errc::sweep_pending;
    if (!quarantine_) return Errc::pool_exhausted;
    const bool may_yield = spec_.quarantine_yields && has_place_but_for_rests(wanted);
    if (const auto next = end_rests_for(wanted, may_yield)) return *next;
    const auto end = quarantine_->next_end();
    if (!end) return Errc::pool_exhausted;
    if (*end <= now_ || may_yield) return Errc::sweep_pending;
    return Error{Errc::pool_exhausted, *end - now_};
}

Result<Granted> Pool::allocate_at(GuardRef guard, Range range, HolderIndex holder,
                                  bool may_take_reserved) {
    WatchedGuard watched(guard);
    trim();
    for (;;) {
        const auto planned = plan_at(watched, range, holder, may_take_reserved);
        if (!planned) return planned.error();
        if (!watched.was_dropped()) return commit(*planned, holder);
    }
}

Result<Pool::Plan> Pool::plan_at(GuardRef guard, Range range, HolderIndex holder,
                                 bool may_take_reserved) {
    if (!spec_.tracking) return Errc::not_tracked;
    if (range.first > range.last) return Error{Errc::range_reversed, range.first};
    if (range.span() >= spec_.lease_count_max) {
        return Error{Errc::lease_too_large, spec_.lease_count_max};
    }
    const auto what = find_free(range, may_take_reserved);
    if (!what) return what.error();
    const bool is_of_reserved = *what == ClaimOf::reserved_ids;
    const auto raises =
        is_of_reserved ? sequence_->check_reserved_claim(range) : sequence_->check_claim(range);
    if (!raises) return raises.error();
    if (auto claim = sequence_->prepare_claim(guard, range); !claim) return claim.error();
    if (auto prepared = prepare(guard, range, holder, is_assigned(*what)); !prepared) {
        return prepared.error();
    }
    return Plan{.range = range,
                .raises_generation = *raises,
                .is_claim = true,
                .is_of_reserved = is_of_reserved};
}

// Whoever names numbers finds free what has rested enough, whether a search came by before or not; and of
// what is dead there he takes out a part, if it is much.
Result<Pool::ClaimOf> Pool::find_free(Range range, bool may_take_reserved) {
    if (auto inside = check_inside(range); !inside) return inside.error();
    if (has_dead() && !clear_first_dead(range)) return Errc::sweep_pending;
    end_due_rests();
    const auto what = check_free(range, may_take_reserved);
    const bool may_be_over = !what && what.error().code == Errc::id_resting && has_rested();
    return may_be_over ? Result<ClaimOf>(Errc::sweep_pending) : what;
}

// Does `range` lie in the pool, with nothing of it live? And is it reserved, all of it?
Result<Pool::ClaimOf> Pool::check_free(Range range, bool may_take_reserved) const {
    if (auto inside = check_inside(range); !inside) return inside.error();
    std::uint64_t reserved_count = 0;
    Id first_reserved = 0;
    if (auto not_live = check_not_live(range); !not_live) return not_live.error();
    for (auto entry = occupied().next_occupied(range.first); entry && entry->range.overlaps(range);
         entry = entry->range.last < range.last ? occupied().next_occupied(entry->range.last + 1)
                                                : std::nullopt) {
        if (entry->value != reserved) continue;
        const Range part = *intersection(entry->range, range);
        if (reserved_count == 0) first_reserved = part.first;
        reserved_count += part.count();
    }
    if (reserved_count > 0 && (!may_take_reserved || reserved_count != range.count())) {
        return Error{Errc::id_reserved, first_reserved};
    }
    if (quarantine_) {
        if (auto unoccupied = check_unoccupied(range); !unoccupied) return unoccupied.error();
    }
    return reserved_count > 0 ? ClaimOf::reserved_ids : ClaimOf::free_ids;
}

// In a pool where numbers rest: is none of it resting, or dead and so to rest still? In replay it may be:
// the life that wrote the record knew that its rest was over.
Result<> Pool::check_unoccupied(Range range) const {
    if (is_replaying_) return {};
    const auto entry = occupied().next(range.first);
    if (!entry || !entry->range.overlaps(range)) return {};
    return Error{Errc::id_resting, std::max(entry->range.first, range.first)};
}

Result<> Pool::check_not_live(const RangeTree& tree, Range range) const {
    for (auto entry = tree.next(range.first); entry && entry->range.overlaps(range);
         entry = entry->range.last < range.last ? tree.next(entry->range.last + 1) : std::nullopt) {
        if (tags_.is_dead(entry->value)) continue;
        return Error{Errc::id_taken, std::max(entry->range.first, range.first)};
    }
    return {};
}

// Of either tree.
Result<> Pool::check_not_live(Range range) const {
    auto in_tree = check_not_live(tree_, range);
    if (assigned_.entry_count() == 0) return in_tree;
    auto assigned = check_not_live(assigned_, range);
    if (assigned) return in_tree;
    const bool is_first = in_tree || assigned.error().detail < in_tree.error().detail;
    return is_first ? assigned : in_tree;
}

Result<> Pool::check_inside(Range range) const {
    if (range.first > range.last) return Error{Errc::range_reversed, range.first};
    if (range.first < spec_.range.first) return Error{Errc::id_out_of_range, range.first};
    if (range.last > spec_.range.last) {
        return Error{Errc::id_out_of_range, std::max(range.first, spec_.range.last + 1)};
    }
    return {};
}

// Where numbers return, what is claimed of reserved IDs stands beside them, and they stay reserved. In a
// unique pool it takes their place: given back it is burned.
bool Pool::is_assigned(ClaimOf what) const noexcept {
    return what == ClaimOf::reserved_ids && has_generations(spec_.policy);
}

// Takes what storing `range` and releasing everything afterwards may need.
Result<> Pool::prepare(GuardRef guard, Range range, HolderIndex holder, bool is_assigned) {
    if (!spec_.tracking) return {};
    if (auto tag = tags_.prepare(holder); !tag) return tag;
    if (auto room = tree_of(is_assigned).preallocate(guard, range); !room) return room;
    return quarantine_ && !is_assigned ? quarantine_->prepare(guard, range) : Result<>();
}

// Not between two tries to prepare something: what the first one got would be given back, and so for
// ever.
void Pool::trim() noexcept {
    tree_.trim();
    if (quarantine_) quarantine_->trim();
    if (assigned_.entry_count() > 0) assigned_.trim();
}

// Where every lease is recorded it does not matter which were claimed, and one tag serves both.
Tag Pool::tag_for(HolderIndex holder, bool is_claim, PoolIndex via) const noexcept {
    return {.holder = holder,
            .claimed = is_claim && !records_leases(),
            .via = via,
            .generation = sequence_->generation()};
}

// Where it takes the place of reserved IDs, so many entries of those are more now, modulo 2^64.
Lease Pool::store(Range range, const Tag& tag, bool is_assigned,
                  std::uint64_t reserved_runs_more) noexcept {
    const Lease lease{.range = range, .generation = tag.generation};
    if (!spec_.tracking) return lease;
    if (has_dead()) clear_dead(range);
    RangeTree& tree = tree_of(is_assigned);
    const std::uint64_t runs_before = tree.entry_count();
    const Value value = tags_.add(index_, tag, range.count());
    tree.store_merged(range, value);
    if (quarantine_ && !is_assigned) quarantine_->store(range);
    const std::uint64_t runs_more = tree.entry_count() - runs_before - reserved_runs_more;
    tags_.change_runs(value, runs_more);
    live_count_.ids += range.count();
    live_count_.runs += runs_more;
    return lease;
}

Result<bool> Pool::release(Range range, std::uint64_t generation,
                           std::optional<HolderIndex> holder) noexcept {
    const auto found = find_releasable(range, generation, holder);
    if (!found) return found.error();
    const Range first = found->first.entry.range;
    take_back_part(found->first);
    if (first.last != range.last) take_back({first.last + 1, range.last});
    ++counters_.releases;
    return found->is_recorded;
}

void Pool::take_back(Range range) noexcept {
    for (Id id = range.first;;) {
        const auto part = first_part({id, range.last});
        INOD_ASSERT(part);
        take_back_part(*part);
        if (part->entry.range.last == range.last) return;
        id = part->entry.range.last + 1;
    }
}

void Pool::take_back_part(const Part& part) noexcept {
    forget_part(part);
    const bool rests = quarantine_ && !part.is_assigned;
    if (rests) quarantine_->rest(part.entry.range, quarantine_->end_of_rest(now_));
}

Result<bool> Pool::check_release(Range range, std::uint64_t generation,
                                 std::optional<HolderIndex> holder) const noexcept {
    const auto found = find_releasable(range, generation, holder);
    return found ? Result<bool>(found->is_recorded) : found.error();
}

Result<Pool::Releasable> Pool::find_releasable(Range range, std::uint64_t generation,
                                               std::optional<HolderIndex> holder) const noexcept {
    if (!spec_.tracking) return Errc::not_tracked;
    if (auto inside = check_inside(range); !inside) return inside.error();
    if (has_generations(spec_.policy) && generation == 0) return Errc::generation_required;
    bool any_claimed = false;
    std::optional<Part> first;
    for (Id id = range.first;;) {
        const auto part = first_part({id, range.last});
        if (!part) return not_live(id);
        if (!first) first = part;
        const Tag& tag = tags_[part->entry.value];
        if (tag.generation != generation) return Error{Errc::stale_generation, tag.generation};
        if (holder && tag.holder != *holder) return Error{Errc::not_holder, id};
        if (tag.via != no_pool) return Error{Errc::held_below, id};
        any_claimed = any_claimed || tag.claimed;
        if (part->entry.range.last == range.last) {
            return Releasable{.first = *first, .is_recorded = records_leases() || any_claimed};
        }
        id = part->entry.range.last + 1;
    }
}

// What begins `range`, if that is live. Of a single ID, which most releases are of, it need not be found out
// how far its entry goes.
std::optional<Entry> Pool::find_live(const RangeTree& tree, Range range) const noexcept {
    std::optional<Entry> found;
    if (range.first != range.last) {
        found = tree.find_within(range);
    } else if (const Value value = tree.load(range.first); value != 0) {
        found = {range, value};
    }
    return found && !tags_.is_dead(found->value) ? found : std::nullopt;
}

// What begins `range`, if that is live: as much of it as has one value.
std::optional<Pool::Part> Pool::first_part(Range range) const noexcept {
    for (const bool is_assigned : {false, true}) {
        const RangeTree& tree = tree_of(is_assigned);
        if (is_assigned && tree.entry_count() == 0) break;
        const auto found = find_live(tree, range);
        if (found) return Part{*found, is_assigned};
    }
    return std::nullopt;
}

// Takes live IDs out of the tree that has them, and out of the counts.
void Pool::forget_part(const Part& part) noexcept {
    RangeTree& tree = tree_of(part.is_assigned);
    const Range range = part.entry.range;
    const std::uint64_t runs_before = tree.entry_count();
    tree.erase(range);
    const std::uint64_t runs_more = tree.entry_count() - runs_before;
    tags_.change_runs(part.entry.value, runs_more);
    tags_.remove(part.entry.value, range.count());
    live_count_.ids -= range.count();
    live_count_.runs += runs_more;
}

Error Pool::not_live(Id id) const {
    return {sequence_->was_passed(id) ? Errc::released : Errc::never_allocated, id};
}

LiveRun Pool::run_of(const Entry& entry) const {
    const Tag& tag = tags_[entry.value];
    return {
        .range = entry.range, .generation = tag.generation, .holder = tag.holder, .via = tag.via};
}

void Pool::widen(Id max) noexcept {
    INOD_ASSERT(max >= spec_.range.last);
    spec_.range.last = max;
    sequence_->widen(max);
}

Result<LiveRun> Pool::lookup(Id id, std::uint64_t generation) const {
    if (!spec_.tracking) return Errc::not_tracked;
    if (!spec_.range.contains(id)) return Error{Errc::id_out_of_range, id};
    auto entry = tree_.find(id);
    if ((!entry || tags_.is_dead(entry->value)) && assigned_.entry_count() > 0) {
        entry = assigned_.find(id);
    }
    if (!entry || tags_.is_dead(entry->value)) return not_live(id);
    const LiveRun run = run_of(*entry);
    if (generation != 0 && generation != run.generation) {
        return Error{Errc::stale_generation, run.generation};
    }
    return run;
}

Result<LiveRun> Pool::next(Id id) const {
    if (!spec_.tracking) return Errc::not_tracked;
    std::optional<Entry> nearest;
    for (const RangeTree* const tree : {&tree_, &assigned_}) {
        std::size_t passed = 0;
        auto cursor = tree->begin_at(id);
        for (; cursor && tags_.is_dead((*cursor).value); ++cursor) {
            if (++passed == dead_passed_max) return Errc::sweep_pending;
        }
        if (cursor && (!nearest || (*cursor).range.first < nearest->range.first)) nearest = *cursor;
    }
    if (!nearest) return Errc::no_more_leases;
    return run_of(*nearest);
}

std::optional<Run> Pool::next_run(Id id) const {
    std::optional<Run> nearest;
    for (const RangeTree* const tree : {&tree_, &assigned_}) {
        auto cursor = tree->begin_at(id);
        while (cursor && tags_.is_dead((*cursor).value))
            ++cursor;
        if (!cursor || (nearest && nearest->range.first < (*cursor).range.first)) continue;
        nearest = Run{(*cursor).range, tags_[(*cursor).value]};
    }
    return nearest;
}

}  // namespace inod
