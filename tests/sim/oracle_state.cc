#include "tests/sim/oracle_state.h"

#include <algorithm>

namespace inod::sim {
namespace {

// The last ID of `range` that is occupied.
std::optional<Id> last_occupied(const PoolState& pool, Range range, bool with_rests) {
    std::optional<Id> last;
    const auto look = [&](const auto& ids, auto id_of) {
        auto it = ids.upper_bound(range.last);
        if (it == ids.begin()) return;
        const Id id = id_of(*--it);
        if (id >= range.first) last = std::max(last.value_or(id), id);
    };
    look(pool.live, [](const auto& entry) { return entry.first; });
    look(pool.reserved, [](Id id) { return id; });
    if (with_rests) look(pool.resting, [](const auto& entry) { return entry.first; });
    return last;
}

}  // namespace

void Change::apply(State& state) const {
    if (kind == Kind::bound) {
        state.holders.insert_or_assign(holder->ref.id, *holder);
        return;
    }
    for (const HolderId id : ended)
        end_holder(state, id, at);
    if (kind == Kind::ended) return;
    PoolState& to = state[pool];
    switch (kind) {
        case Kind::leased:
            if (known) insert(to.live, range, *known);
            end_rest(to, range);
            if (ends_reserve) erase(to.reserved, range);
            return;
        case Kind::released:
            erase(to.live, range);
            begin_rest(to, range, at, true);
            return;
        case Kind::reserved:
            insert(to.reserved, range);
            end_rest(to, range);
            return;
        case Kind::unreserved: erase(to.reserved, range); return;
        case Kind::advanced: to.passed = std::max(to.passed.value_or(0), range.last); return;
        case Kind::yielded: may_yield(to, at); return;
        case Kind::bound:
        case Kind::ended: return;
    }
}

bool Change::concerns(PoolIndex asked, Id id) const {
    if (kind == Kind::bound || kind == Kind::yielded) return false;
    if (kind != Kind::ended) return pool == asked && range.contains(id);
    return std::any_of(freed.begin(), freed.end(), [&](const Piece& piece) {
        return piece.pool == asked && piece.range.contains(id);
    });
}

void begin_rest(PoolState& pool, Range range, BootTime at, bool is_exact) {
    if (pool.rest_ms == 0) return;
    for (Id id = range.first;; ++id) {
        if (!pool.reserved.contains(id)) pool.resting[id] = {at + pool.rest_ms, is_exact};
        if (id == range.last) break;
    }
}

void may_yield(PoolState& pool, BootTime until) {
    for (auto& [id, rest] : pool.resting)
        rest.may_be_over = rest.may_be_over || rest.until <= until;
}

void end_rest(PoolState& pool, Range range) {
    pool.resting.erase(pool.resting.lower_bound(range.first), pool.resting.upper_bound(range.last));
}

void insert(LiveIds& live, Range range, const Known& known) {
    auto hint = live.upper_bound(range.last);
    for (Id id = range.first;; ++id) {
        live.insert_or_assign(hint, id, known);
        if (id == range.last) break;
    }
}

void erase(LiveIds& live, Range range) {
    live.erase(live.lower_bound(range.first), live.upper_bound(range.last));
}

void insert(std::set<Id>& ids, Range range) {
    for (Id id = range.first;; ++id) {
        ids.insert(id);
        if (id == range.last) break;
    }
}

void erase(std::set<Id>& ids, Range range) {
    ids.erase(ids.lower_bound(range.first), ids.upper_bound(range.last));
}

bool has_any(const std::set<Id>& ids, Range range) {
    const auto it = ids.lower_bound(range.first);
    return it != ids.end() && *it <= range.last;
}

bool has_all(const std::set<Id>& ids, Range range) {
    const auto count = std::distance(ids.lower_bound(range.first), ids.upper_bound(range.last));
    return static_cast<std::uint64_t>(count) == range.count();
}

std::optional<Range> first_free(const PoolState& pool, Range window, std::uint64_t count,
                                std::uint64_t align, bool with_rests) {
    for (Id from = window.first;;) {
        const std::uint64_t more = (align - from % align) % align;
        if (more > window.last - from) return std::nullopt;
        const Id first = from + more;
        if (window.last - first < count - 1) return std::nullopt;
        const Range place{first, first + (count - 1)};
        const auto taken = last_occupied(pool, place, with_rests);
        if (!taken) return place;
        if (*taken == window.last) return std::nullopt;
        from = *taken + 1;
    }
}

}  // namespace inod::sim
