// Two users: one is at all his limits at once and stays there, the other is served as if nobody else were.
#include <algorithm>
#include <csignal>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <grp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/e2e/daemon_process.h"
#include "tests/e2e/raw_connection.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

constexpr uid_t greedy_uid = 12'001;
constexpr uid_t modest_uid = 12'002;
constexpr std::size_t connections_max = 8;
constexpr std::size_t holders_max = 4;
constexpr std::size_t ids_max = 10;

constexpr const char* config = R"({
    "pools": [{"name": "pid", "policy": "cyclic", "min": 1, "max": 100000,
               "grants": [{"everyone": true}],
               "limits": [{"everyone": true, "ids": 10, "leases": 10}]}],
    "user_limits": [{"everyone": true, "connections": 8, "holders": 4}]})";

// A process of another user. Its work returns 0, or which step failed.
class Process {
public:
    template <class Work>
    Process(uid_t uid, Work work) : pid_(fork()) {
        if (pid_ != 0) return;
        if (setgroups(0, nullptr) != 0 || setgid(uid) != 0 || setuid(uid) != 0) _exit(100);
        _exit(work());
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process() {
        if (pid_ > 0) kill(pid_, SIGKILL);
        status();
    }

    // Waits until it has stopped itself. False if it ended before.
    bool has_stopped() {
        int status = 0;
        if (waitpid(pid_, &status, WUNTRACED) != pid_) return false;
        if (WIFSTOPPED(status)) return true;
        pid_ = 0;
        status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        return false;
    }
    void go_on() const { kill(pid_, SIGCONT); }
    // What its work returned. Waits for it; -1 if it did not end by itself.
    int status() {
        if (pid_ <= 0) return status_;
        int status = -1;
        waitpid(pid_, &status, 0);
        pid_ = 0;
        return status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

private:
    pid_t pid_;
    int status_ = -1;
};

bool is_refused(const auto& result, Errc code) {
    return !result && result.error().code == code;
}

// Sends pings without reading an answer, until the daemon takes no more. Says how many went out whole. Were
// the daemon only slow, it would be asked for less: the test would be weaker, and not wrong.
std::size_t fill(RawConnection& connection) {
    const Bytes ping = encoded({.tag = 7, .body = proto::PingRequest{}});
    std::size_t size = 0;
    for (;;) {
        const std::size_t sent = connection.send_some(std::span(ping).subspan(size % ping.size()));
        size += sent;
        pollfd room{.fd = connection.fd(), .events = POLLOUT, .revents = 0};
        if (sent == 0 && poll(&room, 1, 200) == 0) return size / ping.size();
    }
}

// Everything that one user can have, and once more of each.
int be_greedy(const DaemonProcess& daemon) {
    const ClientOptions options{.socket_path = daemon.socket(), .pools = {}};
    auto client = Client::connect(options);
    if (!client) return 1;
    for (std::size_t i = 0; i < ids_max; ++i) {
        if (!client->allocate("pid")) return 2;
    }
    // The user's own holder, which the numbers are of, is one of them.
    for (std::size_t i = 1; i < holders_max; ++i) {
        if (!client->bind({.name = std::to_string(i)})) return 3;
    }
    std::vector<RawConnection> unread;
    std::vector<std::size_t> asked;
    while (unread.size() + 1 < connections_max) {
        unread.emplace_back(daemon.socket()).greet();
        asked.push_back(fill(unread.back()));
    }
    const auto all_refused = [&] {
        const auto connected = Client::connect(options);
        return is_refused(client->allocate("pid"), Errc::quota_exceeded) &&
               is_refused(client->bind({.name = "one more"}), Errc::quota_exceeded) &&
               is_refused(connected, Errc::quota_exceeded);
    };
    if (!all_refused()) return 4;
    raise(SIGSTOP);  // until the other is done
    if (!all_refused()) return 5;
    // What he asked is answered, when he reads it, to the last one.
    for (std::size_t i = 0; i < unread.size(); ++i) {
        for (std::size_t answer = 0; answer < asked[i]; ++answer) {
            const auto got = unread[i].receive();
            if (!got || got->code() != Errc::ok) return 6;
        }
    }
    return 0;
}

// One connection after the other, with a number, a name and a look each.
int be_modest(const DaemonProcess& daemon) {
    for (std::size_t round = 0; round < 5 * connections_max; ++round) {
        auto client = Client::connect({.socket_path = daemon.socket(), .pools = {}});
        if (!client) return 1;
        if (!client->bind({.binding = proto::Binding::connection})) return 2;
        const auto lease = client->allocate("pid");
        if (!lease) return 3;
        if (!client->lookup("pid", lease->range.first)) return 4;
        if (!client->release("pid", lease->range, lease->generation)) return 5;
    }
    return 0;
}

TEST(Limits, OfOneUserAreNobodyElses) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can ask as two users";
    DaemonProcess daemon(config);
    ASSERT_TRUE(daemon.start()) << daemon.log();
    Process greedy(greedy_uid, [&] { return be_greedy(daemon); });
    const bool has_stopped = greedy.has_stopped();
    ASSERT_TRUE(has_stopped) << "the step that failed: " << greedy.status();
    Process modest(modest_uid, [&] { return be_modest(daemon); });
    EXPECT_EQ(modest.status(), 0) << "the step that failed";
    greedy.go_on();
    EXPECT_EQ(greedy.status(), 0) << "the step that failed";
    EXPECT_EQ(daemon.terminate(), (Exit{.status = 0})) << daemon.log();
}

// The two are stopped, and the daemon with them, so that all of both is there before anything is decided.
// What the greedy one asks is 64 connections full of allocations, and how many of them came before the modest
// one's is what the numbers of the pool say.
constexpr const char* shared_config = R"({
    "pools": [{"name": "pid", "policy": "unique", "min": 1, "max": 18446744073709551615,
               "grants": [{"everyone": true}]}]})";
