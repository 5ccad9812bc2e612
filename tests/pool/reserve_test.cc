// What an administrator keeps out of circulation, lets in again, claims, or has a pool skip.
#include <gtest/gtest.h>

#include "tests/pool/test_pool.h"

namespace inod {
namespace {

PoolSpec spec_of(Policy policy, Range range) {
    return {.name = "pool", .policy = policy, .range = range};
}

Result<> reserve(TestPool& test, Range range) {
    NoGuard nobody_else;
    return test.pool.reserve(nobody_else, range);
}

Result<> unreserve(TestPool& test, Range range) {
    NoGuard nobody_else;
    return test.pool.unreserve(nobody_else, range);
}

class EveryPolicy : public testing::TestWithParam<Policy> {};

INSTANTIATE_TEST_SUITE_P(Reserve, EveryPolicy,
                         testing::Values(Policy::unique, Policy::cyclic, Policy::lowest),
                         [](const auto& tested) { return std::string(name(tested.param)); });

TEST_P(EveryPolicy, ReservedIdsAreNotHandedOut) {
    TestPool test(spec_of(GetParam(), {1, 10}));
    ASSERT_TRUE(reserve(test, {3, 5}));
    EXPECT_EQ(test.allocate(2)->lease.range, (Range{1, 2}));
    EXPECT_EQ(test.allocate(2)->lease.range, (Range{6, 7}));
    EXPECT_EQ(test.pool.lookup(4, 0).error().code, Errc::released) << "the pool has passed it";
    EXPECT_EQ(Outcome(test.allocate_at(4)), Outcome(Error{Errc::id_reserved, 4}));
    EXPECT_EQ(reserve(test, {4, 4}).error(), Error(Errc::id_taken, 4));
    EXPECT_EQ(reserve(test, {6, 8}).error(), Error(Errc::id_taken, 6));
    EXPECT_EQ(test.pool.next_reserved(1), (Range{3, 5}));
    EXPECT_SOUND(test.pool);
}

TEST_P(EveryPolicy, WhatIsNoLongerReservedIsHandedOutUnlessItIsBurned) {
    TestPool test(spec_of(GetParam(), {1, 6}));
    ASSERT_TRUE(reserve(test, {2, 5}));
    EXPECT_EQ(unreserve(test, {1, 3}).error(), Error(Errc::not_reserved, 1));
    ASSERT_TRUE(unreserve(test, {3, 4})) << "a hole in the middle";
    EXPECT_EQ(test.allocate()->lease.range.first, 1U);
    EXPECT_EQ(test.allocate()->lease.range.first, 3U);
    EXPECT_EQ(test.allocate()->lease.range.first, 4U);
    EXPECT_EQ(test.allocate()->lease.range.first, 6U);
    ASSERT_TRUE(unreserve(test, {2, 2}));
    if (GetParam() == Policy::unique) {
        EXPECT_EQ(Outcome(test.allocate()), Outcome(Errc::pool_exhausted));
    } else {
        EXPECT_EQ(test.allocate()->lease.range.first, 2U);
    }
    EXPECT_SOUND(test.pool);
}

// Be it reserved besides or not.
TEST_P(EveryPolicy, TheFirstThatIsTakenIsNamed) {
    TestPool test(spec_of(GetParam(), {1, 20}));
    ASSERT_TRUE(reserve(test, {5, 6}));
    ASSERT_TRUE(test.allocate_at({6, 6}, 7, true));
    ASSERT_TRUE(test.allocate_at({8, 8}, 7));
    EXPECT_EQ(Outcome(test.allocate_at({6, 6})), Outcome(Error{Errc::id_taken, 6}));
    EXPECT_EQ(Outcome(test.allocate_at({5, 8}, 7, true)), Outcome(Error{Errc::id_taken, 6}));
    EXPECT_EQ(reserve(test, {5, 8}).error(), Error(Errc::id_taken, 5));
    EXPECT_EQ(reserve(test, {6, 8}).error(), Error(Errc::id_taken, 6));
    EXPECT_SOUND(test.pool);
}

TEST_P(EveryPolicy, WhoMayClaimsWhatIsReservedAndNobodyElseGetsIt) {
    TestPool test(spec_of(GetParam(), {1, 10}));
    ASSERT_TRUE(reserve(test, {3, 6}));
    const auto claimed = test.allocate_at({4, 5}, 7, true);
    ASSERT_TRUE(claimed);
    EXPECT_SOUND(test.pool);
    EXPECT_EQ(test.pool.lookup(5, 0)->holder, 7U);
    EXPECT_EQ(Outcome(test.allocate_at({5, 6}, 8, true)).error.code,
              GetParam() == Policy::unique ? Errc::id_taken : Errc::id_taken);
    EXPECT_EQ(unreserve(test, {3, 6}).error().code,
              GetParam() == Policy::unique ? Errc::not_reserved : Errc::id_taken);
    const std::uint64_t generation = claimed->lease.generation;
    ASSERT_TRUE(test.release({4, 5}, generation, 7));
    EXPECT_EQ(test.pool.lookup(5, 0).error().code, Errc::released);
    const auto again = test.allocate_at({4, 5}, 8, true);
    if (GetParam() == Policy::unique) {
        EXPECT_EQ(Outcome(again), Outcome(Error{Errc::id_burned, 4}));
    } else {
        ASSERT_TRUE(again) << "it is reserved still";
        EXPECT_GT(again->lease.generation, generation);
    }
    EXPECT_EQ(test.allocate(2)->lease.range, (Range{1, 2}));
    EXPECT_EQ(test.allocate()->lease.range.first, 7U);
    EXPECT_SOUND(test.pool);
}

// Below its mark a unique pool gives nothing, but what was reserved before it came there.
TEST(Reserve, AUniquePoolKeepsItBelowItsMark) {
    TestPool test(unique_spec({1, 1'000}));
    ASSERT_TRUE(reserve(test, {10, 19}));
    ASSERT_TRUE(test.allocate(50));
    EXPECT_EQ(Outcome(test.allocate_at(5, 0, true)), Outcome(Error{Errc::id_burned, 5}))
        << "it was skipped for want of room, and not reserved";
    EXPECT_EQ(Outcome(test.allocate_at({12, 14}, 3, true)), Outcome({12, 14}, 0));
    ASSERT_TRUE(test.release({13, 13}, 0, 3));
    EXPECT_EQ(Outcome(test.allocate_at(13, 3, true)), Outcome(Error{Errc::id_burned, 13}));
    EXPECT_EQ(reserve(test, {13, 13}).error(), Error(Errc::id_burned, 13));
    EXPECT_SOUND(test.pool);
}

// After a skip nobody knows which of the reserved numbers were claimed since the copy was made.
TEST(Reserve, WhatAUniquePoolSkipsIsBurnedThoughItWasReserved) {
    for (const bool is_above : {false, true}) {
        SCOPED_TRACE(is_above);
        TestPool test(unique_spec({1, 1'000}));
        ASSERT_TRUE(reserve(test, {100, 200}));
        ASSERT_TRUE(reserve(test, {2, 5}));
        ASSERT_TRUE(test.allocate(2));
        ASSERT_TRUE(test.allocate_at(4, 3, true));
        is_above ? test.pool.skip_above(150) : test.pool.skip_ahead(150 - 7);
        EXPECT_SOUND(test.pool);
        EXPECT_EQ(Outcome(test.allocate_at(150, 0, true)), Outcome(Error{Errc::id_burned, 150}));
        EXPECT_EQ(Outcome(test.allocate_at(2, 0, true)), Outcome(Error{Errc::id_burned, 2}));
        EXPECT_EQ(test.pool.next_reserved(0), (Range{151, 200}));
        EXPECT_EQ(Outcome(test.allocate_at(151, 0, true)), Outcome(151, 0));
        EXPECT_EQ(test.pool.lookup(4, 0)->holder, 3U) << "leases stay";
        EXPECT_EQ(Outcome(test.allocate()), Outcome(201, 0));
        test.pool.skip_ahead(id_max);
        EXPECT_EQ(test.pool.next_reserved(0), std::nullopt);
        EXPECT_SOUND(test.pool);
    }
}

TEST(Reserve, AClaimOfBothIsRefused) {
    TestPool test(spec_of(Policy::lowest, {1, 10}));
    ASSERT_TRUE(reserve(test, {5, 6}));
    EXPECT_EQ(Outcome(test.allocate_at({4, 5}, 0, true)), Outcome(Error{Errc::id_reserved, 5}));
    EXPECT_EQ(Outcome(test.allocate_at({6, 7}, 0, true)), Outcome(Error{Errc::id_reserved, 6}));
}

TEST(Reserve, HalfOfTheSpaceTakesNoMemoryToSpeakOf) {
    TestPool test(spec_of(Policy::cyclic, whole_space), std::uint64_t{4} << 20U);
    ASSERT_TRUE(reserve(test, {1, id_max / 2}));
    EXPECT_EQ(test.allocate()->lease.range.first, 0U);
    EXPECT_EQ(test.allocate()->lease.range.first, id_max / 2 + 1);
    ASSERT_TRUE(unreserve(test, {1'000, 2'000}));
    ASSERT_TRUE(test.allocate_at({id_max / 4, id_max / 4}, 0, true));
    EXPECT_SOUND(test.pool);
}

TEST(Reserve, TheFirstPartThatCanBeReserved) {
    TestPool test(unique_spec({1, 100}));
    ASSERT_TRUE(test.allocate(10));
    ASSERT_TRUE(test.allocate_at(20));
    ASSERT_TRUE(reserve(test, {30, 40}));
    EXPECT_EQ(test.pool.next_reservable({1, 50}), (Range{11, 19}));
    EXPECT_EQ(test.pool.next_reservable({20, 50}), (Range{21, 29}));
    EXPECT_EQ(test.pool.next_reservable({30, 40}), std::nullopt);
    EXPECT_EQ(test.pool.next_reservable({1, 10}), std::nullopt);
    ASSERT_TRUE(test.release(20));
    EXPECT_EQ(test.pool.next_reservable({20, 20}), std::nullopt) << "burned";
}

TEST(Advance, APoolGoesOnAboveIt) {
    struct Case {
        Policy policy;
        std::optional<Id> next;
    };
    for (const Case& c : {Case{Policy::unique, 51}, {Policy::cyclic, 51}, {Policy::lowest, {}}}) {
        SCOPED_TRACE(name(c.policy));
        TestPool test(spec_of(c.policy, {1, 100}));
        ASSERT_TRUE(test.allocate(5));
        const auto advanced = test.pool.advance(50);
        if (!c.next) {
            EXPECT_EQ(advanced.error().code, Errc::not_offered);
            continue;
        }
        ASSERT_TRUE(advanced);
        EXPECT_EQ(test.pool.lookup(50, 0).error().code, Errc::released);
        EXPECT_EQ(test.pool.lookup(51, 0).error().code, Errc::never_allocated);
        ASSERT_TRUE(test.pool.advance(20)) << "it is past that";
        EXPECT_EQ(test.allocate()->lease.range.first, *c.next);
        EXPECT_EQ(test.pool.advance(101).error(), Error(Errc::id_out_of_range, 101));
        ASSERT_TRUE(test.pool.advance(100));
        if (c.policy == Policy::unique) {
            EXPECT_EQ(Outcome(test.allocate()), Outcome(Errc::pool_exhausted));
        } else {
            EXPECT_EQ(Outcome(test.allocate()), Outcome(6, 2));
        }
        EXPECT_SOUND(test.pool);
    }
}

TEST(WrapTo, TheBandBelowIsHandedOutOnce) {
    PoolSpec spec = cyclic_spec({1, 10});
    spec.wrap_to = 4;
    TestPool test(spec);
    for (Id id = 1; id <= 10; ++id) {
        ASSERT_EQ(Outcome(test.allocate()), Outcome(id, 1));
        ASSERT_TRUE(test.release(id, 1));
    }
    for (Id id = 4; id <= 10; ++id)
        ASSERT_EQ(Outcome(test.allocate()), Outcome(id, 2));
    EXPECT_EQ(Outcome(test.allocate()), Outcome(Errc::pool_exhausted)) << "1 to 3 are free";
    EXPECT_EQ(Outcome(test.allocate_at(2)), Outcome(2, 2));
    EXPECT_SOUND(test.pool);
}

// A counter: it hands out, wraps with generations, and knows nothing of anybody.
TEST(NoTracking, KeepsWhereItStandsAndNothingElse) {
    PoolSpec spec = cyclic_spec({1, 4});
    spec.tracking = false;
    TestPool test(spec);
    EXPECT_EQ(Outcome(test.allocate(3)), Outcome({1, 3}, 1));
    EXPECT_EQ(Outcome(test.allocate(2)), Outcome({1, 2}, 2)) << "the 4 does not do";
    EXPECT_EQ(Outcome(test.allocate(2)), Outcome({3, 4}, 2));
    EXPECT_EQ(Outcome(test.allocate_at(1)), Outcome(Errc::not_tracked));
    EXPECT_EQ(test.release(1, 2).error().code, Errc::not_tracked);
    EXPECT_EQ(test.pool.lookup(1, 0).error().code, Errc::not_tracked);
    EXPECT_EQ(test.pool.next(0).error().code, Errc::not_tracked);
    EXPECT_EQ(reserve(test, {1, 1}).error().code, Errc::not_tracked);
    EXPECT_EQ(test.pool.live_count(), TagCount{});
    EXPECT_EQ(test.budget.used(), 0U);
    EXPECT_SOUND(test.pool);
}

// ENOENT or ESTALE: what was never handed out is told from what was, claims far ahead or not.
TEST(ThreeAnswers, AClaimFarAheadDoesNotMakeOthersReadAsReleased) {
    for (const Policy policy : {Policy::unique, Policy::cyclic, Policy::lowest}) {
        SCOPED_TRACE(name(policy));
        TestPool test(spec_of(policy, {1, 1'000'000}));
        const auto code = [&](Id id) { return test.pool.lookup(id, 0).error().code; };
        ASSERT_TRUE(test.allocate(3));
        ASSERT_TRUE(test.allocate_at(500));
        EXPECT_EQ(code(499), Errc::never_allocated);
        EXPECT_EQ(code(501), Errc::never_allocated);
        EXPECT_EQ(code(4), Errc::never_allocated);
        ASSERT_TRUE(test.release(500, policy == Policy::unique ? 0 : 1));
        EXPECT_EQ(code(500), Errc::released);
        EXPECT_EQ(code(499), Errc::never_allocated);
        ASSERT_TRUE(test.release({2, 3}, policy == Policy::unique ? 0 : 1));
        EXPECT_EQ(code(3), Errc::released);
        EXPECT_EQ(code(4), Errc::never_allocated);
        EXPECT_SOUND(test.pool);
    }
}

}  // namespace
}  // namespace inod
