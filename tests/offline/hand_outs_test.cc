// The account of what was handed out notices what was handed out twice, by itself: nothing is
// replayed here.
#include "lib/offline/hand_outs.h"

#include <functional>

#include "tests/offline/support.h"

namespace inod {
namespace {

const PoolSpec inode = unique_pool("inode", {1, 1000});
const PoolSpec pid = cyclic_pool("pid", {1, 20});
const PoolSpec slot = lowest_pool("slot", {0, 20});
const PoolSpec counter = untracked(unique_pool("counter", {1, 1000}));

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
        {"reserved, and claimed later", {Reserved{0, {5, 8}}, leased(0, {1, 4}), leased(0, {9, 20}),
          claimed(0, {5, 8})}, ""},
        {"and claimed again", {Reserved{0, {5, 8}}, leased(0, {9, 20}), claimed(0, {6, 6}),
          Released{0, {6, 6}}, claimed(0, {5, 6})}, "hands out 6, which was handed"},
        {"a claim beside what is reserved", {Reserved{0, {5, 8}}, leased(0, {9, 20}),
          claimed(0, {8, 9})}, "hands out 9,"},
        {"no longer reserved when it is claimed", {Reserved{0, {5, 8}}, leased(0, {9, 20}),
          Unreserved{0, {6, 8}}, claimed(0, {5, 6})}, "hands out 6,"},
        {"no longer reserved, and not passed", {Reserved{0, {5, 8}}, Unreserved{0, {5, 8}},
          leased(0, {5, 8})}, ""},
        {"a lease of what is reserved", {Reserved{0, {5, 8}}, leased(0, {1, 5})},
         "hands out 5, which is reserved"},
        {"reserved behind the mark, and claimed after a crash",
         {Reserved{0, {5, 8}}, MarkMoved{0, 100}, leased(0, {1, 4}), UncleanStop{},
          claimed(0, {8, 8})}, ""},
        {"reserved, and claimed after a skip", {Reserved{0, {5, 30}}, leased(0, {1, 4}),
          SkippedAhead{10}, claimed(0, {14, 15})}, "hands out 14,"},
        {"reserved, and nothing skipped", {Reserved{0, {5, 30}}, leased(0, {31, 34}),
          SkippedAhead{0}, claimed(0, {14, 15})}, ""},
        {"reserved above a skip", {Reserved{0, {5, 30}}, leased(0, {1, 4}), SkippedAbove{0, 14},
          claimed(0, {15, 30})}, ""},
        {"reserved below where a skip goes on", {Reserved{0, {5, 30}}, leased(0, {1, 4}),
          SkippedAbove{0, 14}, claimed(0, {9, 9})}, "hands out 9,"},
        {"reserved once it was passed", {leased(0, {1, 8}), Reserved{0, {8, 9}}},
         "reserves 8, which was handed"},
        {"below what was advanced to", {Advanced{0, 50}, claimed(0, {50, 50})}, "hands out 50,"},
        {"above what was advanced to", {Advanced{0, 50}, leased(0, {51, 51})}, ""},
        {"reserved below what was advanced to", {Reserved{0, {5, 8}}, Advanced{0, 50},
          claimed(0, {7, 7})}, ""},
        {"advanced in a pool that wraps", {leased(1, {1, 2}), Advanced{1, 9}, claimed(1, {9, 10})},
         "hands out 9 of generation 1,"},
        {"reserved in a pool that wraps, again and again",
         {Reserved{1, {5, 8}}, claimed(1, {5, 5}), Released{1, {5, 5}}, claimed(1, {5, 5}, true)},
         ""},
        {"and with the same generation",
         {Reserved{1, {5, 8}}, claimed(1, {5, 5}), Released{1, {5, 5}}, claimed(1, {5, 5})},
         "hands out 5 of generation 1,"},
        {"a lease of what is reserved in a pool that wraps",
         {Reserved{1, {5, 8}}, claimed(1, {5, 5}), leased(1, {6, 6})}, "hands out 6 of generation"},
        {"lowest, up and up", {leased(2, {0, 5}), leased(2, {6, 6})}, ""},
        {"lowest, and back with the next generation",
         {leased(2, {0, 5}), Released{2, {3, 3}}, leased(2, {3, 3}, true)}, ""},
        {"lowest, and back", {leased(2, {0, 5}), Released{2, {3, 3}}, leased(2, {3, 3})},
         "hands out 3 of generation 1,"},
        {"lowest after a crash", {leased(2, {0, 5}), Released{2, {3, 3}}, UncleanStop{},
          leased(2, {3, 3})}, ""},
        {"lowest goes nowhere", {Advanced{2, 5}}, "is lowest and does not go up"},
        {"a counter", {Passed{3, {1, 9}, false}, Passed{3, {10, 10}, false}}, ""},
        {"a counter, twice", {Passed{3, {1, 9}, false}, Passed{3, {9, 10}, false}},
         "hands out 9,"},
        {"a unique pool with generations", {leased(0, {1, 5}, true)}, "raises its generation"},
        {"no such pool", {leased(7, {1, 5})}, "pool 7 is not defined"},
    };
    // clang-format on
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        sim::MemStorage disk;
        Forged journal(disk);
        journal.log({defined(0, inode), defined(1, pid), defined(2, slot), defined(3, counter),
                     holder_of(0, 1)});
        journal.log(c.log);
        const auto findings = findings_on(disk);
        ASSERT_EQ(findings.size(), c.want.empty() ? 0U : 1U) << findings.front();
        if (c.want.empty()) continue;
        EXPECT_NE(findings[0].find(c.want), std::string::npos) << findings[0];
        EXPECT_EQ(findings[0].find("journal-"), 0U) << findings[0];
        const std::string lsn = "LSN " + std::to_string(5 + c.log.size()) + ": ";
        EXPECT_NE(findings[0].find(lsn), std::string::npos) << findings[0];
    }
}

