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
#include <string_view>
#include <thread>
#include <utility>

#include <boost/intrusive/list.hpp>

#include "daemon/event_loop.h"
#include "daemon/flusher_lock.h"
#include "lib/allocator/allocator.h"
#include "lib/base/result.h"

namespace inod::daemon {

class Flusher;

// Somebody who waits for an LSN. It is in a list while it does, at most once.
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

// Those who wait on one event loop.
class DurabilityWaiters
    : public boost::intrusive::list_base_hook<boost::intrusive::tag<DurabilityWaiters>> {
public:
    // Both outlive it. It ends when the flusher has stopped, or nobody has waited yet.
    DurabilityWaiters(EventLoop& loop, Flusher& flusher);
    DurabilityWaiters(const DurabilityWaiters&) = delete;
    DurabilityWaiters& operator=(const DurabilityWaiters&) = delete;
    ~DurabilityWaiters();

    // Calls waiter.on_durable() when the next group is durable. Requires the loop's thread. The waiter leaves the
    // list before it is called, and when it is destroyed, which belongs on that thread as well.
    void await(DurabilityWaiter& waiter) noexcept INOD_REQUIRES(flusher_lock);

private:
    friend class Flusher;
    using List =
        boost::intrusive::list<DurabilityWaiter, boost::intrusive::constant_time_size<false>>;

    void tell() INOD_EXCLUDES(flusher_lock);

    EventLoop& loop_;
    Flusher& flusher_;
    List waiting_ INOD_GUARDED_BY(flusher_lock);
    bool telling_ INOD_GUARDED_BY(flusher_lock) = false;  // tell() is on its way
    Task telling_task_;
};

class Flusher {
public:
    // Has the lock under which every call of the allocator belongs, but for between unlock() and lock(). Meanwhile
    // nobody else has one but the flusher: what a request drops the lock for, memory, no other request gets in
    // between.
    class INOD_SCOPED_CAPABILITY Guard {
    public:
        explicit Guard(Flusher& flusher) INOD_ACQUIRE(flusher_lock) INOD_NO_THREAD_ANALYSIS
            : turn_(take(flusher.turn_)),
              lock_(take(flusher.mutex_)) {}
        Guard(const Guard&) = delete;
        Guard& operator=(const Guard&) = delete;
        ~Guard() INOD_RELEASE() {}  // NOLINT(modernize-use-equals-default): it is annotated

        // std::unique_lock has no annotations.
        void lock() INOD_ACQUIRE(flusher_lock) INOD_NO_THREAD_ANALYSIS;
        void unlock() INOD_RELEASE(flusher_lock) INOD_NO_THREAD_ANALYSIS { lock_.unlock(); }

    private:
        friend class Flusher;
        struct Own {};

        // The flusher's, which waits for no request.
        Guard(Flusher& flusher, Own /*own*/) INOD_ACQUIRE(flusher_lock) INOD_NO_THREAD_ANALYSIS
            : lock_(take(flusher.mutex_)) {}
        static std::unique_lock<std::mutex> take(std::mutex& mutex);

        std::unique_lock<std::mutex> turn_;
        std::unique_lock<std::mutex> lock_;
    };
    using OnFailure = std::function<void(const Failure&)>;

    static constexpr std::string_view thread_name = "inod-flusher";
    // So many have somebody who waits, at most: each loop, and a reload.
    static constexpr std::size_t waiters_max = 65;

    // `on_failure` is called on `loop`, once, when the journal fails: nothing becomes durable after that.
    // `snapshot_age_max`, not 0: nothing in the log stays longer than that without a snapshot begun behind it.
    Flusher(EventLoop& loop, Allocator& allocator, std::chrono::seconds snapshot_age_max,
            OnFailure on_failure);
    Flusher(const Flusher&) = delete;
    Flusher& operator=(const Flusher&) = delete;
    ~Flusher();

    // Something may have been recorded: sync it soon. Gives the lock back: the thread that is woken wants
    // it at once.
    void notify(Guard&& guard) noexcept INOD_RELEASE(flusher_lock);

    // The daemon is about to end: has the state written as a snapshot if the next start would take long without one,
    // and posts `done` to the loop once that is so, or cannot be. Requests are served meanwhile. False if there is nothing to
    // wait for. `done` outlives the flusher.
    bool shorten_next_start(Task& done) noexcept INOD_REQUIRES(flusher_lock);

