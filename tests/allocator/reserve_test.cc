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

// Of one holder and generation, and in one bitmap, they are one run there.
TEST(Reserved, AClaimOfItStandsBesideALeaseInASnapshot) {
    Machine machine({cyclic_pool("pid", {1, 1'000})});
    ASSERT_STARTS(machine);
    NoGuard nobody_else;
    ASSERT_TRUE(machine.allocator->reserve(nobody_else, 0, {10, 10}).result);
    ASSERT_TRUE(machine.allocate(0, 9).result);
    Asker administrator = user(0);
    administrator.takes_reserved = true;
    ASSERT_TRUE(machine.allocator->allocate_at(nobody_else, 0, {10, 10}, administrator).result);
    ASSERT_TRUE(machine.allocate(0, 5).result);
    for (const Id id : {7U, 12U, 14U})
        ASSERT_TRUE(machine.release(0, {id, id}, 1).result);
    const std::string before = machine.state();
    machine.allocator->request_snapshot();
    while (machine.allocator->has_work())
        ASSERT_TRUE(machine.flush());
    ASSERT_TRUE(machine.allocator->close());
    ASSERT_STARTS(machine);
    EXPECT_EQ(machine.state(), before);
    ASSERT_TRUE(machine.release(0, {10, 10}, 1).result);
    EXPECT_EQ(reserved_ids(machine.allocator->any_pool(0)), "10-10 ");
    EXPECT_EQ(machine.allocator->verify(), std::nullopt);
}

// It is free, though nobody has swept it out yet.
TEST(Reserved, SoIsABandOfWhichAnEndedHolderLeftSome) {
    for (const std::uint64_t rest_ms : {0U, 500U}) {
        PoolSpec spec = lowest_pool("port", {1, 50});
        spec.quarantine_ms = rest_ms;
        Machine machine({spec});
        ASSERT_STARTS(machine);
        ASSERT_TRUE(machine.allocate(0, 10, 1).result);
        ASSERT_TRUE(machine.allocate(0, 1, 2).result);
        const Holders& holders = machine.allocator->holders();
        const auto index = holders.find(Holder{.binding = Binding::persistent, .uid = 1});
        machine.allocator->end({.index = *index, .id = holders.id(*index)});
        ASSERT_TRUE(machine.flush());
        machine.specs[0].reserved = {{3, 12}};
        ASSERT_STARTS(machine);
        EXPECT_EQ(reserved_ids(machine.allocator->any_pool(0)), "3-10 12-12 ");
        EXPECT_EQ(machine.allocator->verify(), std::nullopt);
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

TEST(RestingNumbers, GoesOnOverARestartAndBeginsAnewOverAReboot) {
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

// A pool in which numbers rest, and an administrator who reserves some.
class Resting : public Machine {
public:
    Resting() : Machine({spec()}) {
        boot = {{1, 1}};
        now = 1'000;
    }
    static PoolSpec spec() {
        PoolSpec made{.name = "pid", .policy = Policy::cyclic, .range = {1, 60}};
        made.quarantine_ms = 500;
        made.quarantine_yields = true;
        return made;
    }
    void pass_time(BootTime by) {
        now += by;
        allocator->set_time(now);
        while (allocator->wants_sweep())
            allocator->sweep();
    }
    [[nodiscard]] Result<> reserve(Range range) {
        NoGuard nobody_else;
        return insist([&] { return allocator->reserve(nobody_else, 0, range); }).result;
    }
    void take_snapshot() {
        allocator->request_snapshot();
        while (allocator->has_work())
            ASSERT_TRUE(flush());
    }
    void reboot() {
        crash();
        ++boot.words[0];
        now = 10;
    }
    void expect_start() {
        ASSERT_STARTS(*this);
        ASSERT_EQ(allocator->verify().value_or("sound"), "sound");
    }
    [[nodiscard]] std::string reserved() const { return reserved_ids(allocator->any_pool(0)); }
};

TEST(RestingAndReserved, ABandOfTheConfigurationRestsNoLonger) {
    Resting machine;
    machine.expect_start();
    ASSERT_TRUE(machine.allocate(0, 9).result);
    ASSERT_TRUE(machine.release(0, {2, 6}, 1).result);
    ASSERT_TRUE(machine.flush());
    machine.crash();
    machine.specs[0].reserved = {{4, 5}, {9, 12}};
    for (int life = 0; life < 3; ++life) {
        machine.expect_start();
        EXPECT_EQ(machine.reserved(), "4-5 10-12 ") << "9 is live";
        EXPECT_EQ(machine.allocator->any_pool(0).resting_count(), 3U);
        machine.crash();
    }
}

TEST(RestingAndReserved, WhatWasReservedWhenItHadRestedStaysSo) {
    for (const bool with_snapshot : {false, true}) {
        for (const bool reboots : {false, true}) {
            SCOPED_TRACE(with_snapshot ? "snapshot" : reboots ? "reboot" : "restart");
            Resting machine;
            machine.expect_start();
            ASSERT_TRUE(machine.allocate(0, 9).result);
            ASSERT_TRUE(machine.release(0, {5, 5}, 1).result);
            machine.pass_time(300);
            ASSERT_TRUE(machine.release(0, {8, 8}, 1).result);
            ASSERT_TRUE(machine.flush());
            if (with_snapshot) machine.take_snapshot();
            machine.pass_time(250);
            ASSERT_EQ(machine.allocate(0).result->range, (Range{10, 10}));
            ASSERT_TRUE(machine.reserve({5, 5})) << "its time was over";
            ASSERT_TRUE(machine.flush());
            reboots ? machine.reboot() : machine.crash();
            machine.expect_start();
            EXPECT_EQ(machine.reserved(), "5-5 ");
            EXPECT_EQ(machine.allocator->any_pool(0).resting_count(), 1U);
        }
    }
}

TEST(RestingAndReserved, WhatWentOutOfItsRestEarlyMayBeReserved) {
    Resting machine;
    machine.expect_start();
    ASSERT_TRUE(machine.allocate(0, 60).result);
    ASSERT_TRUE(machine.release(0, {7, 9}, 1).result);
    ASSERT_EQ(machine.allocate(0).result->range, (Range{7, 7}));
    ASSERT_TRUE(machine.reserve({9, 9})) << "its rest ended with that of 7";
    ASSERT_TRUE(machine.flush());
    machine.crash();
    machine.expect_start();
    EXPECT_EQ(machine.reserved(), "9-9 ");
}

// Lives in which everything happens at random: each starts, knows what is reserved, and never hands out
// what is.
TEST(RestingAndReserved, WhateverHappensEachLifeStarts) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        Resting machine;
        machine.expect_start();
        std::set<std::pair<Id, std::uint64_t>> seen;
        std::vector<std::pair<Id, std::uint64_t>> live;
        for (int step = 0; step < 300; ++step) {
            const Id id = 1 + random() % 60;
            NoGuard nobody_else;
            switch (random() % 12) {
                case 0:
                    static_cast<void>(machine.reserve({id, std::min<Id>(60, id + random() % 3)}));
                    break;
                case 1: {
                    const Range range{id, id};
                    static_cast<void>(machine.allocator->unreserve(nobody_else, 0, range));
                    break;
                }
                case 2:
                case 3: machine.pass_time(random() % 200); break;
                case 4:
                    if (random() % 4 == 0) machine.take_snapshot();
                    break;
                case 5: {
                    if (random() % 4 != 0) break;
                    ASSERT_TRUE(machine.flush());
                    const std::string before = machine.reserved();
                    random() % 2 == 0 ? machine.reboot() : machine.crash();
                    const bool has_band = random() % 2 == 0;
                    machine.specs[0].reserved.clear();
                    if (has_band) machine.specs[0].reserved = {{id, std::min<Id>(60, id + 3)}};
                    machine.expect_start();
                    if (HasFatalFailure()) return;
                    if (!has_band) {
                        ASSERT_EQ(machine.reserved(), before);
                    }
                    break;
                }
                case 6:
                case 7:
                case 8: {
                    if (live.empty()) break;
                    const auto it =
                        live.begin() + static_cast<std::ptrdiff_t>(random() % live.size());
                    ASSERT_TRUE(machine.release(0, {it->first, it->first}, it->second).result);
                    live.erase(it);
                    break;
                }
                default: {
                    const auto leased = machine.allocate(0);
                    if (!leased.result) break;
                    const Lease lease = *leased.result;
                    ASSERT_TRUE(seen.emplace(lease.range.first, lease.generation).second);
                    ASSERT_NE(machine.allocator->any_pool(0)
                                  .next_reserved(lease.range.first)
                                  .value_or(Range{0, 0})
                                  .first,
                              lease.range.first);
                    live.emplace_back(lease.range.first, lease.generation);
                }
            }
            if (!machine.allocator->has_room()) {
                ASSERT_TRUE(machine.flush());
            }
        }
    }
}

}  // namespace
}  // namespace inod