TEST(HandOuts, WhatASnapshotTellsOfThePastCounts) {
    const SavedRuns live({{15, 15}}, 3);
    const SavedRuns none({}, 0);
    const SavedRuns claims({{80, 81}}, 0);
    const SavedRuns reserved_above({{90, 91}}, 0, ClaimsSaved::reserved_only, 82);
    const SavedRuns kept({{7, 8}, {90, 91}}, 0);
    const std::vector<Record> snapshot{
        Booted{.boot = {}, .next_holder = 2, .now = 0},
        holder_of(0, 1),
        defined(0, inode),
        SequenceSaved{
            0,
            {.cursor = 50, .highest = 81, .mark = 60, .generation = 0, .swept = {}, .claims = {}}},
        ClaimsSaved{0, {0, 81}, claims.items()},
        ClaimsSaved{0, {82, id_max}, reserved_above.items()},
        ReservedSaved{0, whole_space, kept.items()},
        LiveSaved{0, whole_space, 0, none.items()},
        defined(1, slot),
        SequenceSaved{1,
                      {.cursor = {},
                       .highest = 9,
                       .mark = {},
                       .generation = 7,
                       .swept = {},
                       .claims = Range{2, 5},
                       .passed = 9}},
        LiveSaved{1, whole_space, 7, none.items()},
        defined(2, pid),
        SequenceSaved{2,
                      {.cursor = 9,
                       .highest = 20,
                       .mark = {},
                       .generation = 3,
                       .swept = 5,
                       .claims = Range{12, 13}}},
        LiveSaved{2, whole_space, 3, live.items()}};
    // clang-format off
    const Case cases[] = {
        {"where it goes on", {leased(0, {50, 50})}, ""},
        {"reserved below the cursor", {claimed(0, {7, 8})}, ""},
        {"and twice", {claimed(0, {7, 8}), Released{0, {8, 8}}, claimed(0, {8, 8})},
         "hands out 8,"},
        {"not reserved below the cursor", {claimed(0, {6, 7})}, "hands out 6,"},
        {"reserved above it", {claimed(0, {90, 91})}, ""},
        {"reserved above it, as a lease", {leased(0, {82, 90})}, "hands out 90, which is reserved"},
        {"above the span of a lowest pool", {leased(1, {6, 8})}, ""},
        {"within it", {leased(1, {5, 6})}, "hands out 5 of generation 7,"},
        {"below the cursor", {leased(0, {49, 49})}, "hands out 49,"},
        {"a claim above it", {claimed(0, {81, 82})}, "hands out 81,"},
        {"not swept yet", {leased(2, {9, 11})}, ""},
        {"swept in this generation", {leased(2, {8, 9})}, "hands out 8 of generation 3,"},
        {"claimed in this generation", {claimed(2, {13, 14})}, "hands out 13 of generation 3,"},
        {"live in this generation", {claimed(2, {15, 15})}, "hands out 15 of generation 3,"},
        {"in the next one", {leased(2, {5, 15}, true)}, ""},
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
        journal.snapshot(snapshot, {leased(2, {10, 11})}, 3);
        EXPECT_TRUE(findings_on(disk).empty());
        sim::MemStorage other;
        Forged beside(other);
        beside.snapshot(snapshot, {claimed(2, {15, 15})}, 1);
        EXPECT_TRUE(findings_on(other).empty());
    }
    {
        SCOPED_TRACE("what was reserved may be claimed before the snapshot has told of it, once");
        const auto with_kept = [&](const std::vector<Record>& meanwhile) {
            sim::MemStorage disk;
            Forged journal(disk);
            auto records = snapshot;
            const SavedRuns left({{8, 8}, {90, 91}}, 0);
            records[6] = ReservedSaved{0, whole_space, left.items()};
            journal.snapshot(records, meanwhile, records.size() - 6);
            journal.log({leased(0, {50, 50})});
            return findings_on(disk);
        };
        EXPECT_TRUE(with_kept({claimed(0, {7, 7})}).empty());
        EXPECT_EQ(with_kept({claimed(0, {7, 7}), claimed(0, {7, 7})}).size(), 1U);
        EXPECT_EQ(with_kept({leased(0, {7, 7})}).size(), 1U);
    }
}

