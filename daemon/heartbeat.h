// What the service manager is told of the daemon while it runs (service_manager.h): that it is ready, from then on now
// and then how it does, and whether every thread makes progress that clients depend on.
//
// Thread safety: everything on the loop's thread.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "daemon/event_loop.h"
#include "daemon/flusher.h"
#include "daemon/io_thread.h"
#include "daemon/service_manager.h"
#include "daemon/timer.h"
#include "daemon/user_connections.h"
#include "lib/allocator/allocator.h"

namespace inod::daemon {

class Heartbeat {
public:
    using Threads = std::vector<std::unique_ptr<IoThread>>;

    // Of these threads, which may still be none, and of the flusher. All of it outlives the heartbeat. Throws
    // std::system_error if the kernel has no descriptor or no memory for its timer.
    Heartbeat(EventLoop& loop, Flusher& flusher, const Allocator& allocator,
              const UserConnections& connected, const Threads& threads);

    // Requests are served, from so many pools: says so, and beats from here on.
    void begin(std::size_t pools);

    // The configuration is read again.
    void tell_reloading() noexcept;
    // It is over. From so many pools requests are served now; or nothing has changed, and that and why is in the status
    // until the next reload.
    void tell_reloaded(std::size_t pools) noexcept;
    void tell_not_reloaded(Errc code, std::string_view reason) noexcept;

private:
    void beat();
    void set_next() noexcept;
    [[nodiscard]] std::string_view find_stuck();
    [[nodiscard]] service_manager::Status status() noexcept;

    Flusher& flusher_;
    const Allocator& allocator_ INOD_GUARDED_BY(flusher_lock);
    const UserConnections& connected_;
    const Threads& threads_;
    std::size_t pools_ = 0;
    std::array<char, 512> refusal_{};  // of the last reload; cut where it is too long
    Timer timer_;
};

}  // namespace inod::daemon
