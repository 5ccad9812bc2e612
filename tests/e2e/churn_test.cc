// Promise: connections that come and go leave nothing behind: no descriptor, no memory, no number.
// INOD_TEST_LONG=1 has 100,000 of them.

#include <csignal>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "tests/e2e/daemon_figures.h"
#include "tests/e2e/daemon_process.h"
#include "tests/e2e/raw_connection.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

constexpr std::uint16_t inode = 0;
constexpr std::uint16_t pid = 1;

std::size_t connection_count() {
    return std::getenv("INOD_TEST_LONG") != nullptr ? 100'000 : 5'000;
}

class Churn : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(daemon_.start()) << daemon_.log();
        client_.emplace(daemon_.connect());
    }

    struct Figures {
        std::size_t descriptors;
        std::uint64_t connections;
        std::uint64_t memory;
        std::uint64_t holders;
        std::uint64_t live_ids;

        friend bool operator==(const Figures&, const Figures&) = default;
        friend std::ostream& operator<<(std::ostream& out, const Figures& figures) {
            return out << figures.descriptors << " descriptors, " << figures.connections
                       << " connections, " << figures.memory << " bytes, " << figures.holders
                       << " holders, " << figures.live_ids << " live IDs";
        }
    };
    Figures figures() {
        const auto stats = client_->daemon_stats().value();
        std::uint64_t live = 0;
        for (const std::uint16_t pool : {inode, pid})
            live += value_of(client_->stats(pool).value(), proto::StatId::live_ids);
        return {.descriptors = descriptor_count(daemon_.pid()),
                .connections = value_of(stats, proto::StatId::connections),
                .memory = value_of(stats, proto::StatId::memory_used),
                .holders = value_of(stats, proto::StatId::holders),
                .live_ids = live};
    }
    // The daemon notices the last ends when it comes to them, and gives back what a tree has too much of with
    // the next hand-out.
    Figures figures_at_rest() {
        EXPECT_TRUE(comes_to_rest(daemon_.pid()));
        for (const std::uint16_t pool : {inode, pid}) {
            const auto lease = client_->allocate(pool);
            EXPECT_TRUE(lease && client_->release(pool, lease->range, lease->generation));
        }
        EXPECT_TRUE(comes_to_rest(daemon_.pid()));
        return figures();
    }

    void come_and_go(std::size_t kind) {
        RawConnection connection(daemon_.socket());
        if (kind == 0) return;  // perhaps before it was accepted
        if (kind == 1) {
            connection.send({.tag = 1, .body = proto::HelloRequest{}});
            return;  // the answer is not read
        }
        connection.greet();
        if (kind == 2) return;
        if (kind == 3) {
            for (int i = 0; i < 20; ++i)
                connection.send({.tag = 2, .body = proto::PingRequest{}});
            return;
        }
        const auto bound = connection.ask(
            {.tag = 2, .body = proto::BindRequest{.binding = proto::Binding::connection}});
        ASSERT_EQ(bound.code(), Errc::ok);
        for (const std::uint16_t pool : {inode, pid}) {
            const proto::Request allocate{.pool = pool, .tag = 3, .body = allocate_};
            if (kind == 4) {
                ASSERT_EQ(connection.ask(allocate).code(), Errc::ok);
            } else {
                connection.send(allocate);
            }
        }
    }
    // All that come while it is stopped are gone before it can accept them.
    void come_and_go_unaccepted(std::size_t count) {
        daemon_.signal(SIGSTOP);
        siginfo_t stopped{};
        ASSERT_EQ(waitid(P_PID, static_cast<id_t>(daemon_.pid()), &stopped, WSTOPPED | WNOWAIT), 0);
        for (std::size_t i = 0; i < count; ++i) {
            RawConnection connection(daemon_.socket());
            if (i % 2 == 1) connection.send({.tag = 1, .body = proto::HelloRequest{}});
        }
        daemon_.signal(SIGCONT);
    }
    static constexpr std::size_t kinds = 6;
    static constexpr std::size_t unaccepted = 10;

    void churn(std::size_t count) {
        for (std::size_t i = 0; i < count; i += kinds + unaccepted) {
            for (std::size_t kind = 0; kind < kinds; ++kind)
                ASSERT_NO_FATAL_FAILURE(come_and_go(kind));
            ASSERT_NO_FATAL_FAILURE(come_and_go_unaccepted(unaccepted));
        }
    }

    // Tables do not become smaller: makes them larger than what is left to be swept at any time needs.
    void grow_tables() {
        for (const bool comes : {true, false}) {
            for (int i = 0; i < 4'000; ++i) {
                const std::string name = std::to_string(i);
                client_->send({.body = proto::BindRequest{.name = name}}).value();
                if (!comes) client_->send({.body = proto::ReleaseAllRequest{}}).value();
                for (const std::uint16_t pool : {inode, pid}) {
                    if (comes) client_->send({.pool = pool, .body = allocate_}).value();
                }
            }
            while (client_->under_way() > 0) {
                const auto reply = client_->receive(soon());
                ASSERT_TRUE(reply.has_value());
                ASSERT_FALSE(std::holds_alternative<proto::ErrorReply>(reply->body));
            }
        }
        client_.emplace(daemon_.connect());
    }

    const proto::AllocateRequest allocate_{.count = 1};
    DaemonProcess daemon_{three_pools};
    std::optional<Client> client_;
};

TEST_F(Churn, LeavesNothingBehind) {
    ASSERT_NO_FATAL_FAILURE(grow_tables());
    ASSERT_NO_FATAL_FAILURE(churn(500));  // what is kept for whoever comes next is there then
    const Figures before = figures_at_rest();
    EXPECT_EQ(before.connections, 1U);
    EXPECT_EQ(before.live_ids, 0U);
    ASSERT_NO_FATAL_FAILURE(churn(connection_count()));
    EXPECT_EQ(figures_at_rest(), before);
    EXPECT_TRUE(client_->allocate("pid", 1'000).has_value()) << "what was held is free again";
    EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
}

}  // namespace
}  // namespace inod::e2e
