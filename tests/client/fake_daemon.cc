#include "tests/client/fake_daemon.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <utility>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace inod {

FakePeer::FakePeer(int fd)
    : fd_(fd), memory_(1U << 16U), splitter_(memory_, proto::request_size_max) {}

FakePeer::~FakePeer() {
    close();
}

void FakePeer::close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

bool FakePeer::fill() {
    const auto room = splitter_.prepare();
    iovec bytes{room.data(), room.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(fd_, &message, MSG_CMSG_CLOEXEC);
    if (size <= 0) return false;
    if (const cmsghdr* const header = CMSG_FIRSTHDR(&message); header != nullptr) {
        int descriptor = -1;
        std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
        descriptor_ = OwnedFd(descriptor);
    }
    splitter_.received(static_cast<std::size_t>(size));
    return true;
}

OwnedFd FakePeer::take_descriptor() {
    return std::exchange(descriptor_, OwnedFd());
}

proto::Request FakePeer::read() {
    for (;;) {
        if (const auto frame = splitter_.next()) {
            const auto request = proto::decode_request(frame->bytes);
            EXPECT_TRUE(request) << "the client sent what is no request";
            return request ? *request : proto::Request{};
        }
        if (!fill()) {
            ADD_FAILURE() << "the client closed while a request was expected";
            return {};
        }
    }
}

void FakePeer::skip_past(const proto::ResumeMark& mark) {
    const auto word = proto::encode_resume(mark);
    while (!splitter_.skip_past(word)) {
        if (fill()) continue;
        ADD_FAILURE() << "the client closed and did not say that it goes on";
        return;
    }
}

std::size_t FakePeer::read_to_end() {
    std::size_t total = splitter_.pending();
    std::array<std::byte, 4096> memory{};
    for (;;) {
        const ssize_t size = ::recv(fd_, memory.data(), memory.size(), 0);
        if (size <= 0) return total;
        total += static_cast<std::size_t>(size);
    }
}

void FakePeer::send(const proto::Reply& reply) {
    send_bytes(bytes_of(reply));
}

void FakePeer::send_bytes(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t size = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (size <= 0) return;  // the client closed, which its side of the test judges
        bytes = bytes.subspan(static_cast<std::size_t>(size));
    }
}

void FakePeer::greet(std::uint16_t inode_index, std::uint64_t token_epoch) {
    const proto::Request hello = read();
    EXPECT_TRUE(std::holds_alternative<proto::HelloRequest>(hello.body));
    std::array<proto::PoolEntry, 2> pools{};
    pools[0].lease_count_max = 65'536;
    pools[0].range = {1, id_max};
    pools[0].name = "inode";
    pools[1] = pools[0];
    pools[0].index = inode_index;
    pools[1].index = 7;
    pools[1].policy = proto::PoolPolicy::cyclic;
    pools[1].name = "pid";
    std::array<std::byte, 256> memory{};
    proto::HelloReply reply;
    reply.features = std::get<proto::HelloRequest>(hello.body).features;
    reply.token_epoch = token_epoch;
    reply.table.pools = proto::Packed<proto::PoolEntry>::pack(pools, memory).value();
    send({proto::Operation::hello, hello.tag, reply});
}

FakeDaemon::FakeDaemon(std::function<void(const Accept&)> script) {
    std::string folder = testing::TempDir() + "inod_client_XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) std::abort();
    folder_ = folder;
    path_ = folder + "/sock";
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path) std::abort();
    std::memcpy(address.sun_path, path_.data(), path_.size());
    if (::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) std::abort();
    if (::listen(fd_, 16) != 0) std::abort();
    thread_ = std::thread([this, script = std::move(script)] {
        try {
            script([this] { return ::accept(fd_, nullptr, nullptr); });
        } catch (const std::exception& error) {
            ADD_FAILURE() << "the daemon's script: " << error.what();
        }
    });
}

FakeDaemon::~FakeDaemon() {
    // A script that still accepts has a test that failed: wake it.
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
    ::unlink(path_.c_str());
    ::rmdir(folder_.c_str());
}

std::vector<std::byte> bytes_of(const proto::Reply& reply) {
    std::vector<std::byte> bytes(2048);  // no test sends more at once
    ByteWriter out(bytes);
    EXPECT_TRUE(proto::encode_reply(out, reply));
    bytes.resize(out.size());
    return bytes;
}

Client connected_to(const FakeDaemon& daemon) {
    return Client::connect(
               {.socket_path = daemon.path(), .pools = {}, .timeout = std::chrono::seconds(10)})
        .value();
}

}  // namespace inod
