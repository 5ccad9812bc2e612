// What the service manager hears (sd_notify(3)): how the daemon does, and that it makes progress, but only as long as
// every thread does that clients depend on.
#include <string>

#include <gtest/gtest.h>

#include "tests/e2e/daemon_process.h"
#include "tests/e2e/held_thread.h"
#include "tests/e2e/support.h"
#include "tests/proto/encoded.h"

namespace inod::e2e {
namespace {

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

class Watchdog : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(daemon_.start()) << daemon_.log(); }

    // Until one has this in it.
    ::testing::AssertionResult hears(const std::string& part) {
        const Deadline deadline = soon();
        for (std::string notice; !(notice = daemon_.await_notice()).empty();) {
            if (has(notice, part)) return ::testing::AssertionSuccess();
            if (std::chrono::steady_clock::now() >= deadline) break;  // others come without end
        }
        return ::testing::AssertionFailure() << "nothing more comes: " << daemon_.log();
    }
    // With one thread held it is not told that the daemon makes progress, and is again afterwards.
    void expect_noticed(const char* thread) {
        {
            const HeldThread held(daemon_.pid(), thread);
            ASSERT_TRUE(client_->send({.pool = pool_, .body = proto::AllocateRequest{}}));
            ASSERT_TRUE(hears(std::string("STATUS=no progress: ") + thread));
            for (int beat = 0; beat < 5; ++beat) {
                const std::string notice = daemon_.await_notice();
                EXPECT_TRUE(has(notice, "no progress")) << notice;
                EXPECT_FALSE(has(notice, "WATCHDOG=1")) << notice;
            }
        }
        EXPECT_TRUE(hears("WATCHDOG=1"));
        const auto reply = client_->receive(soon());
        ASSERT_TRUE(reply.has_value());
        EXPECT_TRUE(std::holds_alternative<proto::LeaseReply>(reply->body));
        EXPECT_TRUE(
            has(daemon_.log(), std::string("no progress since the last look: thread=") + thread));
    }
    void connect() {
        client_ = daemon_.connect();
        pool_ = client_->find_pool("inode")->index;
    }

    DaemonProcess daemon_{R"({"threads": 2, "pools": [
        {"name": "inode", "policy": "unique", "min": 1, "max": 18446744073709551615}]})",
                          {.environment = {{"WATCHDOG_USEC", "100000"}}}};
    std::optional<Client> client_;
    std::uint16_t pool_ = 0;
};

TEST_F(Watchdog, HearsOfADaemonThatHasNothingToDo) {
    for (int beat = 0; beat < 5; ++beat)
        EXPECT_TRUE(hears("WATCHDOG=1\nSTATUS=pools: 1, live leases: 0, connections: 0"));
}

TEST_F(Watchdog, HearsHowManyThereAre) {
    connect();
    ASSERT_TRUE(client_->allocate("inode", 3));
    ASSERT_TRUE(client_->allocate("inode", 1));
    EXPECT_TRUE(hears("pools: 1, live leases: 1, connections: 1"))
        << "they touch, and are one holder's";
}

TEST_F(Watchdog, HearsNothingWhileTheFlusherIsStuck) {
    connect();
    expect_noticed("inod-flusher");
}

TEST_F(Watchdog, HearsNothingWhileAThreadThatServesConnectionsIsStuck) {
    const Client on_the_main_one = daemon_.connect();
    connect();
    expect_noticed("inod-io");
}

TEST(ServiceManager, HearsOnceThatTheDaemonIsReadyAndHowItDoes) {
    DaemonProcess daemon(R"({"pools": [{"name": "a", "policy": "unique", "min": 1, "max": 9}]})");
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_EQ(daemon.start_notices(), "READY=1\nSTATUS=pools: 1, live leases: 0, connections: 0\n");
    EXPECT_EQ(daemon.terminate(), (Exit{.status = 0}));
    EXPECT_EQ(daemon.notices(), "STOPPING=1\n") << "and nothing in between, where nobody watches";
}

// It may take long, and is told about as it goes: whoever waits for the start does not lose patience.
TEST(ServiceManager, HearsHowFarARecoveryIs) {
    DaemonProcess daemon(three_pools);
    ASSERT_TRUE(daemon.start()) << daemon.log();
    EXPECT_FALSE(has(daemon.start_notices(), "EXTEND_TIMEOUT_USEC")) << "there was nothing to read";
    {
        Client client = daemon.connect();
        const proto::Request allocate{.pool = client.find_pool("inode")->index,
                                      .body = proto::AllocateRequest{}};
        for (int round = 0; round < 14; ++round) {
            for (int i = 0; i < 5'000; ++i)
                ASSERT_TRUE(client.send(allocate));
            for (int i = 0; i < 5'000; ++i)
                ASSERT_TRUE(client.receive(soon()).has_value());
        }
    }
    daemon.kill9();
    ASSERT_TRUE(daemon.start()) << daemon.log();
    const std::string& said = daemon.start_notices();
    const auto recovering =
        said.find("EXTEND_TIMEOUT_USEC=60000000\nSTATUS=recovering: 65536 records read");
    ASSERT_NE(recovering, std::string::npos) << said;
    EXPECT_LT(recovering, said.find("READY=1"));
}

}  // namespace
}  // namespace inod::e2e
