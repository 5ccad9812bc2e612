// A sound store is told from a damaged one, and looking at it changes nothing.
#include "lib/offline/check.h"

#include "tests/journal/support.h"
#include "tests/offline/support.h"

namespace inod {
namespace {

std::string said_of(const CheckReport& report) {
    std::string text = report.damage.empty() ? "sound" : "damaged:";
    for (const std::string& damage : report.damage)
        text += "\n  " + damage;
    return text;
}

// Checks it, and that nothing has changed.
Result<CheckReport, Failure> look(sim::MemStorage& disk) {
    const Content before = content_of(disk);
    const std::uint64_t changes = disk.changes();
    auto report = check(disk);
    EXPECT_EQ(disk.changes(), changes);
    EXPECT_TRUE(content_of(disk) == before);
    return report;
}

void expect_sound(Machine& machine) {
    const auto report = look(machine.disk);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(said_of(*report), "sound");
    ASSERT_TRUE(report->store);
    EXPECT_EQ(report->store->last_lsn, machine.allocator->journal().last_lsn());
}

TEST(Check, WhatWasUsedIsSoundAtEachMoment) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Machine machine(five_pools());
        machine.journal.snapshot_size_per_group = 512;
        ASSERT_STARTS(machine);
        for (std::uint64_t turn = 0; turn < 6; ++turn) {
            // A piece of a snapshot with each turn of the flusher.
            if (turn % 2 == 1) machine.allocator->request_snapshot();
            ASSERT_NO_FATAL_FAILURE(use(machine, seed * 10 + turn));
            ASSERT_NO_FATAL_FAILURE(expect_sound(machine));
            if (turn == 3) {
                machine.crash(seed);
                ASSERT_STARTS(machine);
            }
        }
        ASSERT_TRUE(machine.allocator->close());
        ASSERT_NO_FATAL_FAILURE(expect_sound(machine));
    }
}

TEST(Check, PoolsWithAParentAreSoundToo) {
    Machine machine({cyclic_pool("top", {1, 200}), lowest_pool("low", {1, 50})});
    machine.specs[1].parent = "top";
    ASSERT_STARTS(machine);
    for (int i = 0; i < 300; ++i) {
        const auto leased = machine.allocate(1, 3, 7);
        ASSERT_TRUE(leased.result);
        if (i % 100 != 0) {
            const Lease lease = *leased.result;
            ASSERT_TRUE(machine.release(1, lease.range, lease.generation, 7).result);
        }
        if (i % 50 == 0) machine.allocator->request_snapshot();
        if (i % 10 == 0) {
            ASSERT_TRUE(machine.flush());
        }
    }
    ASSERT_TRUE(machine.flush());
    ASSERT_NO_FATAL_FAILURE(expect_sound(machine));
}

TEST(Check, ReportsWhatIsThere) {
    Machine machine(five_pools());
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(0, 10, 7).result);
    ASSERT_TRUE(machine.release(0, {3, 3}, 0, 7).result);
    ASSERT_TRUE(machine.allocate(2, 2, 8).result);
    ASSERT_TRUE(machine.flush());
    auto report = look(machine.disk);
    ASSERT_TRUE(report);
    EXPECT_FALSE(report->store->clean);
    ASSERT_EQ(report->pools.size(), 5U);
    EXPECT_EQ(report->pools[0].spec.name, "inode");
    EXPECT_EQ(report->pools[0].live_ids, 9U);
    EXPECT_EQ(report->pools[0].live_runs, 2U);
    EXPECT_EQ(report->pools[2].sequence.generation, 1U + generations_per_unclean_stop)
        << "as a start finds it";
    EXPECT_EQ(report->holders, 2U);
    EXPECT_EQ(report->records, machine.allocator->journal().last_lsn());
    ASSERT_TRUE(machine.allocator->close());
    report = look(machine.disk);
    ASSERT_TRUE(report);
    EXPECT_TRUE(report->store->clean);
    EXPECT_EQ(report->store->run, 1U);
    EXPECT_EQ(report->pools[2].sequence.generation, 1U);
    EXPECT_GE(report->segments, 1U);
}

TEST(Check, NoStoreIsRefused) {
    sim::MemStorage disk;
    const auto report = look(disk);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, Errc::io_error);
}

TEST(Check, ATornTailIsNoDamage) {
    Machine machine(five_pools());
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(0, 10).result);
    ASSERT_TRUE(machine.flush());
    ASSERT_TRUE(machine.allocate(0, 10).result);
    ASSERT_TRUE(machine.flush());
    const std::string file = names_of(machine.disk, "journal-").front();
    machine.disk.flip(file, used_size(machine.disk.content(file)) - 1, std::byte{1});
    const auto report = look(machine.disk);
    ASSERT_TRUE(report);
    EXPECT_EQ(said_of(*report), "sound");
    ASSERT_TRUE(report->store->torn_tail);
    EXPECT_EQ(report->store->torn_tail->file, file);
    EXPECT_EQ(report->pools[0].live_ids, 10U);
}

TEST(Check, AFlippedBitInTheMiddleIsDamage) {
    Machine machine(four_pools());  // with no snapshot at the end
    ASSERT_STARTS(machine);
    ASSERT_NO_FATAL_FAILURE(use(machine, 1));
    ASSERT_TRUE(machine.allocator->close());
    const std::string file = names_of(machine.disk, "journal-").front();
    machine.disk.flip(file, frames_offset + 40, std::byte{1});
    const auto report = look(machine.disk);
    ASSERT_TRUE(report) << report.error().message;
    ASSERT_EQ(report->damage.size(), 1U) << said_of(*report);
    EXPECT_NE(report->damage[0].find(file), std::string::npos) << report->damage[0];
}

// Both ways of looking notice it, each by itself.
TEST(Check, ANumberThatWasHandedOutTwiceIsDamage) {
    sim::MemStorage disk;
    const PoolSpec spec = unique_pool("inode", {1, 1000});
    Forged journal(disk);
    const Allocated lease{.pool = 0, .range = {1, 5}, .holder = 0, .raised_generation = false};
    journal.log({defined(0, spec), holder_of(0, 1), lease, Released{0, {1, 5}}, lease});
    journal.close();
    const auto report = look(disk);
    ASSERT_TRUE(report) << report.error().message;
    ASSERT_EQ(report->damage.size(), 2U) << said_of(*report);
    EXPECT_NE(report->damage[0].find("contradicts earlier records"), std::string::npos);
    EXPECT_NE(report->damage[1].find("hands out 1 to 5,"), std::string::npos);
}

TEST(Check, ARecordOfANewerVersionCannotBeTold) {
    sim::MemStorage disk;
    {
        NoReplay nobody;
        Journal journal(disk, small_journal());
        ASSERT_TRUE(journal.recover(nobody));
        const std::array<std::byte, 3> record{std::byte{77}, std::byte{1}, std::byte{0}};
        journal.append(record);
        ASSERT_TRUE(flush_group(journal));
    }
    const auto report = look(disk);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, Errc::record_unknown);
}

}  // namespace
}  // namespace inod
