// Pools with a parent: one number at each level, or none at any.
//
// Numbers of all levels come and go in one record, under the one lock that guards all pools; planned they
// are from the highest pool down.
#include <algorithm>

#include "lib/allocator/allocator.h"
#include "lib/base/assert.h"

namespace inod {

// The pool itself is the last.
Levels<PoolIndex> Allocator::levels_of(PoolIndex index) const noexcept {
    std::array<PoolIndex, levels_max> upwards{};
    std::size_t count = 0;
    for (PoolIndex at = index; at != no_pool; at = pools_[at]->parent)
        upwards[count++] = at;
    Levels<PoolIndex> levels;
    while (count > 0)
        levels.push_back(upwards[--count]);
    return levels;
}

Answer<Lease> Allocator::allocate_nested(GuardRef guard, PoolIndex index, const NestedWish& wanted,
                                         const Asker& asker, const Ticket& ticket) {
    const Levels<PoolIndex> levels = levels_of(index);
    ServedPool& asked = *pools_[index];
    if (journal_.sealed()) return refuse<Lease>(asked, index, Errc::journal_sealed);
    if (wanted.claim && wanted.claim->first > wanted.claim->last) {
        return refuse<Lease>(asked, index, {Errc::range_reversed, wanted.claim->first});
    }
    const std::uint64_t count_max = asked.pool.spec().lease_count_max;
    const std::uint64_t count = wanted.claim ? std::min(wanted.claim->span(), count_max - 1) + 1
                                             : std::min(wanted.wish.count, count_max);
    if (auto space = set_space_aside_for_levels(levels.size(), count); !space) {
        return refuse<Lease>(asked, index, space.error());
    }
    const auto admitted = admit(asker, index, count);
    if (!admitted) return refuse<Lease>(asked, index, admitted.error());
    const HolderIndex holder = admitted->holder;
    const Admission admission(*this, holder);
    LevelReservations reservations;
    if (auto refused = reserve_above(levels, count, asker, reservations)) {
        return refuse<Lease>(*pools_[refused->pool], refused->pool, refused->error);
    }
    for (const PoolIndex level : levels) {
        pools_[level]->pool.trim();
        links_.trim(level);
    }
    LevelPlans plans;
    WatchedGuard watched(guard);
    do {
        if (auto refused = plan_levels(watched, levels, wanted, holder, asker, plans)) {
            return refuse<Lease>(*pools_[refused->pool], refused->pool, refused->error);
        }
    } while (watched.was_dropped());
    return commit_levels(levels, plans, holder, asker, ticket);
}

// What the user may have of the pools above the one that is asked, the highest first.
std::optional<Allocator::LevelRefusal> Allocator::reserve_above(const Levels<PoolIndex>& levels,
                                                                std::uint64_t count,
                                                                const Asker& asker,
                                                                LevelReservations& reservations) {
    for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
        const PoolIndex level = levels[i];
        const bool has_quota = level < asker.quotas_above.size();
        auto reservation = accounts_.prepare(level, asker.uid, count,
                                             has_quota ? asker.quotas_above[level] : Quota());
        if (!reservation) return LevelRefusal{level, reservation.error()};
        reservations.push_back(std::move(*reservation));
    }
    return std::nullopt;
}

// Each level has a lease more, and each but the highest links, which can get holes too.
Result<> Allocator::set_space_aside_for_levels(std::size_t levels, std::uint64_t count) noexcept {
    StateSize wanted = state_size();
    wanted.kept += 2 * levels * lease_size_max;
    wanted.holes += 3 * levels * holes_size_max(count);
    return set_space_aside_for(wanted);
}

// What can refuse, level by level; and what links them. Where marks are to become durable first, those of
// several levels are on their way at once.
std::optional<Allocator::LevelRefusal> Allocator::plan_levels(
    GuardRef guard, const Levels<PoolIndex>& levels, const NestedWish& wanted, HolderIndex holder,
    const Asker& asker, LevelPlans& plans) {
    const PoolIndex asked = levels.back();
    std::size_t marks_pending = 0;
    for (std::size_t i = 0; i < levels.size(); ++i) {
        const auto planned =
            plan_level(guard, levels[i], wanted, levels[i] == asked, holder, asker);
        if (planned) {
            plans[i] = *planned;
            continue;
        }
        if (planned.error().code != Errc::block_pending) {
            return LevelRefusal{levels[i], planned.error()};
        }
        await_mark(*pools_[levels[i]], levels[i], planned.error());
        if (++marks_pending == records_per_request_max) break;
    }
    if (marks_pending > 0) return LevelRefusal{asked, Errc::block_pending};
    for (std::size_t i = 1; i < levels.size(); ++i) {
        const Link link{.own = plans[i].range, .above = plans[i - 1].range};
        if (auto ready = links_.prepare(guard, levels[i], link); !ready) {
            return LevelRefusal{levels[i], ready.error()};
        }
    }
    if (auto tags = tags_.prepare(holder, levels.size()); !tags) {
        return LevelRefusal{asked, tags.error()};
    }
    return std::nullopt;
}

