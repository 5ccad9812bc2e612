// The main job, through the client library: numbers out, looked up, taken back.

#include <utility>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/e2e/daemon_process.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

const Id top = id_max;

class Daemon : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(daemon_.start()) << daemon_.log(); }

    DaemonProcess daemon_{R"({
      "pools": [
        {"name": "inode", "policy": "unique", "min": 1, "max": 18446744073709551615},
        {"name": "pid", "policy": "cyclic", "min": 2, "max": 101},
        {"name": "few", "policy": "unique", "min": 18446744073709551606,
         "max": 18446744073709551615, "lease_count_max": 4},
        {"name": "block", "policy": "unique", "min": 1, "max": 18446744073709551615,
         "durability": "block"}
      ]
    })"};
};

TEST_F(Daemon, DescribesItsPools) {
    Client client = daemon_.connect();
    const std::vector<PoolInfo> want = {
        {0, proto::PoolPolicy::unique, proto::PoolDurability::lease, 65'536, {1, top}, "inode"},
        {1, proto::PoolPolicy::cyclic, proto::PoolDurability::lease, 65'536, {2, 101}, "pid"},
        {2, proto::PoolPolicy::unique, proto::PoolDurability::lease, 4, {top - 9, top}, "few"},
        {3, proto::PoolPolicy::unique, proto::PoolDurability::block, 65'536, {1, top}, "block"},
    };
    EXPECT_EQ(client.pool_table(), want);
    EXPECT_EQ(client.pools().value(), want);

    Client choosy = daemon_.connect({"few", "inode"});
    ASSERT_EQ(choosy.pool_table().size(), 2U);
    EXPECT_EQ(choosy.pool_table()[0].name, "inode");
    EXPECT_EQ(choosy.pool_table()[1].name, "few");
    EXPECT_EQ(choosy.pools().value(), want) << "names choose what the hello lists, nothing else";
}

TEST_F(Daemon, HandsOutLooksUpAndTakesBackUniqueNumbers) {
    Client client = daemon_.connect();
    EXPECT_TRUE(client.ping().has_value());
    EXPECT_EQ(client.allocate("inode").value(), (proto::LeaseReply{{1, 1}, 0}));
    EXPECT_EQ(client.allocate("inode", 10).value(), (proto::LeaseReply{{2, 11}, 0}));

    EXPECT_EQ(client.lookup("inode", 5).value(),
              (proto::LookupReply{
                  .generation = 0, .uid = getuid(), .gid = getgid(), .below = 4, .above = 6}))
        << "leases of one holder that touch are one run";
    proto::LeaseRecord record = client.lookup_lease("inode", 5).value();
    EXPECT_NE(std::exchange(record.holder, 0), 0U) << "its number";
    EXPECT_EQ(record, (proto::LeaseRecord{.range = {1, 11}, .uid = getuid(), .gid = getgid()}));

    EXPECT_TRUE(client.release("inode", {4, 6}).has_value());
    EXPECT_EQ(client.lookup_lease("inode", 3).value().range, (Range{1, 3}));
    EXPECT_EQ(client.lookup("inode", 5).error(), (Error{Errc::released, 5}));
    EXPECT_EQ(client.lookup("inode", 12).error(), (Error{Errc::never_allocated, 12}));
    EXPECT_EQ(client.lookup("inode", 0).error(), (Error{Errc::id_out_of_range, 0}));
    EXPECT_EQ(client.next("inode", 4).value().range, (Range{7, 11}));
    EXPECT_EQ(client.next("inode", 12).error().code, Errc::no_more_leases);
    EXPECT_EQ(client.allocate("inode").value().range, (Range{12, 12}))
        << "what was released does not return";
}

TEST_F(Daemon, ReleasesAllOrNothing) {
    Client client = daemon_.connect();
    ASSERT_EQ(client.allocate("inode", 10).value().range, (Range{1, 10}));
    ASSERT_TRUE(client.release("inode", {5, 5}).has_value());

    EXPECT_EQ(client.release("inode", {4, 6}).error(), (Error{Errc::released, 5}));
    EXPECT_EQ(client.release("inode", {10, 11}).error(), (Error{Errc::never_allocated, 11}));
    EXPECT_EQ(client.release("inode", {7, 6}).error().code, Errc::range_reversed);
    EXPECT_EQ(client.release("inode", {0, 1}).error(), (Error{Errc::id_out_of_range, 0}));
    EXPECT_EQ(list_all(client, "inode").size(), 2U) << "1 to 4 and 6 to 10 are as they were";
    EXPECT_EQ(client.lookup_lease("inode", 4).value().range, (Range{1, 4}));
    EXPECT_EQ(client.lookup_lease("inode", 6).value().range, (Range{6, 10}));
}

TEST_F(Daemon, CyclicNumbersReturnWithAnotherGeneration) {
    Client client = daemon_.connect();
    ASSERT_EQ(client.allocate("pid", 98).value(), (proto::LeaseReply{{2, 99}, 1}));
    ASSERT_TRUE(client.release("pid", {2, 50}, 1).has_value());
    EXPECT_EQ(client.allocate("pid", 3).value(), (proto::LeaseReply{{2, 4}, 2}))
        << "100 and 101 are too few, so it wraps";

    EXPECT_EQ(client.release("pid", {3, 3}).error().code, Errc::generation_required);
    EXPECT_EQ(client.release("pid", {3, 3}, 1).error(), (Error{Errc::stale_generation, 2}));
    EXPECT_EQ(client.lookup_lease("pid", 3, 1).error(), (Error{Errc::stale_generation, 2}));
    EXPECT_EQ(client.lookup("pid", 5).error(), (Error{Errc::released, 5}));
    EXPECT_EQ(client.lookup("pid", 100).error(), (Error{Errc::never_allocated, 100}));
    EXPECT_EQ(client.lookup("pid", 3).value().generation, 2U);
    EXPECT_TRUE(client.release("pid", {3, 3}, 2).has_value());
    EXPECT_EQ(client.release("pid", {3, 3}, 2).error(), (Error{Errc::released, 3}));
}

TEST_F(Daemon, ClaimsExactNumbers) {
    Client client = daemon_.connect();
    EXPECT_EQ(client.allocate_at("inode", {100, 109}).value(), (proto::LeaseReply{{100, 109}, 0}));
    EXPECT_EQ(client.allocate_at("inode", {105, 120}).error(), (Error{Errc::id_taken, 105}));
    EXPECT_EQ(client.allocate_at("inode", {9, 8}).error().code, Errc::range_reversed);
    EXPECT_EQ(client.allocate_at("inode", {0, 0}).error(), (Error{Errc::id_out_of_range, 0}));
    EXPECT_EQ(client.allocate("inode", 99).value().range, (Range{1, 99}));
    EXPECT_EQ(client.allocate("inode").value().range, (Range{110, 110})) << "not the claimed ones";
    ASSERT_TRUE(client.release("inode", {50, 50}).has_value());
    EXPECT_EQ(client.allocate_at("inode", {50, 50}).error().code, Errc::id_burned);

    EXPECT_EQ(client.allocate_at("pid", {10, 12}).value().generation, 1U);
    ASSERT_TRUE(client.release("pid", {10, 12}, 1).has_value());
    EXPECT_GT(client.allocate_at("pid", {11, 11}).value().generation, 1U);
}

TEST_F(Daemon, UniqueNumbersEndAtTheLastOfAll) {
    Client client = daemon_.connect();
    EXPECT_EQ(client.allocate("few", 5).error(), (Error{Errc::lease_too_large, 4}));
    EXPECT_EQ(client.allocate("few", 4).value().range, (Range{top - 9, top - 6}));
    EXPECT_EQ(client.allocate("few", 4).value().range, (Range{top - 5, top - 2}));
    EXPECT_EQ(client.allocate("few", 3).error().code, Errc::pool_exhausted);
    EXPECT_EQ(client.allocate("few", 2).value().range, (Range{top - 1, top}));
    ASSERT_TRUE(client.release("few", {top - 9, top}).has_value());
    EXPECT_EQ(client.allocate("few").error().code, Errc::pool_exhausted);
    EXPECT_EQ(client.lookup("few", top).error(), (Error{Errc::released, top}));
    EXPECT_TRUE(client.list("few", 0).value().leases.empty());
}

TEST_F(Daemon, ListsPageByPage) {
    Client client = daemon_.connect();
    // Every second number stays: 4,000 runs, more than one page holds.
    ASSERT_EQ(client.allocate("inode", 8'000).value().range, (Range{1, 8'000}));
    for (Id id = 2; id <= 8'000; id += 2) {
        client.send({.pool = 0, .body = proto::ReleaseRequest{.range = {id, id}}}).value();
    }
    while (client.under_way() > 0) {
        const auto reply = client.receive(soon()).value();
        ASSERT_TRUE(std::holds_alternative<proto::DoneReply>(reply.body));
    }
    for (const std::uint32_t limit : {0U, 1'000U, 7U}) {
        SCOPED_TRACE(limit);
        const auto leases = list_all(client, "inode", limit);
        ASSERT_EQ(leases.size(), 4'000U);
        for (std::size_t i = 0; i < leases.size(); ++i) {
            ASSERT_EQ(leases[i].range, (Range{2 * i + 1, 2 * i + 1}));
        }
    }
    const LeasePage first = client.list("inode", 0).value();
    EXPECT_EQ(first.leases.size(), 1'637U);
    EXPECT_TRUE(first.more);
    EXPECT_FALSE(client.list("inode", 7'998, 1).value().more) << "the last one, and no more";
}

// A walk that goes on from the last ID plus 1 sees every run once.
TEST_F(Daemon, NextWalksThePoolRunByRun) {
    Client client = daemon_.connect();
    ASSERT_EQ(client.allocate("few", 4).value().range, (Range{top - 9, top - 6}));
    ASSERT_EQ(client.allocate("few", 4).value().range, (Range{top - 5, top - 2}));
    ASSERT_EQ(client.allocate("few", 2).value().range, (Range{top - 1, top}));
    ASSERT_TRUE(client.release("few", {top - 7, top - 7}).has_value());
    EXPECT_EQ(client.next("few", 0).value().range, (Range{top - 9, top - 8}));
    EXPECT_EQ(client.next("few", top - 7).value().range, (Range{top - 6, top}));
    // Where the run that contains the ID is said to begin is not asked here.
    EXPECT_EQ(client.next("few", top).value().range.last, top);
    EXPECT_EQ(client.list("few", top).value().leases.at(0).range.last, top);
}

TEST_F(Daemon, CountsWhatItDid) {
    using proto::StatId;
    Client client = daemon_.connect();
    ASSERT_TRUE(client.allocate("inode", 5).has_value());
    ASSERT_TRUE(client.allocate("inode", 5).has_value());
    ASSERT_TRUE(client.release("inode", {3, 3}).has_value());
    ASSERT_FALSE(client.release("inode", {3, 3}).has_value());
    ASSERT_TRUE(client.lookup("inode", 1).has_value());

    const auto pool = client.stats("inode").value();
    EXPECT_EQ(value_of(pool, StatId::live_ids), 9U);
    EXPECT_EQ(value_of(pool, StatId::live_runs), 2U);
    EXPECT_EQ(value_of(pool, StatId::cursor), 10U) << "the highest ID handed out";
    EXPECT_EQ(value_of(pool, StatId::generation), 0U);
    EXPECT_EQ(value_of(pool, StatId::allocations), 2U);
    EXPECT_EQ(value_of(pool, StatId::releases), 1U);
    EXPECT_EQ(value_of(pool, StatId::lookups), 1U);
    EXPECT_EQ(value_of(pool, StatId::refusals), 1U);

    ASSERT_TRUE(client.allocate("pid", 7).has_value());
    const auto cyclic = client.stats("pid").value();
    EXPECT_EQ(value_of(cyclic, StatId::cursor), 8U) << "the last one handed out";
    EXPECT_EQ(value_of(cyclic, StatId::generation), 1U);
    EXPECT_EQ(value_of(client.stats("block").value(), StatId::cursor), 0U) << "none yet";

    const Client other = daemon_.connect();
    const auto daemon = client.daemon_stats().value();
    EXPECT_EQ(value_of(daemon, StatId::connections), 2U);
    EXPECT_EQ(value_of(daemon, StatId::run), 1U);
    EXPECT_GT(value_of(daemon, StatId::journal_last_lsn), 3U);
    EXPECT_EQ(value_of(daemon, StatId::journal_last_lsn),
              value_of(daemon, StatId::journal_durable_lsn))
        << "all was answered, so all is durable";
    EXPECT_GT(value_of(daemon, StatId::disk_size), 0U);
    EXPECT_LT(value_of(daemon, StatId::memory_used), value_of(daemon, StatId::memory_max));
}

TEST(Stats, ALowestPoolHasNoCursor) {
    DaemonProcess daemon(
        R"({"pools": [{"name": "port", "policy": "lowest", "min": 1, "max": 100}]})");
    ASSERT_TRUE(daemon.start()) << daemon.log();
    Client client = daemon.connect();
    ASSERT_TRUE(client.allocate("port", 2).has_value());
    const auto stats = client.stats("port").value();
    EXPECT_EQ(value_of(stats, proto::StatId::live_ids), 2U);
    for (const proto::Stat& stat : stats)
        EXPECT_NE(stat.id, proto::StatId::cursor) << "the lowest that is free is wherever it is";
    EXPECT_EQ(daemon.terminate(), (Exit{.status = 0})) << daemon.log();
}

TEST_F(Daemon, AnyConnectionOfTheUserMayRelease) {
    Range range{};
    {
        Client client = daemon_.connect();
        range = client.allocate("inode", 3).value().range;
    }
    Client other = daemon_.connect();
    EXPECT_TRUE(other.lookup("inode", range.first).has_value()) << "it outlives its connection";
    EXPECT_TRUE(other.release("inode", range).has_value());
}

TEST_F(Daemon, AnUnknownPoolIsRefusedByName) {
    const auto client = Client::connect(
        {.socket_path = daemon_.socket(), .pools = {"inode", "nothing"}, .timeout = patience});
    ASSERT_FALSE(client.has_value());
    EXPECT_EQ(client.error().code, Errc::pool_unknown);
    EXPECT_NE(client.error().message.find("nothing"), std::string::npos) << client.error().message;
}

}  // namespace
}  // namespace inod::e2e
