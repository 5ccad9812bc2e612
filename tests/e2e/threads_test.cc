// Promise: connections on several threads see one daemon: never the same number twice, and what one brings about
// the others hear of. All other tests here run with several threads, too (INOD_TEST_THREADS).
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/e2e/daemon_figures.h"
#include "tests/e2e/daemon_process.h"
#include "tests/e2e/held_thread.h"
#include "tests/e2e/raw_connection.h"
#include "tests/proto/encoded.h"

namespace inod::e2e {
namespace {

constexpr std::size_t thread_count = 4;

class Threads : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(daemon_.start()) << daemon_.log(); }
    void TearDown() override {
        EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
        EXPECT_EQ(daemon_.log().find("who do not read"), std::string::npos) << "for whom was it?";
    }

    DaemonProcess daemon_{R"({"threads": 4, "pools": [
        {"name": "inode", "policy": "unique", "min": 1, "max": 18446744073709551615},
        {"name": "block", "policy": "unique", "min": 1, "max": 18446744073709551615,
         "durability": "block"},
        {"name": "port", "policy": "lowest", "min": 7, "max": 7}]})"};
};

TEST_F(Threads, EachServesItsShareOfTheConnections) {
    std::vector<Client> clients;
    while (clients.size() < 2 * thread_count)
        clients.push_back(daemon_.connect());
    const auto before = switch_counts(daemon_.pid());
    constexpr std::uint64_t pings = 200;
    for (std::uint64_t i = 0; i < pings; ++i) {
        for (Client& client : clients)
            ASSERT_TRUE(client.ping());
    }
    std::size_t busy = 0;
    for (const auto& [thread, count] : switch_counts(daemon_.pid())) {
        const bool serves =
            thread == daemon_.pid() || thread_name(daemon_.pid(), thread) == "inod-io";
        if (serves && count - before.at(thread) >= pings) ++busy;
    }
    EXPECT_EQ(busy, thread_count);
}

// Each allocates many at a time, and releases every other one.
void allocate_and_release(Client& client, std::uint16_t pool, std::vector<Id>& numbers) {
    constexpr std::size_t rounds = 100;
    constexpr std::size_t depth = 64;
    for (std::size_t round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < depth; ++i)
            client.send({.pool = pool, .body = proto::AllocateRequest{}}).value();
        std::vector<Id> taken;
        while (client.under_way() > 0) {
            const proto::Reply reply = client.receive(soon()).value();
            taken.push_back(std::get<proto::LeaseReply>(reply.body).range.first);
        }
        for (std::size_t i = 0; i < depth; i += 2) {
            const Range range{taken[i], taken[i]};
            client.send({.pool = pool, .body = proto::ReleaseRequest{.range = range}}).value();
        }
        while (client.under_way() > 0)
            std::get<proto::DoneReply>(client.receive(soon()).value().body);
        numbers.insert(numbers.end(), taken.begin(), taken.end());
    }
}

