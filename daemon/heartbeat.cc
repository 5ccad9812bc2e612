#include "daemon/heartbeat.h"

#include <chrono>
#include <cstdio>

#include <spdlog/spdlog.h>

namespace inod::daemon {
namespace {

// How often the service manager hears how the daemon does, if it does not ask for more.
constexpr std::chrono::seconds period_by_default{60};

}  // namespace

Heartbeat::Heartbeat(EventLoop& loop, Flusher& flusher, const Allocator& allocator,
                     const UserConnections& connected, const Threads& threads)
    : flusher_(flusher),
      allocator_(allocator),
      connected_(connected),
      threads_(threads),
      timer_(loop, [this] { beat(); }) {}

void Heartbeat::begin(std::size_t pools) {
    pools_ = pools;
    service_manager::tell_ready(status());
    set_next();
}

void Heartbeat::tell_reloading() noexcept {
    refusal_.front() = '\0';
    service_manager::tell_reloading();
}

void Heartbeat::tell_reloaded(std::size_t pools) noexcept {
    pools_ = pools;
    service_manager::tell_ready(status());
}

void Heartbeat::tell_not_reloaded(Errc code, std::string_view reason) noexcept {
    const std::string_view what = name(code);
    std::snprintf(refusal_.data(), refusal_.size(), "reload refused: %.*s: %.*s",
                  static_cast<int>(what.size()), what.data(), static_cast<int>(reason.size()),
                  reason.data());
    service_manager::tell_ready(status());
}

void Heartbeat::beat() {
    const std::string_view stuck = find_stuck();
    if (!stuck.empty()) {
        spdlog::warn("no progress since the last look: thread={}", stuck);
        service_manager::tell_stuck(stuck);
    } else if (service_manager::watchdog_period()) {
        service_manager::tell_alive(status());
    } else {
        service_manager::tell(status());
    }
    set_next();
}

// Twice in the time that the service manager waits for one.
void Heartbeat::set_next() noexcept {
    for (const auto& thread : threads_)
        thread->ask();
    const auto period = service_manager::watchdog_period();
    timer_.set_after(period ? *period / 2 : std::chrono::microseconds(period_by_default));
}

// The name of a thread that has something to do and has not done any of it since the last beat; empty if there is
// none. This one makes progress.
std::string_view Heartbeat::find_stuck() {
    for (const auto& thread : threads_)
        if (!thread->has_answered()) return IoThread::name;
    const Flusher::Guard guard(flusher_);
    return flusher_.is_stuck() ? Flusher::thread_name : std::string_view();
}

service_manager::Status Heartbeat::status() noexcept {
    service_manager::Status status{
        .pools = pools_, .connections = connected_.count(), .note = refusal_.data()};
    const Flusher::Guard guard(flusher_);
    for (std::size_t index = 0; index < allocator_.pool_index_end(); ++index)
        status.leases += allocator_.any_pool(static_cast<PoolIndex>(index)).live_count().runs;
    return status;
}

}  // namespace inod::daemon
