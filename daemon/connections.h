// The connections that one event loop serves, and all that they need beside what those of all loops share.
//
// Thread safety: everything on the loop's thread, but where it says otherwise.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "config/config.h"
#include "daemon/access.h"
#include "daemon/closer.h"
#include "daemon/desk.h"
#include "daemon/dispatcher.h"
#include "daemon/early_replies.h"
#include "daemon/event_loop.h"
#include "daemon/flusher.h"
#include "daemon/keeper.h"
#include "daemon/kept_connections.h"
#include "daemon/process_holders.h"
#include "daemon/session.h"
#include "daemon/turns.h"
#include "daemon/waker.h"
#include "lib/base/owned_fd.h"

namespace inod::daemon {

// What the connections of all loops share. All of it is for any thread, and outlives them.
struct SharedByConnections {
    Allocator& allocator;
    Flusher& flusher;
    const Config& config;
    ProcessHolders* processes;  // or null
    Closer& closer;
    KeptConnections* kept;  // or null
    // See Dispatcher for these three; the second is called under the lock.
    std::function<DaemonNumbers()> numbers;
    std::function<Dispatcher::Gone()> end_the_gone;
    std::function<std::uint64_t()> now_us;
    // A connection of this user is over.
    std::function<void(std::uint32_t uid)> on_end;
};

// A connection that is to be served.
struct Newcomer {
    OwnedFd socket;
    Peer peer;
    std::optional<KeptSlot> slot{};  // where the daemon before had it
};

class Connections {
public:
    Connections(EventLoop& loop, const SharedByConnections& shared);
    Connections(const Connections&) = delete;
    Connections& operator=(const Connections&) = delete;
    // Requires that there are none, and that the flusher has stopped.
    ~Connections() = default;

    // Serves a new one, for which Session::memory_size() was taken from the budget. Where the system has no
    // memory it closes it and gives it up.
    void open(Newcomer newcomer) noexcept;
    // One that is not opened, for lack of memory: says so in the log, and gives back what was taken for it. Any
    // thread.
    void give_up(std::uint32_t uid) noexcept;

    // The daemon is about to end: who leaves from here on keeps what he has. Any thread.
    void announce_end() noexcept { context_.is_stopping = true; }
    // The daemon ends. Answers what was read; then leaves the connection to the next daemon where it can be kept, and
    // where not, or the reason is not shutting_down, says why and closes. Those who do not read are left over.
    void finish_all(Errc reason);
    // The daemon ends. Closes those that are left.
    void abort_all() noexcept;

    // There will be so many pools: takes what every connection needs for them, those to come included. Errors:
    // out_of_memory; then some have it, and keep it to their end. Any thread.
    Result<> make_room_for_pools(std::size_t count) noexcept INOD_REQUIRES(flusher_lock);
    // Requires that there is room for as many pools. Any thread.
    void set_terms(std::shared_ptr<const Terms> terms) noexcept INOD_REQUIRES(flusher_lock) {
        dispatcher_.set_terms(std::move(terms));
    }

    // Has holders end whose connections their peers have closed. Any thread.
    void end_the_gone() noexcept INOD_REQUIRES(flusher_lock);

    [[nodiscard]] UserLimits limits_of_user(std::uint32_t uid) const {
        return dispatcher_.limits_of_user(uid);
    }
    // How many there are. Any thread.
    [[nodiscard]] std::uint64_t count() const noexcept { return context_.session_count; }
    // Bytes of the budget that they work with, and keep for whoever comes next.
    [[nodiscard]] std::size_t desks_memory() const noexcept {
        return desks_.count() * sizeof(Desk);
    }

private:
    [[nodiscard]] Client welcome(Peer peer, PeerSocket at);

    const std::function<void(std::uint32_t uid)> on_end_;
    DurabilityWaiters waiters_;
    Waker waker_;
    Desks desks_;
    Turns turns_;
    EarlyReplies early_replies_;
    Dispatcher dispatcher_;
    std::unique_ptr<Keeper> keeper_;  // or null
    SessionContext context_;
    Session::List sessions_;
};

}  // namespace inod::daemon
