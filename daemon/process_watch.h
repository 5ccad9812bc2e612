// Which of many processes have ended: holders that are bound to a process are reclaimed by it.
//
// The pidfds are in an epoll instance of its own, which is one descriptor for the event loop:
// readable while a process has ended that was not taken yet. A process at rest costs memory and a
// descriptor, and no time. Each end is reported once, and the watch has forgotten the process by
// then: an end that nobody takes for a while waits where it is, and turns no loop unless somebody
// loops over it.
//
// Each pidfd is a descriptor, so RLIMIT_NOFILE and fs.nr_open (1,048,576) bound how many there may
// be: descriptor_limit.h.
//
// Thread safety: none of its own: one call at a time. Waiting for descriptor() needs no such care.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>

#include "lib/base/memory_budget.h"
#include "lib/base/owned_fd.h"
#include "lib/base/result.h"

namespace inod::daemon {

class ProcessWatch {
public:
    // For `count_max` processes at most. Fails with io_error or out_of_memory: out of descriptors,
    // or of what the message names.
    static Result<std::unique_ptr<ProcessWatch>, Failure> create(MemoryBudget& budget,
                                                                 std::uint64_t count_max);

    ProcessWatch(const ProcessWatch&) = delete;
    ProcessWatch& operator=(const ProcessWatch&) = delete;
    ~ProcessWatch();

    // Watches the process of `pidfd`, which identity_of() accepted, and keeps the descriptor. It
    // may have ended already. Requires a key that is not watched. After an error `pidfd` is closed
    // and nothing has changed.
    //
    // Errors: out_of_memory for the budget, for as many as there may be, and for
    //   fs.epoll.max_user_watches: an administrator raises what the message names; io_error for whatever
    //   else the kernel has against it.
    Result<void, Failure> add(std::uint64_t key, OwnedFd pidfd);

    [[nodiscard]] bool contains(std::uint64_t key) const noexcept { return pidfds_.contains(key); }

    // Forgets the process, if it is watched; its end is not reported any more.
    void remove(std::uint64_t key) noexcept;

    // Writes the keys of processes that have ended, and forgets them. Returns how many; fewer than
    // `out` has room for mean that there are no more. Waits for nothing and allocates nothing, at
    // any time: the event loop need not have said so. One system call per 64 of them, and two for
    // each.
    std::size_t take_ended(std::span<std::uint64_t> out) noexcept;

    // To be waited for until it is readable. It stays so until take_ended() has returned fewer than
    // it had room for.
    [[nodiscard]] int descriptor() const noexcept { return epoll_.get(); }

    // So many there may be from here on. Those that there are stay.
    void set_count_max(std::uint64_t count_max) noexcept { count_max_ = count_max; }

    [[nodiscard]] std::size_t size() const noexcept { return pidfds_.size(); }

private:
    using Pidfds = std::unordered_map<std::uint64_t, OwnedFd>;

    ProcessWatch(MemoryBudget& budget, std::uint64_t count_max, OwnedFd epoll)
        : budget_(budget), count_max_(count_max), epoll_(std::move(epoll)) {}

    void forget(Pidfds::iterator watched) noexcept;

    MemoryBudget& budget_;
    std::uint64_t count_max_;
    OwnedFd epoll_;
    Pidfds pidfds_;  // by key
};

}  // namespace inod::daemon
