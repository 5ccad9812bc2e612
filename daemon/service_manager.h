// What the service manager hears of the daemon (sd_notify(3)): whether it is ready, how it does, that it makes
// progress, and why it failed. Where there is none (no NOTIFY_SOCKET) nothing happens.
//
// One that is busy is waited for where it must not miss what is said, for 5 s at most; otherwise it is not told then.
//
// Thread safety: any thread. Takes no memory: there may be none.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "lib/base/result.h"

namespace inod::daemon::service_manager {

// For `systemctl status`.
struct Status {
    std::size_t pools = 0;
    std::uint64_t leases = 0;  // live ones, of all pools
    std::uint64_t connections = 0;
    std::string_view note{};  // what an administrator is to know besides; empty: nothing
};

// The journal is read, of which there were so many records so far: whoever waits for the start is to wait on for
// `extension` from now, however long it was to wait before.
void tell_recovering(std::uint64_t records, std::chrono::microseconds extension) noexcept;
// Requests are served; or it is done with its configuration, be that taken over or refused.
void tell_ready(const Status& status) noexcept;
// The configuration is read again; tell_ready() comes when that is over.
void tell_reloading() noexcept;
void tell(const Status& status) noexcept;
// All threads make progress: whoever is asked to watch the daemon (WatchdogSec=) may go on believing in it.
void tell_alive(const Status& status) noexcept;
// One does not: its name.
void tell_stuck(std::string_view thread) noexcept;
void tell_stopping() noexcept;
// A text that is too long is cut.
void tell_failed(const Failure& failure) noexcept;

// Within so long it is to hear that the daemon is alive; none where nobody watches.
std::optional<std::chrono::microseconds> watchdog_period() noexcept;

}  // namespace inod::daemon::service_manager
