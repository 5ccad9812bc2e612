// A holder comes to its end: all that it held is free from that moment on, whatever is left in the trees.
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "tests/pool/test_pool.h"

namespace inod {
namespace {

void end(TestPool& test, HolderIndex holder) {
    test.tags.end(holder, [&](Value value) { test.pool.leases_died(test.tags.count(value)); });
}

void sweep(TestPool& test, std::size_t visits) {
    test.pool.sweep(visits);
}

TEST(EndOfHolder, WhatItHeldIsFreeAtOnce) {
    TestPool test(cyclic_spec({1, 100}));
    ASSERT_TRUE(test.allocate(10, 1));
    ASSERT_TRUE(test.allocate(10, 2));
    ASSERT_TRUE(test.allocate(10, 1));
    end(test, 1);
    EXPECT_SOUND(test.pool);
    EXPECT_EQ(test.pool.live_count(), (TagCount{.ids = 10, .runs = 1}));
    EXPECT_EQ(test.pool.lookup(5, 0).error(), Error(Errc::released, 5));
    EXPECT_EQ(test.pool.lookup(15, 0)->range, (Range{11, 20}));
    EXPECT_EQ(test.release({1, 10}, 1, 1).error(), Error(Errc::released, 1));
    EXPECT_EQ(test.release({15, 25}, 1, 2).error(), Error(Errc::released, 21));
    EXPECT_EQ(runs_of(test.pool).size(), 1U);
    EXPECT_EQ(Outcome(test.allocate_at({4, 6}, 3)), Outcome({4, 6}, 2));
    EXPECT_SOUND(test.pool);
    EXPECT_EQ(test.pool.lookup(3, 0).error().code, Errc::released);
    sweep(test, 100);
    EXPECT_FALSE(test.pool.has_dead());
    EXPECT_EQ(test.pool.tree().id_count(), 13U);
    EXPECT_SOUND(test.pool);
}

// Its index is another's at once, and that one has nothing of the first.
TEST(EndOfHolder, TheNextWithItsIndexHasNothing) {
    TestPool test(cyclic_spec({1, 100}));
    ASSERT_TRUE(test.allocate(10, 1));
    end(test, 1);
    ASSERT_TRUE(test.allocate(5, 1));
    EXPECT_EQ(test.pool.live_count().ids, 5U);
    EXPECT_EQ(test.release({1, 5}, 1, 1).error().code, Errc::released);
    ASSERT_TRUE(test.release({11, 15}, 1, 1));
    EXPECT_SOUND(test.pool);
}

// Of the tags of a holder that has thousands some stay in the hash table until their IDs are swept out:
// nobody is taken for them, and each goes once.
TEST(EndOfHolder, WithATagForEachIdGoesAsOthersDo) {
    constexpr Id count = 3'000;
    TestPool test({.name = "uid", .policy = Policy::lowest, .range = {1, count + 1}});
    const auto lease_each_anew = [&](HolderIndex holder) {
        for (Id id = 1; id <= count; ++id) {
            const auto first = test.allocate(1, holder);
            ASSERT_TRUE(first);
            ASSERT_TRUE(test.release(first->lease.range, first->lease.generation, holder));
            ASSERT_TRUE(test.allocate(1, holder));
        }
    };
    for (int round = 0; round < 3; ++round) {
        lease_each_anew(1);
        EXPECT_EQ(test.pool.tree().entry_count(), count) << "a generation each";
        end(test, 1);
        EXPECT_SOUND(test.pool);
        EXPECT_EQ(test.pool.live_count(), TagCount());
        EXPECT_EQ(test.pool.dead_runs(), count);
        // The next one of the same index, in the same generation as the last.
        const auto next = test.allocate(1, 1);
        ASSERT_TRUE(next);
        EXPECT_EQ(test.pool.live_count(), (TagCount{.ids = 1, .runs = 1}));
        sweep(test, 2 * count);
        EXPECT_FALSE(test.pool.has_dead());
        EXPECT_EQ(test.pool.live_count(), (TagCount{.ids = 1, .runs = 1}));
        ASSERT_TRUE(test.release(next->lease.range, next->lease.generation, 1));
        EXPECT_EQ(test.pool.tree().id_count(), 0U);
        EXPECT_SOUND(test.pool);
    }
}

TEST(EndOfHolder, AFullPoolSweepsBeforeItRefuses) {
    TestPool test(cyclic_spec({1, 10}));
    ASSERT_TRUE(test.allocate(5, 1));
    ASSERT_TRUE(test.allocate(5, 2));
    EXPECT_EQ(Outcome(test.allocate(1, 3)), Outcome(Errc::pool_exhausted));
    end(test, 1);
    EXPECT_EQ(Outcome(test.allocate(5, 3)), Outcome(Errc::sweep_pending));
    sweep(test, 1);
    EXPECT_EQ(Outcome(test.allocate(5, 3)), Outcome({1, 5}, 2));
    EXPECT_EQ(Outcome(test.allocate(1, 3)), Outcome(Errc::pool_exhausted));
    EXPECT_SOUND(test.pool);
}

TEST(EndOfHolder, ReservingTakesWhatItHeld) {
    TestPool test(cyclic_spec({1, 10}));
    ASSERT_TRUE(test.allocate(5, 1));
    end(test, 1);
    NoGuard nobody_else;
    ASSERT_TRUE(test.pool.reserve(nobody_else, {2, 3}));
    EXPECT_SOUND(test.pool);
    sweep(test, 100);
    EXPECT_EQ(test.pool.next_reserved(0), (Range{2, 3}));
    EXPECT_SOUND(test.pool);
}

TEST(EndOfHolder, AClaimOfReservedIdsEndsToo) {
    TestPool test({.name = "uid", .policy = Policy::lowest, .range = {1, 10}});
    NoGuard nobody_else;
    ASSERT_TRUE(test.pool.reserve(nobody_else, {3, 6}));
    ASSERT_TRUE(test.allocate_at({4, 5}, 1, true));
    end(test, 1);
    EXPECT_EQ(test.pool.lookup(4, 0).error().code, Errc::released);
    EXPECT_SOUND(test.pool);
    ASSERT_TRUE(test.allocate_at({5, 6}, 2, true));
    EXPECT_SOUND(test.pool);
    sweep(test, 100);
    EXPECT_FALSE(test.pool.has_dead());
    EXPECT_EQ(test.pool.lookup(6, 0)->holder, 2U);
    EXPECT_SOUND(test.pool);
}

// A claim takes out what is dead where it lies, but no more at a time than others can wait for.
TEST(EndOfHolder, AClaimOverMuchOfItAsksForASweep) {
    constexpr Id count = 5'000;
    constexpr std::uint64_t at_once = 1'024;
    for (const bool has_quarantine : {false, true}) {
        PoolSpec spec = cyclic_spec({0, 2 * count});
        spec.quarantine_ms = has_quarantine ? 1'000 : 0;
        TestPool test(spec);
        for (Id id = 0; id < count; ++id)
            ASSERT_TRUE(test.allocate_at(2 * id, 1));
        ASSERT_TRUE(test.allocate_at(2 * count, 2));
        end(test, 1);
        std::uint64_t dead = test.pool.dead_runs();
        ASSERT_EQ(dead, count);
        while (dead > 0) {
            const Outcome outcome = test.allocate_at({0, 2 * count - 1}, 3);
            EXPECT_LE(dead - test.pool.dead_runs(), at_once);
            ASSERT_LT(test.pool.dead_runs(), dead) << "it comes to an end";
            const bool is_last = dead <= at_once;
            if (!is_last) {
                EXPECT_EQ(outcome, Outcome(Errc::sweep_pending));
            } else if (has_quarantine) {
                EXPECT_EQ(outcome, Outcome(Error{Errc::id_resting, 0}));
            } else {
                EXPECT_EQ(outcome.lease.range, (Range{0, 2 * count - 1}));
            }
            dead = test.pool.dead_runs();
            EXPECT_SOUND(test.pool);
        }
    }
}

// What is live is found without taking out what is dead behind it.
TEST(EndOfHolder, AClaimOfWhatIsLiveAsksForNoSweep) {
    TestPool test(cyclic_spec({0, 10'000}));
    ASSERT_TRUE(test.allocate_at(0, 2));
    for (Id id = 1; id < 5'000; ++id)
        ASSERT_TRUE(test.allocate_at(2 * id, 1));
    end(test, 1);
    EXPECT_EQ(Outcome(test.allocate_at({0, 10'000}, 3)), Outcome(Error{Errc::id_taken, 0}));
    EXPECT_EQ(test.pool.dead_runs(), 4'999U);
}

// Where much is to be swept, walking over it is put off.
TEST(EndOfHolder, WalkingOverMuchOfItAsksForASweep) {
    TestPool test(unique_spec({1, 1'000'000}));
    for (int i = 0; i < 5'000; ++i) {
        ASSERT_TRUE(test.allocate(1, 1));
        ASSERT_TRUE(test.allocate(1, 2));
    }
    ASSERT_TRUE(test.allocate(1, 3));
    end(test, 1);
    end(test, 2);
    EXPECT_EQ(test.pool.next(0).error().code, Errc::sweep_pending);
    std::size_t slices = 0;
    while (test.pool.has_dead()) {
        sweep(test, 1'000);
        ++slices;
    }
    EXPECT_GE(slices, 10U) << "each has looked at a thousand entries";
    EXPECT_EQ(test.pool.next(0)->range, (Range{10'001, 10'001}));
    EXPECT_SOUND(test.pool);
}

// Everything at random beside a map, ends and slices of sweeps in between.
TEST(EndOfHolder, AgainstAModel) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        const auto policy = static_cast<Policy>(1 + seed % 3);
        TestPool test({.name = "pool",
                       .policy = policy,
                       .range = {1, policy == Policy::unique ? 50'000U : 300U}});
        struct Known {
            HolderIndex holder;
            std::uint64_t generation;
        };
        std::map<Id, Known> live;
        std::set<std::pair<Id, std::uint64_t>> seen;
        const auto take = [&](const Granted& granted, HolderIndex holder) {
            const Lease& lease = granted.lease;
            for (Id id = lease.range.first; id <= lease.range.last; ++id) {
                ASSERT_TRUE(seen.emplace(id, lease.generation).second) << id;
                ASSERT_TRUE(live.emplace(id, Known{holder, lease.generation}).second) << id;
            }
        };
        for (int step = 0; step < 2'000; ++step) {
            const auto holder = static_cast<HolderIndex>(random() % 12);
            switch (random() % 10) {
                case 0:
                    end(test, holder);
                    std::erase_if(live, [&](const auto& it) { return it.second.holder == holder; });
                    break;
                case 1: sweep(test, random() % 40); break;
                case 2:
                case 3: {
                    const Id id = 1 + random() % 300;
                    const auto known = live.find(id);
                    const auto released = test.release(
                        id, known != live.end() ? known->second.generation : 1, holder);
                    ASSERT_EQ(released.has_value(),
                              known != live.end() && known->second.holder == holder);
                    if (released) live.erase(known);
                    break;
                }
                case 4: {
                    const Id first = 1 + random() % 290;
                    const Range range{first, first + random() % 4};
                    if (const auto claimed = test.allocate_at(range, holder))
                        take(*claimed, holder);
                    break;
                }
                default: {
                    auto granted = test.allocate(1 + random() % 5, holder);
                    while (!granted && granted.error().code == Errc::sweep_pending) {
                        sweep(test, 7);
                        granted = test.allocate(1 + random() % 5, holder);
                    }
                    if (granted) take(*granted, holder);
                }
            }
            if (step % 50 == 0) {
                ASSERT_SOUND(test.pool);
            }
            const Id asked = 1 + random() % 300;
            const auto found = test.pool.lookup(asked, 0);
            const auto known = live.find(asked);
            ASSERT_EQ(found.has_value(), known != live.end()) << asked;
            const auto first_seen = seen.lower_bound({asked, 0});
            if (found) {
                ASSERT_EQ(found->holder, known->second.holder);
            } else if (first_seen != seen.end() && first_seen->first == asked) {
                ASSERT_EQ(found.error().code, Errc::released);
            }
        }
        std::uint64_t ids = 0;
        for (const LiveRun& run : runs_of(test.pool))
            ids += run.range.count();
        ASSERT_EQ(ids, live.size());
        ASSERT_EQ(test.pool.live_count().ids, live.size());
    }
}

}  // namespace
}  // namespace inod
