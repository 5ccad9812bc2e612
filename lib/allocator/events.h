// What happened last in the pools, for whoever watches them: a ring of events in memory, the oldest of
// which make room for new ones.
//
// Nobody is waited for and nothing is kept for anybody: a watcher remembers up to which LSN it has been
// told, and where the ring has passed that by it is told up to where it missed what. A pool has one
// event of an LSN at most.
//
// What is not durable yet is not told.
//
// Memory: taken once, when the ring is made.
//
// Thread safety: none of its own; the allocator's lock guards it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "lib/base/memory_budget.h"
#include "lib/base/range.h"
#include "lib/journal/journal.h"
#include "lib/pool/lease.h"

namespace inod {

enum class EventKind : std::uint8_t {
    allocated = 1,
    claimed = 2,  // leased by its number
    released = 3,
    reserved_ids = 4,    // taken out of circulation
    unreserved_ids = 5,  // and back
    holder_ended = 6,    // all that the holder had of the pool is free
    released_some = 7,   // some of these IDs, with those of a pool below that they go with
};

struct Event {
    Lsn lsn = 0;
    Range range{};                 // 0 to 0 where a holder ended
    std::uint64_t generation = 0;  // of a lease; 0 where the pool has none
    // Who has it, or had it; 0: several, or nobody.
    HolderId holder = 0;
    std::uint32_t uid = 0;  // the holder's
    PoolIndex pool = 0;
    EventKind kind{};

    friend bool operator==(const Event&, const Event&) = default;
};

class EventRing {
public:
    static constexpr std::size_t capacity_max = 16'384;  // events

    // For as many events as fit in a part of the budget, capacity_max at most, which it takes from there.
    explicit EventRing(MemoryBudget& budget);
    EventRing(const EventRing&) = delete;
    EventRing& operator=(const EventRing&) = delete;
    ~EventRing() { budget_.give(budgeted_); }

    // There are so many pools, of which nothing is known up to this LSN. What was added before is
    // forgotten.
    void begin(std::size_t pool_count, Lsn lsn);

    // For so many pools in all there is room: add_pool() needs no memory until then. Throws std::bad_alloc.
    void reserve(std::size_t pool_count) { of_pool_.reserve(pool_count); }
    // There is one more, of which nothing is known up to this LSN.
    void add_pool(Lsn lsn) noexcept { of_pool_.push_back({.dropped_lsn = lsn}); }

    // LSNs do not go back. O(1), and nobody is told yet.
    void add(const Event& event) noexcept;
    // All up to here is durable.
    void settle(Lsn durable_lsn) noexcept;

    // Has somebody who knows of this pool what is up to `from` anything to be told?
    [[nodiscard]] bool has_news(PoolIndex pool, Lsn from) const noexcept;

    // Up to where events of it are missing that are above `from`; 0: none are.
    [[nodiscard]] Lsn missed(PoolIndex pool, Lsn from) const noexcept {
        const Lsn dropped = of_pool_[pool].dropped_lsn;
        return from < dropped ? dropped : 0;
    }

    // A part of what there is to tell.
    struct Page {
        Lsn missed = 0;  // events up to here are missing; 0: none
        Lsn next = 0;    // where the next page goes on from
        bool more = false;
    };
    // Calls f(event) for the events of the pool above `from`, the oldest first, until it returns false,
    // which says that it did not take that one, or until it has gone over much of the ring.
    template <class F>
    [[nodiscard]] Page read(PoolIndex pool, Lsn from, F&& f) const;

    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

private:
    // What one page looks at, those of other pools included: some tens of microseconds.
    static constexpr std::size_t visits_max = 4096;

    struct OfPool {
        Lsn dropped_lsn = 0;  // its last event that made room, or that nobody knows of
        Lsn settled_lsn = 0;  // its last event that is durable
    };

    [[nodiscard]] std::uint64_t oldest() const noexcept {
        return added_ > capacity_ ? added_ - capacity_ : 0;
    }
    [[nodiscard]] const Event& at(std::uint64_t number) const noexcept {
        return events_[number % capacity_];
    }
    [[nodiscard]] std::uint64_t first_above(Lsn lsn) const noexcept;

    MemoryBudget& budget_;
    const std::size_t capacity_;
    std::uint64_t budgeted_ = 0;
    std::unique_ptr<Event[]> events_;  // each at the remainder of its number
    std::uint64_t added_ = 0;          // so far; numbers begin at 0
    std::uint64_t settled_ = 0;        // of these are durable
    Lsn settled_lsn_ = 0;
    std::vector<OfPool> of_pool_;
};

template <class F>
EventRing::Page EventRing::read(PoolIndex pool, Lsn from, F&& f) const {
    Page page{.missed = missed(pool, from)};
    page.next = std::max(from, page.missed);
    const std::uint64_t first = first_above(page.next);
    for (std::uint64_t number = first; number < settled_; ++number) {
        const Event& event = at(number);
        if (number - first == visits_max || (event.pool == pool && !f(event))) {
            // Events of several pools can have one LSN, so that of this one's last is no less.
            page.next = std::max(page.next, event.lsn - 1);
            page.more = true;
            return page;
        }
        if (event.pool == pool) page.next = event.lsn;
    }
    page.next = std::max(page.next, settled_lsn_);
    return page;
}

}  // namespace inod
