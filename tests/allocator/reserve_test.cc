// What administrators take out of circulation, and pools without tracking, over restarts.
#include <set>
#include <utility>

#include "tests/allocator/machine.h"

namespace inod {
namespace {

std::string reserved_ids(const Pool& pool) {
    std::string text;
    for (auto run = pool.next_reserved(0); run;) {
        text += std::to_string(run->first) + "-" + std::to_string(run->last) + " ";
        run = run->last < id_max ? pool.next_reserved(run->last + 1) : std::nullopt;
    }
    return text;
}

// A snapshot is written piece by piece, and some is reserved between any two of them.
TEST(Reserved, StaysSoWhateverPieceOfASnapshotItFallsBetween) {
    for (int from = 0; from < 24; ++from) {
        for (const std::uint64_t leases : {5U, 50U, 500U}) {
            SCOPED_TRACE(std::to_string(leases) + " leases, from group " + std::to_string(from));
            Machine machine({cyclic_pool("a", {1, 1'000'000}), cyclic_pool("b", {1, 1'000'000}),
                             unique_pool("c")});
            machine.journal.snapshot_size_per_group = 512;
            ASSERT_STARTS(machine);
            for (PoolIndex pool = 0; pool < 3; ++pool) {
                for (std::uint64_t i = 0; i < leases; ++i) {
                    if (!machine.allocator->has_room()) {
                        ASSERT_TRUE(machine.flush());
                    }
                    const auto uid = static_cast<std::uint32_t>(i % 7);
                    ASSERT_TRUE(machine.allocate(pool, 1, uid).result);
                }
            }
            ASSERT_TRUE(machine.flush());
            machine.allocator->request_snapshot();
            int group = 0;
            do {
                const Id id = 500'000 + 2 * static_cast<Id>(group);
                for (PoolIndex pool = 0; pool < 3 && group >= from; ++pool) {
                    NoGuard nobody_else;
                    ASSERT_TRUE(machine.allocator->reserve(nobody_else, pool, {id, id}).result);
                }
                ++group;
                ASSERT_TRUE(machine.flush());
            } while (machine.allocator->journal().snapshot_under_way() || group < 3);
            std::vector<std::string> before;
            for (PoolIndex pool = 0; pool < 3; ++pool)
                before.push_back(reserved_ids(machine.allocator->any_pool(pool)));
            ASSERT_STARTS(machine);
            for (PoolIndex pool = 0; pool < 3; ++pool)
                ASSERT_EQ(reserved_ids(machine.allocator->any_pool(pool)), before[pool]);
        }
    }
}

TEST(Reserved, BandsOfTheConfigurationAreKeptOutFromTheFirstStartOn) {
    PoolSpec spec = unique_pool("inode", {1, 100'000'000});
    spec.reserved = {{1, 3}, {5, 5}};
    Machine machine({spec});
    ASSERT_STARTS(machine);
    EXPECT_EQ(machine.allocate(0).result->range.first, 4U);
    EXPECT_EQ(machine.allocate(0).result->range.first, 6U);
    EXPECT_EQ(machine.allocate_at(0, {2, 2}).result.error().code, Errc::id_reserved);
    NoGuard nobody_else;
    const Asker administrator{.takes_reserved = true};
    ASSERT_TRUE(machine.allocator->allocate_at(nobody_else, 0, {2, 2}, administrator).result);
    ASSERT_TRUE(machine.flush());
    for (int life = 0; life < 2; ++life) {
        machine.crash();
        ASSERT_STARTS(machine);
        EXPECT_EQ(reserved_ids(machine.allocator->any_pool(0)), "1-1 3-3 5-5 ");
        EXPECT_EQ(machine.allocator->verify().value_or("sound"), "sound");
    }
}

TEST(Advance, OutlastsARestart) {
    Machine machine({unique_pool("inode", {1, 100'000'000}), cyclic_pool("pid", {1, 1'000})});
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocator->advance(0, 5'000'000).result);
    ASSERT_TRUE(machine.allocator->advance(1, 500).result);
    ASSERT_TRUE(machine.flush());
    machine.crash();
    ASSERT_STARTS(machine);
    EXPECT_EQ(machine.allocate(0).result->range.first, 5'000'001U);
    EXPECT_EQ(machine.allocate(1).result->range.first, 501U);
}

TEST(NoTracking, OutlastsRestartsAndSnapshotsWithoutARepeat) {
    PoolSpec wraps = cyclic_pool("counter", {1, 50});
    wraps.tracking = false;
    PoolSpec block = unique_pool("fast", {1, id_max}, Durability::block);
    block.tracking = false;
    Machine machine({wraps, block, unique_pool("inode")});
    std::set<std::pair<Id, std::uint64_t>> seen;
    Id highest = 0;
    for (int life = 0; life < 5; ++life) {
        ASSERT_STARTS(machine);
        for (int i = 0; i < 120; ++i) {
            const auto leased = machine.allocate(0, 1 + static_cast<std::uint64_t>(i % 3));
            ASSERT_TRUE(leased.result);
            for (Id id = leased.result->range.first; id <= leased.result->range.last; ++id)
                ASSERT_TRUE(seen.emplace(id, leased.result->generation).second);
            const auto fast = machine.allocate(1, 10);
            ASSERT_TRUE(fast.result);
            ASSERT_GT(fast.result->range.first, highest);
            highest = fast.result->range.last;
            if (i % 40 == 0) machine.allocator->request_snapshot();
            ASSERT_TRUE(machine.flush());
        }
        EXPECT_EQ(machine.allocator->holders().size(), 0U);
        EXPECT_EQ(machine.allocator->lookup(0, 1, 0).result.error().code, Errc::not_tracked);
        if (life % 2 == 0) {
            machine.crash();
        } else {
            ASSERT_TRUE(machine.allocator->close());
        }
    }
}

TEST(Resting, GoesOnOverARestartAndBeginsAnewOverAReboot) {
    PoolSpec spec{.name = "pid", .policy = Policy::lowest, .range = {1, 4}};
    spec.quarantine_ms = 1'000;
    for (const bool with_snapshot : {false, true}) {
        SCOPED_TRACE(with_snapshot);
        Machine machine({spec});
        machine.boot = {{1, 1}};
        machine.now = 100;
        ASSERT_STARTS(machine);
        ASSERT_TRUE(machine.allocate(0, 4).result);
        ASSERT_TRUE(machine.release(0, {2, 2}, 1).result);
        ASSERT_TRUE(machine.flush());
        if (with_snapshot) {
            machine.allocator->request_snapshot();
            while (machine.allocator->has_work())
                ASSERT_TRUE(machine.flush());
        }
        machine.crash();
        machine.now = 600;
        ASSERT_STARTS(machine);
        EXPECT_EQ(machine.allocator->verify().value_or("sound"), "sound");
        EXPECT_EQ(machine.allocate(0).result.error(), Error(Errc::pool_exhausted, 500));
        EXPECT_EQ(machine.allocator->lookup(0, 2, 0).result.error().code, Errc::released);
        machine.crash();
        machine.boot = {{2, 2}};
        machine.now = 10;
        ASSERT_STARTS(machine);
        EXPECT_EQ(machine.allocate(0).result.error(), Error(Errc::pool_exhausted, 1'000));
        machine.allocator->set_time(1'009);
        EXPECT_EQ(machine.allocate(0).result.error(), Error(Errc::pool_exhausted, 1));
        machine.allocator->set_time(1'010);
        EXPECT_EQ(machine.allocate(0).result->range, (Range{2, 2}));
        EXPECT_EQ(machine.allocator->verify().value_or("sound"), "sound");
    }
}

}  // namespace
}  // namespace inod
