#include "daemon/flusher.h"

#include <chrono>
#include <utility>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/post.hpp>

namespace inod::daemon {
namespace {

// How often to look whether a full disk has room again.
constexpr std::chrono::seconds space_trial_pause{1};

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
    Guard guard = lock();
    Result<void, Failure> flushed;
    while (flushed) {
        flushed = await_work(guard);
        if (!flushed) break;
        if (!has_work()) return;
        flushed = flush_group(guard);
        wake_waiters();
        if (flushed && allocator_.journal().wants_snapshot()) flushed = take_snapshot();
    }
    boost::asio::post(io_, [this, failure = flushed.error()] { on_failure_(failure); });
}

// Returns when there is something to sync, or the thread is to end. While the disk is full nobody
// may record anything, so nobody else would notice that there is room again.
Result<void, Failure> Flusher::await_work(Guard& guard) {
    while (!stopping_ && !has_work()) {
        idle_ = true;
        if (allocator_.journal().has_space()) {
            work_.wait(guard);
        } else if (work_.wait_for(guard, space_trial_pause) == std::cv_status::timeout) {
            idle_ = false;
            guard.unlock();
            auto made = allocator_.make_space();
            guard.lock();
            if (!made) return made;
        }
    }
    idle_ = false;
    return {};
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
    auto done = allocator_.maintain();
    // Without space for it the log just grows on, as far as its spare segments go.
    if (!done && !allocator_.journal().sealed()) return {};
    return done;
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