constexpr std::size_t crowd_connections = 64;
constexpr std::size_t crowd_requests = 100;  // on each

int be_a_crowd(const DaemonProcess& daemon) {
    std::vector<RawConnection> crowd;
    while (crowd.size() < crowd_connections)
        crowd.emplace_back(daemon.socket()).greet();
    Bytes asked;
    for (std::size_t i = 0; i < crowd_requests; ++i) {
        const Bytes one = encoded({.tag = 7, .body = proto::AllocateRequest{.count = 1}});
        asked.insert(asked.end(), one.begin(), one.end());
    }
    raise(SIGSTOP);  // until the daemon has stopped
    for (RawConnection& connection : crowd) {
        if (connection.send_some(asked) != asked.size()) return 1;
    }
    raise(SIGSTOP);  // until the other has been served
    for (RawConnection& connection : crowd) {
        for (std::size_t i = 0; i < crowd_requests; ++i) {
            const auto got = connection.receive();
            if (!got || got->code() != Errc::ok) return 2;
        }
    }
    return 0;
}

// Returns how many numbers came before his, in tens.
int ask_once_beside(const DaemonProcess& daemon) {
    RawConnection connection(daemon.socket());
    connection.greet();
    const auto number = [](const std::optional<Answer>& answer) {
        return std::get<proto::LeaseReply>(answer.value().reply().body).range.first;
    };
    const proto::Request allocate{.tag = 7, .body = proto::AllocateRequest{.count = 1}};
    const Id first = number(connection.ask(allocate));
    raise(SIGSTOP);  // until the crowd has asked
    if (!connection.send(allocate)) return 255;
    raise(SIGSTOP);  // until the daemon goes on
    return static_cast<int>(std::min<Id>((number(connection.receive()) - first - 1) / 10, 254));
}

// Waits until it has.
bool has_stopped(const DaemonProcess& daemon) {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(daemon.pid()), &info, WSTOPPED | WNOWAIT) == 0;
}

TEST(Limits, AUserIsServedBeforeTheManyConnectionsOfAnother) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can ask as two users";
    DaemonProcess daemon(shared_config);
    ASSERT_TRUE(daemon.start()) << daemon.log();
    Process crowd(greedy_uid, [&] { return be_a_crowd(daemon); });
    ASSERT_TRUE(crowd.has_stopped()) << "the step that failed: " << crowd.status();
    Process modest(modest_uid, [&] { return ask_once_beside(daemon); });
    ASSERT_TRUE(modest.has_stopped()) << modest.status();
    daemon.signal(SIGSTOP);
    ASSERT_TRUE(has_stopped(daemon));
    crowd.go_on();
    ASSERT_TRUE(crowd.has_stopped()) << "the step that failed: " << crowd.status();
    modest.go_on();
    ASSERT_TRUE(modest.has_stopped()) << modest.status();
    daemon.signal(SIGCONT);
    modest.go_on();
    // Of 6,400: some turns of 64, while the daemon finds out who is there.
    EXPECT_LE(modest.status(), 50);
    crowd.go_on();
    EXPECT_EQ(crowd.status(), 0) << "the step that failed";
    EXPECT_EQ(daemon.terminate(), (Exit{.status = 0})) << daemon.log();
}

}  // namespace
}  // namespace inod::e2e