TEST_F(Threads, NoNumberComesTwice) {
    for (const char* const pool : {"inode", "block"}) {
        std::vector<Client> clients;
        while (clients.size() < 2 * thread_count)
            clients.push_back(daemon_.connect());
        std::vector<std::vector<Id>> numbers(clients.size());
        std::vector<std::thread> threads;
        const std::uint16_t index = clients[0].find_pool(pool)->index;
        for (std::size_t i = 0; i < clients.size(); ++i) {
            threads.emplace_back([&, i] { allocate_and_release(clients[i], index, numbers[i]); });
        }
        for (std::thread& thread : threads)
            thread.join();
        std::set<Id> all;
        std::size_t count = 0;
        for (const auto& some : numbers) {
            all.insert(some.begin(), some.end());
            count += some.size();
        }
        EXPECT_EQ(count, clients.size() * 6'400);
        EXPECT_EQ(all.size(), count) << pool;
    }
}

// The one number of the pool. Whose connection has closed is looked for on all threads before a pool is said to be
// exhausted, though theirs have much else to do.
TEST_F(Threads, WhoLeftOnOneMakesRoomOnAnother) {
    Client asker = daemon_.connect();  // on the main one; the next three are on one each
    std::vector<RawConnection> busy;
    while (busy.size() + 1 < thread_count)
        busy.emplace_back(daemon_.socket()).greet();
    constexpr std::size_t count = 3'000;
    Bytes pings;
    for (std::size_t i = 0; i < count; ++i) {
        const Bytes ping = encoded({.tag = 7, .body = proto::PingRequest{}});
        pings.insert(pings.end(), ping.begin(), ping.end());
    }
    Client second = daemon_.connect();  // and the main one has two
    for (int round = 0; round < 20; ++round) {
        std::optional<Client> holder = daemon_.connect();
        ASSERT_TRUE(holder->bind({.binding = proto::Binding::connection}));
        ASSERT_TRUE(holder->allocate("port"));
        for (RawConnection& connection : busy)
            ASSERT_TRUE(connection.send(pings));
        holder.reset();
        const auto lease = asker.allocate("port");
        ASSERT_TRUE(lease) << "round " << round << ": " << name(lease.error().code);
        ASSERT_TRUE(asker.release("port", lease->range, lease->generation));
        for (RawConnection& connection : busy) {
            for (std::size_t i = 0; i < count; ++i)
                ASSERT_TRUE(connection.receive());
        }
    }
}

// A release on one thread, and who waits for it on another.
TEST_F(Threads, AWaitIsOverWhenTheNumberIsReleasedOnAnother) {
    std::vector<Client> clients;
    while (clients.size() < thread_count)
        clients.push_back(daemon_.connect());
    const std::uint16_t pool = clients[0].find_pool("inode")->index;
    for (std::size_t round = 0; round < 200; ++round) {
        Client& holder = clients[round % thread_count];
        Client& waiter = clients[(round + 1 + round / thread_count % 3) % thread_count];
        const auto lease = holder.allocate("inode").value();
        const proto::WaitRequest wait{.id = lease.range.first, .timeout_ms = 60'000};
        ASSERT_TRUE(waiter.send({.pool = pool, .body = wait}));
        ASSERT_TRUE(waiter.ping()) << "it waits";
        ASSERT_TRUE(holder.release("inode", lease.range));
        const auto reply = waiter.receive(soon());
        ASSERT_TRUE(reply.has_value()) << "round " << round;
        EXPECT_TRUE(std::get<proto::WaitReply>(reply->body).is_over);
    }
}

// More than are woken by the release itself: whichever thread looks first wakes those of all.
TEST_F(Threads, ManyWaitsAreOverWhenTheNumberIsReleasedOnAnother) {
    constexpr std::size_t waits = 50;  // of each
    Client holder = daemon_.connect();
    std::vector<Client> waiters;
    while (waiters.size() < 2 * thread_count)
        waiters.push_back(daemon_.connect());
    const std::uint16_t pool = holder.find_pool("inode")->index;
    for (int round = 0; round < 20; ++round) {
        const auto lease = holder.allocate("inode").value();
        const proto::WaitRequest wait{.id = lease.range.first, .timeout_ms = 60'000};
        for (Client& waiter : waiters) {
            for (std::size_t i = 0; i < waits; ++i)
                waiter.send({.pool = pool, .body = wait}).value();
            ASSERT_TRUE(waiter.ping());
        }
        ASSERT_TRUE(holder.release("inode", lease.range));
        for (Client& waiter : waiters) {
            for (std::size_t i = 0; i < waits; ++i) {
                const auto reply = waiter.receive(soon());
                ASSERT_TRUE(reply.has_value()) << "round " << round;
                ASSERT_TRUE(std::get<proto::WaitReply>(reply->body).is_over);
            }
        }
    }
}

TEST_F(Threads, AStopIsToldOnAll) {
    std::vector<RawConnection> connections;
    for (std::size_t i = 0; i < 3 * thread_count; ++i) {
        connections.emplace_back(daemon_.socket());
        connections.back().greet();
    }
    EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
    for (RawConnection& connection : connections) {
        const auto farewell = connection.receive();
        ASSERT_TRUE(farewell.has_value());
        EXPECT_EQ(farewell->code(), Errc::shutting_down);
        EXPECT_TRUE(connection.closed());
    }
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
}

constexpr const char* two_threads = R"({"threads": 2, "pools": [
    {"name": "inode", "policy": "unique", "min": 1, "max": 18446744073709551615}]})";

// One that is told of the stop closes all its connections at once. Those of a thread that has not heard of it yet
// close because of the stop all the same, and it has time to come back to what it holds.
TEST(ThreadsAtAStop, WhoLeavesOnOneThatHasNotHeardOfItKeepsWhatHeHas) {
    DaemonProcess daemon(two_threads);
    ASSERT_TRUE(daemon.start()) << daemon.log();
    RawConnection on_the_main_one(daemon.socket());
    on_the_main_one.greet();
    std::optional<Client> on_the_other = daemon.connect();
    ASSERT_TRUE(on_the_other->bind({.binding = proto::Binding::connection}));
    const auto lease = on_the_other->allocate("inode");
    ASSERT_TRUE(lease);
    {
        const HeldThread other(daemon.pid(), "inod-io");
        // What it finds first is that there is something to be read.
        ASSERT_TRUE(on_the_other->send({.body = proto::PingRequest{}}));
        daemon.signal(SIGTERM);
        const auto farewell = on_the_main_one.receive();
        ASSERT_TRUE(farewell.has_value());
        EXPECT_EQ(farewell->code(), Errc::shutting_down);
        on_the_other.reset();
    }
    EXPECT_EQ(daemon.wait_for_end(), (Exit{.status = 0})) << daemon.log();
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_TRUE(daemon.connect().lookup("inode", lease->range.first));
}

// Each thread waits on descriptors of its own, which the connections' share is less of.
TEST(ThreadsOfADaemonThatMayOpenFewFiles, ServeAsManyConnectionsAsItSays) {
    DaemonProcess daemon(two_threads, {.wrapper = {"prlimit", "--nofile=64:64"}});
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_NE(daemon.log().find("limit=64 connections=16 processes=12"), std::string::npos)
        << daemon.log();
    std::vector<Client> clients;
    while (clients.size() < 16)
        clients.push_back(daemon.connect());
    for (Client& client : clients)
        EXPECT_TRUE(client.allocate("inode"));
    RawConnection one_more(daemon.socket());
    EXPECT_EQ(one_more.receive()->code(), Errc::too_many_connections);
}

}  // namespace
}  // namespace inod::e2e
