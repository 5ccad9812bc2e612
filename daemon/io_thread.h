// A thread that serves connections on an event loop of its own, beside the main one.
//
// The main thread takes connections in and hands each to one of these, for good: a session is on one thread
// all its life, and what they share they share under the flusher's lock.
//
// Thread safety: all calls from the main thread, but where it says otherwise.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>

#include "daemon/connections.h"
#include "daemon/event_loop.h"
#include "lib/base/mutex.h"

namespace inod::daemon {

class IoThread {
public:
    // `on_failure` is called on this thread when it can go on no more, for lack of memory most of all. Throws
    // std::system_error where there is no thread or no descriptor to be had.
    IoThread(std::chrono::microseconds polling, const SharedByConnections& shared,
             std::function<void(std::string_view what)> on_failure);
    IoThread(const IoThread&) = delete;
    IoThread& operator=(const IoThread&) = delete;
    // Requires that the flusher has stopped.
    ~IoThread();

    static constexpr std::string_view name = "inod-io";

    // As Connections::open(), soon.
    void open(Newcomer newcomer) noexcept;
    // As Connections::announce_end(), at once.
    void announce_end() noexcept { connections_.announce_end(); }
    // As Connections::finish_all(), soon.
    void finish_all(Errc reason) noexcept;
    // Closes what is left, and ends the thread.
    void stop() noexcept;

    // Whether it turns its loop: has it answered since it was asked?
    void ask() noexcept;
    [[nodiscard]] bool has_answered() const noexcept { return has_answered_; }

    // Any thread.
    void end_the_gone() noexcept INOD_REQUIRES(flusher_lock) { connections_.end_the_gone(); }
    // As those of Connections, at once.
    Result<> make_room_for_pools(std::size_t count) noexcept INOD_REQUIRES(flusher_lock) {
        return connections_.make_room_for_pools(count);
    }
    void set_terms(std::shared_ptr<const Terms> terms) noexcept INOD_REQUIRES(flusher_lock) {
        connections_.set_terms(std::move(terms));
    }
    // With those that are about to be opened.
    [[nodiscard]] std::uint64_t count() const noexcept;

private:
    void run() noexcept;
    void open_newcomers();

    EventLoop loop_;
    Connections connections_;
    std::function<void(std::string_view what)> on_failure_;
    mutable Mutex mutex_;
    std::deque<Newcomer> newcomers_ INOD_GUARDED_BY(mutex_);
    Errc reason_ = Errc::ok;  // to finish; written once, before the task is posted
    std::atomic<bool> has_answered_ = true;
    Task answering_;
    Task opening_;
    Task finishing_;
    Task stopping_;
    std::thread thread_;
};

}  // namespace inod::daemon
