// Promise: a client that sends and does not read is stopped at a size that is known, takes no more memory
// than was counted, and costs nobody else anything: the daemon sleeps while nothing moves.

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "daemon/desk.h"
#include "tests/e2e/daemon_figures.h"
#include "tests/e2e/daemon_process.h"
#include "tests/e2e/raw_connection.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

constexpr std::uint16_t inode = 0;

// What a socket of ours can have on its way in one direction: the kernel lets a write begin that goes half
// beyond SO_SNDBUF.
std::size_t on_its_way_max(const RawConnection& connection) {
    int size = 0;
    socklen_t size_of_size = sizeof(size);
    if (getsockopt(connection.fd(), SOL_SOCKET, SO_SNDBUF, &size, &size_of_size) != 0) std::abort();
    return static_cast<std::size_t>(size) * 3 / 2;
}

bool has_room(const RawConnection& connection) {
    pollfd room{.fd = connection.fd(), .events = POLLOUT, .revents = 0};
    return poll(&room, 1, 0) == 1;
}

class Unread : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(daemon_.start()) << daemon_.log();
        Client client = daemon_.connect();
        // What lists of the pool are long of, and an ID to wait for.
        ASSERT_TRUE(client.allocate("inode", 2'000).has_value());
        for (Id id = 3; id <= 2'000; id += 2)
            client.send({.pool = inode, .body = proto::ReleaseRequest{.range = {id, id}}}).value();
        while (client.under_way() > 0)
            ASSERT_TRUE(client.receive(soon()).has_value());
    }
    void TearDown() override {
        if (!daemon_.has_ended()) {
            EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
        }
    }

    std::uint64_t memory_used() {
        Client client = daemon_.connect();
        return value_of(client.daemon_stats().value(), proto::StatId::memory_used);
    }
    // Sends the request again and again until the daemon sleeps and the socket takes no more. Says how
    // many bytes went, about `size_max` at most.
    std::size_t send_until_stopped(RawConnection& connection, const Bytes& request,
                                   std::size_t size_max) {
        Bytes many;
        for (int i = 0; i < 1'000; ++i)
            many.insert(many.end(), request.begin(), request.end());
        std::size_t size = 0;
        while (size < size_max) {
            const std::size_t sent =
                connection.send_some(std::span(many).subspan(size % many.size()));
            size += sent;
            if (sent > 0) continue;
            EXPECT_TRUE(comes_to_rest(daemon_.pid())) << "it is busy with nothing";
            if (!has_room(connection) || testing::Test::HasFailure()) break;
        }
        return size;
    }

    DaemonProcess daemon_{three_pools};
};

// All that he sent lies in his socket, in the desk of his session, or is answered; and the answers, of 8 bytes
// at least, lie in the desk or in the other socket.
TEST_F(Unread, StopsHisSenderAtAKnownSize) {
    struct Case {
        const char* name;
        proto::Request::Body body;
    };
    const Case cases[] = {
        {"answers as short as requests", proto::PingRequest{}},
        {"answers that are shorter", proto::ReleaseRequest{.range = {3, 3}}},
        {"answers that are longer", proto::ListRequest{}},
        {"answers that wait for the disk", proto::AllocateRequest{.count = 1}},
        {"no answer before something happens", proto::WaitRequest{.id = 2}},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const Bytes request = encoded({.pool = inode, .tag = 7, .body = c.body});
        RawConnection silent(daemon_.socket());
        silent.greet();
        const std::uint64_t before = memory_used();
        constexpr std::size_t replies_max = 2 * sizeof(daemon::Desk::ForReplies);
        const std::size_t on_its_way = on_its_way_max(silent);
        const std::size_t answered_max = (replies_max + on_its_way) / proto::frame_header_size;
        const std::size_t sent_max =
            on_its_way + sizeof(daemon::Desk::requests) + answered_max * request.size();
        const std::size_t sent = send_until_stopped(silent, request, 2 * sent_max);
        EXPECT_LE(sent, sent_max);

        Client other = daemon_.connect();
        for (int i = 0; i < 100; ++i)
            ASSERT_TRUE(other.allocate("inode").has_value()) << "others are served";
        EXPECT_FALSE(has_room(silent)) << "and he still waits";
        // His desk, and what the numbers of the others take, or his.
        constexpr std::uint64_t tree_growth = 256 << 10;
        EXPECT_LE(memory_used(), before + sizeof(daemon::Desk) + tree_growth);
    }
}

// ThreadSanitizer has a thread of its own in the daemon, which wakes each 100 ms: in what is waited here at most so
// often.
#ifdef __SANITIZE_THREAD__
constexpr std::uint64_t wakes_of_a_sanitizer = 3;
#else
constexpr std::uint64_t wakes_of_a_sanitizer = 0;
#endif

TEST_F(Unread, ByManyIsNobodyElsesTrouble) {
    constexpr std::size_t slow_count = 50;
    const Bytes ping = encoded({.tag = 7, .body = proto::PingRequest{}});
    std::vector<RawConnection> slow;
    std::vector<pollfd> rooms;
    std::vector<std::size_t> asked;
    while (slow.size() < slow_count) {
        slow.emplace_back(daemon_.socket()).greet();
        asked.push_back(send_until_stopped(slow.back(), ping, SIZE_MAX) / ping.size());
        rooms.push_back({.fd = slow.back().fd(), .events = POLLOUT, .revents = 0});
    }
    const auto sleeps_on = [&](const char* why) {
        ASSERT_TRUE(comes_to_rest(daemon_.pid())) << why;
        const std::uint64_t before = switch_count(daemon_.pid());
        EXPECT_EQ(poll(rooms.data(), rooms.size(), 200), 0) << why;
        EXPECT_LE(switch_count(daemon_.pid()) - before, wakes_of_a_sanitizer) << why;
    };
    sleeps_on("nobody reads");

    Client other = daemon_.connect();
    for (int i = 0; i < 1'000; ++i) {
        const auto lease = other.allocate("inode");
        ASSERT_TRUE(lease.has_value());
        ASSERT_TRUE(other.release("inode", lease->range).has_value());
    }
    EXPECT_EQ(poll(rooms.data(), rooms.size(), 0), 0) << "they still wait";
    sleeps_on("somebody was served");

    // One answer after the other, of which a socket has far more: that makes no room that is worth a write.
    ASSERT_TRUE(comes_to_rest(daemon_.pid()));
    const std::uint64_t before = switch_count(daemon_.pid());
    for (const RawConnection& connection : slow) {
        std::array<std::byte, proto::frame_header_size> answer;
        for (int i = 0; i < 500; ++i)
            ASSERT_EQ(recv(connection.fd(), answer.data(), answer.size(), 0), 8);
    }
    EXPECT_LE(switch_count(daemon_.pid()) - before, wakes_of_a_sanitizer);

    for (std::size_t i = 0; i < slow.size(); ++i) {
        for (std::size_t left = asked[i] - 500; left > 0; --left) {
            const auto answer = slow[i].receive();
            ASSERT_TRUE(answer.has_value());
            ASSERT_EQ(answer->code(), Errc::ok);
        }
    }
}

}  // namespace
}  // namespace inod::e2e
