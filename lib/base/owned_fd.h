// A file descriptor that is closed when its owner ends, or gets another one.
#pragma once

#include <utility>

namespace inod {

class OwnedFd {
public:
    OwnedFd() = default;
    explicit OwnedFd(int fd) : fd_(fd) {}  // -1, as a failed call returns it, is none
    OwnedFd(OwnedFd&& other) noexcept : fd_(other.release()) {}
    // What it had before is closed, here and now.
    OwnedFd& operator=(OwnedFd&& other) noexcept {
        const OwnedFd before(std::exchange(fd_, other.release()));
        return *this;
    }
    OwnedFd(const OwnedFd&) = delete;
    OwnedFd& operator=(const OwnedFd&) = delete;
    ~OwnedFd();

    [[nodiscard]] int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

    // Gives the descriptor to the caller, who closes it.
    int release() noexcept { return std::exchange(fd_, -1); }

private:
    int fd_ = -1;
};

}  // namespace inod
