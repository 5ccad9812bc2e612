// The account of what was handed out notices what was handed out twice, by itself: nothing is
// replayed here.
#include "lib/offline/hand_outs.h"

#include <functional>

#include "tests/offline/support.h"

namespace inod {
namespace {

const PoolSpec inode = unique_pool("inode", {1, 1000});
const PoolSpec pid = cyclic_pool("pid", {1, 20});

Allocated leased(PoolIndex pool, Range range, bool raises = false) {
    return {.pool = pool, .range = range, .holder = 0, .raised_generation = raises};
}
Claimed claimed(PoolIndex pool, Range range, bool raises = false) {
    return {.pool = pool, .range = range, .holder = 0, .raised_generation = raises};
}

std::vector<std::string> findings_on(Storage& disk) {
    HandOuts account;
    NoReplay nobody;
    const auto found = scan(disk, nobody, &account);
    EXPECT_TRUE(found) << found.error().message;
    return account.findings();
}

struct Case {
    const char* name;
    std::vector<Record> log;
    std::string want;  // part of the only finding; empty: there is none
};

TEST(HandOuts, TwiceInTheLogIsNoticed) {
    // clang-format off
    const Case cases[] = {
        {"one after the other", {leased(0, {1, 5}), leased(0, {6, 9})}, ""},
        {"the same again", {leased(0, {1, 5}), Released{0, {1, 5}}, leased(0, {4, 9})},
         "pool 'inode' hands out 4 to 5,"},
        {"a claim of what was leased", {leased(0, {1, 5}), claimed(0, {5, 5})}, "hands out 5,"},
        {"a lease of what was claimed", {claimed(0, {7, 8}), leased(0, {6, 7})}, "hands out 7,"},
        {"past a claim", {claimed(0, {7, 8}), leased(0, {1, 6}), leased(0, {9, 9})}, ""},
        {"below the mark after a crash",
         {MarkMoved{0, 100}, leased(0, {1, 5}), UncleanStop{}, leased(0, {100, 101})},
         "hands out 100,"},
        {"above the mark after a crash",
         {MarkMoved{0, 100}, leased(0, {1, 5}), UncleanStop{}, leased(0, {101, 101})}, ""},
        {"what was skipped", {leased(0, {1, 5}), SkippedAhead{10}, leased(0, {15, 15})},
         "hands out 15,"},
        {"behind what was skipped", {leased(0, {1, 5}), SkippedAhead{10}, leased(0, {16, 16})}, ""},
        {"below what was skipped to", {SkippedAbove{0, 50}, leased(0, {50, 50})}, "hands out 50,"},
        {"another pool's", {leased(0, {1, 5}), leased(1, {1, 5})}, ""},
        {"wrapped, and one more", {leased(1, {1, 20}), Released{1, {1, 20}},
          leased(1, {1, 2}, true)}, ""},
        {"wrapped, and the same", {leased(1, {1, 20}), Released{1, {1, 20}}, leased(1, {1, 2})},
         "hands out 1 to 2 of generation 1,"},
        {"wrapped twice in one generation",
         {leased(1, {1, 20}), Released{1, {1, 20}}, leased(1, {1, 9}, true), Released{1, {1, 9}},
          leased(1, {9, 9})}, "hands out 9 of generation 2,"},
        {"after a crash all is new", {leased(1, {1, 5}), Released{1, {1, 5}}, UncleanStop{},
          leased(1, {1, 5})}, ""},
        {"a unique pool with generations", {leased(0, {1, 5}, true)}, "raises its generation"},
        {"no such pool", {leased(7, {1, 5})}, "pool 7 is not defined"},
    };
    // clang-format on
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        sim::MemStorage disk;
        Forged journal(disk);
        journal.log({defined(0, inode), defined(1, pid), HolderDefined{0, user(1)}});
        journal.log(c.log);
        const auto findings = findings_on(disk);
        ASSERT_EQ(findings.size(), c.want.empty() ? 0U : 1U) << findings.front();
        if (c.want.empty()) continue;
        EXPECT_NE(findings[0].find(c.want), std::string::npos) << findings[0];
        EXPECT_EQ(findings[0].find("journal-"), 0U) << findings[0];
        const std::string lsn = "LSN " + std::to_string(3 + c.log.size()) + ": ";
        EXPECT_NE(findings[0].find(lsn), std::string::npos) << findings[0];
    }
}

TEST(HandOuts, WhatASnapshotTellsOfThePastCounts) {
    const SavedRuns live({{15, 15}}, 3);
    const SavedRuns none({}, 0);
    const SavedRuns claims({{80, 81}}, 0);
    const std::vector<Record> snapshot{
        HolderDefined{0, user(1)},
        defined(0, inode),
        SequenceSaved{
            0,
            {.cursor = 50, .highest = 81, .mark = 60, .generation = 0, .swept = {}, .claims = {}}},
        ClaimsSaved{0, whole_space, claims.items()},
        LiveSaved{0, whole_space, 0, none.items()},
        defined(1, pid),
        SequenceSaved{1,
                      {.cursor = 9,
                       .highest = 20,
                       .mark = {},
                       .generation = 3,
                       .swept = 5,
                       .claims = Range{12, 13}}},
        LiveSaved{1, whole_space, 3, live.items()}};
    // clang-format off
    const Case cases[] = {
        {"where it goes on", {leased(0, {50, 50})}, ""},
        {"below the cursor", {leased(0, {49, 49})}, "hands out 49,"},
        {"a claim above it", {claimed(0, {81, 82})}, "hands out 81,"},
        {"not swept yet", {leased(1, {9, 11})}, ""},
        {"swept in this generation", {leased(1, {8, 9})}, "hands out 8 of generation 3,"},
        {"claimed in this generation", {claimed(1, {13, 14})}, "hands out 13 of generation 3,"},
        {"live in this generation", {claimed(1, {15, 15})}, "hands out 15 of generation 3,"},
        {"in the next one", {leased(1, {5, 15}, true)}, ""},
    };
    // clang-format on
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        sim::MemStorage disk;
        Forged journal(disk);
        // What came before the snapshot is in it.
        journal.log({defined(0, inode)});
        journal.snapshot(snapshot);
        journal.log(c.log);
        const auto findings = findings_on(disk);
        ASSERT_EQ(findings.size(), c.want.empty() ? 0U : 1U) << findings.front();
        if (c.want.empty()) continue;
        EXPECT_NE(findings[0].find(c.want), std::string::npos) << findings[0];
    }
    {
        SCOPED_TRACE("what comes before its pool, or before its runs, is in them");
        sim::MemStorage disk;
        Forged journal(disk);
        journal.snapshot(snapshot, {leased(1, {10, 11})}, 3);
        EXPECT_TRUE(findings_on(disk).empty());
        sim::MemStorage other;
        Forged beside(other);
        beside.snapshot(snapshot, {claimed(1, {15, 15})}, 1);
        EXPECT_TRUE(findings_on(other).empty());
    }
}

TEST(HandOuts, ALiveRunThatNobodyHandedOutIsNoticed) {
    sim::MemStorage disk;
    Forged journal(disk);
    journal.log({defined(0, inode), HolderDefined{0, user(1)}, leased(0, {1, 5})});
    HandOuts account;
    NoReplay nobody;
    ASSERT_TRUE(scan(disk, nobody, &account));
    MemoryBudget budget(1 << 20);
    Pool pool(inode, budget);
    ASSERT_TRUE(pool.replay_allocated({1, 5}, 0, false));
    account.compare(0, pool);
    EXPECT_TRUE(account.findings().empty());
    ASSERT_TRUE(pool.replay_allocated({6, 6}, 0, false));
    account.compare(0, pool);
    ASSERT_EQ(account.findings().size(), 1U);
    EXPECT_NE(account.findings()[0].find("holds 1 to 6 as live"), std::string::npos)
        << account.findings()[0];
}

}  // namespace
}  // namespace inod
