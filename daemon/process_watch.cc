#include "daemon/process_watch.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <string>

#include <sys/epoll.h>

#include "lib/base/assert.h"
#include "lib/base/system_failure.h"

namespace inod::daemon {
namespace {

// What a process may cost: its entry here and its part of a hash table that has just doubled; in
// the kernel, which charges the same memory limit for it, the open file and its entry in the epoll
// instance.
constexpr std::uint64_t bytes_per_process = 640;

// ENOSPC is no full disk here, and ENOMEM is more than a call that failed.
Failure epoll_failure(const char* call) {
    const int reason = errno;
    Failure failure = system_failure(call, "a watch over processes");
    if (reason == ENOSPC) failure.message += ": raise fs.epoll.max_user_watches";
    if (reason == ENOSPC || reason == ENOMEM) failure.code = Errc::out_of_memory;
    return failure;
}

// So short that it needs no memory itself.
Failure no_memory() {
    return {Errc::out_of_memory, "out of memory"};
}

Failure no_descriptor(std::uint64_t count_max) {
    return {Errc::out_of_memory,
            "as many processes are watched as there are file descriptors for (" +
                std::to_string(count_max) + "): raise LimitNOFILE of the daemon's service"};
}

}  // namespace

Result<std::unique_ptr<ProcessWatch>, Failure> ProcessWatch::create(MemoryBudget& budget,
                                                                    std::uint64_t count_max) {
    OwnedFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) return epoll_failure("epoll_create1");
    return std::unique_ptr<ProcessWatch>(new ProcessWatch(budget, count_max, std::move(epoll)));
}

ProcessWatch::~ProcessWatch() {
    budget_.give(pidfds_.size() * bytes_per_process);
}

Result<void, Failure> ProcessWatch::add(std::uint64_t key, OwnedFd pidfd) {
    if (pidfds_.size() >= count_max_) return no_descriptor(count_max_);
    if (!budget_.take(bytes_per_process)) return no_memory();
    const int descriptor = pidfd.get();
    Pidfds::iterator watched;
    try {
        const auto [place, is_new] = pidfds_.try_emplace(key, std::move(pidfd));
        INOD_ASSERT(is_new);
        watched = place;
    } catch (const std::bad_alloc&) {
        budget_.give(bytes_per_process);
        return no_memory();
    }
    epoll_event event{.events = EPOLLIN, .data = {.u64 = key}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) == 0) return {};
    Failure failure = epoll_failure("epoll_ctl");
    pidfds_.erase(watched);
    budget_.give(bytes_per_process);
    return failure;
}

void ProcessWatch::remove(std::uint64_t key) noexcept {
    const auto watched = pidfds_.find(key);
    if (watched != pidfds_.end()) forget(watched);
}

std::size_t ProcessWatch::take_ended(std::span<std::uint64_t> out) noexcept {
    std::array<epoll_event, 64> events;
    std::size_t taken = 0;
    while (taken < out.size()) {
        const auto room = std::min(events.size(), out.size() - taken);
        const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(room), 0);
        if (count < 0 && errno == EINTR) continue;
        INOD_ASSERT(count >= 0);
        for (const epoll_event& event : std::span(events).first(static_cast<std::size_t>(count))) {
            const auto watched = pidfds_.find(event.data.u64);
            INOD_ASSERT(watched != pidfds_.end());
            out[taken++] = event.data.u64;
            forget(watched);
        }
        if (static_cast<std::size_t>(count) < room) break;
    }
    return taken;
}

// Closing alone would not do: the pidfd of a client who keeps it open as well would stay in the
// epoll instance, which knows open files and not descriptors (epoll(7), Questions and answers).
void ProcessWatch::forget(Pidfds::iterator watched) noexcept {
    const int result = ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watched->second.get(), nullptr);
    INOD_ASSERT(result == 0);
    pidfds_.erase(watched);
    budget_.give(bytes_per_process);
}

}  // namespace inod::daemon
