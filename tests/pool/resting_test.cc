// A pool in which released numbers rest before they are handed out again.
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "tests/pool/test_pool.h"

namespace inod {
namespace {

class RestingTest : public testing::Test {
protected:
    static PoolSpec spec(Policy policy, Range range, std::uint64_t rest_ms, bool yields = false) {
        PoolSpec spec{.name = "pid", .policy = policy, .range = range};
        spec.quarantine_ms = rest_ms;
        spec.quarantine_yields = yields;
        return spec;
    }
    Pool& make(const PoolSpec& made) {
        pool = std::make_unique<Pool>(made, next_index++, tags, budget, now);
        return *pool;
    }
    Result<Granted> allocate(std::uint64_t count = 1, HolderIndex holder = 0) {
        NoGuard nobody_else;
        return pool->allocate(nobody_else, Wish{.count = count}, holder);
    }
    // Of other pools it had something too.
    void end(HolderIndex holder) {
        tags.end(holder, [&](Value value) {
            if (tags.pool_of(value) + 1 == next_index) pool->leases_died(tags.count(value));
        });
    }
    Result<Granted> allocate_at(Range range) {
        NoGuard nobody_else;
        return pool->allocate_at(nobody_else, range, 0);
    }

    MemoryBudget budget{std::uint64_t{1} << 30U};
    Tags tags{budget};
    BootTime now = 1'000;
    PoolIndex next_index = 0;
    std::unique_ptr<Pool> pool;
};

TEST_F(RestingTest, AReleasedNumberRestsItsTimeAndNoLonger) {
    make(spec(Policy::lowest, {1, 3}, 500));
    ASSERT_TRUE(allocate(3));
    ASSERT_TRUE(pool->release({2, 2}, 1, 0));
    EXPECT_EQ(pool->lookup(2, 0).error(), Error(Errc::released, 2));
    EXPECT_EQ(pool->release({2, 2}, 1, 0).error(), Error(Errc::released, 2));
    EXPECT_EQ(allocate().error(), Error(Errc::pool_exhausted, 500)) << "says how long";
    EXPECT_EQ(allocate_at({2, 2}).error(), Error(Errc::id_resting, 2));
    now = 1'499;
    EXPECT_EQ(allocate().error(), Error(Errc::pool_exhausted, 1));
    EXPECT_SOUND(*pool);
    now = 1'500;
    EXPECT_EQ(Outcome(allocate()), Outcome(2, 2));
    EXPECT_EQ(allocate().error(), Error(Errc::pool_exhausted, 0)) << "nothing rests";
    EXPECT_SOUND(*pool);
}

// Though no search has come by since.
TEST_F(RestingTest, WhatHasRestedIsFreeForWhoeverNamesIt) {
    make(spec(Policy::lowest, {1, 4}, 500));
    NoGuard nobody_else;
    ASSERT_TRUE(allocate(4));
    ASSERT_TRUE(pool->release({2, 3}, 1, 0));
    now = 1'499;
    EXPECT_EQ(allocate_at({2, 2}).error(), Error(Errc::id_resting, 2));
    EXPECT_EQ(pool->reserve(nobody_else, {3, 3}).error(), Error(Errc::id_resting, 3));
    now = 1'500;
    EXPECT_TRUE(allocate_at({2, 2}));
    ASSERT_TRUE(pool->release({4, 4}, 1, 0));
    now = 2'000;
    EXPECT_TRUE(pool->reserve(nobody_else, {3, 4}));
    EXPECT_SOUND(*pool);
}

TEST_F(RestingTest, TheOldestGoFirstWhereThePoolYields) {
    make(spec(Policy::cyclic, {1, 3}, 500, true));
    ASSERT_TRUE(allocate(3));
    ASSERT_TRUE(pool->release({3, 3}, 1, 0));
    now += 10;
    ASSERT_TRUE(pool->release({1, 1}, 1, 0));
    EXPECT_EQ(Outcome(allocate()), Outcome(3, 2));
    EXPECT_EQ(Outcome(allocate()), Outcome(1, 3));
    EXPECT_EQ(Outcome(allocate()).error.code, Errc::pool_exhausted);
    EXPECT_SOUND(*pool);
}

// Whoever asks for what the pool cannot have ends nobody's rest.
TEST_F(RestingTest, NoRestEndsEarlyForWhatFindsNoRoomAnyway) {
    make(spec(Policy::cyclic, {1, 100}, 500, true));
    NoGuard nobody_else;
    ASSERT_TRUE(pool->reserve(nobody_else, {71, 72}));
    ASSERT_TRUE(allocate(70));
    ASSERT_TRUE(allocate(28));
    for (Id id = 1; id <= 60; id += 2)
        ASSERT_TRUE(pool->release({id, id}, 1, 0));
    ASSERT_TRUE(pool->release({69, 70}, 1, 0));
    ASSERT_TRUE(pool->release({73, 76}, 1, 0));
    const std::uint64_t resting = pool->resting_count();
    const auto asked = [&](const Wish& wish) {
        return pool->allocate(nobody_else, wish, 0).error();
    };
    EXPECT_EQ(asked({.count = 5}), Error(Errc::pool_exhausted, 500)) << "69 to 76, but for 71";
    EXPECT_EQ(asked({.count = 101}), Error(Errc::pool_exhausted, 500)) << "more than there are";
    EXPECT_EQ(asked({.count = 1, .align = 64}), Error(Errc::pool_exhausted, 500)) << "64 is live";
    EXPECT_EQ(asked({.count = 1, .align = 72}), Error(Errc::pool_exhausted, 500)) << "reserved";
    EXPECT_EQ(pool->resting_count(), resting);
    EXPECT_EQ(Outcome(allocate(4)), Outcome({73, 76}, 2));
    EXPECT_LT(pool->resting_count(), resting);
    EXPECT_SOUND(*pool);
}

TEST_F(RestingTest, WhatAnEndedHolderHeldRestsToo) {
    make(spec(Policy::lowest, {1, 4}, 500));
    ASSERT_TRUE(allocate(2, 1));
    ASSERT_TRUE(allocate(2, 2));
    end(1);
    EXPECT_EQ(allocate().error().code, Errc::sweep_pending);
    std::size_t visits = 100;
    pool->sweep(visits);
    EXPECT_SOUND(*pool);
    EXPECT_EQ(allocate().error(), Error(Errc::pool_exhausted, 500));
    now += 500;
    EXPECT_EQ(Outcome(allocate(2)), Outcome({1, 2}, 2));
    EXPECT_SOUND(*pool);
}

TEST_F(RestingTest, ReservedIdsAreKeptOutOfIt) {
    make(spec(Policy::lowest, {1, 6}, 500));
    NoGuard nobody_else;
    ASSERT_TRUE(pool->reserve(nobody_else, {2, 3}));
    ASSERT_TRUE(allocate(3));
    EXPECT_EQ(pool->lookup(4, 0)->range, (Range{4, 6}));
    ASSERT_TRUE(pool->allocate_at(nobody_else, {3, 3}, 0, true));
    const std::uint64_t generation = pool->lookup(3, 0)->generation;
    ASSERT_TRUE(pool->release({3, 3}, generation, 0));
    ASSERT_TRUE(pool->allocate_at(nobody_else, {3, 3}, 0, true)) << "reserved, it does not rest";
    ASSERT_TRUE(pool->release({4, 4}, 1, 0));
    EXPECT_EQ(pool->reserve(nobody_else, {4, 4}).error(), Error(Errc::id_resting, 4));
    EXPECT_EQ(allocate_at({3, 4}).error(), Error(Errc::id_taken, 3));
    EXPECT_EQ(allocate_at({2, 4}).error(), Error(Errc::id_taken, 3));
    ASSERT_TRUE(pool->release({3, 3}, pool->lookup(3, 0)->generation, 0));
    EXPECT_EQ(allocate_at({3, 4}).error(), Error(Errc::id_reserved, 3)) << "that comes first";
    EXPECT_SOUND(*pool);
}

// In pieces of few entries, whatever is live in front of it or in between.
TEST_F(RestingTest, ASnapshotHasAllThatRestsOrIsToRestStill) {
    for (const std::size_t visits_per_piece : {1U, 2U, 3U, 7U, 1'000U}) {
        SCOPED_TRACE(visits_per_piece);
        std::mt19937_64 random(visits_per_piece);
        make(spec(Policy::cyclic, {1, 4'000}, 500));
        for (Id id = 1; id <= 3'000; ++id)
            ASSERT_TRUE(allocate(1, static_cast<HolderIndex>(random() % 5)));
        std::set<Id> expected;
        for (Id id = 1; id <= 3'000; ++id) {
            const HolderIndex holder = pool->lookup(id, 0)->holder;
            if (holder == 4) expected.insert(id);
            if (holder == 4 || random() % 3 > 0) continue;
            ASSERT_TRUE(pool->release({id, id}, 1, holder));
            expected.insert(id);
        }
        end(4);
        std::set<Id> saved;
        std::size_t piece_count = 0;
        for (Id from = 0;; ++piece_count) {
            std::vector<std::byte> memory(984);
            RunWriter writer(memory, from, 0);
            std::size_t visits_left = visits_per_piece;
            const Id covered = pool->save_resting(from, writer, visits_left);
            ASSERT_GE(covered, from);
            RunReader items(writer.finish(), from, 0);
            while (const auto run = items.next()) {
                ASSERT_LE(run->range.last, covered);
                for (Id id = run->range.first; id <= run->range.last; ++id)
                    ASSERT_TRUE(saved.insert(id).second) << id;
            }
            if (covered == id_max) break;
            from = covered + 1;
        }
        EXPECT_EQ(saved, expected);
        EXPECT_LE(piece_count, 2 * 3'000 / visits_per_piece + 10) << "each comes further";
    }
}

// Beside a map of what was released when: no number comes back early, (ID, generation) never.
TEST_F(RestingTest, AgainstAModel) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        now = 1'000;
        const Policy policy = seed % 2 == 0 ? Policy::lowest : Policy::cyclic;
        make(spec(policy, {1, 120}, 300));
        std::map<Id, BootTime> released_at;
        std::map<Id, std::pair<std::uint64_t, HolderIndex>> live;
        std::set<std::pair<Id, std::uint64_t>> seen;
        for (int step = 0; step < 2'500; ++step) {
            now += random() % 9;
            const auto holder = static_cast<HolderIndex>(random() % 6);
            const auto leave = [&](Id id) { released_at[id] = now; };
            switch (random() % 9) {
                case 0:
                    end(holder);
                    std::erase_if(live, [&](const auto& it) {
                        if (it.second.second != holder) return false;
                        leave(it.first);
                        return true;
                    });
                    break;
                case 1:
                case 2:
                case 3: {
                    if (live.empty()) break;
                    const auto it = std::next(live.begin(),
                                              static_cast<std::ptrdiff_t>(random() % live.size()));
                    const auto [generation, own] = it->second;
                    ASSERT_TRUE(pool->release({it->first, it->first}, generation, own));
                    leave(it->first);
                    live.erase(it);
                    break;
                }
                case 4: {
                    std::size_t visits = random() % 30;
                    pool->sweep(visits);
                    break;
                }
                default: {
                    const auto granted = allocate(1 + random() % 3, holder);
                    if (!granted) break;
                    const Lease lease = granted->lease;
                    for (Id id = lease.range.first; id <= lease.range.last; ++id) {
                        ASSERT_TRUE(seen.emplace(id, lease.generation).second) << id;
                        ASSERT_FALSE(live.contains(id)) << id;
                        const auto left = released_at.find(id);
                        if (left != released_at.end()) {
                            ASSERT_GE(now, left->second + 300) << id;
                        }
                        live[id] = {lease.generation, holder};
                    }
                }
            }
            if (step % 25 == 0) {
                ASSERT_SOUND(*pool);
            }
            ASSERT_EQ(pool->live_count().ids, live.size());
        }
    }
}

}  // namespace
}  // namespace inod
