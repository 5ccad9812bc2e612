// A `lowest` pool: the lowest free numbers, each time, and never one twice with the same generation.
#include <random>
#include <set>
#include <utility>

#include <gtest/gtest.h>

#include "tests/pool/test_pool.h"

namespace inod {
namespace {

PoolSpec lowest_spec(Range range) {
    return {.name = "port", .policy = Policy::lowest, .range = range};
}

TEST(Lowest, HandsOutTheLowestThatAreFree) {
    TestPool test(lowest_spec({10, 20}));
    EXPECT_EQ(Outcome(test.allocate(3)), Outcome({10, 12}, 1));
    EXPECT_EQ(Outcome(test.allocate(2)), Outcome({13, 14}, 1));
    ASSERT_TRUE(test.release(11, 1));
    EXPECT_EQ(Outcome(test.allocate(2)), Outcome({15, 16}, 1)) << "two in a row";
    EXPECT_EQ(Outcome(test.allocate(1)), Outcome(11, 2)) << "it had generation 1 before";
    EXPECT_EQ(Outcome(test.allocate(4)), Outcome({17, 20}, 2));
    EXPECT_EQ(Outcome(test.allocate(1)), Outcome(Errc::pool_exhausted));
    EXPECT_SOUND(test.pool);
}

TEST(Lowest, TheWholeSpaceIsAPoolToo) {
    TestPool test(lowest_spec({id_max - 1, id_max}));
    EXPECT_EQ(Outcome(test.allocate(2)), Outcome({id_max - 1, id_max}, 1));
    ASSERT_TRUE(test.release(id_max, 1));
    EXPECT_EQ(Outcome(test.allocate()), Outcome(id_max, 2));
    EXPECT_SOUND(test.pool);
}

// The generation rises only where it must: numbers that were not handed out since it rose last, on
// either side of those that were, have the same one.
TEST(Lowest, TheGenerationRisesWhereANumberMayHaveHadIt) {
    TestPool test(lowest_spec({1, 100}));
    ASSERT_TRUE(test.allocate(10));
    for (const Id id : {3U, 5U, 7U})
        ASSERT_TRUE(test.release(id, 1));
    EXPECT_EQ(Outcome(test.allocate()), Outcome(3, 2));
    EXPECT_EQ(Outcome(test.allocate()), Outcome(5, 2));
    EXPECT_EQ(Outcome(test.allocate()), Outcome(7, 2));
    ASSERT_TRUE(test.release(5, 2));
    EXPECT_EQ(Outcome(test.allocate()), Outcome(5, 3));
    EXPECT_SOUND(test.pool);
}

TEST(Lowest, AnOldGenerationIsRefusedByItsName) {
    TestPool test(lowest_spec({1, 10}));
    ASSERT_TRUE(test.allocate());
    ASSERT_TRUE(test.release(1, 1));
    ASSERT_EQ(Outcome(test.allocate()), Outcome(1, 2));
    EXPECT_EQ(test.release(1, 1).error(), Error(Errc::stale_generation, 2));
    EXPECT_EQ(test.pool.lookup(1, 1).error(), Error(Errc::stale_generation, 2));
    EXPECT_EQ(test.pool.lookup(2, 1).error(), Error(Errc::never_allocated, 2));
    ASSERT_TRUE(test.release(1, 2));
    EXPECT_EQ(test.pool.lookup(1, 1).error(), Error(Errc::released, 1));
}

TEST(Lowest, AlignedLeasesBeginAtMultiples) {
    PoolSpec spec = lowest_spec({1, 40});
    spec.align = 4;
    TestPool test(spec);
    EXPECT_EQ(Outcome(test.allocate(3)), Outcome({4, 6}, 1));
    EXPECT_EQ(Outcome(test.allocate(1)), Outcome(8, 1));
    NoGuard nobody_else;
    const auto six = test.pool.allocate(nobody_else, Wish{.count = 1, .align = 6}, 0);
    EXPECT_EQ(Outcome(six), Outcome(12, 1)) << "of both alignments";
    const auto none = test.pool.allocate(nobody_else, Wish{.count = 1, .align = 0}, 0);
    EXPECT_EQ(Outcome(none), Outcome(Error{Errc::align_invalid, align_limit}));
}

// Against a set of all (ID, generation) and a map of what is live.
TEST(Lowest, NeverTwiceAndAlwaysTheLowest) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        TestPool test(lowest_spec({5, 60}));
        std::set<std::pair<Id, std::uint64_t>> seen;
        std::map<Id, std::uint64_t> live;
        for (int step = 0; step < 3'000; ++step) {
            if (random() % 200 == 0) test.unclean_stop();
            if (random() % 2 == 0 && !live.empty()) {
                auto it =
                    std::next(live.begin(), static_cast<std::ptrdiff_t>(random() % live.size()));
                ASSERT_TRUE(test.release(it->first, it->second));
                live.erase(it);
                continue;
            }
            Id expected = 5;
            while (live.contains(expected))
                ++expected;
            const auto granted = test.allocate();
            if (expected > 60) {
                ASSERT_EQ(Outcome(granted), Outcome(Errc::pool_exhausted));
                continue;
            }
            ASSERT_TRUE(granted);
            const Lease lease = granted->lease;
            ASSERT_EQ(lease.range, (Range{expected, expected}));
            ASSERT_TRUE(seen.emplace(expected, lease.generation).second) << expected;
            live[expected] = lease.generation;
        }
        ASSERT_SOUND(test.pool);
    }
}

}  // namespace
}  // namespace inod
