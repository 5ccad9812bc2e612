// A connected Unix stream socket that never blocks but where it says so, and never raises SIGPIPE.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>

#include "lib/base/result.h"

namespace inod {

// When a call gives up waiting.
using Deadline = std::chrono::steady_clock::time_point;

// Thread safety: none of its own.
class Socket {
public:
    // Connects to the socket at `path`, waiting at most `timeout` for room in the daemon's queue.
    // Errors: not_connected, timed_out. The message names the path and the reason.
    static Result<Socket, Failure> connect(const std::string& path,
                                           std::chrono::milliseconds timeout);

    Socket() = default;  // Not open.
    Socket(Socket&& other) noexcept;
    Socket& operator=(Socket&& other) noexcept;
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket();

    [[nodiscard]] bool is_open() const { return fd_ >= 0; }
    void close() noexcept;

    // What a read or a write came to.
    struct Moved {
        std::size_t size = 0;  // bytes; 0 if nothing could be moved now
        bool ended = false;    // the peer closed, or the connection broke: see `error`
        int error = 0;         // errno, 0 if the peer closed
    };
    Moved read(std::span<std::byte> bytes) noexcept;
    Moved write(std::span<const std::byte> bytes) noexcept;
    // Sends `descriptor` with the first of these bytes, if any is moved; it stays open here.
    // Nothing is moved while too many of this user's descriptors are on their way (ETOOMANYREFS),
    // which wait() knows nothing of. Requires bytes.
    Moved write(std::span<const std::byte> bytes, int descriptor) noexcept;

    // What wait() woke up for; neither after the deadline. A broken connection counts as readable.
    struct Ready {
        bool readable = false;
        bool writable = false;
    };
    // Blocks until something can be read, or written if that is wanted, or the deadline passes.
    Ready wait(bool for_writing, Deadline deadline) noexcept;

private:
    explicit Socket(int fd) : fd_(fd) {}

    int fd_ = -1;
};

}  // namespace inod
