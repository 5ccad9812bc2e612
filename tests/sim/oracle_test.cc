// The oracle notices: each broken promise, shown to it as an answer, is thrown as Violated. What an
// allocator can break is broken for it by tools/mutate; this is about what it says.
#include "tests/sim/oracle.h"

#include <functional>

#include <gtest/gtest.h>

namespace inod::sim {
namespace {

class OracleTest : public ::testing::Test {
protected:
    void SetUp() override {
        const auto recovered = allocator.recover();
        ASSERT_TRUE(recovered);
        oracle.restarted(*recovered, allocator, {});
        durable = allocator.journal().durable_lsn();
    }

    Answer<Lease> lease(Range range, std::uint64_t generation, Lsn after) const {
        return {Lease{range, generation}, durable + after};
    }
    // What the oracle says of a call; empty: it is content.
    static std::string said(const std::function<void()>& call) {
        try {
            call();
        } catch (const Violated& violation) {
            return violation.what;
        }
        return {};
    }

    const std::vector<PoolSpec> pools = {
        {.name = "unique", .policy = Policy::unique, .range = {1, 1'000}},
        {.name = "cyclic", .policy = Policy::cyclic, .range = {1, 9}},
        {.name = "rest", .policy = Policy::cyclic, .range = {1, 9}, .quarantine_ms = 500},
        {.name = "yields",
         .policy = Policy::cyclic,
         .range = {1, 4},
         .quarantine_ms = 500,
         .quarantine_yields = true}};
    MemStorage disk;
    Allocator allocator{disk, {.pools = pools, .journal = {}, .memory_max = 1U << 30U}};
    Oracle oracle{pools};
    Lsn durable = 0;
};

TEST_F(OracleTest, ANumberOnce) {
    oracle.leased(0, 3, 7, lease({1, 3}, 0, 1));
    EXPECT_NE(said([&] { oracle.leased(0, 1, 7, lease({3, 3}, 0, 2)); }), "");
    oracle.released(0, {3, 3}, {{}, durable + 3});
    EXPECT_NE(said([&] { oracle.leased(0, 1, 7, lease({3, 3}, 0, 4)); }), "");
    EXPECT_EQ(said([&] { oracle.leased(0, 1, 7, lease({4, 4}, 0, 4)); }), "");
}

TEST_F(OracleTest, AnIdOfACyclicPoolOncePerGeneration) {
    oracle.leased(1, 1, 7, lease({1, 1}, 1, 1));
    oracle.released(1, {1, 1}, {{}, durable + 2});
    EXPECT_EQ(said([&] { oracle.leased(1, 1, 7, lease({1, 1}, 2, 3)); }), "");
    oracle.released(1, {1, 1}, {{}, durable + 4});
    EXPECT_NE(said([&] { oracle.leased(1, 1, 7, lease({1, 1}, 1, 5)); }), "");
}

TEST_F(OracleTest, WhatIsReservedIsNotHandedOut) {
    oracle.reserved(0, {4, 6}, {{}, durable + 1});
    EXPECT_NE(said([&] { oracle.leased(0, 1, 7, lease({5, 5}, 0, 2)); }), "");
    EXPECT_NE(said([&] { oracle.claimed(0, {5, 5}, 7, lease({5, 5}, 0, 2)); }), "");
    EXPECT_NE(said([&] { oracle.reserved(0, {6, 7}, {{}, durable + 2}); }), "");
    EXPECT_EQ(oracle.unreserve_error(0, {6, 7}), Error(Errc::not_reserved, 6));
    EXPECT_EQ(said([&] { oracle.claimed(0, {5, 5}, 7, lease({5, 5}, 0, 2), {}, true); }), "");
    EXPECT_EQ(oracle.reserved(0), (std::set<Id>{4, 6}));
}

TEST_F(OracleTest, WhatWasGivenBackRests) {
    oracle.leased(2, 2, 7, lease({1, 2}, 1, 1));
    oracle.set_time(1'000, allocator);
    oracle.released(2, {1, 2}, {{}, durable + 2});
    const auto takes = [&](Range range) {
        return said([&] { oracle.check_place(*allocator.pool(2), 2, {.count = 1}, range); });
    };
    EXPECT_EQ(takes({3, 3}), "");
    oracle.set_time(1'499, allocator);
    EXPECT_NE(takes({1, 1}), "");
    oracle.set_time(1'500, allocator);
    EXPECT_EQ(takes({1, 1}), "");
}

TEST_F(OracleTest, WhereThePoolYieldsTheOldestIsEndedWhenThereIsNothingElse) {
    oracle.leased(3, 3, 7, lease({1, 3}, 1, 1));
    for (const Id id : {Id{2}, Id{1}, Id{3}}) {
        oracle.set_time(1'000 + 10 * id, allocator);
        oracle.released(3, {id, id}, {{}, durable + 1 + id});
    }
    const auto takes = [&](Wish wish, Range range) {
        return said([&] {
            oracle.searched(3, wish);
            oracle.check_place(*allocator.pool(3), 3, wish, range);
        });
    };
    EXPECT_NE(takes({.count = 1}, {1, 1}), "") << "4 is free";
    oracle.leased(3, 1, 7, lease({4, 4}, 1, 9));
    EXPECT_NE(takes({.count = 5}, {1, 1}), "") << "nothing ends for what has no place";
    EXPECT_NE(takes({.count = 1}, {2, 2}), "") << "1 has rested longer";
    EXPECT_EQ(takes({.count = 1}, {1, 1}), "");
    EXPECT_NE(said([&] { oracle.claimed(3, {3, 3}, 7, lease({3, 3}, 2, 10)); }), "");
    EXPECT_EQ(takes({.count = 2}, {1, 2}), "");
}

TEST_F(OracleTest, OneThatActsAsAHolderHasWhatIsItsOwn) {
    const BindRequest request{.binding = Binding::ttl, .ttl_ms = 100};
    const Answer<Bound> answer{Bound{.ref = {.index = 5, .id = 9}, .key = {}, .is_new = true},
                               durable + 1};
    oracle.bound(7, request, 1'000, answer);
    EXPECT_NE(said([&] { oracle.bound(7, request, 1'000, answer); }), "") << "a number twice";
    Asker asker{.uid = 7};
    EXPECT_EQ(oracle.acting_as(asker), nobody);
    asker.acts_as = answer.result->ref;
    EXPECT_EQ(oracle.acting_as(asker), 9U);
    oracle.leased(0, 1, 7, lease({1, 1}, 0, 2), 9);
    EXPECT_EQ(oracle.holdings(9), 1U);
    EXPECT_EQ(oracle.release_error(0, {1, 1}, 0, 7, nobody), Error(Errc::not_holder, 1));
    // The allocator has no such holder: it is gone before its time, and then at it.
    EXPECT_NE(said([&] { oracle.look_for_ends(allocator, 1'099, 0); }), "");
    EXPECT_NE(said([&] { oracle.look_for_ends(allocator, 1'100, durable); }), "") << "no record";
}

TEST_F(OracleTest, NothingIsToldBeforeItIsDurable) {
    EXPECT_NE(said([&] { oracle.leased(0, 1, 7, lease({1, 1}, 0, 0)); }), "");
    oracle.leased(0, 1, 7, lease({2, 2}, 0, 1));
    const Held held{.range = {2, 2}, .generation = 0, .holder = {.uid = 7}};
    EXPECT_NE(said([&] { oracle.check_lookup(0, 2, {held, 0}); }), "");
    EXPECT_EQ(said([&] { oracle.check_lookup(0, 2, {held, durable + 1}); }), "");
    oracle.group_begun();
    oracle.group_durable(durable + 1);
    EXPECT_EQ(said([&] { oracle.check_lookup(0, 2, {held, 0}); }), "");
    EXPECT_NE(said([&] { oracle.released(0, {2, 2}, {{}, durable}); }), "");
}

TEST_F(OracleTest, ALookupIsRight) {
    oracle.leased(0, 3, 7, lease({1, 3}, 0, 1));
    const auto look = [&](Range range, std::uint32_t uid) {
        const Held held{.range = range, .generation = 0, .holder = {.uid = uid}};
        return said([&] { oracle.check_lookup(0, 2, {held, durable + 1}); });
    };
    EXPECT_EQ(look({1, 3}, 7), "");
    EXPECT_NE(look({1, 3}, 8), "") << "somebody else's";
    EXPECT_NE(look({1, 4}, 7), "") << "too long";
    EXPECT_NE(look({2, 3}, 7), "") << "too short";
    EXPECT_NE(said([&] {
                  oracle.check_lookup(0, 2, {Error{Errc::released, 2}, durable + 1});
              }),
              "");
    EXPECT_EQ(said([&] { oracle.check_lookup(0, 9, {Error{Errc::never_allocated, 9}, 0}); }), "");
}

TEST_F(OracleTest, AReleaseComesToWhatItMust) {
    oracle.leased(1, 2, 7, lease({1, 2}, 5, 1));
    EXPECT_EQ(oracle.release_error(1, {1, 2}, 5, 7), Error());
    EXPECT_EQ(oracle.release_error(1, {1, 2}, 4, 7), Error(Errc::stale_generation, 5));
    EXPECT_EQ(oracle.release_error(1, {1, 2}, 5, 8), Error(Errc::not_holder, 1));
    EXPECT_EQ(oracle.release_error(1, {2, 3}, 5, 7), Error(Errc::never_allocated, 3));
    EXPECT_EQ(oracle.release_error(1, {2, 1}, 5, 7), Error(Errc::range_reversed, 2));
    EXPECT_EQ(oracle.release_error(1, {0, 1}, 5, 7), Error(Errc::id_out_of_range, 0));
    EXPECT_EQ(oracle.release_error(1, {1, 10}, 5, 7), Error(Errc::id_out_of_range, 10));
    EXPECT_EQ(oracle.release_error(1, {1, 1}, 0, 7), Error(Errc::generation_required));
    oracle.released(1, {1, 1}, {{}, durable + 2});
    EXPECT_EQ(oracle.release_error(1, {1, 2}, 5, 7), Error(Errc::released, 1));
}

// A start on which nothing was written: whatever was acknowledged is lost.
TEST_F(OracleTest, WhatWasAcknowledgedIsThereAfterAStart) {
    const auto restart = [&](StartConditions conditions) {
        Recovery recovery;
        recovery.last_lsn = durable;
        recovery.clean = false;
        return said([&] { oracle.restarted(recovery, allocator, conditions); });
    };
    oracle.leased(0, 1, 7, lease({1, 1}, 0, 1));
    oracle.group_begun();
    EXPECT_EQ(restart({}), "") << "nobody had heard of it";
    oracle.leased(0, 1, 7, lease({1, 1}, 0, 1));
    oracle.group_begun();
    oracle.group_durable(durable + 1);
    EXPECT_NE(restart({}), "");
    EXPECT_EQ(restart({.is_damaged = true}), "") << "the last group, and damage";
    oracle.leased(0, 1, 7, lease({2, 2}, 0, 1));
    oracle.group_begun();
    oracle.group_durable(durable + 1);
    oracle.leased(0, 1, 7, lease({3, 3}, 0, 2));
    oracle.group_begun();
    oracle.group_durable(durable + 2);
    EXPECT_NE(restart({.is_damaged = true}), "") << "more than the last group";
}

}  // namespace
}  // namespace inod::sim