// Of a pool above the one that is asked nothing is wished for but the count.
Result<Pool::Plan> Allocator::plan_level(GuardRef guard, PoolIndex index, const NestedWish& wanted,
                                         bool is_asked, HolderIndex holder, const Asker& asker) {
    ServedPool& level = *pools_[index];
    const std::uint64_t count = wanted.claim ? wanted.claim->count() : wanted.wish.count;
    settle_mark(level);
    const bool is_claim = is_asked && wanted.claim;
    const Wish wish = is_asked ? wanted.wish : Wish{.count = count};
    auto plan = is_claim ? level.pool.plan_at(guard, *wanted.claim, holder, asker.takes_reserved)
                         : level.pool.plan(guard, wish, holder);
    // With what is dead there its links go, before there are to be others.
    if (plan) level.pool.sweep_out(plan->range);
    return plan;
}

Answer<Lease> Allocator::commit_levels(const Levels<PoolIndex>& levels, const LevelPlans& plans,
                                       HolderIndex holder, const Asker& asker,
                                       const Ticket& ticket) noexcept {
    const Pool::Plan& asked = plans[levels.size() - 1];
    NestedAllocated record{
        .holder = holder, .is_claim = asked.is_claim, .span = asked.range.span(), .levels = {}};
    std::array<Lease, levels_max> leases{};
    bool may_move_mark = true;  // at one level at a time: a request has room for so many records
    for (std::size_t i = 0; i < levels.size(); ++i) {
        const PoolIndex via = i + 1 < levels.size() ? levels[i + 1] : no_pool;
        ServedPool& level = *pools_[levels[i]];
        const Granted granted = level.pool.commit(plans[i], holder, via, may_move_mark);
        const Lease& lease = leases[i] = granted.lease;
        accounts_.change(levels[i], asker.uid, granted.growth);
        if (granted.mark) record_mark(level, levels[i], *granted.mark);
        may_move_mark = may_move_mark && !granted.mark;
        if (i > 0) links_.store(levels[i], {.own = lease.range, .above = plans[i - 1].range});
        note_reached(level, lease, plans[i].is_claim);
        record.levels.push_back({.pool = levels[i],
                                 .first = lease.range.first,
                                 .raised_generation = granted.raised_generation});
    }
    for (const PoolIndex level : levels)
        resize_grown(*pools_[level]);
    record_holder(holder);
    const Lease& told = leases[levels.size() - 1];
    if (ticket) record.token = NestedToken{.generation = told.generation, .token = *ticket};
    const Lsn lsn = append(record);
    for (std::size_t i = 0; i < levels.size(); ++i) {
        pending_.add(levels[i], plans[i].range, lsn, journal_.durable_lsn());
        tell(plans[i].is_claim ? EventKind::claimed : EventKind::allocated, levels[i], leases[i],
             holder, lsn);
    }
    return {told, lsn};
}

Answer<void> Allocator::release_nested(ServedPool& asked, Range range, std::uint64_t generation,
                                       std::optional<HolderIndex> whose) noexcept {
    const PoolIndex index = asked.index;
    if (auto may = asked.pool.check_release(range, generation, whose); !may) {
        return refuse<void>(asked, index, may.error());
    }
    const Levels<PoolIndex> levels = levels_of(index);
    NestedReleased record{.range = range, .at = now_, .levels = {}};
    for (const PoolIndex level : levels)
        record.levels.push_back({.pool = level, .rest_ms = pools_[level]->pool.rest_ms()});
    const Lsn lsn = append(record);
    std::array<GivenBack, levels_max> given_back;
    for (Id id = range.first;;) {
        const LiveRun run = *asked.pool.lookup(id, 0);
        const Range part{id, std::min(run.range.last, range.last)};
        release_level(levels, levels.size() - 1, part, lsn, given_back);
        if (part.last == range.last) break;
        id = part.last + 1;
    }
    asked.pool.count_release();
    for (std::size_t i = 0; i < levels.size(); ++i) {
        resize_shrunk(*pools_[levels[i]]);
        const GivenBack& told = given_back[i];
        tell(told.is_in_a_row ? EventKind::released : EventKind::released_some, levels[i],
             told.lease, told.holder, lsn);
    }
    return {{}, lsn};
}