    // Ends the thread once all that was recorded is durable, or the journal has failed.
    void stop() INOD_EXCLUDES(flusher_lock);

    // As the constructor has it, from here on.
    void set_snapshot_age_max(std::chrono::seconds snapshot_age_max) noexcept
        INOD_REQUIRES(flusher_lock);

    [[nodiscard]] std::uint64_t groups_synced() const noexcept { return groups_synced_; }

    // Asked now and then: had it something to do the last time and now, and has done none of it meanwhile?
    [[nodiscard]] bool is_stuck() noexcept INOD_REQUIRES(flusher_lock) {
        const std::uint64_t steps_before = std::exchange(steps_seen_, steps_);
        return !idle_ && steps_ == steps_before;
    }
    // Are some who waited still to be told that there is news?
    [[nodiscard]] bool is_telling() const noexcept INOD_REQUIRES(flusher_lock);

private:
    friend class DurabilityWaiters;
    using Clock = std::chrono::steady_clock;

    void run();
    Result<void, Failure> flush_until_stopped();
    [[nodiscard]] bool has_work() const noexcept INOD_REQUIRES(flusher_lock);
    [[nodiscard]] bool has_records() const noexcept INOD_REQUIRES(flusher_lock);
    [[nodiscard]] bool wants_space() const noexcept INOD_REQUIRES(flusher_lock);
    void wait_for_work(Guard& guard) INOD_REQUIRES(flusher_lock);
    [[nodiscard]] Clock::time_point next_check() const noexcept INOD_REQUIRES(flusher_lock);
    void check_age() noexcept INOD_REQUIRES(flusher_lock);
    Result<void, Failure> flush_group(Guard& guard) INOD_REQUIRES(flusher_lock);
    Result<void, Failure> make_space(Guard& guard) INOD_REQUIRES(flusher_lock);
    void sweep(Guard& guard) INOD_REQUIRES(flusher_lock);
    void tell_of_snapshot() noexcept INOD_REQUIRES(flusher_lock);
    void unlock(Guard& guard) INOD_RELEASE(flusher_lock);
    // For flush() and make_space(), which are of the flusher's thread, and for what of the journal is atomic.
    Allocator& allocator_without_lock() INOD_NO_THREAD_ANALYSIS { return allocator_; }

    EventLoop& loop_;
    Allocator& allocator_ INOD_GUARDED_BY(flusher_lock);
    std::chrono::seconds snapshot_age_max_ INOD_GUARDED_BY(flusher_lock);
    OnFailure on_failure_;
    std::mutex turn_;  // whoever is not the flusher has it before mutex_, and without a break
    std::mutex mutex_;
    std::condition_variable work_;
    bool idle_ INOD_GUARDED_BY(flusher_lock) = false;  // the thread waits on work_
    bool stopping_ INOD_GUARDED_BY(flusher_lock) = false;
    std::uint64_t steps_ INOD_GUARDED_BY(flusher_lock) = 1;  // of what it has to do
    std::uint64_t steps_seen_ INOD_GUARDED_BY(flusher_lock) = 0;
    // It is time to look whether the disk has space again.
    bool checks_space_ INOD_GUARDED_BY(flusher_lock) = false;
    // Not earlier than the log is old enough.
    Clock::time_point snapshot_due_ INOD_GUARDED_BY(flusher_lock);
    boost::intrusive::list<DurabilityWaiters,
                           boost::intrusive::base_hook<boost::intrusive::list_base_hook<
                               boost::intrusive::tag<DurabilityWaiters>>>>
        waiters_ INOD_GUARDED_BY(flusher_lock);  // of each loop
    // A group became durable, or space was made, since they were told last.
    bool has_news_ INOD_GUARDED_BY(flusher_lock) = false;
    Task* after_snapshot_ INOD_GUARDED_BY(flusher_lock) = nullptr;
    Failure failure_{};  // why the thread ended, if the journal failed
    Failure no_memory_{Errc::out_of_memory, "the system has no memory for the journal"};
    Task failure_task_;
    std::atomic<std::uint64_t> groups_synced_{0};
    std::thread thread_;
};

}  // namespace inod::daemon
