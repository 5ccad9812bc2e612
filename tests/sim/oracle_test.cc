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
        {.name = "cyclic", .policy = Policy::cyclic, .range = {1, 9}}};
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
