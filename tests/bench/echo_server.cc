// The floor: what the kernel and a bare epoll loop cost. For each 16 bytes read it writes 32; it
// reads as much as there is and answers all of it in one write.
//
// With --commit it is the floor of a service that is durable: what a wake-up brought is appended to
// a file of zeros and synced before any of it is answered. With --thread as well, a thread does that,
// and what comes meanwhile is read, and synced next.
#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
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
    std::size_t committing = 0;  // of out: what the sync under way covers
    std::size_t ready = 0;       // of out: may be sent
    std::size_t sent = 0;
    std::uint32_t events = EPOLLIN;  // what it waits for
    bool is_uncommitted = false;     // in the list of those with replies that no sync covers
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

    Result<void, Failure> commit(std::span<const std::byte> batch) {
        if (offset_ + batch.size() > file_size) offset_ = 0;
        const ssize_t size =
            ::pwrite(fd_.get(), batch.data(), batch.size(), static_cast<off_t>(offset_));
        if (std::cmp_not_equal(size, batch.size()) || ::fdatasync(fd_.get()) != 0) {
            return failed("commit");
        }
        offset_ += batch.size();
        return {};
    }

private:
    static constexpr std::size_t file_size = std::size_t{16} << 20U;

    explicit CommitLog(OwnedFd fd) : fd_(std::move(fd)) {}

    OwnedFd fd_;
    std::size_t offset_ = 0;
};

// Commits batches on a thread of its own, one at a time. The descriptor says when one is done.
class Committer {
public:
    explicit Committer(CommitLog& log)
        : log_(log), done_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), thread_([this] { run(); }) {}
    Committer(const Committer&) = delete;
    Committer& operator=(const Committer&) = delete;
    ~Committer() {
        {
            const std::lock_guard guard(mutex_);
            is_ending_ = true;
        }
        work_.notify_one();
        thread_.join();
    }

    [[nodiscard]] int fd() const { return done_.get(); }
    [[nodiscard]] bool is_busy() const { return is_busy_; }

    // Requires that it is not busy. `batch` comes back empty.
    void begin(std::vector<std::byte>& batch) {
        {
            const std::lock_guard guard(mutex_);
            batch_.swap(batch);
            has_batch_ = true;
        }
        is_busy_ = true;
        work_.notify_one();
    }
    // The descriptor has said so: what came of it.
    Result<void, Failure> finish() {
        std::uint64_t count = 0;
        if (::read(done_.get(), &count, sizeof(count)) != ssize_t{sizeof(count)}) {
            return failed("eventfd");
        }
        is_busy_ = false;
        const std::lock_guard guard(mutex_);
        batch_.clear();
        return result_;
    }

private:
    void run() {
        std::unique_lock guard(mutex_);
        for (;;) {
            work_.wait(guard, [this] { return has_batch_ || is_ending_; });
            if (!has_batch_) return;
            has_batch_ = false;
            guard.unlock();
            auto result = log_.commit(batch_);
            guard.lock();
            result_ = std::move(result);
            const std::uint64_t one = 1;
            static_cast<void>(::write(done_.get(), &one, sizeof(one)));
        }
    }

    CommitLog& log_;
    const OwnedFd done_;
    bool is_busy_ = false;  // as the loop knows
    std::mutex mutex_;
    std::condition_variable work_;
    std::vector<std::byte> batch_;
    bool has_batch_ = false;
    bool is_ending_ = false;
    Result<void, Failure> result_;
    std::thread thread_;
};

// When what was read is committed.
enum class Commit : std::uint8_t { never, in_loop, in_thread };

class EchoServer {
public:
    EchoServer(OwnedFd listener, OwnedFd signals, std::optional<CommitLog> log, Commit commit)
        : listener_(std::move(listener)),
          signals_(std::move(signals)),
          log_(std::move(log)),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        if (commit == Commit::in_thread) committer_.emplace(*log_);
    }

    // Serves until SIGTERM.
    Result<void, Failure> run();

private:
    Result<void, Failure> watch(int operation, int fd, std::uint32_t events);
    Result<void, Failure> serve_all(std::span<const epoll_event> events, bool& is_ending);
    Result<void, Failure> accept();
    Result<void, Failure> serve(const epoll_event& event);
    Result<void, Failure> commit();
    Result<void, Failure> committed();
    Result<void, Failure> send(Connection& connection);
    Result<void, Failure> await(Connection& connection);
    void drop(Connection& connection);
    bool receive(Connection& connection);

    OwnedFd listener_;
    OwnedFd signals_;
    std::optional<CommitLog> log_;
    std::optional<Committer> committer_;
    OwnedFd epoll_;
    std::unordered_map<int, std::unique_ptr<Connection>> connections_;
    std::vector<std::byte> batch_;           // read, and not committed yet
    std::vector<Connection*> uncommitted_;   // whose replies wait for it
    std::vector<Connection*> under_commit_;  // and for the one under way
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
    if (committer_) {
        if (auto watched = watch(EPOLL_CTL_ADD, committer_->fd(), EPOLLIN); !watched)
            return watched;
    }
    std::array<epoll_event, 256> events;
    for (bool is_ending = false; !is_ending;) {
        const int count = ::epoll_wait(epoll_.get(), events.data(), int{events.size()}, -1);
        if (count < 0 && errno != EINTR) return failed("epoll_wait");
        const auto known = static_cast<std::size_t>(std::max(count, 0));
        if (auto served = serve_all(std::span(events).first(known), is_ending); !served) {
            return served;
        }
        if (auto begun = commit(); !begun) return begun;
    }
    return {};
}