// These numbers, all of one holder and generation, and what goes with them above: that first.
void Allocator::release_level(const Levels<PoolIndex>& levels, std::size_t level, Range range,
                              Lsn lsn, std::array<GivenBack, levels_max>& given_back) noexcept {
    const PoolIndex index = levels[level];
    while (level > 0) {
        const auto link = links_.next_above(index, range);
        if (!link) break;
        links_.erase(index, link->own);
        release_level(levels, level - 1, link->above, lsn, given_back);
    }
    ServedPool& released = *pools_[index];
    const LiveRun run = *released.pool.lookup(range.first, 0);
    const TagCount before = released.pool.live_count();
    released.pool.take_back(range);
    charge(released, index, run.holder, before);
    pending_.add(index, range, lsn, journal_.durable_lsn());
    waits_.released(index, range);
    given_back[level].add(run, range);
}

// `run` is what begins `range`, which can be of several generations.
void Allocator::GivenBack::add(const LiveRun& run, Range range) noexcept {
    const bool is_one_run = run.range.contains(range);
    if (is_empty) {
        is_empty = false;
        is_in_a_row = is_one_run;
        lease = {.range = range, .generation = run.generation};
        holder = run.holder;
        return;
    }
    const bool follows = lease.range.last != id_max && range.first == lease.range.last + 1;
    is_in_a_row = is_in_a_row && is_one_run && follows && run.generation == lease.generation;
    if (holder != run.holder) holder.reset();
    lease.range.first = std::min(lease.range.first, range.first);
    lease.range.last = std::max(lease.range.last, range.last);
}

Answer<Levels<LevelNumber>> Allocator::lookup_levels(PoolIndex index, Id id,
                                                     std::uint64_t generation) noexcept {
    const auto found = lookup(index, id, generation);
    if (!found.result) return {found.result.error(), found.wait_for};
    std::array<LevelNumber, levels_max> upwards{};
    std::size_t count = 0;
    // Down to where it was asked for, and from there up to where nothing is above.
    for (PoolIndex via = pools_[index]->pool.lookup(id, 0)->via; via != no_pool;
         via = pools_[index]->pool.lookup(id, 0)->via) {
        id = links_.next_below(via, {id, id})->own.first;
        index = via;
    }
    for (;;) {
        upwards[count++] = {index, id, pools_[index]->pool.lookup(id, 0)->generation};
        if (pools_[index]->parent == no_pool) break;
        id = links_.next_above(index, {id, id})->above.first;
        index = pools_[index]->parent;
    }
    Levels<LevelNumber> levels;
    while (count > 0)
        levels.push_back(upwards[--count]);
    return {levels, found.wait_for};
}

// Where a number lives it does so at every level, and what is known of one level fits the others.
std::optional<std::string> Allocator::verify_levels() const {
    if (auto broken = links_.verify()) return broken;
    for (const auto& served_pool : pools_) {
        if (auto broken = verify_live_links(*served_pool)) return broken;
    }
    return std::nullopt;
}

std::optional<std::string> Allocator::verify_live_links(const ServedPool& served_pool) const {
    std::optional<std::string> broken;
    const PoolIndex index = served_pool.index;
    if (served_pool.parent == no_pool && links_.children_of(index).empty()) return broken;
    const auto check = [&](const Run& run) {
        if (broken) return;
        for (Range part = run.range;; part = {part.last + 1, run.range.last}) {
            const LevelLinks::Way way = links_.way_of(index, part);
            part.last = way.last;
            const bool goes_up = served_pool.parent != no_pool;
            if (goes_up) {
                const auto up = links_.next_above(index, part);
                if (!up || up->own.first != part.first || !is_linked(index, *up)) break;
                part.last = std::min(part.last, up->own.last);
            }
            if (way.via != run.tag.via) break;
            if (part.last == run.range.last) return;
        }
        broken = "pool " + served_pool.pool.spec().name + ": " + std::to_string(run.range.first) +
                 "-" + std::to_string(run.range.last) +
                 " does not go with what it should at other levels";
    };
    served_pool.pool.for_each_run(check);
    return broken;
}

// Is what is above live, of the same holder, and through this pool?
bool Allocator::is_linked(PoolIndex child, const Link& link) const {
    const Pool& pool = pools_[child]->pool;
    const Pool& above = pools_[pools_[child]->parent]->pool;
    for (Range part = link.above;; part.first = part.last + 1, part.last = link.above.last) {
        const auto run = above.next_run(part.first);
        const auto own = pool.next_run(link.own.first + (part.first - link.above.first));
        if (!run || !run->range.contains(part.first) || run->tag.via != child) return false;
        if (!own || own->tag.holder != run->tag.holder) return false;
        part.last = std::min(part.last, run->range.last);
        if (part.last == link.above.last) return true;
    }
}

}  // namespace inod
