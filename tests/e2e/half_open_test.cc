// Connections of which one half is gone, or all of it at once: peers that stop in the middle, that shut down
// one direction, that are killed. The daemon forgets what died, and takes back what that held; it keeps what
// lives.

#include <array>
#include <csignal>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/e2e/daemon_figures.h"
#include "tests/e2e/daemon_process.h"
#include "tests/e2e/raw_connection.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

constexpr std::uint16_t inode = 0;
constexpr std::uint16_t pid = 1;

const Bytes ping = encoded({.tag = 7, .body = proto::PingRequest{}});

Bytes times(std::size_t count, const Bytes& one) {
    Bytes all;
    for (std::size_t i = 0; i < count; ++i)
        all.insert(all.end(), one.begin(), one.end());
    return all;
}

// Binds what it holds to the connection, and has a number of each of two pools.
void hold_something(RawConnection& connection) {
    const auto bound = connection.ask(
        {.tag = 2, .body = proto::BindRequest{.binding = proto::Binding::connection}});
    if (bound.code() != Errc::ok) throw std::runtime_error("no holder");
    for (const std::uint16_t pool : {inode, pid}) {
        const auto lease =
            connection.ask({.pool = pool, .tag = 3, .body = proto::AllocateRequest{.count = 3}});
        if (lease.code() != Errc::ok) throw std::runtime_error("no lease");
    }
}

class HalfOpen : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(daemon_.start()) << daemon_.log();
        client_.emplace(daemon_.connect());
        ASSERT_TRUE(client_->ping().has_value());
        descriptors_ = descriptor_count(daemon_.pid());
    }
    // Whatever a test did: nothing of it is left but what its `kept` connections hold.
    void expect_left(std::uint64_t kept) {
        std::uint64_t connections = 0;
        const auto settled = [&] {
            const auto stats = client_->daemon_stats().value();
            connections = value_of(stats, proto::StatId::connections) - 1;
            return connections == kept && live(inode) == 3 * kept && live(pid) == 3 * kept;
        };
        for (const Deadline deadline = soon(); !settled();) {
            if (std::chrono::steady_clock::now() < deadline) continue;
            FAIL() << connections << " connections, " << live(inode) << " and " << live(pid)
                   << " numbers are left";
        }
        EXPECT_EQ(descriptor_count(daemon_.pid()), descriptors_ + kept);
    }
    std::uint64_t live(std::uint16_t pool) {
        return value_of(client_->stats(pool).value(), proto::StatId::live_ids);
    }

    DaemonProcess daemon_{three_pools};
    std::optional<Client> client_;
    std::size_t descriptors_ = 0;
};

