#include "lib/journal/journal.h"

#include <algorithm>

#include "lib/journal/segment_set.h"
#include "tests/journal/support.h"

namespace inod {
namespace {

using sim::MemStorage;

TEST(Journal, AnEmptyDirectoryBecomesAStore) {
    MemStorage storage;
    const Life life(storage);
    EXPECT_TRUE(life.recovery.created);
    EXPECT_TRUE(life.recovery.clean);
    EXPECT_EQ(life.recovery.run, 1U);
    EXPECT_EQ(life.recovery.last_lsn, 0U);
    EXPECT_EQ(life.recovery.id, small_options().fresh_id);
    EXPECT_TRUE(life.journal.has_space());
    EXPECT_EQ(names_of(storage, "segment-").size(), 1U);
    EXPECT_EQ(names_of(storage, "spare-").size(), 1U);
    EXPECT_EQ(life.journal.disk_size(), 2 * segment_size_min);
}

TEST(Journal, RecordsComeBack) {
    MemStorage storage;
    Records state;
    for (std::uint64_t run = 1; run <= 5; ++run) {
        Life life(storage, run);
        EXPECT_EQ(life.recovery.run, run);
        EXPECT_EQ(life.recovery.created, run == 1);
        EXPECT_EQ(life.recovery.id, small_options().fresh_id);
        EXPECT_FALSE(life.recovery.torn_tail);
        EXPECT_EQ(life.state, state);
        life.append(100);
        life.flush();
        life.append(run);
        life.flush();
        state = life.state;
    }
}

TEST(Journal, SmallestAndLargestRecords) {
    MemStorage storage;
    Records state;
    {
        Life life(storage);
        for (const std::size_t size : {std::size_t{1}, record_size_max, std::size_t{2}}) {
            state.emplace_back(size, std::byte{0});
            life.journal.append(state.back());
        }
        life.flush();
    }
    EXPECT_EQ(Life(storage).state, state);
}

TEST(Journal, TheLogGoesOnThroughManySegments) {
    MemStorage storage;
    Records state;
    {
        Life life(storage);
        for (int group = 0; group < 40; ++group) {
            life.append(50, record_size_max);
            life.flush();
        }
        state = life.state;
        EXPECT_GT(names_of(storage, "segment-").size(), 10U);
        EXPECT_TRUE(life.journal.wants_snapshot());
    }
    Life life(storage);
    EXPECT_EQ(life.state, state);
    EXPECT_TRUE(life.journal.wants_snapshot());
}

TEST(Journal, AGroupIsFullOnlyAtItsLimit) {
    MemStorage storage;
    Life life(storage);
    const Record record(30, std::byte{7});
    std::size_t count = 0;
    for (; life.journal.has_room(1, record.size()); ++count)
        life.journal.append(record);
    const std::size_t room = segment_size_min - frames_offset;
    EXPECT_EQ(count, (room - room / 32) / (record.size() + 2)) << "what fits a new segment";
    EXPECT_FALSE(life.journal.has_room(1, record.size()));
    life.flush();
    EXPECT_TRUE(life.journal.has_room(count, record.size()));
    EXPECT_FALSE(life.journal.has_room(count + 1, record.size()));
}

TEST(Journal, WhatIsAppendedDuringAFlushBelongsToTheNextGroup) {
    MemStorage storage;
    Life life(storage);
    life.append(3);
    ASSERT_TRUE(life.journal.begin_flush());
    life.append(4);
    ASSERT_TRUE(life.journal.flush());
    EXPECT_EQ(life.journal.durable_lsn(), 0U);
    EXPECT_EQ(life.journal.end_flush(), 3U);
    EXPECT_EQ(life.journal.last_lsn(), 7U);
    ASSERT_TRUE(life.journal.begin_flush());
    EXPECT_FALSE(life.journal.sealed());
    ASSERT_TRUE(life.journal.flush());
    EXPECT_EQ(life.journal.end_flush(), 7U);
    EXPECT_FALSE(life.journal.begin_flush());
}

TEST(Journal, ASnapshotReplacesTheLogBeforeIt) {
    struct Case {
        const char* name;
        std::size_t before;
        std::size_t after;
        std::size_t size_max;
    };
    const Case cases[] = {
        // name                        before after size_max
        {"of nothing", 0, 0, 1},
        {"of nothing, then a log", 0, 10, 40},
        {"small, at the very end", 200, 0, 40},
        {"small, then a log", 200, 30, 40},
        {"over several segments", 900, 0, record_size_max},
        {"several, then more log", 900, 400, record_size_max},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        MemStorage storage;
        Records state;
        {
            Life life(storage);
            life.append(c.before, c.size_max);
            life.flush();
            life.snapshot();
            EXPECT_FALSE(life.journal.wants_snapshot());
            EXPECT_EQ(life.journal.log_size(), 0U);
            life.append(c.after, c.size_max);
            life.flush();
            state = life.state;
        }
        Life life(storage);
        EXPECT_EQ(life.state, state);
        EXPECT_EQ(life.recovery.snapshot_lsn, c.before);
        EXPECT_EQ(life.recovery.last_lsn, c.before + c.after);
        EXPECT_EQ(life.replay.snapshot_count, c.before);
        EXPECT_LE(names_of(storage, "spare-").size(), spare_count_max);
    }
}

// A recycled segment is full of frames that once were sound, some with the LSNs that come next.
TEST(Journal, OldFramesOfARecycledSegmentAreNeverTaken) {
    MemStorage storage;
    Records state;
    for (std::uint64_t run = 1; run <= 60; ++run) {
        SCOPED_TRACE("run " + std::to_string(run));
        Life life(storage, run);
        ASSERT_EQ(life.state, state);
        EXPECT_FALSE(life.recovery.torn_tail);
        life.append(30 + run % 7, 300);
        life.flush();
        if (run % 3 == 0) life.snapshot();
        if (run % 5 == 0) life.append(5);
        life.flush();
        state = life.state;
    }
    EXPECT_LE(names_of(storage, "spare-").size(), spare_count_max);
}

TEST(Journal, TellsACleanStopFromAnother) {
    MemStorage storage;
    {
        Life life(storage);
        life.append(10);
        life.flush();
        life.close();
    }
    {
        Life life(storage);
        EXPECT_TRUE(life.recovery.clean);
        EXPECT_EQ(life.state.size(), 10U);
    }
    {
        Life life(storage);
        EXPECT_FALSE(life.recovery.clean)
            << "a life that wrote nothing did not stop cleanly either";
        life.snapshot();
        life.close();
    }
    const Life life(storage);
    EXPECT_TRUE(life.recovery.clean);
    EXPECT_EQ(life.recovery.run, 4U);
}

TEST(Journal, ACleanStopFitsASegmentFilledToTheLastByte) {
    for (std::size_t spare_bytes = 0; spare_bytes <= 64; spare_bytes += 8) {
        SCOPED_TRACE(std::to_string(spare_bytes) + " bytes left");
        MemStorage storage;
        {
            Life life(storage);
            std::size_t left = segment_size_min - frames_offset - spare_bytes;
            constexpr std::size_t overhead = 32 + 2;
            while (left > 0) {
                std::size_t size = std::min(left, std::size_t{808}) - overhead;
                if (left > 808 && left - 808 <= 40)
                    size -= 40;  // a last frame needs its header too
                life.journal.append(Record(size, std::byte{1}));
                life.flush();
                left -= (size + overhead + 7) / 8 * 8;
            }
            EXPECT_EQ(names_of(storage, "segment-").size(), 1U);
            life.close();
            EXPECT_EQ(names_of(storage, "segment-").size(), spare_bytes < 32 ? 2U : 1U);
        }
        EXPECT_TRUE(Life(storage).recovery.clean);
    }
}

TEST(Journal, OtherFilesOfTheDirectoryAreLeftAlone) {
    MemStorage storage;
    const std::vector<std::string> others = {
        "lock",   "segment-1", "segment-00000000000000ZZ", "segment-00000000000000AB",
        "spare-", "new-file"};
    for (const std::string& name : others)
        storage.set_content(name, {std::byte{1}});
    { Life(storage).append(1); }
    for (const std::string& name : others)
        EXPECT_EQ(storage.content(name).size(), 1U) << name;
}

TEST(Journal, LeftoversOfACrashAreTidiedUp) {
    MemStorage storage;
    storage.set_content("new-0000000000000007", std::vector<std::byte>(100));
    storage.set_content("spare-0000000000000003", std::vector<std::byte>(100));
    storage.set_content("spare-0000000000000004", std::vector<std::byte>(segment_size_min));
    const Life life(storage);
    EXPECT_TRUE(names_of(storage, "new-").empty());
    for (const std::string& name : names_of(storage, "spare-"))
        EXPECT_EQ(storage.content(name).size(), segment_size_min);
}

TEST(Journal, TheSegmentSizeMayChangeBetweenLives) {
    MemStorage storage;
    Records state;
    for (std::uint64_t run = 1; run <= 6; ++run) {
        JournalOptions options = small_options();
        options.segment_size *= run % 2 + 1;
        Life life(storage, run, options);
        EXPECT_EQ(life.state, state);
        life.append(300, 400);
        life.flush();
        if (run >= 4) life.snapshot();
        state = life.state;
    }
}

TEST(Journal, WithoutSpaceForASpareItSaysSoAndGoesOn) {
    MemStorage storage;
    storage.set_capacity(3 * segment_size_min + 100);
    Life life(storage);
    ASSERT_TRUE(life.journal.has_space());
    while (life.journal.has_space()) {
        ASSERT_LT(life.state.size(), 10'000U);
        life.append(50);
        life.flush();
    }
    // The last segment has just been opened. What is in it is still durable.
    life.append(50);
    life.flush();
    EXPECT_FALSE(life.journal.has_space());
    EXPECT_TRUE(names_of(storage, "new-").empty()) << "what little space there is was given back";
    ASSERT_TRUE(life.journal.make_space());
    EXPECT_FALSE(life.journal.has_space());

    storage.set_capacity(4 * segment_size_min);
    ASSERT_TRUE(life.journal.make_space());
    EXPECT_TRUE(life.journal.has_space());
    EXPECT_FALSE(life.journal.sealed());
    EXPECT_EQ(Life(storage).state, life.state);
}

TEST(Journal, FlushNoticesByItselfThatSpaceCameBack) {
    MemStorage storage;
    storage.set_capacity(segment_size_min);
    Life life(storage);
    EXPECT_FALSE(life.journal.has_space());
    storage.set_capacity(2 * segment_size_min);
    for (int i = 0; i < 4 && !life.journal.has_space(); ++i) {
        life.append(1);
        life.flush();
    }
    EXPECT_TRUE(life.journal.has_space());
}

TEST(Journal, WithoutAnySegmentLeftItIsSealed) {
    MemStorage storage;
    storage.set_capacity(segment_size_min);
    Life life(storage);
    Result<void, Failure> flushed;
    Records durable;
    while (flushed) {
        ASSERT_LT(life.state.size(), 10'000U);
        durable = life.state;
        life.append(20, record_size_max);
        flushed = flush_all(life.journal);
    }
    EXPECT_EQ(flushed.error().code, Errc::no_space);
    EXPECT_TRUE(life.journal.sealed());
    EXPECT_EQ(life.journal.flush().error().code, Errc::journal_sealed);
    storage.set_capacity(10 * segment_size_min);
    const Records found = Life(storage).state;
    ASSERT_GE(found.size(), durable.size());
    EXPECT_TRUE(std::equal(found.begin(), found.end(), life.state.begin()));
}

TEST(Journal, ASnapshotWithoutSpaceIsPutOffAndNothingIsSealed) {
    // How many records the snapshot before had, and how many came since: the first of all, one
    // larger than the one before, and one of the same size as the one before.
    struct Case {
        std::size_t before;
        std::size_t since;
    };
    for (const Case& c : {Case{0, 600}, Case{100, 900}, Case{600, 1300}}) {
        SCOPED_TRACE(c.before);
        MemStorage storage;
        Life life(storage);
        if (c.before > 0) {
            life.append(c.before, record_size_max);
            life.flush();
            life.snapshot();
        }
        for (std::size_t i = 0; i < c.since; i += 20) {
            life.append(20, record_size_max);
            life.flush();
        }
        ASSERT_TRUE(life.journal.wants_snapshot());
        storage.set_capacity(life.journal.disk_size());
        const auto refused = write_snapshot(life.journal, life.state);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Errc::no_space);
        EXPECT_FALSE(life.journal.sealed());
        EXPECT_FALSE(life.journal.wants_snapshot()) << "not again at once";
        life.append(5);
        life.flush();

        storage.set_capacity(~std::uint64_t{0});
        while (!life.journal.wants_snapshot()) {
            life.append(20, record_size_max);
            life.flush();
        }
        EXPECT_TRUE(write_snapshot(life.journal, life.state)) << "later it is written";
        EXPECT_EQ(Life(storage).state, life.state);
    }
}

TEST(Journal, AFailureOfTheReplayNamesThePlace) {
    MemStorage storage;
    {
        Life life(storage);
        life.append(10);
        life.flush();
    }
    const auto names_before = storage.list().value();
    Journal journal(storage, small_options());
    ListReplay replay;
    replay.refused_lsn = 7;
    const auto recovered = journal.recover(replay);
    ASSERT_FALSE(recovered);
    EXPECT_EQ(recovered.error().code, Errc::pool_changed);
    EXPECT_NE(recovered.error().message.find("segment-0000000000000001, offset 4096, LSN 1"),
              std::string::npos)
        << recovered.error().message;
    EXPECT_NE(recovered.error().message.find("LSN 7: not this one"), std::string::npos);
    EXPECT_EQ(storage.list().value(), names_before);
}

}  // namespace
}  // namespace inod
