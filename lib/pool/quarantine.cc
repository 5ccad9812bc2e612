#include "lib/pool/quarantine.h"

#include <algorithm>

#include "lib/base/assert.h"

namespace inod {
namespace {

constexpr Value occupied_value = 1;

}  // namespace

Quarantine::Quarantine(std::uint64_t rest_ms, MemoryBudget& budget, NodeMemory& memory)
    : rest_ms_(rest_ms),
      budget_(budget),
      memory_(memory),
      occupied_(budget, memory),
      queue_(budget, memory) {}

// The queue first: of the two it refuses what is too wide, before any memory is touched.
Result<> Quarantine::prepare(GuardRef guard, Range range) {
    if (range.first > range.last) return Error{Errc::range_reversed, range.first};
    if (range == whole_space) return Errc::out_of_memory;
    WatchedGuard watched(guard);
    do {
        if (auto room = queue_.prepare(watched, range.count()); !room) return room;
        if (auto nodes = occupied_.preallocate(watched, range); !nodes) return nodes;
    } while (watched.was_dropped());
    return {};
}

void Quarantine::store(Range range) noexcept {
    take_back(range);
    occupy(range);
    queue_.promise(range.count());
}

void Quarantine::rest(Range range, std::uint64_t until) noexcept {
    INOD_ASSERT(!replayed_);
    until = std::min(until, RestQueue::forever);
    if (!queue_.is_empty()) until = std::max(until, queue_.newest_until());
    queue_.push(range, until);
    queue_.redeem(range.count());
    resting_count_ += range.count();
}

void Quarantine::forget(Range range) noexcept {
    free(range);
    queue_.redeem(range.count());
}

// Puts IDs into the tree of which none is there.
void Quarantine::occupy(Range range) noexcept {
    const std::uint64_t before = occupied_.id_count();
    occupied_.store_merged(range, occupied_value);
    INOD_ASSERT(occupied_.id_count() - before == range.count());
}

// Takes IDs out of the tree of which all are there.
void Quarantine::free(Range range) noexcept {
    const std::uint64_t before = occupied_.id_count();
    occupied_.erase(range);
    INOD_ASSERT(before - occupied_.id_count() == range.count());
}

std::uint64_t Quarantine::end_of_rest(std::uint64_t now) const noexcept {
    now = std::min(now, RestQueue::forever);
    return now + std::min(rest_ms_, RestQueue::forever - now);
}

bool Quarantine::end_rests(std::uint64_t now, std::size_t max) noexcept {
    const auto is_due = [&] {
        const auto next = next_end();
        return next && *next <= now;
    };
    for (; max > 0 && is_due(); --max)
        end_oldest();
    return is_due();
}

bool Quarantine::end_oldest() noexcept {
    if (queue_.is_empty()) return false;
    const Range range = queue_.oldest().range;
    free(range);
    queue_.pop();
    resting_count_ -= range.count();
    return true;
}

std::optional<std::uint64_t> Quarantine::next_end() const noexcept {
    if (queue_.is_empty() || queue_.oldest().until == RestQueue::forever) return std::nullopt;
    return queue_.oldest().until;
}

std::optional<std::uint64_t> Quarantine::last_end() const noexcept {
    INOD_ASSERT(!replayed_);
    if (queue_.is_empty()) return std::nullopt;
    return queue_.newest_until();
}

void Quarantine::trim() noexcept {
    occupied_.trim();
    queue_.trim();
}

Quarantine::NextResting Quarantine::next_resting(Range window, const RangeTree& live,
                                                 std::size_t& visits_left) const noexcept {
    Id from = window.first;
    auto taken = occupied_.begin_at(from);
    auto lease = live.begin_at(from);
    while (taken) {
        const Range here{std::max(from, (*taken).range.first), (*taken).range.last};
        if (here.first > window.last) break;
        const bool is_live = lease && (*lease).range.first <= here.first;
        if (!is_live) {
            const bool is_whole = !lease || (*lease).range.first > here.last;
            const Range range{here.first, is_whole ? here.last : (*lease).range.first - 1};
            return {range, range.last};
        }
        // Of what is occupied, all up to here is live.
        const Id last = std::min({(*lease).range.last, here.last, window.last});
        visits_left -= visits_left > 0 ? 1 : 0;
        if (visits_left == 0) return {std::nullopt, last};
        if (last >= window.last) break;
        from = last + 1;
        if ((*taken).range.last < from) ++taken;
        if ((*lease).range.last < from) ++lease;
    }
    return {std::nullopt, window.last};
}

}  // namespace inod
