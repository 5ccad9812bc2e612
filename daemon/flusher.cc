#include "daemon/flusher.h"

#include <chrono>
#include <new>
#include <utility>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/post.hpp>

namespace inod::daemon {
namespace {

constexpr std::chrono::seconds space_check_period{1};

}  // namespace

Flusher::Flusher(boost::asio::io_context& io, Allocator& allocator, OnFailure on_failure)
    : io_(io), allocator_(allocator), on_failure_(std::move(on_failure)) {
    thread_ = std::thread([this] { run(); });
}

Flusher::~Flusher() {
    stop();
}

void Flusher::notify() noexcept {
    if (!idle_ || !has_work()) return;
    idle_ = false;
    work_.notify_one();
}

void Flusher::await(DurabilityWaiter& waiter) noexcept {
    if (!waiter.is_linked()) waiters_.push_back(waiter);
}

void Flusher::stop() {
    {
        const Guard guard = lock();
        stopping_ = true;
        work_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
}

void Flusher::run() {
    Result<void, Failure> done;
    try {
        done = flush_until_stopped();
    } catch (const std::bad_alloc&) {
        done = Failure{Errc::out_of_memory, "the system has no memory for another segment"};
    }
    if (!done) boost::asio::post(io_, [this, failure = done.error()] { on_failure_(failure); });
}

Result<void, Failure> Flusher::flush_until_stopped() {
    Guard guard = lock();
    for (;;) {
        wait_for_work(guard);
        if (stopping_ && !has_work()) return {};
        auto done = has_work() ? flush_group(guard) : make_space(guard);
        wake_waiters();
        if (done && allocator_.journal().wants_snapshot()) done = take_snapshot();
        if (!done) return done;
    }
}

// Returns when something is to be synced, when the thread is to end, or when it is time to look
// whether the disk has space again.
void Flusher::wait_for_work(Guard& guard) {
    while (!stopping_ && !has_work()) {
        idle_ = true;
        if (allocator_.journal().has_space()) {
            work_.wait(guard);
        } else if (work_.wait_for(guard, space_check_period) == std::cv_status::timeout) {
            break;
        }
    }
    idle_ = false;
}

// Without the lock, since it writes a whole segment.
Result<void, Failure> Flusher::make_space(Guard& guard) {
    guard.unlock();
    auto made = allocator_.make_space();
    guard.lock();
    return made;
}

bool Flusher::has_work() const noexcept {
    return allocator_.journal().last_lsn() > allocator_.journal().durable_lsn();
}

// Syncs what has been recorded so far, without the lock while it does.
Result<void, Failure> Flusher::flush_group(Guard& guard) {
    if (!allocator_.begin_flush()) return {};
    guard.unlock();
    auto flushed = allocator_.flush();
    guard.lock();
    if (!flushed) return flushed;
    allocator_.end_flush();
    ++groups_synced_;
    return {};
}

// A snapshot is written with nothing collected, so what was recorded meanwhile is synced first, and
// the lock stays taken until the snapshot is whole.
Result<void, Failure> Flusher::take_snapshot() {
    if (allocator_.begin_flush()) {
        if (auto flushed = allocator_.flush(); !flushed) return flushed;
        allocator_.end_flush();
        ++groups_synced_;
        wake_waiters();
    }
    auto taken = allocator_.maintain();
    // Where just the space for it was missing, the log goes on, and a later turn tries again.
    return allocator_.journal().sealed() ? taken : Result<void, Failure>();
}

void Flusher::wake_waiters() {
    if (waiters_.empty() || telling_) return;
    telling_ = true;
    boost::asio::post(io_, boost::asio::bind_allocator(HandlerAllocator<void>(telling_memory_),
                                                       [this] { tell_waiters(); }));
}

void Flusher::tell_waiters() {
    Waiters waiters;
    {
        const Guard guard = lock();
        waiters.swap(waiters_);
        telling_ = false;
    }
    while (!waiters.empty()) {
        DurabilityWaiter& waiter = waiters.front();
        waiters.pop_front();
        waiter.on_durable();
    }
}

}  // namespace inod::daemon
