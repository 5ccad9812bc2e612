// Pools of the policy `unique`: ascending, no number a second time.
#include "tests/pool/test_pool.h"

namespace inod {
namespace {

TEST(UniquePool, AscendsAndNeverReuses) {
    TestPool test(unique_spec({1, 100}));
    EXPECT_EQ(Outcome(test.allocate()), Outcome(1, 0));
    EXPECT_EQ(Outcome(test.allocate(3)), Outcome(Range{2, 4}, 0));
    ASSERT_TRUE(test.release({1, 4}));
    EXPECT_EQ(Outcome(test.allocate()), Outcome(5, 0));
    EXPECT_EQ(Outcome(test.allocate_at(3)), Outcome(Error{Errc::id_burned, 3}));
    EXPECT_SOUND(test.pool);
}

// What an alignment passes over never comes back: not more than a lease may take.
TEST(UniquePool, BurnsNoMoreForAnAlignmentThanForALease) {
    PoolSpec spec = unique_spec({1, 100'000});
    spec.lease_count_max = 64;
    spec.align = 2;
    TestPool test(spec);
    NoGuard nobody_else;
    const auto allocate = [&](std::uint64_t align) {
        return Outcome(test.pool.allocate(nobody_else, Wish{.count = 1, .align = align}, 0));
    };
    EXPECT_EQ(allocate(64), Outcome(64, 0));
    for (const std::uint64_t align : {63U, 65U, 128U})
        EXPECT_EQ(allocate(align), Outcome(Error{Errc::align_invalid, 64})) << align;
    EXPECT_EQ(allocate(31), Outcome(124, 0)) << "of both alignments";

    spec.align = 4'096;
    TestPool coarse(spec);
    EXPECT_EQ(Outcome(coarse.pool.allocate(nobody_else, Wish{.count = 1, .align = 512}, 0)),
              Outcome(4'096, 0))
        << "what the administrator wants is no harm";
    EXPECT_SOUND(test.pool);
}

TEST(UniquePool, EndsAtMaxAndNeverWraps) {
    struct Case {
        const char* name;
        Range range;
    };
    const Case cases[] = {
        {"from 0", {0, 4}},
        {"in the middle", {1000, 1004}},
        {"up to the last ID of all", {id_max - 4, id_max}},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        TestPool test(unique_spec(c.range));
        for (Id offset = 0; offset < 4; ++offset)
            EXPECT_EQ(Outcome(test.allocate()), Outcome(c.range.first + offset, 0));
        EXPECT_EQ(Outcome(test.allocate(2)), Outcome(Errc::pool_exhausted)) << "one ID is left";
        EXPECT_EQ(Outcome(test.allocate()), Outcome(c.range.last, 0));
        for (int again = 0; again < 3; ++again)
            EXPECT_EQ(Outcome(test.allocate()), Outcome(Errc::pool_exhausted));
        ASSERT_TRUE(test.release(c.range));
        EXPECT_EQ(Outcome(test.allocate()), Outcome(Errc::pool_exhausted)) << "all are used up";
        EXPECT_EQ(Outcome(test.allocate_at(c.range.last)),
                  Outcome(Error{Errc::id_burned, c.range.last}));
        EXPECT_SOUND(test.pool);
        EXPECT_EQ(test.pool.live_count().runs, 0U);
    }
}

TEST(UniquePool, HasAPoolOfOneId) {
    for (const Id id : {Id{0}, Id{7}, id_max}) {
        TestPool test(unique_spec({id, id}));
        EXPECT_EQ(Outcome(test.allocate()), Outcome(id, 0));
        EXPECT_EQ(Outcome(test.allocate()), Outcome(Errc::pool_exhausted));
        test.unclean_stop();
        EXPECT_EQ(Outcome(test.allocate()), Outcome(Errc::pool_exhausted));
        EXPECT_SOUND(test.pool);
    }
}

TEST(UniquePool, RefusesCounts) {
    PoolSpec spec = unique_spec({1, 100});
    spec.lease_count_max = 10;
    TestPool test(spec);
    EXPECT_EQ(Outcome(test.allocate(0)), Outcome(Errc::count_zero));
    EXPECT_EQ(Outcome(test.allocate(11)), Outcome(Error{Errc::lease_too_large, 10}));
    EXPECT_EQ(Outcome(test.allocate(id_max)), Outcome(Error{Errc::lease_too_large, 10}));
    EXPECT_EQ(Outcome(test.allocate_at(Range{1, 11})), Outcome(Error{Errc::lease_too_large, 10}));
    EXPECT_EQ(Outcome(test.allocate_at(whole_space)), Outcome(Error{Errc::lease_too_large, 10}));
    EXPECT_EQ(Outcome(test.allocate(10)), Outcome(Range{1, 10}, 0));
}

TEST(UniquePool, MovesItsMarkAheadInStrides) {
    constexpr std::uint64_t million = 1'000'000;
    struct Case {
        const char* name;
        Range range;
        Durability durability;
        std::optional<Id> mark;  // recorded for the first ID
        bool waits;              // until it is durable, before there is a first ID
    };
    const Case cases[] = {
        {"a huge pool", {1, id_max}, Durability::lease, 1 + stride_min, true},
        {"the same in blocks", {1, id_max}, Durability::block, 1 + stride_min, true},
        {"from 0", {0, id_max}, Durability::lease, stride_min, true},
        {"a millionth of what is left", {1, 1 + 7 * million}, Durability::lease, 1 + 7, true},
        {"a million left", {1, 1 + million}, Durability::lease, 2, true},
        {"under a million left", {1, million}, Durability::lease, std::nullopt, false},
        {"under a million left, in blocks", {1, million}, Durability::block, 1, false},
        {"the last ID", {id_max, id_max}, Durability::lease, std::nullopt, false},
        {"the last ID, in blocks", {id_max, id_max}, Durability::block, id_max, false},
        {"near the end",
         {id_max - 2 * million, id_max},
         Durability::lease,
         id_max - 2 * million + 2,
         true},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        TestPool test(unique_spec(c.range, c.durability));
        const auto granted = test.allocate_unsettled();
        if (c.waits) {
            EXPECT_EQ(Outcome(granted), Outcome(Error{Errc::block_pending, *c.mark}));
            EXPECT_EQ(Outcome(test.allocate_unsettled()), Outcome(granted)) << "recorded once";
            test.pool.settle_mark();
            EXPECT_EQ(Outcome(test.allocate_unsettled()), Outcome(c.range.first, 0));
        } else {
            ASSERT_TRUE(granted.has_value());
            EXPECT_EQ(granted->mark, c.mark);
        }
    }
}

TEST(UniquePool, TakesAStrideForTheRequestAtLeast) {
    PoolSpec spec = unique_spec({1, 3'000'000});
    spec.lease_count_max = 2'000'000;
    TestPool test(spec);
    EXPECT_EQ(Outcome(test.allocate_unsettled(1'500'000)),
              Outcome(Error{Errc::block_pending, 1'500'001}));
    test.pool.settle_mark();
    EXPECT_EQ(Outcome(test.allocate_unsettled(1'500'000)), Outcome(Range{1, 1'500'000}, 0));
    EXPECT_EQ(Outcome(test.allocate_unsettled(1'500'000)), Outcome(Range{1'500'001, 3'000'000}, 0))
        << "nothing is left after it, so it takes no stride";
}

// Everybody who was made to wait finds room in the next stride, and the one after that grows.
TEST(UniquePool, SizesItsStrideByWhatIsAskedForMeanwhile) {
    TestPool test(unique_spec({1, id_max}));
    for (int i = 0; i < 100; ++i)
        ASSERT_EQ(test.allocate_unsettled(10'000).error().code, Errc::block_pending);
    EXPECT_EQ(*test.pool.sequence().mark, 10'000 + stride_min);
    test.pool.settle_mark();
    EXPECT_EQ(test.allocate_unsettled(10'000)->mark, 10'000 + 4 * 100 * 10'000);
    test.pool.settle_mark();
    for (int i = 1; i < 100; ++i)
        ASSERT_TRUE(test.allocate_unsettled(10'000)) << i;
}

// Promise: what is handed out is never above the settled mark, and nobody waits for that once the
// pool has seen the rate.
TEST(UniquePool, IsNeverAheadOfItsMark) {
    TestPool test(unique_spec({1, id_max}, Durability::block));
    ASSERT_TRUE(test.allocate());
    std::uint64_t marks = 0;
    std::uint64_t waits = 0;
    std::uint64_t last_wait = 0;
    for (std::uint64_t i = 0; i < 20'000; ++i) {
        const auto granted = test.allocate_unsettled(1 + i % 1'000);
        if (granted) {
            ASSERT_LE(granted->lease.range.last, *test.pool.settled_mark());
            marks += granted->mark ? 1U : 0U;
            if (granted->mark) {
                EXPECT_GT(*granted->mark, *test.pool.settled_mark());
            }
        } else {
            ASSERT_EQ(granted.error().code, Errc::block_pending);
            ++waits;
            last_wait = i;
        }
        if (!granted || i % 100 == 0) test.pool.settle_mark();
    }
    // A hundred requests are 50,000 IDs, so a stride comes to 200,000 or so of 10,000,000.
    EXPECT_LT(marks, 200U);
    EXPECT_GT(marks, 30U);
    // Who waits has seen half a stride asked for, so that the next one is twice as long or more:
    // 32,768 takes 2 doublings to come to twice 50,000.
    EXPECT_LE(waits, 3U);
    EXPECT_LT(last_wait, 1'000U);
}

TEST(UniquePool, SkipsClaimsAheadOfIt) {
    TestPool test(unique_spec({1, 20}));
    EXPECT_EQ(Outcome(test.allocate_at(Range{3, 4}, 1)), Outcome(Range{3, 4}, 0));
    EXPECT_EQ(Outcome(test.allocate_at(9, 1)), Outcome(9, 0));
    EXPECT_EQ(Outcome(test.allocate_at(4, 1)), Outcome(Error{Errc::id_taken, 4}));
    EXPECT_EQ(Outcome(test.allocate_at(Range{1, 5}, 2)), Outcome(Error{Errc::id_taken, 3}));
    ASSERT_TRUE(test.release(9, 0, 1));
    EXPECT_EQ(Outcome(test.allocate_at(9)), Outcome(Error{Errc::id_burned, 9})) << "was claimed";
    EXPECT_EQ(Outcome(test.allocate_at(Range{8, 10})), Outcome(Error{Errc::id_burned, 9}));

    EXPECT_EQ(Outcome(test.allocate()), Outcome(1, 0));
    EXPECT_EQ(Outcome(test.allocate(2)), Outcome(Range{5, 6}, 0)) << "2 alone is too few";
    EXPECT_EQ(Outcome(test.allocate_at(2)), Outcome(Error{Errc::id_burned, 2})) << "passed over";
    EXPECT_EQ(Outcome(test.allocate(2)), Outcome(Range{7, 8}, 0));
    EXPECT_EQ(Outcome(test.allocate()), Outcome(10, 0)) << "9 was claimed and released";
    EXPECT_EQ(Outcome(test.allocate_at(Range{11, 11})), Outcome(11, 0)) << "at the cursor";
    EXPECT_EQ(Outcome(test.allocate()), Outcome(12, 0));
    EXPECT_SOUND(test.pool);
}

TEST(UniquePool, CanBeClaimedToItsEnd) {
    TestPool test(unique_spec({id_max - 9, id_max}));
    EXPECT_EQ(Outcome(test.allocate_at(Range{id_max - 7, id_max})),
              Outcome(Range{id_max - 7, id_max}, 0));
    EXPECT_EQ(Outcome(test.allocate(3)), Outcome(Errc::pool_exhausted));
    EXPECT_EQ(Outcome(test.allocate(2)), Outcome(Range{id_max - 9, id_max - 8}, 0));
    EXPECT_EQ(Outcome(test.allocate()), Outcome(Errc::pool_exhausted));
    EXPECT_SOUND(test.pool);
}

TEST(UniquePool, ClaimsOnlyInsideIt) {
    TestPool test(unique_spec({10, 20}));
    EXPECT_EQ(Outcome(test.allocate_at(Range{12, 11})), Outcome(Error{Errc::range_reversed, 12}));
    EXPECT_EQ(Outcome(test.allocate_at(Range{9, 10})), Outcome(Error{Errc::id_out_of_range, 9}));
    EXPECT_EQ(Outcome(test.allocate_at(Range{20, 22})), Outcome(Error{Errc::id_out_of_range, 21}));
    EXPECT_EQ(Outcome(test.allocate_at(Range{30, 31})), Outcome(Error{Errc::id_out_of_range, 30}));
    EXPECT_EQ(Outcome(test.allocate_at(id_max)), Outcome(Error{Errc::id_out_of_range, id_max}));
    EXPECT_EQ(Outcome(test.allocate_at(0)), Outcome(Error{Errc::id_out_of_range, 0}));
}

TEST(UniquePool, GoesOnAboveItsMarkAfterAnUncleanStop) {
    for (const Durability durability : {Durability::lease, Durability::block}) {
        SCOPED_TRACE(name(durability));
        TestPool test(unique_spec({1, id_max}, durability));
        ASSERT_TRUE(test.allocate(5));
        ASSERT_TRUE(test.allocate_at(Range{10'000, 10'001}, 2)) << "below the mark";
        ASSERT_TRUE(test.allocate_at(Range{70'000, 70'001}, 2)) << "above it";
        const Id mark = *test.pool.sequence().mark;
        test.unclean_stop();
        EXPECT_SOUND(test.pool);

        EXPECT_EQ(Outcome(test.allocate_at(mark)), Outcome(Error{Errc::id_burned, mark}));
        EXPECT_EQ(Outcome(test.allocate()), Outcome(mark + 1, 0));
        EXPECT_EQ(test.pool.lookup(mark, 0).error(), Error(Errc::released, mark)) << "burned";
        EXPECT_EQ(test.pool.lookup(70'002, 0).error(), Error(Errc::never_allocated, 70'002));
        EXPECT_EQ(Outcome(test.allocate(65'000)), Outcome(Range{70'002, 135'001}, 0));
        // Claims are durable everywhere; other leases only where each has its record.
        EXPECT_TRUE(test.pool.lookup(10'000, 0).has_value());
        EXPECT_TRUE(test.pool.lookup(70'001, 0).has_value());
        EXPECT_EQ(test.pool.lookup(1, 0).has_value(), durability == Durability::lease);
        EXPECT_SOUND(test.pool);
    }
}

TEST(UniquePool, AfterAnUncleanStopWithoutAStrideNothingIsBurned) {
    TestPool test(unique_spec({1, 1'000}));
    ASSERT_TRUE(test.allocate(5));
    test.unclean_stop();
    test.unclean_stop();
    EXPECT_EQ(Outcome(test.allocate()), Outcome(6, 0));

    TestPool untouched(unique_spec({1, id_max}));
    untouched.unclean_stop();
    EXPECT_EQ(Outcome(untouched.allocate()), Outcome(1, 0));
}

TEST(UniquePool, SkipsAheadOfItsMark) {
    struct Case {
        const char* name;
        Range range;
        std::uint64_t allocated;
        std::uint64_t count;
        std::optional<Id> want;  // where it goes on
    };
    const Case cases[] = {
        {"nothing handed out", {5, 1'000}, 0, 10, 15},
        {"at least above the mark", {1, id_max}, 3, 0, 3 + stride_min + 1},
        {"and so many more", {1, id_max}, 3, 100, 3 + stride_min + 101},
        {"without a stride", {1, 1'000}, 3, 100, 104},
        {"up to the last but one", {0, 9}, 3, 6, 9},
        {"up to the last", {0, 9}, 3, 7, std::nullopt},
        {"further than there is", {0, 9}, 3, id_max, std::nullopt},
        {"all there can be", whole_space, 0, id_max, id_max},
        {"all but the first", {1, id_max}, 0, id_max, std::nullopt},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        TestPool test(unique_spec(c.range));
        if (c.allocated > 0) {
            ASSERT_TRUE(test.allocate(c.allocated));
        }
        test.pool.skip_ahead(c.count);
        EXPECT_SOUND(test.pool);
        EXPECT_EQ(Outcome(test.allocate()),
                  c.want ? Outcome(*c.want, 0) : Outcome(Errc::pool_exhausted));
        EXPECT_EQ(test.pool.live_count().ids, c.allocated + (c.want ? 1 : 0));
    }
}

TEST(UniquePool, SkipsAboveWhatItIsTold) {
    TestPool test(unique_spec({10, 99}));
    ASSERT_TRUE(test.allocate(5));
    test.pool.skip_above(12);
    EXPECT_EQ(Outcome(test.allocate()), Outcome(15, 0)) << "never back";
    test.pool.skip_above(20);
    EXPECT_EQ(Outcome(test.allocate()), Outcome(21, 0));
    EXPECT_EQ(Outcome(test.allocate_at(20)), Outcome(Error{Errc::id_burned, 20}));
    test.pool.skip_above(id_max);
    EXPECT_EQ(Outcome(test.allocate()), Outcome(Errc::pool_exhausted));
    EXPECT_SOUND(test.pool);
}

TEST(UniquePool, GoesOnWhenItsMaxMovesUp) {
    TestPool test(unique_spec({1, 3}));
    ASSERT_TRUE(test.allocate(3));
    ASSERT_TRUE(test.release({1, 2}));
    EXPECT_EQ(Outcome(test.allocate()), Outcome(Errc::pool_exhausted));
    test.pool.widen(5);
    EXPECT_EQ(Outcome(test.allocate()), Outcome(4, 0));
    EXPECT_EQ(Outcome(test.allocate(2)), Outcome(Errc::pool_exhausted));
    test.pool.widen(id_max);
    EXPECT_EQ(Outcome(test.allocate(2)), Outcome(Range{5, 6}, 0));
    EXPECT_EQ(test.pool.spec().range, (Range{1, id_max}));
    EXPECT_SOUND(test.pool);
}

}  // namespace
}  // namespace inod
