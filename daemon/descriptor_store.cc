#include "daemon/descriptor_store.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <sys/socket.h>
#include <sys/time.h>
#include <systemd/sd-daemon.h>

namespace inod::daemon {
namespace {

// How long a stop waits for a service manager that is busy.
constexpr timeval stop_patience{.tv_sec = 5, .tv_usec = 0};

std::string_view variable(const char* name) {
    const char* const value = std::getenv(name);
    return value != nullptr ? value : "";
}

class Message {
public:
    Message(const char* what, const char* name) noexcept {
        std::snprintf(text_.data(), text_.size(), "%s=1\nFDNAME=%s", what, name);
    }
    [[nodiscard]] const char* text() const noexcept { return text_.data(); }

private:
    std::array<char, 64> text_{};
};

}  // namespace

std::optional<DescriptorStore> DescriptorStore::find() {
    const std::string_view path = variable("NOTIFY_SOCKET");
    const std::string_view count = variable("FDSTORE");
    std::uint64_t count_max = 0;
    const auto parsed = std::from_chars(count.data(), count.data() + count.size(), count_max);
    if (parsed.ec != std::errc() || count_max == 0) return std::nullopt;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // A path, or with '@' in front a name without a file.
    if (path.size() < 2 || path.size() >= sizeof address.sun_path) return std::nullopt;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (path.front() == '@') address.sun_path[0] = '\0';
    OwnedFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return std::nullopt;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &stop_patience, sizeof stop_patience);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    return DescriptorStore(address, size, std::move(socket), count_max);
}

bool DescriptorStore::put(const char* name, int descriptor, Patience patience) const noexcept {
    return send(Message("FDSTORE", name).text(), descriptor,
                patience == Patience::none ? MSG_DONTWAIT : 0);
}

bool DescriptorStore::remove(const char* name, Patience patience) const noexcept {
    return send(Message("FDSTOREREMOVE", name).text(), -1,
                patience == Patience::none ? MSG_DONTWAIT : 0);
}

void DescriptorStore::await_read() noexcept {
    sd_notify_barrier(0, stop_patience.tv_sec * 1'000'000);
}

bool DescriptorStore::send(const char* message, int descriptor, int flags) const noexcept {
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
