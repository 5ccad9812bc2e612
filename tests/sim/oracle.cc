#include "tests/sim/oracle.h"

#include <algorithm>

#include "tests/sim/promises.h"

namespace inod::sim {
namespace {

// Past this many changes that are not durable a lookup may wait for more than it has to: see
// lib/allocator/pending_changes.h.
constexpr std::size_t exact_changes_max = 4096;

bool same_lease(const Known& known, const Held& held) {
    return known.generation == held.generation && known.uid == held.holder.uid &&
           (known.holder == 0 || known.holder == held.holder.id);
}

std::string said(const Answer<Held>& answer) {
    if (!answer.result) {
        return text_of(answer.result.error().code, ", ", answer.result.error().detail);
    }
    return text_of(answer.result->range, "@", answer.result->generation, " of ",
                   answer.result->holder.uid);
}

}  // namespace

std::size_t Oracle::NumberHash::operator()(const Number& number) const noexcept {
    std::uint64_t hash = number.id + number.generation * 0x9E3779B97F4A7C15 + number.pool * 0x51ED;
    hash = (hash ^ (hash >> 30U)) * 0xBF58476D1CE4E5B9;
    return hash ^ (hash >> 27U);
}

// Requests.

void Oracle::leased(PoolIndex pool, std::uint64_t count, std::uint32_t uid,
                    const Answer<Lease>& answer, HolderId holder) {
    const Lease& lease = *answer.result;
    if (lease.range.count() != count) violated(count, " asked for, and got ", lease);
    if (has_any(now_[pool].reserved, lease.range)) violated(lease, " is handed out, and reserved");
    const auto& passed = now_[pool].passed;
    if (!has_returning(pool) && passed && lease.range.first <= *passed) {
        violated(lease, " is handed out, and the pool goes on above ", *passed);
    }
    hand_out(pool, lease,
             {.generation = lease.generation,
              .uid = uid,
              .is_recorded = records_leases(pool),
              .lsn = answer.wait_for,
              .holder = holder});
}

void Oracle::claimed(PoolIndex pool, Range range, std::uint32_t uid, const Answer<Lease>& answer,
                     std::optional<Id> settled_mark, bool takes_reserved, HolderId holder) {
    const Lease& lease = *answer.result;
    if (lease.range != range) violated("claimed ", range, ", and got ", lease);
    if (!pools_[pool].tracking) violated("claimed ", range, " of a pool that is a counter");
    check_rests(pool, range);
    const bool is_reserved = has_any(now_[pool].reserved, range);
    if (is_reserved && !(takes_reserved && has_all(now_[pool].reserved, range))) {
        violated("claimed ", range, ", which is reserved");
    }
    const std::size_t before = this_life_.size();
    hand_out(pool, lease,
             {.generation = lease.generation,
              .uid = uid,
              .is_recorded = true,
              .lsn = answer.wait_for,
              .holder = holder});
    for (std::size_t i = before; i < this_life_.size(); ++i) {
        HandedOut& one = this_life_[i];
        one.is_claim_above_mark = pools_[pool].policy == Policy::unique &&
                                  (!settled_mark || one.number.id > *settled_mark || is_reserved);
    }
    if (!is_reserved || has_returning(pool)) return;
    changes_.back().ends_reserve = true;
    erase(now_[pool].reserved, range);
}

void Oracle::hand_out(PoolIndex pool, const Lease& lease, const Known& known) {
    const PoolSpec& spec = pools_[pool];
    const bool is_recorded = known.is_recorded;
    const Lsn wait_for = known.lsn;
    if (!spec.range.contains(lease.range)) violated(lease, " is outside of the pool");
    if ((lease.generation == 0) != (spec.policy == Policy::unique)) {
        violated(lease, " has a generation that this pool cannot give");
    }
    if (is_recorded && wait_for <= durable_) {
        violated(lease, " may be told at once, and its record is not durable");
    }
    const LiveIds& live = now_[pool].live;
    const auto taken = live.lower_bound(lease.range.first);
    if (taken != live.end() && taken->first <= lease.range.last) {
        violated("handed out while it is live: ", taken->first);
    }
    has_seen_leases_ = has_seen_leases_ || spec.tracking;
    has_heard_ = has_heard_ || wait_for <= durable_;
    for (Id id = lease.range.first;; ++id) {
        const Number number{pool, id, lease.generation};
        if (numbers_.contains(number)) {
            violated("handed out a second time: pool ", pool, ", ", id, "@", lease.generation);
        }
        remember_number(number);
        this_life_.push_back({number, wait_for, collecting_, false});
        if (id == lease.range.last) break;
    }
    Change handed_out{
        .lsn = wait_for, .kind = Change::Kind::leased, .pool = pool, .range = lease.range};
    if (spec.tracking) handed_out.known = known;
    handed_out.apply(now_);
    if (is_recorded) changes_.push_back(handed_out);
}

void Oracle::released(PoolIndex pool, Range range, const Answer<void>& answer) {
    const LiveIds& live = now_[pool].live;
    const bool is_recorded =
        std::any_of(live.lower_bound(range.first), live.upper_bound(range.last),
                    [](const auto& it) { return it.second.is_recorded; });
    const Change released{.lsn = answer.wait_for,
                          .kind = Change::Kind::released,
                          .pool = pool,
                          .range = range,
                          .at = time_};
    rests_begin(pool, time_);
    if (is_recorded) return change(released);
    released.apply(now_);
}

// It is recorded.
void Oracle::change(Change change) {
    if (change.lsn <= durable_) {
        violated("the change of ", change.range, " may be told at once, and is not durable");
    }
    change.apply(now_);
    changes_.push_back(std::move(change));
}

Error Oracle::not_live(PoolIndex pool, Id id) const {
    return {was_handed_out(pool, id) ? Errc::released : Errc::never_allocated, id};
}

Error Oracle::inside_error(PoolIndex pool, Range range) const {
    const Range whole = pools_[pool].range;
    if (range.first > range.last) return {Errc::range_reversed, range.first};
    if (range.first < whole.first) return {Errc::id_out_of_range, range.first};
    if (range.last > whole.last) {
        return {Errc::id_out_of_range, std::max(range.first, whole.last + 1)};
    }
    return {};
}

Error Oracle::release_error(PoolIndex pool, Range range, std::uint64_t generation,
                            std::uint32_t uid, HolderId holder) const {
    const PoolSpec& spec = pools_[pool];
    if (!spec.tracking) return Errc::not_tracked;
    if (const Error outside = inside_error(pool, range); outside != Error()) return outside;
    if (spec.policy != Policy::unique && generation == 0) return Errc::generation_required;
    const LiveIds& live = now_[pool].live;
    for (Id id = range.first;; ++id) {
        const auto found = live.find(id);
        if (found == live.end()) return not_live(pool, id);
        const Known& known = found->second;
        if (known.generation != generation) return {Errc::stale_generation, known.generation};
        const bool is_own = holder != 0 ? known.holder == holder : known.uid == uid;
        if (!is_own) return {Errc::not_holder, id};
        if (id == range.last) return {};
    }
}

void Oracle::check_not_tracked(const Answer<Held>& answer) {
    if (answer.result || answer.result.error().code != Errc::not_tracked) {
        violated("a counter says ", said(answer));
    }
}

void Oracle::check_lookup(PoolIndex pool, Id id, const Answer<Held>& answer) const {
    if (!pools_[pool].tracking) return check_not_tracked(answer);
    const LiveIds& live = now_[pool].live;
    const auto found = live.find(id);
    if (found == live.end()) {
        const Errc code = answer.result ? Errc::ok : answer.result.error().code;
        const bool is_right = was_handed_out(pool, id)
                                  ? code == Errc::released
                                  : code == Errc::released || code == Errc::never_allocated;
        if (!is_right) violated("the lookup of ", id, ", which is not live, says ", said(answer));
    } else if (!answer.result || !same_lease(found->second, *answer.result) ||
               !answer.result->range.contains(id)) {
        violated("the lookup of ", id, " says ", said(answer), ", and it is live, @",
                 found->second.generation, " of ", found->second.uid);
    } else {
        // All that the answer names is so, and what follows on both sides is not.
        const Range range = answer.result->range;
        auto it = live.find(range.first);
        for (Id at = range.first;; ++at, ++it) {
            if (it == live.end() || it->first != at || !same_lease(it->second, *answer.result)) {
                violated("the lookup of ", id, " says ", said(answer), ", which is wrong at ", at);
            }
            if (at == range.last) break;
        }
        const auto is_reserved = [&](Id at) { return now_[pool].reserved.contains(at); };
        // What is claimed of reserved IDs is a run of its own.
        const auto goes_on = [&](Id beside) {
            const auto other = live.find(beside);
            return records_leases(pool) && other != live.end() &&
                   same_lease(other->second, *answer.result) &&
                   is_reserved(beside) == is_reserved(id);
        };
        if ((range.first > 0 && goes_on(range.first - 1)) ||
            (range.last < id_max && goes_on(range.last + 1))) {
            violated("the lookup of ", id, " says ", said(answer), ", and the run is longer");
        }
    }
    Lsn changed = last_change(pool, id);
    if (found != live.end() && found->second.lsn > durable_) {
        changed = std::max(changed, found->second.lsn);
    }
    // What is free may be so because a holder ended, and waits for the last that did.
    Lsn latest = changed;
    if (found == live.end() && last_end_ > durable_) latest = std::max(latest, last_end_);
    const bool is_exact = records_leases(pool) && changes_.size() < exact_changes_max;
    if (answer.wait_for < changed || (is_exact && answer.wait_for > latest)) {
        violated("the lookup of ", id, " waits for LSN ", answer.wait_for, ", its last change is ",
                 changed, ", and up to ", durable_, " all is durable");
    }
}

void Oracle::check_next(PoolIndex pool, Id id, const Answer<Held>& answer) const {
    if (!pools_[pool].tracking) return check_not_tracked(answer);
    const LiveIds& live = now_[pool].live;
    const auto found = live.lower_bound(id);
    if (found == live.end()) {
        if (answer.result)
            violated("nothing is live from ", id, " on, and there is ", said(answer));
    } else if (!answer.result || !same_lease(found->second, *answer.result) ||
               !answer.result->range.contains(found->first)) {
        violated("next to ", id, " is ", said(answer), ", and ", found->first, " is live");
    }
    const Lsn changed = changes_.empty() ? 0 : changes_.back().lsn;
    if (changed > durable_ && answer.wait_for < changed) {
        violated("a list waits for LSN ", answer.wait_for, ", and the last change is ", changed);
    }
}

bool Oracle::was_handed_out(PoolIndex pool, Id id) const {
    return ids_.contains({pool, id, 0});
}

void Oracle::remember_number(const Number& number) {
    if (numbers_.insert(number).second) ++ids_[{number.pool, number.id, 0}];
}

void Oracle::forget_number(const Number& number) {
    if (numbers_.erase(number) > 0) forget_id(number);
}

void Oracle::forget_id(const Number& number) {
    const auto found = ids_.find({number.pool, number.id, 0});
    if (--found->second == 0) ids_.erase(found);
}

// The LSN of the last change of `id` that is recorded and not durable yet; 0 if there is none.
Lsn Oracle::last_change(PoolIndex pool, Id id) const {
    for (auto it = changes_.rbegin(); it != changes_.rend() && it->lsn > durable_; ++it) {
        if (it->concerns(pool, id))
            return it->kind == Change::Kind::ended ? it->first_lsn : it->lsn;
    }
    return 0;
}

// Time.

void Oracle::group_begun() {
    ++collecting_;
}

void Oracle::group_durable(Lsn lsn) {
    durable_before_ = durable_;
    durable_ = lsn;
    has_heard_ = true;
    // A turn is ended before the next is begun.
    last_durable_group_ = collecting_ - 1;
    auto it = changes_.begin();
    for (; it != changes_.end() && it->lsn <= durable_before_; ++it)
        it->apply(settled_);
    changes_.erase(changes_.begin(), it);
}

bool Oracle::restarted(const Recovery& recovery, Allocator& allocator, StartConditions conditions) {
    now_.pools.resize(pools_.size());
    settled_.pools.resize(pools_.size());
    rests_over_.resize(pools_.size());
    for (std::size_t i = 0; i < pools_.size(); ++i)
        now_[i].rest_ms = settled_[i].rest_ms = pools_[i].quarantine_ms;
    check_end(recovery, conditions);
    const Lsn floor = conditions.is_damaged ? durable_before_ : durable_;

    // The state is that after the last LSN. But where a start was begun and did not succeed, it may
    // have given the LSNs of changes that were lost to records of its own.
    std::vector<Lsn> ends = {recovery.last_lsn};
    if (conditions.was_begun_before) {
        for (const Change& change : changes_) {
            if (change.lsn >= floor && change.lsn < recovery.last_lsn) ends.push_back(change.lsn);
        }
        ends.push_back(floor);
    }
    std::optional<std::string> wrong;
    for (const Lsn end : ends) {
        auto state = state_after(end, recovery.clean, allocator);
        if (conditions.is_rebooted) reboot(state, conditions.first_start);
        auto different = difference(state, allocator);
        if (!different) {
            if (conditions.was_begun_before) {
                // Nobody can see how far a pool was to go on of which nothing was handed out since.
                const State least = state_after(floor, recovery.clean, allocator);
                for (std::size_t i = 0; i < state.pools.size(); ++i)
                    state[i].passed = least[i].passed;
            }
            reserve_bands(state, allocator);
            take_over_holders(state, allocator, conditions);
            take_over_rests(state, conditions);
            const bool lost_last_group = end < durable_;
            take_over(std::move(state), allocator.journal().durable_lsn(), lost_last_group);
            durable_before_ = recovery.last_lsn;
            return lost_last_group;
        }
        if (!wrong) wrong = std::move(different);
    }
    violated("the state is not what it was up to LSN ", recovery.last_lsn, ": ", *wrong);
}

// Is the end of the journal where it may be?
void Oracle::check_end(const Recovery& recovery, StartConditions conditions) const {
    const Lsn floor = conditions.is_damaged ? durable_before_ : durable_;
    if (recovery.last_lsn < floor) {
        violated("lost: all up to LSN ", durable_, " was acknowledged, and it goes on after ",
                 recovery.last_lsn);
    }
    if (recovery.clean && !closing_ && !recovery.created && !may_be_forgotten(conditions)) {
        violated("a clean stop is found that nobody made");
    }
    if (closed_ && !recovery.clean && !conditions.is_damaged && !conditions.was_begun_before) {
        violated("the last stop was clean, and that is not found");
    }
}

// Damage may take the frame that names the segment of a life, and so all of that life, if nothing was
// written behind it; then nobody has heard of anything in it.
bool Oracle::may_be_forgotten(StartConditions conditions) const {
    return conditions.is_damaged && !has_heard_;
}

State Oracle::state_after(Lsn lsn, bool clean, const Allocator& allocator) const {
    if (clean && closing_) return now_;
    State state = settled_;
    for (const Change& change : changes_) {
        if (change.lsn <= lsn) change.apply(state);
        if (change.lsn <= lsn || change.kind != Change::Kind::ended) continue;
        for (const HolderId id : ended_before(change, lsn, allocator, state))
            end_holder(state, id, change.at);
    }
    if (clean) return state;
    for (std::size_t pool = 0; pool < state.pools.size(); ++pool) {
        if (records_leases(static_cast<PoolIndex>(pool))) continue;
        std::erase_if(state[pool].live, [](const auto& it) { return !it.second.is_recorded; });
    }
    return state;
}

// What the allocator answers otherwise than is expected, or nothing.
std::optional<std::string> Oracle::difference(const State& expected, Allocator& allocator) const {
    if (auto different = difference_of_holders(expected, allocator)) return different;
    for (std::size_t i = 0; i < expected.pools.size(); ++i) {
        const auto pool = static_cast<PoolIndex>(i);
        if (auto different = difference(pool, expected[i].live, allocator)) return different;
        if (auto different = difference_of_reserved(pool, expected[i], allocator)) return different;
    }
    return std::nullopt;
}

std::optional<std::string> Oracle::difference(PoolIndex pool, const LiveIds& expected,
                                              Allocator& allocator) const {
    auto it = expected.begin();
    for (Id from = 0;;) {
        const auto answer = allocator.next(pool, from);
        if (answer.wait_for != 0) return "a list has to wait after a start";
        if (!answer.result) break;
        const Range range = answer.result->range;
        for (Id id = range.first;; ++id, ++it) {
            if (it == expected.end() || it->first > id) {
                return text_of("pool ", pool, ": ", said(answer), ", and ", id,
                               " should not be live");
            }
            if (it->first < id) return text_of("pool ", pool, ": lost: ", it->first);
            if (!same_lease(it->second, *answer.result)) {
                return text_of("pool ", pool, ": ", said(answer), ", and ", id, " should be @",
                               it->second.generation, " of ", it->second.uid);
            }
            if (id == range.last) break;
        }
        ++it;
        if (range.last == id_max) break;
        from = range.last + 1;
    }
    if (it != expected.end()) return text_of("pool ", pool, ": lost: ", it->first);
    return std::nullopt;
}

// May this one return where it was told in a group that damage took, and that nothing proved? The
// gaps that docs/promises.md names: unique pools with less than a million left, which take no stride,
// and claims above the mark of a unique pool.
bool Oracle::may_return(const HandedOut& one) const {
    if (!last_group_repeats_forbidden) return true;
    const PoolSpec& spec = pools_[one.number.pool];
    const bool has_no_stride =
        spec.policy == Policy::unique && spec.range.last - one.number.id < 1'000'000;
    return has_no_stride || one.is_claim_above_mark;
}

// From here on `state` is what there is, and nobody has anything to wait for.
void Oracle::take_over(State state, Lsn durable, bool lost_last_group) {
    for (const HandedOut& one : this_life_) {
        const auto& live = state[one.number.pool].live;
        const auto found = live.find(one.number.id);
        if (found != live.end() && found->second.generation == one.number.generation) continue;
        const bool was_heard_of = one.lsn <= durable_;
        const bool is_lost = lost_last_group && one.group >= last_durable_group_;
        if (!was_heard_of || (is_lost && may_return(one))) {
            forget_number(one.number);
        } else if (is_lost) {
            // It never returns; but what became of it nobody can say.
            forget_id(one.number);
        }
    }
    this_life_.clear();
    changes_.clear();
    for (PoolState& pool : state.pools) {
        for (auto& [id, known] : pool.live)
            known.lsn = 0;
    }
    now_ = state;
    settled_ = std::move(state);
    durable_ = durable;
    last_end_ = 0;
    // The start has made a group of its own.
    last_durable_group_ = collecting_++;
    has_heard_ = false;
    closing_ = false;
    closed_ = false;
}

}  // namespace inod::sim
