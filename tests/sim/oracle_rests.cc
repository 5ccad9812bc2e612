// What rests: nothing is handed out before it has rested enough, but where the pool yields and had nothing
// else, to this search or to one before it.
#include <algorithm>
#include <numeric>

#include "tests/sim/oracle.h"
#include "tests/sim/own_memory.h"

namespace inod::sim {

Oracle::Rests Oracle::rests(PoolIndex pool, Range range) const {
    Rests rests;
    const auto& resting = now_[pool].resting;
    for (auto it = resting.lower_bound(range.first); it != resting.end() && it->first <= range.last;
         ++it) {
        ++rests.count;
        if (it->second.until > time_) ++(it->second.may_be_over ? rests.yielded : rests.early);
    }
    return rests;
}

void Oracle::check_rests(PoolIndex pool, Range range) const {
    if (rests(pool, range).early > 0) violated(range, " is had, and has not rested enough");
}

bool Oracle::may_rest(PoolIndex pool, Id id) const {
    const auto found = now_[pool].resting.find(id);
    if (found == now_[pool].resting.end()) return false;
    return !found->second.is_exact || found->second.until > time_;
}

// The search ends what has rested longest, one after the other, until there is a place. Of what has no exact
// time it is known only when all of it is over: so it has ended nothing that is to last for longer than it
// takes until there is a place for sure.
void Oracle::searched(PoolIndex pool, const Wish& wish) {
    const OwnMemory own;
    const PoolSpec& spec = pools_[pool];
    if (!spec.quarantine_yields || wish_error(pool, wish)) return;
    const Range window{spec.wrap_to.value_or(spec.range.first), spec.range.last};
    PoolState left = now_[pool];
    const auto has_place = [&] {
        const std::uint64_t align = std::lcm(wish.align, spec.align);
        return first_free(left, window, wish.count, align).has_value();
    };
    const auto latest = [&](const Rest& rest) {
        return rest.is_exact ? rest.until : std::max(rest.until, rests_over_[pool]);
    };
    while (!has_place() && !left.resting.empty()) {
        BootTime next = never;
        for (const auto& [id, rest] : left.resting)
            next = std::min(next, latest(rest));
        std::erase_if(left.resting, [&](const auto& it) { return latest(it.second) <= next; });
        if (has_place()) return yield(pool, next);
    }
}

// It stands among the changes, since what is ended so is not in a snapshot that is made from now on.
void Oracle::yield(PoolIndex pool, BootTime until) {
    const Change yielded{.lsn = changes_.empty() ? durable_ : changes_.back().lsn,
                         .kind = Change::Kind::yielded,
                         .pool = pool,
                         .range = {},
                         .at = until};
    yielded.apply(now_);
    changes_.push_back(yielded);
}

void Oracle::rests_begin(PoolIndex pool, BootTime now) {
    rests_over_[pool] = std::max(rests_over_[pool], now + now_[pool].rest_ms);
}

void Oracle::set_time(BootTime now, const Allocator& allocator) {
    time_ = now;
    for (std::size_t i = 0; i < now_.pools.size(); ++i) {
        const auto pool = static_cast<PoolIndex>(i);
        if (allocator.pool(pool)->has_dead()) rests_begin(pool, now);
    }
}

// Rests go on, and may be longer than before; those of bands that are reserved now are over.
void Oracle::take_over_rests(State& state, const StartConditions& conditions) {
    time_ = conditions.now;
    for (std::size_t i = 0; i < state.pools.size(); ++i) {
        PoolState& pool = state[i];
        if (conditions.is_rebooted) rests_over_[i] = 0;
        rests_begin(static_cast<PoolIndex>(i), time_);
        std::erase_if(pool.resting,
                      [&](const auto& it) { return pool.reserved.contains(it.first); });
        for (auto& [id, rest] : pool.resting)
            rest.is_exact = false;
    }
}

}  // namespace inod::sim
