#include "daemon/notify_socket.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <sys/time.h>

namespace inod::daemon {
namespace {

constexpr timeval some_patience{.tv_sec = 5, .tv_usec = 0};

}  // namespace

std::optional<NotifySocket> NotifySocket::find() {
    const char* const value = std::getenv("NOTIFY_SOCKET");
    const std::string_view path = value != nullptr ? value : "";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // A path, or with '@' in front a name without a file.
    if (path.size() < 2 || path.size() >= sizeof address.sun_path) return std::nullopt;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (path.front() == '@') address.sun_path[0] = '\0';
    OwnedFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return std::nullopt;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &some_patience, sizeof some_patience);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    return NotifySocket(address, size, std::move(socket));
}

bool NotifySocket::send(const char* message, Patience patience, int descriptor) const noexcept {
    const int flags = patience == Patience::none ? MSG_DONTWAIT : 0;
    // sendmsg(2) only reads them.
    iovec part{const_cast<char*>(message), std::strlen(message)};
    sockaddr_un address = address_;
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof descriptor)> control{};
    msghdr head{};
    head.msg_name = &address;
    head.msg_namelen = address_size_;
    head.msg_iov = &part;
    head.msg_iovlen = 1;
    if (descriptor >= 0) {
        head.msg_control = control.data();
        head.msg_controllen = control.size();
        cmsghdr* const rights = CMSG_FIRSTHDR(&head);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof descriptor);
        std::memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
    }
    ssize_t size = 0;
    do {
        size = ::sendmsg(socket_.get(), &head, flags | MSG_NOSIGNAL);
    } while (size < 0 && errno == EINTR);
    return size >= 0;
}

}  // namespace inod::daemon