// A pool that is replayed beside an account, and not quite as that was.
class Compared {
public:
    explicit Compared(const PoolSpec& spec, const std::vector<Record>& log)
        : pool(spec, 0, tags_, budget_) {
        sim::MemStorage disk;
        Forged journal(disk);
        journal.log({defined(0, spec), holder_of(0, 1)});
        journal.log(log);
        NoReplay nobody;
        EXPECT_TRUE(scan(disk, nobody, &account_));
    }
    std::string findings() {
        account_.compare(0, pool);
        std::string text;
        for (const std::string& finding : account_.findings())
            text += finding + "; ";
        return text;
    }

private:
    MemoryBudget budget_{1 << 20};
    Tags tags_{budget_};
    HandOuts account_;

public:
    Pool pool;
};

TEST(HandOuts, ALiveRunThatNobodyHandedOutIsNoticed) {
    Compared both(inode, {leased(0, {1, 5})});
    ASSERT_TRUE(both.pool.replay_allocated({1, 5}, 0, false));
    EXPECT_EQ(both.findings(), "");
    ASSERT_TRUE(both.pool.replay_allocated({6, 6}, 0, false));
    EXPECT_EQ(both.findings(), "pool 'inode' holds 1 to 6 as live, which no record handed out; ");
}

TEST(HandOuts, APoolThatWouldHandOutAgainIsNoticed) {
    Compared behind(inode, {leased(0, {1, 5}), leased(0, {6, 6})});
    ASSERT_TRUE(behind.pool.replay_allocated({1, 5}, 0, false));
    EXPECT_EQ(behind.findings(),
              "pool 'inode' goes on at 6, and its records come to 6; "
              "pool 'inode' may hand out 6 again; ");
    Compared claim(inode, {leased(0, {1, 5}), claimed(0, {9, 9})});
    ASSERT_TRUE(claim.pool.replay_allocated({1, 5}, 0, false));
    EXPECT_EQ(claim.findings(), "pool 'inode' may hand out 9 again; ");
    Compared wrapping(pid, {leased(0, {1, 5}), claimed(0, {9, 9})});
    ASSERT_TRUE(wrapping.pool.replay_allocated({1, 5}, 0, false));
    EXPECT_EQ(wrapping.findings(), "pool 'pid' may hand out 9 of generation 1 again; ");
    Compared lowest(slot, {leased(0, {0, 5}), leased(0, {6, 6})});
    ASSERT_TRUE(lowest.pool.replay_allocated({0, 5}, 0, false));
    EXPECT_EQ(lowest.findings(), "pool 'slot' may hand out 6 of generation 1 again; ");
    Compared passed(counter, {Passed{0, {1, 9}, false}});
    ASSERT_TRUE(passed.pool.replay_passed({1, 8}, false));
    EXPECT_EQ(passed.findings(),
              "pool 'counter' goes on at 9, and its records come to 9; "
              "pool 'counter' may hand out 9 again; ");
}

TEST(HandOuts, WhatIsReservedWhileASnapshotIsWrittenStaysSo) {
    const SavedRuns none({}, 1);
    SequenceState fresh{};
    fresh.cursor = fresh.swept = 1;
    fresh.generation = 1;
    sim::MemStorage disk;
    Forged journal(disk);
    journal.snapshot({Booted{}, defined(0, pid), SequenceSaved{0, fresh},
                      LiveSaved{0, whole_space, 1, none.items()}},
                     {Reserved{0, {5, 6}}}, 1);
    HandOuts account;
    NoReplay nobody;
    ASSERT_TRUE(scan(disk, nobody, &account));
    MemoryBudget budget(1 << 20);
    Tags tags(budget);
    Pool pool(pid, 0, tags, budget);
    account.compare(0, pool);
    ASSERT_EQ(account.findings().size(), 1U);
    EXPECT_EQ(account.findings()[0], "pool 'pid' has lost that 5 to 6 is reserved");
}

TEST(HandOuts, WhatIsReservedOnOneSideAloneIsNoticed) {
    Compared both(inode, {Reserved{0, {5, 8}}, leased(0, {1, 4}), leased(0, {9, 9}),
                          claimed(0, {6, 6}), Released{0, {6, 6}}});
    ASSERT_TRUE(both.pool.replay_reserved({5, 8}));
    ASSERT_TRUE(both.pool.replay_allocated({1, 4}, 0, false));
    ASSERT_TRUE(both.pool.replay_allocated({9, 9}, 0, false));
    ASSERT_TRUE(both.pool.replay_claimed({6, 6}, 0, false));
    ASSERT_TRUE(both.pool.replay_released({6, 6}));
    EXPECT_EQ(both.findings(), "");
    ASSERT_TRUE(both.pool.replay_unreserved({8, 8}));
    ASSERT_TRUE(both.pool.replay_reserved({20, 21}));
    EXPECT_EQ(both.findings(),
              "pool 'inode' has lost that 8 is reserved; "
              "pool 'inode' keeps 20 to 21 as reserved, which no record reserved; ");
}

}  // namespace
}  // namespace inod
