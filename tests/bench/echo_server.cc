// The floor: what the kernel and a bare epoll loop cost. For each 16 bytes read it writes 32; it
// reads as much as there is and answers all of it in one write.
//
// With --commit it is the floor of a service that is durable: what a wake-up brought is appended to
// a file of zeros and synced before any of it is answered.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/echo.h"
#include "tests/bench/socket.h"

namespace inod::bench {
namespace {

constexpr std::size_t requests_max = 4096;  // of one connection, answered at once

struct Connection {
    explicit Connection(OwnedFd fd_of_peer) : fd(std::move(fd_of_peer)) {}

    OwnedFd fd;
    std::array<std::byte, requests_max * echo_request_size> in;
    std::array<std::byte, requests_max * echo_reply_size> out;
    std::size_t in_size = 0;
    std::size_t out_size = 0;
    std::size_t sent = 0;
    bool blocked = false;  // waits for room in the socket instead of for requests
};

// A file that is written over and over, all of it once before it is used, since a sync that must
// also make the file grow takes longer.
class CommitLog {
public:
    static Result<CommitLog, Failure> create(const std::string& path) {
        OwnedFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        if (!fd) return failed(path);
        const std::vector<std::byte> zeros(file_size);
        if (::pwrite(fd.get(), zeros.data(), zeros.size(), 0) != ssize_t{file_size} ||
            ::fsync(fd.get()) != 0) {
            return failed(path);
        }
        return CommitLog(std::move(fd));
    }

    void add(std::span<const std::byte> bytes) {
        batch_.insert(batch_.end(), bytes.begin(), bytes.end());
    }

    Result<void, Failure> commit() {
        if (offset_ + batch_.size() > file_size) offset_ = 0;
        const ssize_t size =
            ::pwrite(fd_.get(), batch_.data(), batch_.size(), static_cast<off_t>(offset_));
        if (std::cmp_not_equal(size, batch_.size()) || ::fdatasync(fd_.get()) != 0) {
            return failed("commit");
        }
        offset_ += batch_.size();
        batch_.clear();
        return {};
    }

private:
    static constexpr std::size_t file_size = std::size_t{16} << 20U;

    explicit CommitLog(OwnedFd fd) : fd_(std::move(fd)) {}

    OwnedFd fd_;
    std::vector<std::byte> batch_;
    std::size_t offset_ = 0;
};

class EchoServer {
public:
    EchoServer(OwnedFd listener, OwnedFd signals, std::optional<CommitLog> log)
        : listener_(std::move(listener)),
          signals_(std::move(signals)),
          log_(std::move(log)),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

    // Serves until SIGTERM.
    Result<void, Failure> run();

private:
    Result<void, Failure> watch(int operation, int fd, std::uint32_t events);
    Result<void, Failure> accept();
    Result<void, Failure> serve(const epoll_event& event);
    Result<void, Failure> commit_and_send();
    Result<void, Failure> send(Connection& connection);
    bool receive(Connection& connection);

    OwnedFd listener_;
    OwnedFd signals_;
    std::optional<CommitLog> log_;
    OwnedFd epoll_;
    std::unordered_map<int, std::unique_ptr<Connection>> connections_;
    std::vector<Connection*> uncommitted_;  // have replies that wait for the sync
};

Result<void, Failure> EchoServer::watch(int operation, int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_.get(), operation, fd, &event) != 0) return failed("epoll_ctl");
    return {};
}

Result<void, Failure> EchoServer::run() {
    for (const int fd : {listener_.get(), signals_.get()}) {
        if (auto watched = watch(EPOLL_CTL_ADD, fd, EPOLLIN); !watched) return watched;
    }
    std::array<epoll_event, 256> events;
    for (;;) {
        const int count = ::epoll_wait(epoll_.get(), events.data(), int{events.size()}, -1);
        if (count < 0 && errno != EINTR) return failed("epoll_wait");
        for (int i = 0; i < count; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            if (event.data.fd == signals_.get()) return {};
            const bool is_new = event.data.fd == listener_.get();
            if (auto served = is_new ? accept() : serve(event); !served) return served;
        }
        if (auto sent = commit_and_send(); !sent) return sent;
    }
}

