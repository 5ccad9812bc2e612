// The requests of one connection that are answered when something has happened: wait and watch. What the
// others do goes on meanwhile.
//
// A request that waits is *parked* with the waker. Once it may have an answer it is *due*: its session
// looks again, and answers it, when there is room for the reply, or parks it once more. Nothing of what
// happens meanwhile is kept for it.
//
// Memory: a request's is taken from the budget when it is made, and nothing else ever.
//
// Thread safety: all calls under the flusher's lock, on the loop's thread; has_due() and due_count() need no
// lock. set_due() is for any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <variant>

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>

#include "daemon/flusher_lock.h"
#include "lib/allocator/waits.h"
#include "lib/base/memory_budget.h"
#include "lib/base/result.h"
#include "proto/request.h"

namespace inod::daemon {

class LongRequests;
class Waker;

struct LongRequest : Wait {
    using Clock = std::chrono::steady_clock;
    using ListHook = boost::intrusive::list_member_hook<>;

    std::uint16_t tag = 0;
    std::variant<proto::WaitRequest, proto::WatchRequest> body;
    std::optional<Clock::time_point> deadline;  // none: it waits for ever
    LongRequests* owner = nullptr;

    [[nodiscard]] bool is_watch() const noexcept {
        return std::holds_alternative<proto::WatchRequest>(body);
    }
    [[nodiscard]] proto::Operation operation() const noexcept {
        return is_watch() ? proto::Operation::watch : proto::Operation::wait;
    }
    [[nodiscard]] bool is_overdue() const noexcept { return deadline && Clock::now() >= *deadline; }

    ListHook of_owner;  // in one of its lists
    ListHook of_watches;
    boost::intrusive::set_member_hook<> by_deadline;
};

class LongRequests {
public:
    static constexpr std::size_t count_max = 64;

    // Both outlive it. `on_due` is called without the lock, when some are due.
    LongRequests(Waker& waker, MemoryBudget& memory, std::function<void()> on_due)
        : on_due_(std::move(on_due)), waker_(waker), memory_(memory) {}
    LongRequests(const LongRequests&) = delete;
    LongRequests& operator=(const LongRequests&) = delete;
    // Requires clear().
    ~LongRequests() = default;

    // Parks a request like this one. Errors: quota_exceeded, with count_max; out_of_memory.
    Result<> park(const LongRequest& request) noexcept INOD_REQUIRES(flusher_lock);

    [[nodiscard]] bool has_due() const noexcept { return due_count() > 0; }
    [[nodiscard]] std::size_t due_count() const noexcept { return due_count_; }
    // The first that is due. Requires has_due().
    [[nodiscard]] LongRequest& due() noexcept INOD_REQUIRES(flusher_lock) { return due_.front(); }
    // That one waits on, or is done with.
    void park_again() noexcept INOD_REQUIRES(flusher_lock);
    void done() noexcept INOD_REQUIRES(flusher_lock);

    // From the waker: a parked one is due; and, without the lock, some are.
    void set_due(LongRequest& request) noexcept INOD_REQUIRES(flusher_lock);
    void tell_due() INOD_EXCLUDES(flusher_lock) { on_due_(); }

    // All are due, as the daemon is about to end.
    void set_all_due() noexcept INOD_REQUIRES(flusher_lock);
    // None is to be answered any more.
    void clear() noexcept INOD_REQUIRES(flusher_lock);

    [[nodiscard]] Waker& waker() noexcept { return waker_; }

    // Where the waker keeps those some of whose requests are due.
    boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>
        of_waker;

private:
    using List = boost::intrusive::list<
        LongRequest,
        boost::intrusive::member_hook<LongRequest, LongRequest::ListHook, &LongRequest::of_owner>>;

    void remove(LongRequest& request) noexcept INOD_REQUIRES(flusher_lock);

    std::function<void()> on_due_;
    Waker& waker_;
    MemoryBudget& memory_;
    List parked_ INOD_GUARDED_BY(flusher_lock);
    List due_ INOD_GUARDED_BY(flusher_lock);
    std::atomic<std::size_t> due_count_ = 0;  // as due_ has it
};

}  // namespace inod::daemon
