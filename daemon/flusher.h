// The flusher: a thread that makes durable what the sessions recorded, group by group, and tells
// the sessions that wait for it. All that is recorded while one group is synced goes into the next.
// Between groups it sets space aside, on disk, for releases to come, sweeps out what ended holders left
// behind, has holders end whose time is over, and has tokens begin a new epoch. Once the log is old
// enough it has a snapshot taken.
//
// It owns the lock that guards the allocator.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include <boost/intrusive/list.hpp>

#include "daemon/event_loop.h"
#include "lib/allocator/allocator.h"
#include "lib/base/result.h"

namespace inod::daemon {

// Somebody who waits for an LSN. It is in the flusher's list while it does, at most once.
class DurabilityWaiter : public boost::intrusive::list_base_hook<
                             boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
public:
    DurabilityWaiter() = default;
    DurabilityWaiter(const DurabilityWaiter&) = delete;
    DurabilityWaiter& operator=(const DurabilityWaiter&) = delete;
    virtual ~DurabilityWaiter() = default;

    // Another group is durable. Called on the loop's thread, without the lock.
    virtual void on_durable() = 0;
};

class Flusher {
public:
    using Guard = std::unique_lock<std::mutex>;
    using OnFailure = std::function<void(const Failure&)>;

    // Sessions are told on `loop`. `on_failure` is called there too, once, when the journal fails:
    // nothing becomes durable after that. `snapshot_age_max`, not 0: nothing in the log stays longer
    // than that without a snapshot begun behind it.
    Flusher(EventLoop& loop, Allocator& allocator, std::chrono::seconds snapshot_age_max,
            OnFailure on_failure);
    Flusher(const Flusher&) = delete;
    Flusher& operator=(const Flusher&) = delete;
    ~Flusher();

    // The lock under which every call of the allocator belongs.
    [[nodiscard]] Guard lock() { return Guard(mutex_); }

    // Something may have been recorded: sync it soon. Gives the lock back: the thread that is woken wants
    // it at once.
    void notify(Guard guard) noexcept;

    // Calls waiter.on_durable() when the next group is durable. Requires the lock, and the
    // loop's thread. The waiter leaves the list before it is called, and when it is destroyed,
    // which belongs on that thread as well.
    void await(DurabilityWaiter& waiter) noexcept;

    // Ends the thread once all that was recorded is durable, or the journal has failed.
    void stop();

    [[nodiscard]] std::uint64_t groups_synced() const noexcept { return groups_synced_; }

private:
    using Clock = std::chrono::steady_clock;
    using Waiters =
        boost::intrusive::list<DurabilityWaiter, boost::intrusive::constant_time_size<false>>;

    void run();
    Result<void, Failure> flush_until_stopped();
    [[nodiscard]] bool has_work() const noexcept;
    [[nodiscard]] bool has_records() const noexcept;
    [[nodiscard]] bool wants_space() const noexcept;
    void wait_for_work(Guard& guard);
    [[nodiscard]] Clock::time_point next_check() const noexcept;
    void check_age() noexcept;
    Result<void, Failure> flush_group(Guard& guard);
    Result<void, Failure> make_space(Guard& guard);
    void sweep(Guard& guard);
    void unlock(Guard& guard);
    void tell_waiters();

    EventLoop& loop_;
    Allocator& allocator_;
    const std::chrono::seconds snapshot_age_max_;
    OnFailure on_failure_;
    std::mutex mutex_;
    std::condition_variable work_;
    bool idle_ = false;  // the thread waits on work_
    bool stopping_ = false;
    bool checks_space_ = false;       // it is time to look whether the disk has space again
    Clock::time_point snapshot_due_;  // not earlier than the log is old enough
    Waiters waiters_;
    bool has_news_ = false;  // a group became durable, or space was made, since they were told last
    bool telling_ = false;   // tell_waiters() is on its way
    Task telling_task_;
    Failure failure_{};  // why the thread ended, if the journal failed
    Failure no_memory_{Errc::out_of_memory, "the system has no memory for the journal"};
    Task failure_task_;
    std::atomic<std::uint64_t> groups_synced_{0};
    std::thread thread_;
};

}  // namespace inod::daemon
