// What is said of a rest in lib/pool/quarantine.h, case by case. Long random stories are told by
// quarantine_model_test.cc.
#include "lib/pool/quarantine.h"

#include <algorithm>
#include <functional>
#include <random>
#include <vector>

#include "tests/tree/support.h"

namespace inod {
namespace {

constexpr std::uint64_t rest_ms = 1'000;

// A quarantine and the tree of what is live that its pool would have.
struct TestQuarantine {
    explicit TestQuarantine(std::uint64_t memory_max = budget_of_tests) : budget(memory_max) {}

    [[nodiscard]] Result<> lease(Range range) {
        NoGuard nobody_else;
        if (auto room = quarantine.prepare(nobody_else, range); !room) return room;
        hold(range);
        return {};
    }
    // After prepare().
    void hold(Range range) {
        quarantine.store(range);
        store_merged(live, range, 1);
    }
    void release(Range range, std::uint64_t until) {
        live.erase(range);
        quarantine.rest(range, until);
    }
    void release(Id id, std::uint64_t until) { release(Range{id, id}, until); }
    [[nodiscard]] bool is_occupied(Id id) const { return quarantine.occupied().load(id) != 0; }
    [[nodiscard]] std::vector<Range> resting() const {
        std::vector<Range> ranges;
        for (Id from = 0;;) {
            std::size_t visits = SIZE_MAX;
            const auto next = quarantine.next_resting({from, id_max}, live, visits);
            if (next.range) ranges.push_back(*next.range);
            if (next.looked_to == id_max) return ranges;
            from = next.looked_to + 1;
        }
    }

