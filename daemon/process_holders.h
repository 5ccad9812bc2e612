// Holders that are bound to a process: which process is meant, and that they end when it does.
//
// Thread safety: all calls under the flusher's lock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "daemon/closer.h"
#include "daemon/flusher_lock.h"
#include "daemon/process_identity.h"
#include "daemon/process_watch.h"
#include "lib/allocator/allocator.h"
#include "lib/base/owned_fd.h"
#include "lib/base/result.h"

namespace inod::daemon {

// The other end of a connection, as far as its process matters.
struct PeerSocket {
    int socket = -1;
    std::uint64_t accepted_at = 0;  // ticks_since_boot()
};

class ProcessHolders {
public:
    // For `count_max` processes at most. Allocator and closer outlive it. Errors: those of
    // ProcessWatch::create(), and of pid_namespace(): then no holder can be bound to a process.
    static Result<std::unique_ptr<ProcessHolders>, Failure> create(Allocator& allocator,
                                                                   Closer& closer,
                                                                   std::uint64_t count_max);

    ProcessHolders(const ProcessHolders&) = delete;
    ProcessHolders& operator=(const ProcessHolders&) = delete;

    // After a start, before anything is asked: finds the processes of all holders again. Those that
    // have ended end with them. One of which nothing can be proven, or whose process is one more
    // than can be watched, is left as it is: its number of holders comes back.
    std::size_t reopen_all() INOD_REQUIRES(flusher_lock);

    // A process, and what tells when it ends.
    struct Process {
        ProcessIdentity identity;
        OwnedFd pidfd;
    };
    // The one that `passed` is a pidfd of, or if that is none the peer's. What was passed, by this
    // user, and is no pidfd is closed, elsewhere. Errors: for whoever asked, in words.
    Result<Process, std::string> find(const PeerSocket& peer, std::uint32_t uid, OwnedFd& passed);

    // The holder is to end with its process. Does nothing for one that is watched already.
    // Error: the watch's. Then a holder that was made for it is to be ended.
    Result<void, Failure> watch(const HolderRef& ref, OwnedFd pidfd) INOD_REQUIRES(flusher_lock);

    // The holder has come to its end by itself.
    void forget(const HolderRef& ref) noexcept;

    // Has holders end whose processes have, some hundreds at most, which is less than a millisecond's
    // work. How many processes there were, and whether there may be more.
    struct Ended {
        std::size_t count = 0;
        bool may_be_more = false;
    };
    Ended end_some() noexcept INOD_REQUIRES(flusher_lock);
    // As create() has it, from here on. False, and nothing has changed, where more are watched.
    [[nodiscard]] bool set_count_max(std::uint64_t count_max) noexcept INOD_REQUIRES(flusher_lock) {
        if (watch_->size() > count_max) return false;
        watch_->set_count_max(count_max);
        return true;
    }
    // Readable when there are any.
    [[nodiscard]] int descriptor() const noexcept { return watch_->descriptor(); }

private:
    ProcessHolders(Allocator& allocator, Closer& closer, std::unique_ptr<ProcessWatch> watch,
                   std::uint64_t pid_namespace)
        : allocator_(allocator),
          closer_(closer),
          watch_(std::move(watch)),
          pid_namespace_(pid_namespace) {}

    bool reopen(HolderIndex index) INOD_REQUIRES(flusher_lock);
    bool end(std::uint64_t key) noexcept INOD_REQUIRES(flusher_lock);

    Allocator& allocator_ INOD_GUARDED_BY(flusher_lock);
    Closer& closer_;
    std::unique_ptr<ProcessWatch> watch_;
    const std::uint64_t pid_namespace_;
};

}  // namespace inod::daemon
