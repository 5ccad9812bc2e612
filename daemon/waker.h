// Wakes the requests that wait for something to happen: where an ID is released, a holder ends, a group
// with events of a pool becomes durable, or their time is over.
//
// Whoever makes something happen does not wait for that. It is looked to behind it, on the loop's
// thread, in slices between which everybody else is served.
//
// Each loop has one, for its own requests. Those that wait for an ID are woken by whichever looks first.
//
// Thread safety: all calls under the flusher's lock, on the loop's thread, but where it says
// otherwise.
#pragma once

#include <cstddef>

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>

#include "daemon/event_loop.h"
#include "daemon/flusher.h"
#include "daemon/long_requests.h"
#include "daemon/timer.h"
#include "lib/allocator/allocator.h"

namespace inod::daemon {

class Waker final : public DurabilityWaiter {
public:
    // All outlive it.
    Waker(EventLoop& loop, Allocator& allocator, Flusher& flusher, DurabilityWaiters& waiters);
    ~Waker() override;

    // From here on the request is woken, once. Whether it has to wait at all its owner has seen.
    void park(LongRequest& request) noexcept INOD_REQUIRES(flusher_lock);
    // Not any more. Of one that is not parked nothing happens.
    void forget(LongRequest& request) noexcept INOD_REQUIRES(flusher_lock);

    // Something may have happened of which no group tells.
    void notice() noexcept INOD_REQUIRES(flusher_lock);

    void on_durable() override INOD_EXCLUDES(flusher_lock);

private:
    using Watches =
        boost::intrusive::list<LongRequest,
                               boost::intrusive::member_hook<LongRequest, LongRequest::ListHook,
                                                             &LongRequest::of_watches>>;
    struct SoonerDeadline {
        bool operator()(const LongRequest& a, const LongRequest& b) const noexcept {
            return *a.deadline < *b.deadline;
        }
    };
    using Deadlines = boost::intrusive::multiset<
        LongRequest,
        boost::intrusive::member_hook<LongRequest, boost::intrusive::set_member_hook<>,
                                      &LongRequest::by_deadline>,
        boost::intrusive::compare<SoonerDeadline>>;
    using Owners = boost::intrusive::list<
        LongRequests,
        boost::intrusive::member_hook<LongRequests, decltype(LongRequests::of_waker),
                                      &LongRequests::of_waker>,
        boost::intrusive::constant_time_size<false>>;

    void look() INOD_EXCLUDES(flusher_lock);
    // True where there is more to be looked at.
    bool look_at_slice() noexcept INOD_REQUIRES(flusher_lock);
    bool look_at_watches(std::size_t& visits_left) noexcept INOD_REQUIRES(flusher_lock);
    // On any loop's thread.
    void wake(LongRequest& request) noexcept INOD_REQUIRES(flusher_lock);
    void tell_owners() INOD_EXCLUDES(flusher_lock);
    LongRequests* next_owner() INOD_EXCLUDES(flusher_lock);
    void set_timer() noexcept INOD_REQUIRES(flusher_lock);

    EventLoop& loop_;
    Allocator& allocator_ INOD_GUARDED_BY(flusher_lock);
    Flusher& flusher_;
    DurabilityWaiters& waiters_;
    // Parked ones, those that were looked at longest ago first.
    Watches watches_ INOD_GUARDED_BY(flusher_lock);
    Deadlines deadlines_ INOD_GUARDED_BY(flusher_lock);
    Owners owners_ INOD_GUARDED_BY(flusher_lock);  // who is to be told
    // So many of watches_ were not looked at since the last group.
    std::size_t unseen_ INOD_GUARDED_BY(flusher_lock) = 0;
    Task looking_;
    Task telling_;  // posted by other loops' threads
    Timer timer_;   // for the next deadline, or for one that was sooner and is none any more
};

}  // namespace inod::daemon