    MemoryBudget budget;
    RefusingMemory memory;
    Quarantine quarantine{rest_ms, budget, memory};
    MemoryBudget live_budget{budget_of_tests};
    RangeTree live{live_budget};
};

#define EXPECT_RESTS_SOUND(test) \
    EXPECT_EQ((test).quarantine.verify((test).live).value_or("sound"), "sound")

TEST(Quarantine, ARestLastsToTheMillisecond) {
    struct Case {
        const char* name;
        std::uint64_t released_at;
        std::uint64_t still_rests;
        std::uint64_t is_free;
    };
    // clang-format off
    const Case cases[] = {
        {"when the clock begins", 0,             999,                 1'000},
        {"later",                 123'456'789,   123'457'788,         123'457'789},
        {"at 32 bits",            0xFFFF'FFFF,   0xFFFF'FFFF + 999UL, 0xFFFF'FFFF + 1'000UL},
        {"at the end of time",    RestQueue::forever - 1'001,
                                  RestQueue::forever - 2, RestQueue::forever - 1},
    };
    // clang-format on
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        TestQuarantine test;
        ASSERT_TRUE(test.lease({7, 9}));
        test.release({7, 9}, test.quarantine.end_of_rest(c.released_at));
        EXPECT_EQ(test.quarantine.next_end(), c.is_free);
        EXPECT_FALSE(test.quarantine.end_rests(c.still_rests, 10));
        EXPECT_EQ(test.resting(), (std::vector{Range{7, 9}}));
        EXPECT_FALSE(test.quarantine.end_rests(c.is_free, 10));
        EXPECT_EQ(test.quarantine.occupied().entry_count(), 0U);
        EXPECT_EQ(test.quarantine.resting_count(), 0U);
        EXPECT_RESTS_SOUND(test);
    }
}

TEST(Quarantine, ATimeBehindTheEndOfTimeNeverComes) {
    TestQuarantine test;
    ASSERT_TRUE(test.lease({1, 1}));
    test.release(1, test.quarantine.end_of_rest(UINT64_MAX));
    EXPECT_FALSE(test.quarantine.end_rests(UINT64_MAX, 10));
    EXPECT_EQ(test.quarantine.next_end(), std::nullopt);
    EXPECT_TRUE(test.is_occupied(1));
    EXPECT_TRUE(test.quarantine.end_oldest());
    EXPECT_FALSE(test.is_occupied(1));
}

TEST(Quarantine, NoRestEndsBehindTheEndOfTime) {
    MemoryBudget budget(budget_of_tests);
    const Quarantine longest(UINT64_MAX, budget);
    EXPECT_EQ(longest.end_of_rest(5), RestQueue::forever);
    EXPECT_EQ(TestQuarantine().quarantine.end_of_rest(UINT64_MAX), RestQueue::forever);
}

TEST(Quarantine, AClockThatGoesBackShortensNoRest) {
    TestQuarantine test;
    ASSERT_TRUE(test.lease({1, 3}));
    test.release(1, 500);
    test.release(3, 300);
    EXPECT_FALSE(test.quarantine.end_rests(499, 10));
    EXPECT_TRUE(test.is_occupied(3));
    EXPECT_FALSE(test.quarantine.end_rests(500, 10));
    EXPECT_FALSE(test.is_occupied(3));
    EXPECT_RESTS_SOUND(test);
}

TEST(Quarantine, RestsEndInSlicesOldestFirst) {
    TestQuarantine test;
    ASSERT_TRUE(test.lease({0, 99}));
    for (Id id = 0; id < 100; id += 2)
        test.release(id, 500 - id);  // of which all after the first end at 500
    for (Id id = 0; id < 50; id += 2) {
        EXPECT_TRUE(test.quarantine.end_rests(600, 1));
        EXPECT_FALSE(test.is_occupied(id));
        EXPECT_TRUE(test.is_occupied(id + 2));
    }
    EXPECT_FALSE(test.quarantine.end_rests(600, 25));
    EXPECT_EQ(test.quarantine.resting_count(), 0U);
    EXPECT_RESTS_SOUND(test);
}

TEST(Quarantine, TheOldestEndsEarlyWithAllOfItsPiece) {
    TestQuarantine test;
    ASSERT_TRUE(test.lease({0, 99}));
    test.release({10, 20}, 500);
    test.release({5, 9}, 500);    // touches from below
    test.release({21, 30}, 500);  // and from above
    test.release({31, 40}, 501);
    EXPECT_TRUE(test.quarantine.end_oldest());
    EXPECT_EQ(test.resting(), (std::vector{Range{31, 40}}));
    EXPECT_TRUE(test.quarantine.end_oldest());
    EXPECT_FALSE(test.quarantine.end_oldest());
    EXPECT_RESTS_SOUND(test);
}

TEST(Quarantine, KnowsTheEndsOfTheIdSpace) {
    TestQuarantine test;
    ASSERT_TRUE(test.lease({id_max - 9, id_max}));
    ASSERT_TRUE(test.lease({0, 9}));
    test.release({id_max - 4, id_max}, 100);
    test.release({0, 4}, 100);  // touches nothing
    EXPECT_EQ(test.resting(), (std::vector{Range{0, 4}, Range{id_max - 4, id_max}}));
    EXPECT_TRUE(test.quarantine.is_resting(id_max, test.live));
    EXPECT_FALSE(test.quarantine.is_resting(id_max - 5, test.live));
    EXPECT_FALSE(test.quarantine.is_resting(id_max - 10, test.live));
    EXPECT_RESTS_SOUND(test);
    EXPECT_FALSE(test.quarantine.end_rests(100, 2));
    EXPECT_FALSE(test.is_occupied(id_max));
    EXPECT_RESTS_SOUND(test);
}

TEST(Quarantine, AWideReleaseIsSeveralPieces) {
    constexpr std::uint64_t count = 3 * RestQueue::piece_count_max - 5;
    TestQuarantine test;
    const Range wide{id_max - count + 1, id_max};
    ASSERT_TRUE(test.lease(wide));
    test.release(wide, 100);
    EXPECT_RESTS_SOUND(test);
    EXPECT_TRUE(test.quarantine.end_rests(100, 1));
    EXPECT_EQ(test.quarantine.resting_count(), count - RestQueue::piece_count_max);
    EXPECT_FALSE(test.quarantine.end_rests(100, 2));
    EXPECT_EQ(test.quarantine.occupied().entry_count(), 0U);
    EXPECT_RESTS_SOUND(test);
}

TEST(Quarantine, AFullPieceTakesNoMore) {
    TestQuarantine test;
    const Range whole{1, RestQueue::piece_count_max};
    ASSERT_TRUE(test.lease({0, whole.last + 1}));
    test.release(whole, 100);
    test.release(whole.last + 1, 100);
    test.release(0, 100);
    EXPECT_RESTS_SOUND(test);
    EXPECT_TRUE(test.quarantine.end_oldest());
    EXPECT_EQ(test.resting(), (std::vector{Range{0, 0}, Range{whole.last + 1, whole.last + 1}}));
}

TEST(Quarantine, ReservedIdsNeitherRestNorEnd) {
    TestQuarantine test;
    NoGuard nobody_else;
    ASSERT_TRUE(test.quarantine.occupied().preallocate(nobody_else, {4, 6}, reserved));
    test.quarantine.occupied().store(Range{4, 6}, reserved);
    ASSERT_TRUE(test.lease({1, 3}));
    ASSERT_TRUE(test.lease({7, 9}));
    test.release({1, 3}, 100);
    test.release({7, 8}, 100);
    EXPECT_EQ(test.resting(), (std::vector{Range{1, 3}, Range{7, 8}}));
    EXPECT_RESTS_SOUND(test);
    EXPECT_FALSE(test.quarantine.end_rests(100, 2));
    EXPECT_TRUE(test.quarantine.occupied().find_occupied(5));
    EXPECT_RESTS_SOUND(test);
}

TEST(Quarantine, WhatRestsIsFoundWithFewVisits) {
    TestQuarantine test;
    ASSERT_TRUE(test.lease({0, 999}));
    test.release({500, 510}, 100);
    for (const Id id : {100U, 200U, 300U})
        store(test.live, {id, id}, 2);  // entries of their own
    Id from = 0;
    for (const Id looked_to : {99U, 100U, 199U, 200U, 299U, 300U, 499U}) {
        std::size_t visits = 1;
        const auto next = test.quarantine.next_resting({from, id_max}, test.live, visits);
        EXPECT_EQ(next.range, std::nullopt);
        EXPECT_EQ(next.looked_to, looked_to);
        from = next.looked_to + 1;
    }
    std::size_t visits = 1;
    EXPECT_EQ(test.quarantine.next_resting({from, id_max}, test.live, visits).range,
              (Range{500, 510}));
    EXPECT_EQ(test.quarantine.next_resting({505, 507}, test.live, visits).range, (Range{505, 510}));
    EXPECT_EQ(test.quarantine.next_resting({350, 450}, test.live, visits).looked_to, 450U);
}

TEST(QuarantineDeathTest, AnIdThatRestsIsNotHandedOut) {
    TestQuarantine test;
    ASSERT_TRUE(test.lease({1, 10}));
    test.release({3, 4}, 100);
    NoGuard nobody_else;
    ASSERT_TRUE(test.quarantine.prepare(nobody_else, {4, 4}));
    EXPECT_DEATH(test.quarantine.store({4, 4}), "id_count");
}

// Memory.

TEST(QuarantineMemory, AReleaseTakesNoneInTheWorstOrder) {
    constexpr Id count = 100'000;
    for (const bool descends : {false, true}) {
        TestQuarantine test;
        ASSERT_TRUE(test.lease({0, count - 1}));
        ASSERT_TRUE(test.budget.take(test.budget.size_max() - test.budget.used()));
        test.memory.refuses = true;
        const std::uint64_t asked = test.memory.asked;
        // Every second first, so that nothing can be joined; then what lies between.
        for (const Id odd : {0U, 1U}) {
            for (Id i = odd; i < count; i += 2)
                test.release(descends ? count - 1 - i : i, i);
        }
        EXPECT_EQ(test.quarantine.resting_count(), count);
        EXPECT_RESTS_SOUND(test);
        std::mt19937_64 random(1);
        while (test.quarantine.end_rests(count, 1 + random() % 100)) {
        }
        EXPECT_EQ(test.quarantine.occupied().entry_count(), 0U);
        EXPECT_EQ(test.memory.asked, asked);
        EXPECT_EQ(test.budget.used(), test.budget.size_max());
        EXPECT_RESTS_SOUND(test);
    }
}

TEST(QuarantineMemory, TooWideALeaseIsRefusedBeforeAnythingIsTouched) {
    TestQuarantine test;
    ASSERT_TRUE(test.lease({1, 2}));
    const std::uint64_t asked = test.memory.asked;
    const std::uint64_t used = test.budget.used();
    const Range ranges[] = {
        {10, 10 + std::uint64_t{0xFFFF'FFFE}},
        {10, id_max},
        {10, id_max - 1},
        {3, id_max},
        {2, id_max},
        whole_space,
    };
    for (const Range range : ranges) {
        SCOPED_TRACE(range.first);
        EXPECT_EQ(test.lease(range).error(), Error(Errc::out_of_memory));
    }
    EXPECT_EQ(test.lease({5, 4}).error(), Error(Errc::range_reversed, 5));
    EXPECT_EQ(test.memory.asked, asked);
    EXPECT_EQ(test.budget.used(), used);
    EXPECT_RESTS_SOUND(test);
}

TEST(QuarantineMemory, GoesBackWhenItIsNoLongerNeeded) {
    TestQuarantine test;
    for (int turn = 0; turn < 3; ++turn) {
        ASSERT_TRUE(test.lease({0, 999'999}));
        EXPECT_GT(test.budget.used(), 16'000'000U);
        for (Id id = 0; id < 1'000'000; id += 10'000)
            test.release({id, id + 9'999}, id + 1);
        test.quarantine.trim();
        while (test.quarantine.end_oldest()) {
        }
        test.quarantine.trim();
        EXPECT_LT(test.budget.used(), 1'000'000U);
        EXPECT_RESTS_SOUND(test);
    }
}

TEST(QuarantineMemory, WhatIsStillLiveKeepsItsRoom) {
    TestQuarantine test;
    ASSERT_TRUE(test.lease({0, 999'999}));
    test.release({0, 899'999}, 1);
    ASSERT_TRUE(test.quarantine.end_oldest());
    test.quarantine.trim();
    EXPECT_RESTS_SOUND(test);
    test.memory.refuses = true;
    for (Id id = 900'000; id < 1'000'000; id += 2)
        test.release(id, 2);
    EXPECT_RESTS_SOUND(test);
}

TEST(QuarantineMemory, IsCountedToTheLastByte) {
    MemoryBudget budget(budget_of_tests);
    {
        Quarantine quarantine(rest_ms, budget);
        NoGuard nobody_else;
        ASSERT_TRUE(quarantine.prepare(nobody_else, {1, 100'000}));
        quarantine.store({1, 100'000});
        quarantine.rest({1, 50'000}, 10);
        ASSERT_TRUE(quarantine.end_oldest());
    }
    {
        Quarantine quarantine(rest_ms, budget);
        ASSERT_TRUE(quarantine.restore_resting({1, 100'000}, 10));
    }
    EXPECT_EQ(budget.used(), 0U);
}

// A lock whose unlock() lets somebody else in.
struct LeakyGuard {
    void lock() {}
    void unlock() {
        if (intrusions > 0) intruder(--intrusions);
    }

    int intrusions;
    std::function<void(int)> intruder;
};

TEST(QuarantineMemory, WhatOthersTakeMeanwhileIsSetAsideAgain) {
    for (const Id count : {1U, 5'000U, 900'000U, 2'000'000U}) {
        SCOPED_TRACE(count);
        TestQuarantine test;
        LeakyGuard guard{3, [&](int turn) {
                             const Id first = 10'000'000 * static_cast<Id>(turn + 1);
                             EXPECT_TRUE(test.lease({first, first + 30'000}));
                         }};
        ASSERT_TRUE(test.quarantine.prepare(guard, {1, count}));
        EXPECT_LT(guard.intrusions, 3);
        test.memory.refuses = true;
        test.hold({1, count});
        EXPECT_RESTS_SOUND(test);
    }
}

// Recovery.

TEST(QuarantineReplay, EndsInTheOrderOfTimesWhateverTheOrderItCameIn) {
    constexpr Id count = 50'000;
    std::mt19937_64 random(2);
    std::vector<std::uint64_t> untils(count);
    TestQuarantine test;
    for (Id id = 0; id < count; ++id) {
        untils[id] = 1 + random() % 400;
        ASSERT_TRUE(test.quarantine.restore_resting({id, id}, untils[id]));
    }
    ASSERT_TRUE(test.lease({count, count + 10}));
    EXPECT_RESTS_SOUND(test);
    ASSERT_TRUE(test.quarantine.begin_run(0));
    EXPECT_RESTS_SOUND(test);
    EXPECT_EQ(test.quarantine.next_end(), 1U);
    EXPECT_EQ(test.quarantine.last_end(), 400U);
    for (std::uint64_t now = 1; now <= 400; now += 7) {
        EXPECT_FALSE(test.quarantine.end_rests(now, count));
        for (Id id = 0; id < count; ++id)
            ASSERT_EQ(test.is_occupied(id), untils[id] > now) << id << " at " << now;
        EXPECT_RESTS_SOUND(test);
    }
}

// The daemon that wrote the journal had ended the rest of 5 early, and that of 6 never.
TEST(QuarantineReplay, AHandOutTakesJustItsIdsOutOfTheirRest) {
    TestQuarantine test;
    ASSERT_TRUE(test.quarantine.restore_resting({1, 9}, 100));
    ASSERT_TRUE(test.lease({5, 5}));
    EXPECT_EQ(test.quarantine.resting_count(), 8U);
    EXPECT_RESTS_SOUND(test);
    ASSERT_TRUE(test.quarantine.begin_run(10));
    EXPECT_RESTS_SOUND(test);
    EXPECT_FALSE(test.quarantine.end_rests(99, 10));
    EXPECT_TRUE(test.is_occupied(6));
    EXPECT_FALSE(test.quarantine.end_rests(100, 10));
    EXPECT_TRUE(test.is_occupied(5));
    EXPECT_EQ(test.quarantine.occupied().id_count(), 1U);
    EXPECT_RESTS_SOUND(test);
}

TEST(QuarantineReplay, AReleaseAfterAHandOutBeginsANewRest) {
    TestQuarantine test;
    ASSERT_TRUE(test.quarantine.restore_resting({1, 9}, 100));
    ASSERT_TRUE(test.lease({4, 6}));
    test.live.erase({4, 5});
    ASSERT_TRUE(test.quarantine.replay_rest({4, 5}, 200));
    EXPECT_RESTS_SOUND(test);
    ASSERT_TRUE(test.quarantine.begin_run(100));
    EXPECT_EQ(test.resting(), (std::vector{Range{4, 5}}));
    EXPECT_EQ(test.quarantine.next_end(), 200U);
    EXPECT_RESTS_SOUND(test);
}

TEST(QuarantineReplay, TheLastWordOnARestCountsAndLiveIdsAreRefused) {
    TestQuarantine test;
    ASSERT_TRUE(test.lease({20, 29}));
    ASSERT_TRUE(test.quarantine.restore_resting({1, 9}, 100));
    ASSERT_TRUE(test.quarantine.restore_resting({5, 12}, 300));
    EXPECT_EQ(test.quarantine.resting_count(), 12U);
    EXPECT_EQ(test.quarantine.restore_resting({10, 22}, 300).error(),
              Error(Errc::journal_damaged, 20));
    EXPECT_EQ(test.quarantine.restore_resting({29, 40}, 300).error(),
              Error(Errc::journal_damaged, 29));
    ASSERT_TRUE(test.quarantine.begin_run(100));
    EXPECT_EQ(test.resting(), (std::vector{Range{5, 12}}));
    EXPECT_RESTS_SOUND(test);
}

TEST(QuarantineReplay, AfterARebootEverythingHasItsWholeRest) {
    TestQuarantine test;
    ASSERT_TRUE(test.quarantine.restore_resting({1, 3}, 7'000));
    ASSERT_TRUE(test.quarantine.restore_resting({5, 6}, 7'500));
    ASSERT_TRUE(test.quarantine.restore_resting({id_max, id_max}, 9'000));
    test.quarantine.replay_time(7'000);
    ASSERT_TRUE(test.quarantine.restart_rests(20));
    EXPECT_EQ(test.quarantine.resting_count(), 3U);
    ASSERT_TRUE(test.quarantine.restore_resting({8, 8}, 1'025));
    ASSERT_TRUE(test.quarantine.begin_run(30));
    EXPECT_RESTS_SOUND(test);
    EXPECT_FALSE(test.quarantine.end_rests(1'019, 10));
    EXPECT_EQ(test.quarantine.resting_count(), 4U);
    EXPECT_FALSE(test.quarantine.end_rests(1'020, 10));
    EXPECT_EQ(test.resting(), (std::vector{Range{8, 8}}));
}

// A long journal of a pool of which little rests at a time.
TEST(QuarantineReplay, NeedsNoMemoryForRestsThatHaveEnded) {
    TestQuarantine test(4'000'000);
    for (Id id = 0; id < 1'000'000; ++id) {
        ASSERT_TRUE(test.lease({id, id})) << id;
        test.live.erase({id, id});
        ASSERT_TRUE(test.quarantine.replay_rest({id, id}, id + 100)) << id;
        test.quarantine.replay_time(id);
        if (id % 1'000 == 0) test.quarantine.trim();
    }
    ASSERT_TRUE(test.quarantine.begin_run(1'000'000));
    EXPECT_EQ(test.quarantine.resting_count(), 99U);
    EXPECT_RESTS_SOUND(test);
}

// What one life had room for, the next one has: beside the queue no second place for all that
// rests.
TEST(QuarantineReplay, TakesLittleMoreThanTheLifeBefore) {
    constexpr Id count = 100'000;
    const auto lives = [](TestQuarantine& test) -> Result<> {
        for (Id id = 0; id < count; ++id) {
            if (auto kept = test.quarantine.restore_resting({2 * id, 2 * id}, id % 50 + 1); !kept)
                return kept;
        }
        return test.quarantine.begin_run(0);
    };
    TestQuarantine first;
    for (Id id = 0; id < count; ++id) {
        ASSERT_TRUE(first.lease({2 * id, 2 * id}));
        first.release(2 * id, 10);
    }
    TestQuarantine next(first.budget.used() + first.budget.used() / 8);
    EXPECT_TRUE(lives(next));
    EXPECT_RESTS_SOUND(next);
}

TEST(QuarantineReplay, WithTooLittleMemoryIsRefusedAndLeavesNothing) {
    bool refused = false;
    bool succeeded = false;
    for (std::uint64_t memory_max = 0; memory_max < 1'500'000; memory_max += 16'000) {
        SCOPED_TRACE(memory_max);
        MemoryBudget budget(memory_max);
        {
            Quarantine quarantine(rest_ms, budget);
            Result<> result;
            for (Id id = 0; id < 20'000 && result; ++id)
                result = quarantine.restore_resting({3 * id, 3 * id + 1}, 20'000 - id);
            if (result) result = quarantine.begin_run(0);
            refused = refused || !result;
            succeeded = succeeded || result;
            EXPECT_EQ(!result, !succeeded) << "more memory does not suffice where less did";
            if (!result) {
                EXPECT_EQ(result.error(), Error(Errc::out_of_memory));
            }
        }
        EXPECT_EQ(budget.used(), 0U);
    }
    EXPECT_TRUE(refused && succeeded);
}

}  // namespace
}  // namespace inod