TEST_F(HalfOpen, WhoStopsWithinAFrameIsWaitedForAndHoldsUpNobody) {
    constexpr std::size_t count = 50;
    const Bytes allocate =
        encoded({.pool = inode, .tag = 7, .body = proto::AllocateRequest{.count = 1}});
    std::vector<RawConnection> stopped;
    for (std::size_t i = 0; i < count; ++i) {
        RawConnection& connection = stopped.emplace_back(daemon_.socket());
        connection.greet();
        hold_something(connection);
        const auto part = static_cast<std::ptrdiff_t>(1 + i % (allocate.size() - 1));
        ASSERT_TRUE(connection.send(Bytes(allocate.begin(), allocate.begin() + part)));
    }
    for (int i = 0; i < 1'000; ++i)
        ASSERT_TRUE(client_->ping().has_value());
    expect_left(count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto part = static_cast<std::ptrdiff_t>(1 + i % (allocate.size() - 1));
        const Answer answer = stopped[i].ask(Bytes(allocate.begin() + part, allocate.end()));
        EXPECT_EQ(answer.code(), Errc::ok);
    }
    stopped.clear();
    expect_left(0);
}

TEST_F(HalfOpen, WhoSendsNoMoreReadsAllThatHeAsked) {
    constexpr std::size_t count = 20'000;  // more than its socket has room for
    RawConnection half(daemon_.socket());
    half.greet();
    hold_something(half);
    std::thread sender([&] {
        half.send(times(count, ping));
        half.finish_sending();
    });
    // Until it reads the daemon cannot have answered all.
    std::size_t answers = 0;
    while (half.receive())
        ++answers;
    sender.join();
    EXPECT_EQ(answers, count);
    expect_left(0);
}

// He is there until he asks something: nobody can tell that he does not read.
TEST_F(HalfOpen, WhoReadsNoMoreEndsWithTheNextAnswer) {
    std::vector<RawConnection> deaf;
    for (int i = 0; i < 20; ++i) {
        RawConnection& connection = deaf.emplace_back(daemon_.socket());
        connection.greet();
        hold_something(connection);
        ASSERT_EQ(shutdown(connection.fd(), SHUT_RD), 0);
    }
    expect_left(deaf.size());
    for (RawConnection& connection : deaf)
        connection.send(ping);
    expect_left(0);
    for (RawConnection& connection : deaf)
        EXPECT_FALSE(connection.send(ping)) << "he is told so";
}

// He has filled both directions before.
TEST_F(HalfOpen, WhoReadsNoMoreWithAnswersUnderWayEndsWithHisSocket) {
    std::vector<RawConnection> deaf;
    const Bytes many = times(1'000, ping);
    for (int i = 0; i < 20; ++i) {
        RawConnection& connection = deaf.emplace_back(daemon_.socket());
        connection.greet();
        hold_something(connection);
        do {
            while (connection.send_some(many) > 0) {
            }
            ASSERT_TRUE(comes_to_rest(daemon_.pid()));
        } while (connection.send_some(ping) > 0);
        ASSERT_EQ(shutdown(connection.fd(), SHUT_RD), 0);
    }
    ASSERT_TRUE(client_->ping().has_value());
    EXPECT_TRUE(comes_to_rest(daemon_.pid()));
    deaf.clear();
    expect_left(0);
}

// A process that greets, holds something, does what is said, and waits to be killed.
class Victim {
public:
    template <class Work>
    Victim(const DaemonProcess& daemon, Work work) : pid_(fork()) {
        if (pid_ != 0) return;
        try {
            RawConnection connection(daemon.socket());
            connection.greet();
            hold_something(connection);
            work(connection);
            raise(SIGSTOP);
        } catch (const std::exception&) {
        }
        _exit(1);
    }
    Victim(Victim&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
    Victim& operator=(Victim&&) = delete;
    ~Victim() {
        if (pid_ <= 0) return;
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }

    // Waits until it is done with its work. False if that failed.
    [[nodiscard]] bool is_done() const {
        int status = 0;
        return waitpid(pid_, &status, WUNTRACED) == pid_ && WIFSTOPPED(status);
    }

private:
    pid_t pid_;
};

TEST_F(HalfOpen, OfWhoIsKilledNothingIsLeft) {
    struct Case {
        const char* name;
        void (*work)(RawConnection&);
    };
    const Case cases[] = {
        {"between two requests", [](RawConnection&) {}},
        {"within a frame",
         [](RawConnection& connection) { connection.send(Bytes(ping.begin(), ping.begin() + 3)); }},
        {"within a long frame",
         [](RawConnection& connection) { connection.send(frame(1, 0, 1, Bytes(4'000))); }},
        {"within an answer",
         [](RawConnection& connection) {
             connection.send(ping);
             std::array<std::byte, 3> part;
             if (recv(connection.fd(), part.data(), part.size(), MSG_WAITALL) != 3) _exit(1);
         }},
        {"with answers unread",
         [](RawConnection& connection) { connection.send(times(500, ping)); }},
        {"with both directions full",
         [](RawConnection& connection) {
             const Bytes many = times(1'000, ping);
             while (connection.send_some(many) > 0) {
             }
         }},
        {"with one direction shut down",
         [](RawConnection& connection) {
             connection.send(times(500, ping));
             connection.finish_sending();
         }},
        {"with hand-outs under way",
         [](RawConnection& connection) {
             connection.send(times(
                 200,
                 encoded({.pool = inode, .tag = 8, .body = proto::AllocateRequest{.count = 5}})));
         }},
    };
    std::vector<Victim> victims;
    for (int round = 0; round < 5; ++round) {
        for (const Case& c : cases) {
            SCOPED_TRACE(c.name);
            victims.emplace_back(daemon_, c.work);
            ASSERT_TRUE(victims.back().is_done());
        }
    }
    EXPECT_GE(live(inode), 3 * victims.size());
    victims.clear();
    expect_left(0);
    EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
}

}  // namespace
}  // namespace inod::e2e
