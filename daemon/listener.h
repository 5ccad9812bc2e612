// The socket that clients connect to, and the locks by which no second daemon serves the same state
// or the same path.
#pragma once

#include <cstdint>
#include <string>

#include "lib/base/owned_fd.h"
#include "lib/base/result.h"

namespace inod::daemon {

// Makes `directory` (mode 0700) if it is not there, and takes the lock on its file "lock", which
// lasts until the descriptor is closed, also by kill -9.
// Errors: state_in_use, also for a directory with files of somebody else; io_error.
Result<OwnedFd, Failure> lock_state(const std::string& directory);

// The listening socket. A socket file that it made is removed when it ends.
class Listener {
public:
    // `lock` and `path` are none for a socket that somebody else made.
    Listener(OwnedFd socket, OwnedFd lock, std::string path);
    Listener(Listener&& other) noexcept = default;
    Listener& operator=(Listener&&) = delete;
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener();

    // The socket itself, which the caller closes.
    int release_socket() noexcept { return socket_.release(); }

private:
    OwnedFd socket_;
    OwnedFd lock_;  // what keeps others off the path
    std::string path_;
};

// The one that was passed (handed_over.h), or if that is none a new one at `path` with these
// permissions. The socket of a daemon that is dead is replaced; the lock is on `path`.lock.
// Errors: state_in_use if a daemon serves the path; io_error.
Result<Listener, Failure> listen_at(OwnedFd passed, const std::string& path, std::uint32_t mode);

}  // namespace inod::daemon
