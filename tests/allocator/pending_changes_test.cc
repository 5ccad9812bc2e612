#include "lib/allocator/pending_changes.h"

#include <map>
#include <random>

#include <gtest/gtest.h>

namespace inod {
namespace {

TEST(PendingChanges, WaitsForAnIdsOwnLastChange) {
    PendingChanges pending;
    pending.add(0, {1, 1}, 1, 0);
    pending.add(0, {1, 200}, 2, 0);  // over several blocks
    pending.add(1, {1, 1}, 3, 0);    // another pool
    pending.add(0, {63, 64}, 5, 0);  // two blocks, LSN 4 was no change
    pending.add(0, {100, 100}, 6, 0);
    pending.add(0, {id_max, id_max}, 7, 0);
    struct Case {
        PoolIndex pool;
        Id id;
        Lsn durable;
        Lsn want;
    };
    // clang-format off
    const Case cases[] = {
        {0, 1,          0, 2},
        {0, 1,          1, 2},
        {0, 1,          2, 0},
        {1, 1,          2, 3},
        {1, 2,          0, 0},
        {0, 0,          0, 0},
        {0, 63,         0, 5},
        {0, 64,         4, 5},
        {0, 65,         0, 2},
        {0, 100,        0, 6},
        {0, 100,        6, 0},
        {0, 200,        0, 2},
        {0, 201,        0, 0},
        {2, 1,          0, 0},
        {0, 101,        2, 0},
        {0, id_max,     0, 7},
        {0, id_max,     7, 0},
        {0, id_max - 1, 0, 0},
    };
    // clang-format on
    for (const Case& c : cases) {
        EXPECT_EQ(pending.last_change(c.pool, c.id, c.durable), c.want)
            << "pool " << c.pool << " ID " << c.id << " durable " << c.durable;
    }
}

TEST(PendingChanges, WhatMadeRoomIsWaitedForToBeSafe) {
    PendingChanges pending;
    pending.add(0, {7, 7}, 1, 0);
    for (Lsn lsn = 2; lsn <= PendingChanges::capacity + 1; ++lsn)
        pending.add(0, {1'000'000 + lsn, 1'000'000 + lsn}, lsn, 0);
    EXPECT_GE(pending.last_change(0, 7, 0), 1U) << "its change was displaced";
    EXPECT_EQ(pending.last_change(0, 7, 1), 0U) << "and is durable now";
    EXPECT_EQ(pending.last_change(0, 1'000'002, 0), 2U) << "still known exactly";
    EXPECT_EQ(pending.last_change(1, 7, 1), 0U);
}

// The older change of an ID may still be there, in the other chain, when the newer one is not.
TEST(PendingChanges, AnOlderChangeDoesNotHideADisplacedOne) {
    PendingChanges pending;
    pending.add(0, {1, 200}, 1, 0);
    pending.add(0, {7, 7}, 2, 0);
    pending.add(0, {5'000, 5'000}, PendingChanges::capacity + 2, 0);
    EXPECT_GE(pending.last_change(0, 7, 0), 2U);
}

// Whatever happened: never less than the last change that is not durable, and just that as long as
// nothing had to make room.
TEST(PendingChanges, NeverSaysTooLittle) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        const std::uint64_t behind_max = seed % 2 == 0 ? 2'000 : 20'000;
        const bool exact = behind_max < PendingChanges::capacity / 2;
        PendingChanges pending;
        std::map<Id, Lsn> last;  // by ID of pool 0
        Lsn durable = 0;
        for (Lsn lsn = 1; lsn < 30'000; lsn += 1 + random() % 2) {
            const Id first = random() % 300;
            const Range range{first, first + random() % (random() % 4 == 0 ? 150 : 3)};
            pending.add(0, range, lsn, durable);
            for (Id id = range.first; id <= range.last; ++id)
                last[id] = lsn;
            if (lsn - durable > random() % behind_max) durable = lsn - random() % (lsn - durable);
            if (random() % 16 != 0) continue;
            const Id id = random() % 460;
            const Lsn want = last.contains(id) && last[id] > durable ? last[id] : 0;
            const Lsn found = pending.last_change(0, id, durable);
            ASSERT_GE(found, want) << "ID " << id << " durable " << durable;
            if (exact) {
                ASSERT_EQ(found, want) << "ID " << id << " durable " << durable;
            }
        }
    }
}

}  // namespace
}  // namespace inod
