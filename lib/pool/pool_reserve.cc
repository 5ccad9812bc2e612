// What an administrator takes out of circulation, and what a pool skips for him.
#include <algorithm>
#include <limits>

#include "lib/pool/pool.h"

namespace inod {

Result<> Pool::reserve(GuardRef guard, Range range) {
    if (!spec_.tracking) return Errc::not_tracked;
    WatchedGuard watched(guard);
    trim();
    do {
        if (auto free = find_reservable(range); !free) return free;
        if (auto allowed = sequence_->check_reserve(range); !allowed) return allowed;
        if (auto prepared = sequence_->prepare_reserve(watched, range); !prepared) return prepared;
        if (auto room = occupied().preallocate(watched, range, reserved); !room) return room;
    } while (watched.was_dropped());

    sequence_->reserve(range);
    if (has_dead()) clear_dead(range);
    store_reserved(range);
    return {};
}

// What is reserved already is taken as what is live: the first of both.
Result<> Pool::find_reservable(Range range) {
    const auto free = find_free(range, false);
    if (free) return {};
    const auto [code, detail] = free.error();
    if (code == Errc::id_reserved) return Error{Errc::id_taken, detail};
    if (code != Errc::id_taken) return free.error();
    std::size_t unlimited = std::numeric_limits<std::size_t>::max();
    const auto kept = first_reserved({range.first, detail}, unlimited);
    return Error{code, kept ? std::min(detail, std::max(kept->first, range.first)) : detail};
}

// In recovery some of it may seem to rest: the life that wrote the record knew that its rest was over. And
// a band of the configuration rests no longer, or it would be in circulation afterwards.
void Pool::store_reserved(Range range) noexcept {
    if (quarantine_) quarantine_->take_back(range);
    RangeTree& tree = occupied();
    const std::uint64_t runs_before = tree.entry_count();
    tree.store_merged(range, reserved);
    reserved_runs_ += tree.entry_count() - runs_before;
}

// Nobody else is there, and nothing of it is live.
Result<> Pool::put_reserved(Range range) {
    if (has_dead()) clear_dead(range);
    NoGuard nobody_else;
    if (auto room = occupied().preallocate(nobody_else, range, reserved); !room) return room;
    store_reserved(range);
    return {};
}

Result<> Pool::unreserve(GuardRef guard, Range range) {
    if (!spec_.tracking) return Errc::not_tracked;
    WatchedGuard watched(guard);
    do {
        if (auto inside = check_inside(range); !inside) return inside;
        if (!is_reserved(range)) return Error{Errc::not_reserved, range.first};
        if (auto unassigned = check_not_live(assigned_, range); !unassigned) return unassigned;
        if (auto prepared = sequence_->prepare_reserve(watched, range); !prepared) return prepared;
        // A hole in what is reserved is not prepaid.
        if (auto room = occupied().preallocate(watched, range, reserved); !room) return room;
    } while (watched.was_dropped());

    sequence_->unreserve(range);
    drop_reserved(range);
    return {};
}

void Pool::drop_reserved(Range range) noexcept {
    RangeTree& tree = occupied();
    const std::uint64_t runs_before = tree.entry_count();
    tree.erase(range);
    reserved_runs_ += tree.entry_count() - runs_before;
}

// All of it? Ranges that touch are one entry.
bool Pool::is_reserved(Range range) const {
    const auto entry = occupied().find_occupied(range.first);
    return entry && entry->value == reserved && entry->range.contains(range);
}

// Pieces that are left of their entry when a claim takes the place of these.
std::uint64_t Pool::runs_left_of_reserved(Range range) const noexcept {
    const Range whole = occupied().find_occupied(range.first)->range;
    return (whole.first < range.first ? 1U : 0U) + (whole.last > range.last ? 1U : 0U);
}

std::optional<Range> Pool::next_reserved(Id id) const {
    for (auto entry = occupied().next_occupied(id); entry;
         entry = entry->range.last < id_max ? occupied().next_occupied(entry->range.last + 1)
                                            : std::nullopt) {
        if (entry->value == reserved) return entry->range;
    }
    return std::nullopt;
}

std::optional<Range> Pool::next_reservable(Range range) const {
    for (Id from = range.first;;) {
        const auto gap = occupied().next_gap(from);
        if (!gap || gap->first > range.last) return std::nullopt;
        const Range part{std::max(gap->first, from), std::min(gap->last, range.last)};
        if (const auto unburned = sequence_->next_unburned(part)) return unburned;
        if (part.last == range.last) return std::nullopt;
        from = part.last + 1;
    }
}

Result<> Pool::advance(Id last) noexcept {
    if (auto inside = check_inside({last, last}); !inside) return inside;
    return sequence_->advance(last) ? Result<>() : Errc::not_offered;
}

}  // namespace inod
