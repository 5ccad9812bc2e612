#include "lib/allocator/events.h"

#include <algorithm>

#include "lib/base/assert.h"

namespace inod {
namespace {

// This part of the memory there is.
constexpr std::uint64_t part = 64;

std::size_t capacity_within(std::uint64_t memory_max) {
    const std::uint64_t fitting = memory_max / part / sizeof(Event);
    return static_cast<std::size_t>(std::clamp<std::uint64_t>(fitting, 1, EventRing::capacity_max));
}

}  // namespace

EventRing::EventRing(MemoryBudget& budget)
    : budget_(budget),
      capacity_(capacity_within(budget.size_max())),
      events_(std::make_unique<Event[]>(capacity_)) {
    const std::uint64_t size = capacity_ * sizeof(Event);
    // Of a budget that has not even room for one it counts nothing.
    if (budget_.take(size)) budgeted_ = size;
}

void EventRing::begin(std::size_t pool_count, Lsn lsn) {
    of_pool_.assign(pool_count, {.dropped_lsn = lsn});
    added_ = settled_ = 0;
    settled_lsn_ = lsn;
}

void EventRing::add(const Event& event) noexcept {
    // Nobody watches before begin().
    if (event.pool >= of_pool_.size()) return;
    INOD_ASSERT(added_ == 0 || at(added_ - 1).lsn <= event.lsn);
    Event& place = events_[added_ % capacity_];
    if (added_ >= capacity_) of_pool_[place.pool].dropped_lsn = place.lsn;
    place = event;
    ++added_;
}

void EventRing::settle(Lsn durable_lsn) noexcept {
    settled_lsn_ = std::max(settled_lsn_, durable_lsn);
    settled_ = std::max(settled_, oldest());
    while (settled_ < added_ && at(settled_).lsn <= settled_lsn_) {
        const Event& event = at(settled_++);
        of_pool_[event.pool].settled_lsn = event.lsn;
    }
}

bool EventRing::has_news(PoolIndex pool, Lsn from) const noexcept {
    return missed(pool, from) != 0 || of_pool_[pool].settled_lsn > from;
}

// The number of the first event that is above an LSN, as far as they are durable.
std::uint64_t EventRing::first_above(Lsn lsn) const noexcept {
    std::uint64_t first = oldest();
    std::uint64_t end = std::max(settled_, first);
    while (first < end) {
        const std::uint64_t middle = first + (end - first) / 2;
        if (at(middle).lsn <= lsn) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first;
}

}  // namespace inod
