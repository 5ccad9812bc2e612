// Giving back, and the answers about what is live, was live and never was.
#include <algorithm>
#include <numeric>
#include <random>

#include "tests/pool/test_pool.h"

namespace inod {
namespace {

TEST(Release, TakesAWholeLeaseOrAnyPart) {
    struct Case {
        const char* name;
        std::vector<Range> released;
        std::vector<Range> left;
    };
    const Case cases[] = {
        {"all", {{1, 10}}, {}},
        {"the first", {{1, 1}}, {{2, 10}}},
        {"the last", {{10, 10}}, {{1, 9}}},
        {"a hole", {{4, 6}}, {{1, 3}, {7, 10}}},
        {"hole by hole", {{2, 2}, {4, 4}, {6, 6}}, {{1, 1}, {3, 3}, {5, 5}, {7, 10}}},
        {"both halves", {{6, 10}, {1, 5}}, {}},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        TestPool test(cyclic_spec({1, 20}));
        ASSERT_TRUE(test.allocate(10, 3));
        for (const Range range : c.released)
            EXPECT_EQ(test.release(range, 1, 3).value(), true) << "it is to be recorded";
        std::vector<LiveRun> want;
        for (const Range range : c.left)
            want.push_back({range, 1, 3});
        EXPECT_EQ(runs_of(test.pool), want);
        EXPECT_SOUND(test.pool);
    }
}

TEST(Release, TakesTouchingLeasesOfOneHolderAtOnce) {
    TestPool test(unique_spec({1, 100}));
    ASSERT_TRUE(test.allocate(5, 3));
    ASSERT_TRUE(test.allocate_at(Range{6, 7}, 3));
    ASSERT_TRUE(test.allocate(5, 3));
    EXPECT_EQ(runs_of(test.pool), (std::vector<LiveRun>{{{1, 12}, 0, 3}}));
    EXPECT_TRUE(test.release({2, 11}, 0, 3));
    EXPECT_EQ(runs_of(test.pool), (std::vector<LiveRun>{{{1, 1}, 0, 3}, {{12, 12}, 0, 3}}));
    EXPECT_SOUND(test.pool);
}

TEST(Release, OfSingleIdsSucceedsInAnyOrder) {
    std::mt19937_64 random(1);
    for (const Range range : {Range{0, 999}, Range{id_max - 999, id_max}}) {
        TestPool test(cyclic_spec(range));
        for (HolderIndex holder = 0; holder < 10; ++holder)
            ASSERT_TRUE(test.allocate(100, holder));
        std::vector<Id> offsets(1000);
        std::iota(offsets.begin(), offsets.end(), 0);
        std::shuffle(offsets.begin(), offsets.end(), random);
        for (const Id offset : offsets) {
            const auto holder = static_cast<HolderIndex>(offset / 100);
            ASSERT_TRUE(test.release(range.first + offset, 1, holder));
        }
        EXPECT_TRUE(runs_of(test.pool).empty());
        EXPECT_SOUND(test.pool);
        EXPECT_EQ(test.pool.counters().releases, 1000U);
        EXPECT_EQ(test.pool.counters().allocations, 10U);
    }
}

constexpr std::uint64_t second = generation(0, 1);

// In the pool of 1 to 30: 1-4 of holder 1, 5-8 of holder 2, 9 and 10 released, 11-12 of holder 1,
// all of generation 1; 13-14 of holder 1 with the one after an unclean stop, which is `second`.
TestPool& filled(TestPool& test) {
    EXPECT_TRUE(test.allocate(4, 1));
    EXPECT_TRUE(test.allocate(4, 2));
    EXPECT_TRUE(test.allocate(2, 1));
    EXPECT_TRUE(test.allocate(2, 1));
    EXPECT_TRUE(test.release({9, 10}, 1, 1));
    test.unclean_stop();
    EXPECT_TRUE(test.allocate(2, 1));
    return test;
}

TEST(Release, IsAllOrNothing) {
    struct Case {
        const char* name;
        Range range;
        std::uint64_t generation;
        HolderIndex holder;
        Error want;
    };
    const Case cases[] = {
        // name                     range       gen holder want
        {"another holder's", {5, 5}, 1, 1, {Errc::not_holder, 5}},
        {"runs into another's", {3, 6}, 1, 1, {Errc::not_holder, 5}},
        {"runs into a hole", {7, 9}, 1, 2, {Errc::released, 9}},
        {"begins in a hole", {10, 12}, 1, 1, {Errc::released, 10}},
        {"another generation", {13, 13}, 1, 1, {Errc::stale_generation, second}},
        {"runs into another one", {11, 14}, 1, 1, {Errc::stale_generation, second}},
        {"and from above", {11, 14}, second, 1, {Errc::stale_generation, 1}},
        {"past all handed out", {13, 15}, second, 1, {Errc::never_allocated, 15}},
        {"never handed out", {20, 20}, 1, 1, {Errc::never_allocated, 20}},
        {"never handed out, at max", {30, 30}, 1, 1, {Errc::never_allocated, 30}},
        {"no generation named", {1, 1}, 0, 1, {Errc::generation_required}},
        {"generation to come", {1, 1}, 3, 1, {Errc::stale_generation, 1}},
        {"turned round", {4, 3}, 1, 1, {Errc::range_reversed, 4}},
        {"below min", {0, 1}, 1, 1, {Errc::id_out_of_range, 0}},
        {"above max", {30, 31}, 1, 1, {Errc::id_out_of_range, 31}},
        {"everything there is", whole_space, 1, 1, {Errc::id_out_of_range, 0}},
        {"somebody who has nothing", {1, 4}, 1, 99, {Errc::not_holder, 1}},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        TestPool test(cyclic_spec({1, 30}));
        const auto before = runs_of(filled(test).pool);
        const auto released = test.release(c.range, c.generation, c.holder);
        ASSERT_FALSE(released.has_value());
        EXPECT_EQ(released.error(), c.want) << name(released.error().code);
        EXPECT_EQ(runs_of(test.pool), before);
        EXPECT_SOUND(test.pool);
    }
}

TEST(Release, NeedsNoGenerationInAUniquePool) {
    TestPool test(unique_spec({1, 30}));
    ASSERT_TRUE(test.allocate());
    EXPECT_EQ(test.release(1, 1).error(), Error(Errc::stale_generation, 0));
    EXPECT_TRUE(test.release(1, 0));
}

TEST(Release, OfUnrecordedLeasesIsNotRecordedOfClaimsIs) {
    TestPool test(unique_spec({1, id_max}, Durability::block));
    ASSERT_TRUE(test.allocate(5));
    ASSERT_TRUE(test.allocate_at(Range{6, 7}));
    EXPECT_EQ(test.release(1).value(), false);
    EXPECT_EQ(test.release({5, 6}).value(), true);
    EXPECT_EQ(test.release({2, 4}).value(), false);
    EXPECT_EQ(test.release(7).value(), true);
    EXPECT_SOUND(test.pool);
}

TEST(Lookup, HasThreeAnswersForWhatIsNotLiveAsAsked) {
    struct Case {
        const char* name;
        Id id;
        std::uint64_t generation;
        Result<LiveRun> want;
    };
    const Case cases[] = {
        // name                      id  gen want
        {"any generation", 2, 0, LiveRun{{1, 4}, 1, 1}},
        {"its generation", 4, 1, LiveRun{{1, 4}, 1, 1}},
        {"another holder's", 5, 0, LiveRun{{5, 8}, 1, 2}},
        {"an older generation", 11, 1, LiveRun{{11, 12}, 1, 1}},
        {"touching, but a new one", 13, second, LiveRun{{13, 14}, second, 1}},
        {"stale", 13, 1, Error{Errc::stale_generation, second}},
        {"of a generation to come", 1, 9, Error{Errc::stale_generation, 1}},
        {"released", 9, 0, Error{Errc::released, 9}},
        {"released, by generation", 10, 1, Error{Errc::released, 10}},
        {"never handed out", 15, 0, Error{Errc::never_allocated, 15}},
        {"never handed out, at max", 30, second, Error{Errc::never_allocated, 30}},
        {"below min", 0, 0, Error{Errc::id_out_of_range, 0}},
        {"above max", 31, 0, Error{Errc::id_out_of_range, 31}},
        {"the last ID of all", id_max, 0, Error{Errc::id_out_of_range, id_max}},
    };
    TestPool test(cyclic_spec({1, 30}));
    filled(test);
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const auto found = test.pool.lookup(c.id, c.generation);
        ASSERT_EQ(found.has_value(), c.want.has_value());
        if (found) {
            EXPECT_EQ(*found, *c.want);
        } else {
            EXPECT_EQ(found.error(), c.want.error()) << name(found.error().code);
        }
    }
}

TEST(Lookup, TellsAClaimFromAllAroundIt) {
    TestPool test(unique_spec({1, 100}));
    ASSERT_TRUE(test.allocate_at(50));
    EXPECT_EQ(test.pool.lookup(49, 0).error(), Error(Errc::never_allocated, 49));
    EXPECT_EQ(test.pool.lookup(51, 0).error(), Error(Errc::never_allocated, 51));
}

TEST(Lookup, ClaimsAreRunsOfTheirOwnInAPoolOfBlocks) {
    TestPool test(unique_spec({1, id_max}, Durability::block));
    ASSERT_TRUE(test.allocate_at(Range{4, 5}, 3));
    ASSERT_TRUE(test.allocate(3, 3));
    ASSERT_TRUE(test.allocate(2, 3));
    ASSERT_TRUE(test.allocate(2, 4));
    EXPECT_EQ(test.pool.lookup(3, 0).value(), (LiveRun{{1, 3}, 0, 3}));
    EXPECT_EQ(test.pool.lookup(4, 0).value(), (LiveRun{{4, 5}, 0, 3}));
    EXPECT_EQ(test.pool.lookup(6, 0).value(), (LiveRun{{6, 7}, 0, 3}));
    EXPECT_EQ(test.pool.lookup(8, 0).value(), (LiveRun{{8, 9}, 0, 4}));
    EXPECT_EQ(test.pool.next(5).value(), test.pool.lookup(5, 0).value());
    EXPECT_EQ(runs_of(test.pool).size(), 4U);
}

TEST(Next, GivesTheRunAtOrAfterAnId) {
    TestPool test(cyclic_spec({1, 30}));
    filled(test);
    struct Case {
        Id id;
        std::optional<LiveRun> want;
    };
    const Case cases[] = {
        {0, LiveRun{{1, 4}, 1, 1}},   {1, LiveRun{{1, 4}, 1, 1}},
        {3, LiveRun{{1, 4}, 1, 1}},   {8, LiveRun{{5, 8}, 1, 2}},
        {9, LiveRun{{11, 12}, 1, 1}}, {14, LiveRun{{13, 14}, second, 1}},
        {15, std::nullopt},           {31, std::nullopt},
        {id_max, std::nullopt},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.id);
        const auto run = test.pool.next(c.id);
        ASSERT_EQ(run.has_value(), c.want.has_value());
        if (run) {
            EXPECT_EQ(*run, *c.want);
        } else {
            EXPECT_EQ(run.error().code, Errc::no_more_leases);
        }
    }
}

TEST(Next, FindsTheLastIdOfAll) {
    TestPool test(unique_spec({id_max, id_max}));
    ASSERT_TRUE(test.allocate());
    EXPECT_EQ(test.pool.next(0).value(), (LiveRun{{id_max, id_max}, 0, 0}));
    EXPECT_EQ(test.pool.next(id_max).value(), (LiveRun{{id_max, id_max}, 0, 0}));
}

}  // namespace
}  // namespace inod