Result<void, Failure> EchoServer::serve_all(std::span<const epoll_event> events, bool& is_ending) {
    for (const epoll_event& event : events) {
        Result<void, Failure> served;
        if (event.data.fd == signals_.get()) {
            is_ending = true;
        } else if (event.data.fd == listener_.get()) {
            served = accept();
        } else if (committer_ && event.data.fd == committer_->fd()) {
            served = committer_->finish();
            if (served) served = committed();
        } else {
            served = serve(event);
        }
        if (!served) return served;
    }
    return {};
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
    if (connection.events == EPOLLOUT) return send(connection);
    if (!receive(connection)) {
        drop(connection);
        return {};
    }
    if (!log_) {
        connection.ready = connection.out_size;
        return send(connection);
    }
    if (!std::exchange(connection.is_uncommitted, true)) uncommitted_.push_back(&connection);
    return await(connection);
}

// Closing it takes it from the epoll set as well.
void EchoServer::drop(Connection& connection) {
    std::erase(uncommitted_, &connection);
    std::erase(under_commit_, &connection);
    connections_.erase(connection.fd.get());
}

// False at the end of the stream.
bool EchoServer::receive(Connection& c) {
    const std::size_t in_room = c.in.size() - c.in_size;
    const std::size_t out_room =
        (c.out.size() - c.out_size) / echo_reply_size * echo_request_size - c.in_size;
    const ssize_t size =
        ::recv(c.fd.get(), c.in.data() + c.in_size, std::min(in_room, out_room), 0);
    if (size <= 0) return size < 0 && (errno == EAGAIN || errno == EINTR);
    c.in_size += static_cast<std::size_t>(size);
    const std::size_t whole = c.in_size - c.in_size % echo_request_size;
    for (std::size_t at = 0; at < whole; at += echo_request_size) {
        std::byte* const reply = c.out.data() + c.out_size;
        std::memcpy(reply, c.in.data() + at, echo_request_size);
        std::memset(reply + echo_request_size, 0, echo_reply_size - echo_request_size);
        c.out_size += echo_reply_size;
    }
    if (log_) batch_.insert(batch_.end(), c.in.begin(), c.in.begin() + std::ptrdiff_t(whole));
    c.in_size -= whole;
    std::memmove(c.in.data(), c.in.data() + whole, c.in_size);
    return true;
}

// What was read so far, if nothing else is being committed.
Result<void, Failure> EchoServer::commit() {
    if (uncommitted_.empty() || (committer_ && committer_->is_busy())) return {};
    under_commit_.swap(uncommitted_);
    for (Connection* const connection : under_commit_) {
        connection->committing = connection->out_size;
        connection->is_uncommitted = false;
    }
    if (committer_) {
        committer_->begin(batch_);
        return {};
    }
    if (auto done = log_->commit(batch_); !done) return done;
    batch_.clear();
    return committed();
}

Result<void, Failure> EchoServer::committed() {
    for (Connection* const connection : under_commit_) {
        connection->ready = connection->committing;
        if (auto sent = send(*connection); !sent) return sent;
    }
    under_commit_.clear();
    return {};
}

// Sends what may be sent. What does not fit into the socket goes before anything else is read.
Result<void, Failure> EchoServer::send(Connection& c) {
    if (c.ready > c.sent) {
        const ssize_t size =
            ::send(c.fd.get(), c.out.data() + c.sent, c.ready - c.sent, MSG_NOSIGNAL);
        if (size > 0) c.sent += static_cast<std::size_t>(size);
        if (size < 0 && errno != EAGAIN) c.sent = c.ready;  // it has gone; recv() will say so
    }
    if (c.sent == c.ready) {
        c.out_size -= c.sent;
        c.committing -= std::min(c.committing, c.sent);
        std::memmove(c.out.data(), c.out.data() + c.sent, c.out_size);
        c.ready = c.sent = 0;
    }
    return await(c);
}

// For room in the socket, for requests, or, where there is no room for another reply, for the commit.
Result<void, Failure> EchoServer::await(Connection& c) {
    const bool has_room = c.out.size() - c.out_size >= echo_reply_size;
    const std::uint32_t events = c.sent < c.ready ? std::uint32_t{EPOLLOUT}
                                 : has_room       ? std::uint32_t{EPOLLIN}
                                                  : 0;
    if (events == c.events) return {};
    c.events = events;
    return watch(EPOLL_CTL_MOD, c.fd.get(), events);
}

Result<void, Failure> serve_until_terminated(const std::string& path, const std::string& log_path,
                                             bool in_thread) {
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
    const Commit commit = !log ? Commit::never : in_thread ? Commit::in_thread : Commit::in_loop;
    EchoServer server(std::move(*listener), std::move(signals), std::move(log), commit);
    auto served = server.run();
    ::unlink(path.c_str());
    return served;
}

}  // namespace
}  // namespace inod::bench

int main(int argc, char** argv) {
    std::string socket;
    std::string log;
    bool in_thread = false;
    CLI::App app{"A bare epoll echo server: 32 bytes for each 16, until SIGTERM"};
    app.add_option("--socket", socket, "Where clients connect")->required();
    app.add_option("--commit", log, "Append what was read to this file and sync it before replies");
    app.add_flag("--thread", in_thread, "Sync on a thread of its own");
    CLI11_PARSE(app, argc, argv);
    const auto served = inod::bench::serve_until_terminated(socket, log, in_thread);
    if (!served) {
        std::fprintf(stderr, "echo_server: %s\n", served.error().message.c_str());
        return 1;
    }
    return 0;
}
