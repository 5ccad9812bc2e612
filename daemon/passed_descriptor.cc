#include "daemon/passed_descriptor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include <sys/socket.h>

namespace inod::daemon {
namespace {

// One recvmsg(2), which never waits.
class Message {
public:
    explicit Message(std::span<std::byte> room) : part_{room.data(), room.size()} {
        header_.msg_iov = &part_;
        header_.msg_iovlen = 1;
    }
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;

    // Not with the padding that CMSG_SPACE() adds: a second one would fit there.
    void make_room_for_one_descriptor() {
        header_.msg_control = control_.data();
        header_.msg_controllen = CMSG_LEN(sizeof(int));
    }

    Received read(int socket, int flags) {
        const ssize_t size = ::recvmsg(socket, &header_, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (size > 0) return {.size = static_cast<std::size_t>(size)};
        if (size == 0) return {.ended = true};
        const bool is_temporary = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
        return {.error = is_temporary ? 0 : errno};
    }

    // After read(): were there descriptors that found no room?
    [[nodiscard]] bool dropped() const { return (header_.msg_flags & MSG_CTRUNC) != 0; }

    OwnedFd take_descriptor() {
        const cmsghdr* const header = CMSG_FIRSTHDR(&header_);
        if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return {};
        int descriptor = -1;
        std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
        return OwnedFd(descriptor);
    }

private:
    iovec part_;
    msghdr header_{};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control_;
};

}  // namespace

Received receive_plainly(int socket, proto::FrameSplitter& input) noexcept {
    Message message(input.prepare());
    Received received = message.read(socket, 0);
    received.dropped = message.dropped();
    return received;
}

Received receive(int socket, proto::FrameSplitter& input, TakesDescriptor takes, bool urgent,
                 PassedDescriptor& passed) noexcept {
    const auto room = input.prepare();
    Message look(room);
    const Received there = look.read(socket, MSG_PEEK);
    if (there.error != 0 || there.ended) return there;
    // What comes from here on was not looked at, and its descriptor would be dropped. But a byte sent with MSG_OOB
    // makes the socket readable for good, and only a read that does not look for it takes it away.
    if (there.size == 0 && !urgent) return there;

    const bool all = there.size > 0 && !look.dropped();
    const bool begins = !input.is_within_frame();
    const std::size_t piece = begins ? 1 : std::min(input.missing(), room.size());
    Message message(room.first(all ? there.size : piece));
    const bool has_header = there.size >= proto::frame_header_size;
    if (!all && begins && has_header && takes(proto::decode_header(room).operation)) {
        message.make_room_for_one_descriptor();
    }
    const Received received = message.read(socket, 0);
    if (OwnedFd descriptor = message.take_descriptor()) passed.descriptor = std::move(descriptor);
    // One that came before, or beside those that were dropped, stays: a close may wait for long.
    if (message.dropped()) passed.unexpected = true;
    return received;
}

}  // namespace inod::daemon
