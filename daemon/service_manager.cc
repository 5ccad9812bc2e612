#include "daemon/service_manager.h"

#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <ctime>

#include <systemd/sd-daemon.h>

namespace inod::daemon::service_manager {
namespace {

// What is cut is the end.
using Notice = std::array<char, 1024>;

void tell(const char* what, const Status& status) noexcept {
    Notice notice{};
    std::snprintf(notice.data(), notice.size(),
                  "%sSTATUS=pools: %zu, live leases: %" PRIu64 ", connections: %" PRIu64 "%s%.*s",
                  what, status.pools, status.leases, status.connections,
                  status.note.empty() ? "" : "; ", static_cast<int>(status.note.size()),
                  status.note.data());
    sd_notify(0, notice.data());
}

}  // namespace

void tell_recovering(std::uint64_t records, std::chrono::microseconds extension) noexcept {
    Notice notice{};
    std::snprintf(notice.data(), notice.size(),
                  "EXTEND_TIMEOUT_USEC=%lld\nSTATUS=recovering: %" PRIu64 " records read",
                  static_cast<long long>(extension.count()), records);
    sd_notify(0, notice.data());
}

void tell_ready(const Status& status) noexcept {
    tell("READY=1\n", status);
}

// With the time, by which it tells this one from those before: sd_notify(3).
void tell_reloading() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    Notice notice{};
    std::snprintf(notice.data(), notice.size(), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                  static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
                      static_cast<std::uint64_t>(now.tv_nsec) / 1'000);
    sd_notify(0, notice.data());
}

void tell(const Status& status) noexcept {
    tell("", status);
}

void tell_alive(const Status& status) noexcept {
    tell("WATCHDOG=1\n", status);
}

void tell_stuck(std::string_view thread) noexcept {
    Notice notice{};
    std::snprintf(notice.data(), notice.size(), "STATUS=no progress: %.*s",
                  static_cast<int>(thread.size()), thread.data());
    sd_notify(0, notice.data());
}

void tell_stopping() noexcept {
    sd_notify(0, "STOPPING=1");
}

void tell_failed(const Failure& failure) noexcept {
    const int number = failure.code == Errc::no_space        ? ENOSPC
                       : failure.code == Errc::out_of_memory ? ENOMEM
                                                             : EIO;
    const std::string_view code = name(failure.code);
    Notice notice{};
    std::snprintf(notice.data(), notice.size(), "ERRNO=%d\nSTATUS=journal failed: %.*s: %s", number,
                  static_cast<int>(code.size()), code.data(), failure.message.c_str());
    sd_notify(0, notice.data());
}

std::optional<std::chrono::microseconds> watchdog_period() noexcept {
    std::uint64_t microseconds = 0;
    if (sd_watchdog_enabled(0, &microseconds) <= 0) return std::nullopt;
    return std::chrono::microseconds(microseconds);
}

}  // namespace inod::daemon::service_manager
