// The first numbers of a run wait until the pool's high-water mark is durable. Clients see nothing of
// it but that their first answers take a sync longer, however many they are and however much they ask
// for.

#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "tests/e2e/daemon_process.h"
#include "tests/e2e/raw_connection.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

constexpr std::uint16_t inode = 0;
constexpr std::uint16_t block = 2;

class Mark : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(daemon_.start()) << daemon_.log(); }

    // So many connections each send 64 requests for `count` numbers of the pool in one go, as their
    // first. All are answered, with numbers above `seen`, and `seen` rises.
    void ask_all_at_once(std::uint16_t pool, std::size_t connection_count, std::uint64_t count) {
        std::vector<RawConnection> connections;
        for (std::size_t i = 0; i < connection_count; ++i) {
            connections.emplace_back(daemon_.socket());
            connections.back().greet();
        }
        Bytes requests;
        for (std::uint16_t tag = 1; tag <= depth; ++tag) {
            const Bytes request =
                encoded({.pool = pool, .tag = tag, .body = proto::AllocateRequest{.count = count}});
            requests.insert(requests.end(), request.begin(), request.end());
        }
        for (RawConnection& connection : connections)
            ASSERT_TRUE(connection.send(requests));
        std::vector<Range> ranges;
        for (RawConnection& connection : connections) {
            Id last = 0;
            for (std::uint16_t tag = 1; tag <= depth; ++tag) {
                const auto answer = connection.receive();
                ASSERT_TRUE(answer.has_value());
                ASSERT_EQ(answer->code(), Errc::ok) << name(answer->code());
                EXPECT_EQ(answer->header.tag, tag);
                ranges.push_back(std::get<proto::LeaseReply>(answer->reply().body).range);
                EXPECT_EQ(ranges.back().count(), count);
                EXPECT_GT(ranges.back().first, last) << "decided in the order in which they came";
                last = ranges.back().last;
            }
        }
        std::sort(ranges.begin(), ranges.end(),
                  [](const Range& a, const Range& b) { return a.first < b.first; });
        for (const Range& range : ranges) {
            EXPECT_GT(range.first, seen_) << "a repeat";
            seen_ = range.last;
        }
    }

    static constexpr std::uint16_t depth = 64;

    DaemonProcess daemon_{three_pools};
    Id seen_ = 0;
};

TEST_F(Mark, FirstRequestsOfManyConnectionsAreAnswered) {
    for (const std::uint16_t pool : {inode, block}) {
        seen_ = 0;
        for (int life = 0; life < 3; ++life) {
            SCOPED_TRACE("pool " + std::to_string(pool) + " life " + std::to_string(life));
            ASSERT_NO_FATAL_FAILURE(ask_all_at_once(pool, 8, 1));
            daemon_.kill9();
            ASSERT_TRUE(daemon_.start()) << daemon_.log();
        }
    }
}

// Far more than any stride that the pool can have taken before, from all at once.
TEST_F(Mark, NobodyStarvesWhoAsksForMuch) {
    for (const std::uint16_t pool : {inode, block}) {
        SCOPED_TRACE("pool " + std::to_string(pool));
        seen_ = 0;
        ASSERT_NO_FATAL_FAILURE(ask_all_at_once(pool, 8, 65'536));
    }
}

// What comes behind a request that waits for the mark is decided after it.
TEST_F(Mark, RequestsStayInOrderBehindOneThatWaits) {
    for (const std::uint16_t pool : {inode, block}) {
        SCOPED_TRACE("pool " + std::to_string(pool));
        RawConnection connection(daemon_.socket());
        connection.greet();
        Bytes requests = encoded({.pool = pool, .tag = 1, .body = proto::AllocateRequest{}});
        for (const Bytes& request :
             {encoded({.pool = pool, .tag = 2, .body = proto::LookupRequest{.id = 1}}),
              encoded({.pool = pool, .tag = 3, .body = proto::ReleaseRequest{.range = {1, 1}}}),
              encoded({.pool = pool, .tag = 4, .body = proto::LookupRequest{.id = 1}})}) {
            requests.insert(requests.end(), request.begin(), request.end());
        }
        ASSERT_TRUE(connection.send(requests));
        connection.finish_sending();
        std::map<std::uint16_t, Errc> codes;
        while (const auto answer = connection.receive())
            codes[answer->header.tag] = answer->code();
        const std::map<std::uint16_t, Errc> want{
            {1, Errc::ok}, {2, Errc::ok}, {3, Errc::ok}, {4, Errc::released}};
        EXPECT_EQ(codes, want) << "and all of them, although the client sends no more";
    }
}

// Whoever goes away while it waits leaves nothing behind, and holds nobody up.
TEST_F(Mark, AConnectionThatClosesWhileItWaitsIsForgotten) {
    for (int i = 0; i < 20; ++i) {
        RawConnection hasty(daemon_.socket());
        hasty.greet();
        hasty.send({.pool = block, .tag = 1, .body = proto::AllocateRequest{.count = 65'536}});
    }
    ASSERT_NO_FATAL_FAILURE(ask_all_at_once(block, 2, 1));
}

}  // namespace
}  // namespace inod::e2e
