// SIGTERM ends the daemon with status 0 in bounded time, whatever its clients do.

#include <csignal>

#include <gtest/gtest.h>

#include "tests/e2e/daemon_figures.h"
#include "tests/e2e/daemon_process.h"
#include "tests/e2e/raw_connection.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

constexpr std::uint16_t inode = 0;

class Stop : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(daemon_.start()) << daemon_.log(); }
    void expect_clean_end() {
        const auto begin = std::chrono::steady_clock::now();
        EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
        // It waits 5 s for those who do not read; the rest is for slow machines.
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
        EXPECT_NE(daemon_.log().find("stopped"), std::string::npos) << daemon_.log();
    }

    DaemonProcess daemon_{three_pools};
};

TEST_F(Stop, WithoutClients) {
    expect_clean_end();
}

TEST_F(Stop, BySigint) {
    daemon_.signal(SIGINT);
    EXPECT_EQ(daemon_.wait_for_end(), (Exit{.status = 0})) << daemon_.log();
}

TEST_F(Stop, TellsIdleClientsWhy) {
    std::vector<RawConnection> connections;
    for (int i = 0; i < 10; ++i) {
        connections.emplace_back(daemon_.socket());
        if (i > 0) connections.back().greet();
    }
    expect_clean_end();
    for (RawConnection& connection : connections) {
        const auto farewell = connection.receive();
        ASSERT_TRUE(farewell.has_value());
        EXPECT_EQ(farewell->code(), Errc::shutting_down);
        EXPECT_EQ(farewell->header.tag, 0);
        EXPECT_TRUE(connection.closed());
    }
}

// What takes a start a while to read is written shorter first; a short log is not worth it.
TEST_F(Stop, LeavesAShortLogBehind) {
    const auto log_size = [this] {
        Client client = daemon_.connect();
        return value_of(*client.daemon_stats(), proto::StatId::log_size);
    };
    constexpr std::uint64_t long_log = std::uint64_t{4} << 20U;
    {
        Client client = daemon_.connect();
        // Leases that do not touch, and one that comes and goes: a log that is longer than the state.
        for (Id id = 2; id < 20'000; id += 2)
            ASSERT_TRUE(client.allocate_at("pid", {id, id}));
        while (log_size() <= long_log) {
            for (int i = 0; i < 10'000; ++i)
                ASSERT_TRUE(client.send({.pool = inode, .body = proto::AllocateRequest{}}));
            for (int i = 0; i < 10'000; ++i)
                ASSERT_TRUE(client.receive(soon()).has_value());
        }
    }
    expect_clean_end();
    EXPECT_NE(daemon_.log().find("serving on until a snapshot is written"), std::string::npos);
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    EXPECT_LT(log_size(), long_log / 4);
    expect_clean_end();
    EXPECT_EQ(daemon_.log().find("serving on until a snapshot is written"), std::string::npos);
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    Client client = daemon_.connect();
    EXPECT_EQ(list_all(client, "pid").size(), 9'999U);
}

TEST_F(Stop, AnswersWhatItHasRead) {
    RawConnection connection(daemon_.socket());
    connection.greet();
    for (std::uint16_t tag = 2; tag < 2'000; ++tag) {
        ASSERT_TRUE(connection.send({.pool = inode, .tag = tag, .body = proto::AllocateRequest{}}));
    }
    ASSERT_EQ(connection.receive()->code(), Errc::ok) << "it is at work";
    expect_clean_end();
    // What it carried out is answered, and there after the restart.
    std::vector<Id> answered{1};
    while (const auto answer = connection.receive()) {
        if (answer->header.tag == 0) continue;
        ASSERT_EQ(answer->code(), Errc::ok);
        answered.push_back(std::get<proto::LeaseReply>(answer->reply().body).range.first);
    }
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    Client client = daemon_.connect();
    for (std::size_t i = 0; i < answered.size(); ++i)
        ASSERT_EQ(answered[i], i + 1);
    const auto leases = list_all(client, "inode");
    ASSERT_EQ(leases.size(), 1U);
    EXPECT_EQ(leases[0].range, (Range{1, answered.size()}));
}

TEST_F(Stop, DoesNotWaitForOneWhoDoesNotRead) {
    Client client = daemon_.connect();
    ASSERT_TRUE(client.allocate("inode", 2'000).has_value());
    RawConnection deaf(daemon_.socket());
    deaf.greet();
    const Bytes request = encoded({.pool = inode, .tag = 1, .body = proto::LookupRequest{.id = 1}});
    Bytes requests;
    for (int i = 0; i < 100'000; ++i)
        requests.insert(requests.end(), request.begin(), request.end());
    for (std::size_t sent = 0, more = 1; more > 0; sent += more)
        more = deaf.send_some(std::span(requests).subspan(sent));
    ASSERT_TRUE(client.ping().has_value());
    ASSERT_TRUE(comes_to_rest(daemon_.pid())) << "there is no room for another reply";
    expect_clean_end();
    EXPECT_NE(daemon_.log().find("who do not read their replies: connections=1"), std::string::npos)
        << daemon_.log();
}

TEST_F(Stop, TwoSignalsAreOne) {
    const RawConnection idle(daemon_.socket());
    daemon_.signal(SIGTERM);
    daemon_.signal(SIGTERM);
    EXPECT_EQ(daemon_.wait_for_end(), (Exit{.status = 0})) << daemon_.log();
}

// Who reads the log may be gone when the daemon speaks.
TEST(StopLog, WithoutAReaderOfTheLog) {
    DaemonProcess daemon(three_pools, {.reads_no_log = true});
    ASSERT_TRUE(daemon.start());
    EXPECT_TRUE(daemon.connect().allocate("inode").has_value());
    EXPECT_EQ(daemon.terminate(), (Exit{.status = 0}));
}

}  // namespace
}  // namespace inod::e2e
