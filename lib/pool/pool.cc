#include "lib/pool/pool.h"

#include <algorithm>
#include <utility>

#include "lib/base/assert.h"

namespace inod {

Pool::Pool(PoolSpec spec, MemoryBudget& budget)
    : spec_(std::move(spec)),
      tags_(budget),
      live_(budget),
      sequence_(Sequence::make(spec_, budget)) {}

Result<Granted> Pool::allocate(GuardRef guard, std::uint64_t count, HolderIndex holder) {
    if (count == 0) return Errc::count_zero;
    if (count > spec_.lease_count_max) return Error{Errc::lease_too_large, spec_.lease_count_max};

    std::optional<Sequence::Next> next;
    WatchedGuard watched(guard);
    do {
        next = sequence_->next(count, live_);
        if (!next) return Errc::pool_exhausted;
        if (auto allowed = sequence_->check_mark(*next); !allowed) return allowed.error();
        if (auto prepared = prepare(watched, next->range); !prepared) return prepared.error();
    } while (watched.was_dropped());

    // Everything that can fail comes before this line, everything that leases comes after it.
    const auto mark = sequence_->move_mark(*next);
    sequence_->take(*next);
    ++counters_.allocations;
    return Granted{.lease = store(next->range, holder, false),
                   .raised_generation = next->raises_generation,
                   .mark = mark};
}

Result<Granted> Pool::allocate_at(GuardRef guard, Range range, HolderIndex holder) {
    if (range.first > range.last) return Error{Errc::range_reversed, range.first};
    if (range.span() >= spec_.lease_count_max) {
        return Error{Errc::lease_too_large, spec_.lease_count_max};
    }
    bool raises_generation = false;
    WatchedGuard watched(guard);
    do {
        if (auto free = check_free(range); !free) return free.error();
        const auto allowed = sequence_->check_claim(range);
        if (!allowed) return allowed.error();
        raises_generation = *allowed;
        if (auto claim = sequence_->prepare_claim(watched, range); !claim) return claim.error();
        if (auto prepared = prepare(watched, range); !prepared) return prepared.error();
    } while (watched.was_dropped());

    sequence_->claim(range, raises_generation);
    ++counters_.allocations;
    return Granted{.lease = store(range, holder, true),
                   .raised_generation = raises_generation,
                   .mark = std::nullopt};
}

// Does `range` lie in the pool, with nothing of it live?
Result<> Pool::check_free(Range range) const {
    if (auto inside = check_inside(range); !inside) return inside;
    const auto taken = live_.next(range.first);
    if (taken && taken->range.overlaps(range)) {
        return Error{Errc::id_taken, std::max(taken->range.first, range.first)};
    }
    return {};
}

Result<> Pool::check_inside(Range range) const {
    if (range.first > range.last) return Error{Errc::range_reversed, range.first};
    if (range.first < spec_.range.first) return Error{Errc::id_out_of_range, range.first};
    if (range.last > spec_.range.last) {
        return Error{Errc::id_out_of_range, std::max(range.first, spec_.range.last + 1)};
    }
    return {};
}

// Takes what storing `range` and releasing everything afterwards may need.
Result<> Pool::prepare(GuardRef guard, Range range) {
    if (auto tag = tags_.prepare(); !tag) return tag;
    live_.trim();  // what releases have left behind; all that reads the tree holds its lock
    return live_.preallocate(guard, range);
}

Lease Pool::store(Range range, HolderIndex holder, bool claimed) noexcept {
    const std::uint64_t generation = sequence_->generation();
    // Where every lease is recorded it does not matter which were claimed, and one tag serves both.
    const Tag tag{
        .holder = holder, .claimed = claimed && !records_leases(), .generation = generation};
    live_.store_merged(range, tags_.add(tag, range.count()));
    return {.range = range, .generation = generation};
}

Result<bool> Pool::release(Range range, std::uint64_t generation, HolderIndex holder) noexcept {
    const auto any_claimed = check_release(range, generation, holder);
    if (!any_claimed) return any_claimed.error();
    forget(range);
    ++counters_.releases;
    return records_leases() || *any_claimed;
}

// May `holder` release all of it? Says whether any of it was claimed.
Result<bool> Pool::check_release(Range range, std::uint64_t generation,
                                 HolderIndex holder) const noexcept {
    if (auto inside = check_inside(range); !inside) return inside.error();
    if (spec_.policy != Policy::unique && generation == 0) return Errc::generation_required;
    bool any_claimed = false;
    for (Id id = range.first;;) {
        const auto part = first_part({id, range.last});
        if (!part) return not_live(id);
        const Tag& tag = tags_[part->value];
        if (tag.generation != generation) return Error{Errc::stale_generation, tag.generation};
        if (tag.holder != holder) return Error{Errc::not_holder, id};
        any_claimed = any_claimed || tag.claimed;
        if (part->range.last == range.last) return any_claimed;
        id = part->range.last + 1;
    }
}

// What begins `range`, if that is live: as much of it as has one value. Of a single ID, which most
// releases are of, it need not be found out how far its entry goes.
std::optional<Entry> Pool::first_part(Range range) const noexcept {
    if (range.first == range.last) {
        const Value value = live_.load(range.first);
        return value != 0 ? std::optional(Entry{range, value}) : std::nullopt;
    }
    const auto entry = live_.find(range.first);
    if (!entry) return std::nullopt;
    return Entry{{range.first, std::min(entry->range.last, range.last)}, entry->value};
}

// Takes live IDs out of the tree and out of their tags' counts.
void Pool::forget(Range range) noexcept {
    for (Id id = range.first;;) {
        const auto part = first_part({id, range.last});
        tags_.remove(part->value, part->range.count());
        if (part->range.last == range.last) break;
        id = part->range.last + 1;
    }
    live_.erase(range);
}

Error Pool::not_live(Id id) const {
    const auto highest = sequence_->highest();
    return {highest && id <= *highest ? Errc::released : Errc::never_allocated, id};
}

LiveRun Pool::run_of(const Entry& entry) const {
    const Tag& tag = tags_[entry.value];
    return {.range = entry.range, .generation = tag.generation, .holder = tag.holder};
}

void Pool::widen(Id max) noexcept {
    INOD_ASSERT(max >= spec_.range.last);
    spec_.range.last = max;
    sequence_->widen(max);
}

Result<LiveRun> Pool::lookup(Id id, std::uint64_t generation) const {
    if (!spec_.range.contains(id)) return Error{Errc::id_out_of_range, id};
    const auto entry = live_.find(id);
    if (!entry) return not_live(id);
    const LiveRun run = run_of(*entry);
    if (generation != 0 && generation != run.generation) {
        return Error{Errc::stale_generation, run.generation};
    }
    return run;
}

Result<LiveRun> Pool::next(Id id) const {
    const auto entry = live_.next(id);
    if (!entry) return Errc::no_more_leases;
    return run_of(*entry);
}

}  // namespace inod
