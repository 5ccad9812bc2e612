#include "daemon/service_manager.h"

#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <ctime>
#include <optional>

#include <systemd/sd-daemon.h>

#include "daemon/notify_socket.h"

namespace inod::daemon::service_manager {
namespace {

// What is cut is the end.
using Notice = std::array<char, 1024>;

using Patience = NotifySocket::Patience;

void say(const char* what, Patience patience) noexcept {
    static const std::optional<NotifySocket> socket = NotifySocket::find();
    if (socket) socket->send(what, patience);
}

void tell(const char* what, const Status& status, Patience patience) noexcept {
    Notice notice{};
    std::snprintf(notice.data(), notice.size(),
                  "%sSTATUS=pools: %zu, live leases: %" PRIu64 ", connections: %" PRIu64 "%s%.*s",
                  what, status.pools, status.leases, status.connections,
                  status.note.empty() ? "" : "; ", static_cast<int>(status.note.size()),
                  status.note.data());
    say(notice.data(), patience);
}

}  // namespace

void tell_recovering(std::uint64_t records, std::chrono::microseconds extension) noexcept {
    Notice notice{};
    std::snprintf(notice.data(), notice.size(),
                  "EXTEND_TIMEOUT_USEC=%lld\nSTATUS=recovering: %" PRIu64 " records read",
                  static_cast<long long>(extension.count()), records);
    say(notice.data(), Patience::none);
}

void tell_ready(const Status& status) noexcept {
    tell("READY=1\n", status, Patience::some);
}

// With the time, by which it tells this one from those before: sd_notify(3).
void tell_reloading() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    Notice notice{};
    std::snprintf(notice.data(), notice.size(), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                  static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
                      static_cast<std::uint64_t>(now.tv_nsec) / 1'000);
    say(notice.data(), Patience::some);
}

void tell(const Status& status) noexcept {
    tell("", status, Patience::none);
}

void tell_alive(const Status& status) noexcept {
    tell("WATCHDOG=1\n", status, Patience::none);
}

void tell_stuck(std::string_view thread) noexcept {
    Notice notice{};
    std::snprintf(notice.data(), notice.size(), "STATUS=no progress: %.*s",
                  static_cast<int>(thread.size()), thread.data());
    say(notice.data(), Patience::none);
}

void tell_stopping() noexcept {
    say("STOPPING=1", Patience::some);
}

void tell_failed(const Failure& failure) noexcept {
    const int number = failure.code == Errc::no_space        ? ENOSPC
                       : failure.code == Errc::out_of_memory ? ENOMEM
                                                             : EIO;
    const std::string_view code = name(failure.code);
    Notice notice{};
    std::snprintf(notice.data(), notice.size(), "ERRNO=%d\nSTATUS=journal failed: %.*s: %s", number,
                  static_cast<int>(code.size()), code.data(), failure.message.c_str());
    say(notice.data(), Patience::some);
}

std::optional<std::chrono::microseconds> watchdog_period() noexcept {
    std::uint64_t microseconds = 0;
    if (sd_watchdog_enabled(0, &microseconds) <= 0) return std::nullopt;
    return std::chrono::microseconds(microseconds);
}

}  // namespace inod::daemon::service_manager
