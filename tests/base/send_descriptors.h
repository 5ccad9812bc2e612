// Bytes, and file descriptors that go with them (SCM_RIGHTS).
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include <sys/socket.h>

namespace inod {

// sendmsg(2) of these, with these flags; what it returns. The descriptors stay open here; without any it is a
// plain send.
inline ssize_t send_descriptors(int socket, std::span<const std::byte> bytes,
                                std::span<const int> descriptors, int flags) {
    // It only reads them.
    iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const std::size_t size = descriptors.size_bytes();
    std::vector<std::byte> control(CMSG_SPACE(size));
    if (size > 0) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(size);
        std::memcpy(CMSG_DATA(header), descriptors.data(), size);
    }
    return ::sendmsg(socket, &message, flags);
}

}  // namespace inod
