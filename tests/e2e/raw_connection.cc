#include "tests/e2e/raw_connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "lib/base/bytes.h"
#include "tests/base/send_descriptors.h"
#include "tests/e2e/daemon_process.h"

namespace inod::e2e {
namespace {

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

void limit_waiting(int fd, int option) {
    const timeval limit{.tv_sec = patience.count(), .tv_usec = 0};
    if (setsockopt(fd, SOL_SOCKET, option, &limit, sizeof limit) != 0) fail("setsockopt");
}

bool is_gone(int error) {
    return error == EPIPE || error == ECONNRESET;
}

}  // namespace

proto::Reply Answer::reply() const {
    return proto::decode_reply(bytes).value();
}

std::uint64_t Answer::detail() const {
    return std::get<proto::ErrorReply>(reply().body).error.detail;
}

std::string Answer::text() const {
    return std::string(std::get<proto::ErrorReply>(reply().body).text);
}

Bytes frame(std::uint8_t operation, std::uint16_t pool, std::uint16_t tag, const Bytes& body,
            std::uint8_t flags) {
    Bytes memory(proto::frame_header_size + body.size());
    ByteWriter out(memory);
    out.put(static_cast<std::uint16_t>(memory.size()));
    out.put(operation);
    out.put(flags);
    out.put(pool);
    out.put(tag);
    std::copy(body.begin(), body.end(), memory.begin() + proto::frame_header_size);
    return memory;
}

RawConnection::RawConnection(const std::string& socket_path)
    : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (!socket_) fail("socket");
    limit_waiting(socket_.get(), SO_RCVTIMEO);
    limit_waiting(socket_.get(), SO_SNDTIMEO);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path.size() >= sizeof address.sun_path) throw std::logic_error("path too long");
    std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
    if (connect(fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        fail("connect");
    }
}

void RawConnection::greet(std::uint16_t tag, std::uint64_t features) {
    proto::HelloRequest hello;
    hello.features = features;
    const Answer answer = ask({.tag = tag, .body = hello});
    if (answer.code() != Errc::ok || answer.header.tag != tag) {
        throw std::runtime_error("the hello was refused: " + std::string(name(answer.code())));
    }
    if (std::get<proto::HelloReply>(answer.reply().body).features != features) {
        throw std::runtime_error("the daemon has other features than were wished for");
    }
}

bool RawConnection::send(const Bytes& bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
        const auto size = ::send(fd(), bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
        if (size < 0 && is_gone(errno)) return false;
        if (size < 0) fail("send");
        done += static_cast<std::size_t>(size);
    }
    return true;
}

bool RawConnection::send(const Bytes& bytes, const std::vector<int>& descriptors) {
    const auto sent = send_descriptors(fd(), bytes, descriptors, MSG_NOSIGNAL);
    if (sent < 0 && is_gone(errno)) return false;
    if (sent < 0) fail("sendmsg");
    if (static_cast<std::size_t>(sent) != bytes.size()) throw std::runtime_error("sent a part");
    return true;
}

std::size_t RawConnection::send_some(std::span<const std::byte> bytes) {
    const auto size = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size >= 0) return static_cast<std::size_t>(size);
    if (errno != EAGAIN) fail("send");
    return 0;
}

void RawConnection::finish_sending() {
    if (shutdown(fd(), SHUT_WR) != 0) fail("shutdown");
}

std::optional<Answer> RawConnection::receive() {
    for (;;) {
        const auto rest = std::span(input_).subspan(begin_);
        if (rest.size() >= proto::frame_header_size) {
            const auto header = proto::decode_header(rest);
            if (header.size < proto::frame_header_size) throw std::runtime_error("out of step");
            if (rest.size() >= header.size) {
                begin_ += header.size;
                const auto whole = rest.first(header.size);
                return Answer{.header = header, .bytes = {whole.begin(), whole.end()}};
            }
        }
        if (!read_more()) {
            if (rest.empty()) return std::nullopt;
            throw std::runtime_error("the stream ended within a frame");
        }
    }
}

bool RawConnection::read_more() {
    input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
    std::array<std::byte, 65'536> memory;
    const auto size = recv(fd(), memory.data(), memory.size(), 0);
    // Bytes of ours that the daemon never read: the kernel says so with a reset.
    if (size == 0 || (size < 0 && is_gone(errno))) return false;
    if (size < 0) fail("recv");
    input_.insert(input_.end(), memory.begin(), memory.begin() + size);
    return true;
}

Answer RawConnection::ask(const Bytes& bytes) {
    if (!send(bytes)) throw std::runtime_error("the daemon closed the connection");
    auto answer = receive();
    if (!answer) throw std::runtime_error("the daemon closed the connection");
    return std::move(*answer);
}

}  // namespace inod::e2e
