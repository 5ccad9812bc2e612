#include "tests/bench/socket.h"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>

namespace inod::bench {
namespace {

Result<sockaddr_un, Failure> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) {
        return Failure{Errc::io_error, "longer than a socket's path may be: " + path};
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

using Call = int (*)(int, const sockaddr*, socklen_t);

Result<OwnedFd, Failure> socket_with(Call bind_or_connect, const std::string& path) {
    const auto address = address_of(path);
    if (!address) return address.error();
    OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return failed("socket");
    const auto* const generic = reinterpret_cast<const sockaddr*>(&*address);
    if (bind_or_connect(fd.get(), generic, sizeof(*address)) != 0) return failed(path);
    return fd;
}

}  // namespace

Failure failed(const std::string& what) {
    return {Errc::io_error, what + ": " + std::strerror(errno)};
}

Result<OwnedFd, Failure> listen_at(const std::string& path) {
    auto fd = socket_with(&::bind, path);
    if (fd && ::listen(fd->get(), SOMAXCONN) != 0) return failed("listen");
    return fd;
}

Result<OwnedFd, Failure> connect_to(const std::string& path) {
    return socket_with(&::connect, path);
}

Result<void, Failure> send_all(int socket, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t size = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (size < 0 && errno != EINTR) return failed("send");
        if (size > 0) bytes = bytes.subspan(static_cast<std::size_t>(size));
    }
    return {};
}

Result<std::size_t, Failure> receive_some(int socket, std::span<std::byte> room) {
    for (;;) {
        const ssize_t size = ::recv(socket, room.data(), room.size(), 0);
        if (size > 0) return static_cast<std::size_t>(size);
        if (size == 0) return Failure{Errc::io_error, "the server has closed the connection"};
        if (errno != EINTR) return failed("recv");
    }
}

}  // namespace inod::bench