Result<void, Failure> EchoServer::accept() {
    OwnedFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return failed("accept");
    const int number = fd.get();
    connections_[number] = std::make_unique<Connection>(std::move(fd));
    return watch(EPOLL_CTL_ADD, number, EPOLLIN);
}

Result<void, Failure> EchoServer::serve(const epoll_event& event) {
    Connection& connection = *connections_.at(event.data.fd);
    if (connection.blocked) return send(connection);
    if (!receive(connection)) {
        connections_.erase(event.data.fd);  // closing it takes it from the epoll set as well
        return {};
    }
    if (!log_) return send(connection);
    uncommitted_.push_back(&connection);
    return {};
}

// False at the end of the stream.
bool EchoServer::receive(Connection& c) {
    const ssize_t size = ::recv(c.fd.get(), c.in.data() + c.in_size, c.in.size() - c.in_size, 0);
    if (size <= 0) return size < 0 && (errno == EAGAIN || errno == EINTR);
    c.in_size += static_cast<std::size_t>(size);
    const std::size_t whole = c.in_size - c.in_size % echo_request_size;
    for (std::size_t at = 0; at < whole; at += echo_request_size) {
        std::byte* const reply = c.out.data() + c.out_size;
        std::memcpy(reply, c.in.data() + at, echo_request_size);
        std::memset(reply + echo_request_size, 0, echo_reply_size - echo_request_size);
        c.out_size += echo_reply_size;
    }
    if (log_) log_->add(std::span(c.in).first(whole));
    c.in_size -= whole;
    std::memmove(c.in.data(), c.in.data() + whole, c.in_size);
    return true;
}

Result<void, Failure> EchoServer::commit_and_send() {
    if (uncommitted_.empty()) return {};
    if (auto committed = log_->commit(); !committed) return committed;
    for (Connection* const connection : uncommitted_) {
        if (auto sent = send(*connection); !sent) return sent;
    }
    uncommitted_.clear();
    return {};
}

// Sends what is there. What does not fit into the socket is sent before anything else is read.
Result<void, Failure> EchoServer::send(Connection& c) {
    if (c.out_size == 0) return {};
    const ssize_t size =
        ::send(c.fd.get(), c.out.data() + c.sent, c.out_size - c.sent, MSG_NOSIGNAL);
    if (size > 0) c.sent += static_cast<std::size_t>(size);
    if (size < 0 && errno != EAGAIN) c.sent = c.out_size;  // it has gone; recv() will say so
    const bool blocked = c.sent < c.out_size;
    if (!blocked) c.sent = c.out_size = 0;
    if (blocked == c.blocked) return {};
    c.blocked = blocked;
    return watch(EPOLL_CTL_MOD, c.fd.get(), blocked ? EPOLLOUT : EPOLLIN);
}

Result<void, Failure> serve_until_terminated(const std::string& path, const std::string& log_path) {
    std::optional<CommitLog> log;
    if (!log_path.empty()) {
        auto created = CommitLog::create(log_path);
        if (!created) return created.error();
        log = std::move(*created);
    }
    sigset_t terminate;
    sigemptyset(&terminate);
    sigaddset(&terminate, SIGTERM);
    sigprocmask(SIG_BLOCK, &terminate, nullptr);
    OwnedFd signals(::signalfd(-1, &terminate, SFD_CLOEXEC));
    if (!signals) return failed("signalfd");
    auto listener = listen_at(path);
    if (!listener) return listener.error();
    EchoServer server(std::move(*listener), std::move(signals), std::move(log));
    auto served = server.run();
    ::unlink(path.c_str());
    return served;
}

}  // namespace
}  // namespace inod::bench

int main(int argc, char** argv) {
    std::string socket;
    std::string log;
    CLI::App app{"A bare epoll echo server: 32 bytes for each 16, until SIGTERM"};
    app.add_option("--socket", socket, "Where clients connect")->required();
    app.add_option("--commit", log, "Append what was read to this file and sync it before replies");
    CLI11_PARSE(app, argc, argv);
    const auto served = inod::bench::serve_until_terminated(socket, log);
    if (!served) {
        std::fprintf(stderr, "echo_server: %s\n", served.error().message.c_str());
        return 1;
    }
    return 0;
}
