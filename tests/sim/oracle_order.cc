// What comes next in a pool, what is kept out of circulation, and which refusals of both may be.
#include <algorithm>
#include <numeric>

#include "tests/sim/oracle.h"

namespace inod::sim {
namespace {

std::set<Id> reserved_of(PoolIndex pool, const Allocator& allocator) {
    std::set<Id> ids;
    const Pool& asked = *allocator.pool(pool);
    for (auto run = asked.next_reserved(0); run;) {
        insert(ids, *run);
        run = run->last < id_max ? asked.next_reserved(run->last + 1) : std::nullopt;
    }
    return ids;
}

bool is_in_a_band(const PoolSpec& spec, Id id) {
    return std::any_of(spec.reserved.begin(), spec.reserved.end(),
                       [id](Range band) { return band.contains(id); });
}

}  // namespace

// What is wrong with a wish, whatever the pool has.
std::optional<Error> Oracle::wish_error(PoolIndex pool, const Wish& wish) const {
    const PoolSpec& spec = pools_[pool];
    if (wish.count > spec.lease_count_max) {
        return Error{Errc::lease_too_large, spec.lease_count_max};
    }
    if (wish.align == 0 || wish.align > align_limit) return Error{Errc::align_invalid, align_limit};
    const std::uint64_t align = std::lcm(wish.align, spec.align);
    if (align > align_limit) return Error{Errc::align_invalid, align_limit};
    const auto burned_max = std::max<std::uint64_t>(spec.lease_count_max, spec.align);
    if (spec.policy == Policy::unique && align > burned_max) {
        return Error{Errc::align_invalid, burned_max};
    }
    return std::nullopt;
}

void Oracle::check_place(const Pool& pool, PoolIndex index, const Wish& wish, Range range) const {
    if (const auto wrong = wish_error(index, wish)) {
        violated(range, " is handed out, and the wish is one for ", wrong->code);
    }
    const PoolSpec& spec = pools_[index];
    const std::uint64_t align = std::lcm(wish.align, spec.align);
    if (range.first % align != 0) violated(range, " is not aligned to ", align);
    check_rests(index, range);
    if (spec.policy != Policy::lowest || pool.has_dead()) return;
    const auto lowest = first_free(now_[index], spec.range, wish.count, align);
    // What may have rested enough may be free.
    const bool may_be_lower = spec.quarantine_ms > 0 && (!lowest || range.first < lowest->first);
    if (lowest != range && !may_be_lower)
        violated(range, " is handed out, and ", lowest->first, " is the lowest");
}

void Oracle::check_refused_lease(PoolIndex pool, const Wish& wish, const Error& error) const {
    const PoolSpec& spec = pools_[pool];
    const auto wrong = wish_error(pool, wish);
    if (wrong && error != *wrong) violated("the wish is one for ", wrong->code);
    if (wrong) return;
    if (error.code != Errc::pool_exhausted) violated("refused without a reason: ", error.code);
    // A unique pool may have burned any number of what is not live.
    if (spec.policy == Policy::unique && spec.range.span() < 1'000'000) return;
    const Range window{spec.wrap_to.value_or(spec.range.first), spec.range.last};
    const auto free = first_free(now_[pool], window, wish.count, std::lcm(wish.align, spec.align),
                                 !spec.quarantine_yields && time_ < rests_over_[pool]);
    if (free) violated("exhausted, and ", *free, " is free");
}

// `error` is not one of means.
void Oracle::check_refused_claim(PoolIndex pool, Range range, bool takes_reserved,
                                 const Error& error) const {
    const PoolState& state = now_[pool];
    if (!pools_[pool].tracking) {
        if (error.code != Errc::not_tracked) violated("a counter refuses with ", error.code);
        return;
    }
    switch (error.code) {
        case Errc::id_taken:
            if (!range.contains(error.detail) || !state.live.contains(error.detail)) {
                violated(error.detail, " is said to be taken, and is not");
            }
            return;
        case Errc::id_reserved:
            if (!range.contains(error.detail) || !state.reserved.contains(error.detail)) {
                violated(error.detail, " is said to be reserved, and is not");
            }
            if (takes_reserved && has_all(state.reserved, range)) {
                violated("all of ", range, " is reserved, and to be had");
            }
            return;
        case Errc::id_resting:
            if (!range.contains(error.detail) || !may_rest(pool, error.detail)) {
                violated(error.detail, " is said to rest, and does not");
            }
            return;
        case Errc::id_burned:
            if (has_returning(pool)) violated("a number is burned where numbers return");
            return;
        default: violated("a claim is refused without a reason: ", error.code);
    }
}

void Oracle::check_refused_reserve(PoolIndex pool, Range range, const Error& error) const {
    const bool is_taken = error.code == Errc::id_taken && range.contains(error.detail) &&
                          now_[pool].reserved.contains(error.detail);
    if (!is_taken) check_refused_claim(pool, range, false, error);
}

void Oracle::reserved(PoolIndex pool, Range range, const Answer<void>& answer) {
    const auto taken = now_[pool].live.lower_bound(range.first);
    const bool is_free = taken == now_[pool].live.end() || taken->first > range.last;
    if (!is_free || has_any(now_[pool].reserved, range)) {
        violated("reserved: ", range, ", and it was not free");
    }
    check_rests(pool, range);
    change({.lsn = answer.wait_for, .kind = Change::Kind::reserved, .pool = pool, .range = range});
}

Error Oracle::unreserve_error(PoolIndex pool, Range range) const {
    if (!pools_[pool].tracking) return Errc::not_tracked;
    if (const Error outside = inside_error(pool, range); outside != Error()) return outside;
    const PoolState& state = now_[pool];
    if (!has_all(state.reserved, range)) return {Errc::not_reserved, range.first};
    const auto taken = state.live.lower_bound(range.first);
    if (taken == state.live.end() || taken->first > range.last) return {};
    return {Errc::id_taken, taken->first};
}

void Oracle::unreserved(PoolIndex pool, Range range, const Answer<void>& answer) {
    change(
        {.lsn = answer.wait_for, .kind = Change::Kind::unreserved, .pool = pool, .range = range});
}

void Oracle::advanced(PoolIndex pool, Id last, const Answer<void>& answer) {
    const PoolSpec& spec = pools_[pool];
    if (spec.policy == Policy::lowest || !spec.range.contains(last)) {
        violated("a pool goes on above ", last, ", which it cannot");
    }
    change({.lsn = answer.wait_for,
            .kind = Change::Kind::advanced,
            .pool = pool,
            .range = {spec.range.first, last}});
}

// What is reserved is as before the start, and so is what the start added to it: bands of the
// configuration, as far as they are free and, in a unique pool, not burned.
std::optional<std::string> Oracle::difference_of_reserved(PoolIndex pool, const PoolState& expected,
                                                          const Allocator& allocator) const {
    const PoolSpec& spec = pools_[pool];
    const std::set<Id> got = reserved_of(pool, allocator);
    for (const Id id : expected.reserved) {
        if (!got.contains(id)) return text_of("pool ", pool, ": no longer reserved: ", id);
    }
    for (const Id id : got) {
        const bool may_be = expected.reserved.contains(id) ||
                            (is_in_a_band(spec, id) && !expected.live.contains(id));
        if (!may_be) return text_of("pool ", pool, ": reserved: ", id);
    }
    if (!has_returning(pool)) return std::nullopt;
    for (const Range band : spec.reserved) {
        for (Id id = band.first;; ++id) {
            if (!got.contains(id) && !expected.live.contains(id)) {
                return text_of("pool ", pool, ": not reserved, and in a band: ", id);
            }
            if (id == band.last) break;
        }
    }
    return std::nullopt;
}

void Oracle::reserve_bands(State& state, const Allocator& allocator) const {
    for (std::size_t i = 0; i < state.pools.size(); ++i) {
        if (!pools_[i].tracking) continue;
        state[i].reserved = reserved_of(static_cast<PoolIndex>(i), allocator);
    }
}

}  // namespace inod::sim
