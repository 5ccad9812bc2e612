#include "lib/client/socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace inod {
namespace {

Failure failure(Errc code, const std::string& path, const std::string& reason) {
    return {code, path + ": " + reason};
}

std::string reason_of(int error) {
    return std::generic_category().message(error);
}

// connect(2) on a Unix socket waits for room in the listener's queue as long as a send may wait.
void set_send_timeout(int fd, std::chrono::milliseconds timeout) {
    // Zero would wait forever.
    const auto ms = std::max<std::int64_t>(1, timeout.count());
    const timeval value{.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof value);
}

bool is_temporary(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ETOOMANYREFS;
}

Socket::Moved moved(ssize_t size) {
    if (size >= 0) return {.size = static_cast<std::size_t>(size)};
    const int error = errno;
    if (is_temporary(error)) return {};
    return {.ended = true, .error = error};
}

}  // namespace

Result<Socket, Failure> Socket::connect(const std::string& path,
                                        std::chrono::milliseconds timeout) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // One byte is for the zero behind the path.
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        return failure(Errc::not_connected, path, "a socket's path has 1 to 107 bytes");
    }
    std::memcpy(address.sun_path, path.data(), path.size());

    Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return failure(Errc::not_connected, path, reason_of(errno));
    const Deadline deadline = std::chrono::steady_clock::now() + timeout;
    int result = 0;
    do {
        // What a signal interrupted goes on for the rest of the time only.
        set_send_timeout(socket.fd_, std::chrono::ceil<std::chrono::milliseconds>(
                                         deadline - std::chrono::steady_clock::now()));
        result = ::connect(socket.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    } while (result != 0 && errno == EINTR && std::chrono::steady_clock::now() < deadline);
    if (result == 0) return socket;
    if (errno == EAGAIN || errno == EINTR)
        return failure(Errc::timed_out, path, "the daemon does not accept");
    return failure(Errc::not_connected, path, reason_of(errno));
}

Socket::Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}

Socket::~Socket() {
    close();
}

void Socket::close() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Socket::Moved Socket::read(std::span<std::byte> bytes) noexcept {
    const ssize_t size = ::recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (size == 0) return {.ended = true};
    return moved(size);
}

Socket::Moved Socket::write(std::span<const std::byte> bytes) noexcept {
    return moved(::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

Socket::Moved Socket::write(std::span<const std::byte> bytes, int descriptor) noexcept {
    // sendmsg(2) only reads them.
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof descriptor)> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    return moved(::sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

Socket::Ready Socket::wait(bool for_writing, Deadline deadline) noexcept {
    pollfd entry{.fd = fd_, .events = POLLIN, .revents = 0};
    if (for_writing) entry.events |= POLLOUT;
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        const auto left_ms = std::clamp<std::int64_t>(left.count(), 0, 3'600'000);
        const int count = ::poll(&entry, 1, static_cast<int>(left_ms));
        if (count > 0) {
            return {.readable = (entry.revents & ~POLLOUT) != 0,
                    .writable = (entry.revents & POLLOUT) != 0};
        }
        if (std::chrono::steady_clock::now() >= deadline) return {};
    }
}

}  // namespace inod
