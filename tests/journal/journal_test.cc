#include "lib/journal/journal.h"

#include "lib/journal/frame.h"
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
    EXPECT_EQ(names_of(storage, "").size(), 1U);
    EXPECT_EQ(names_of(storage, "journal-").size(), 1U);
    EXPECT_EQ(life.journal.disk_size(), segment_size_min);
}

TEST(Journal, RecordsComeBack) {
    MemStorage storage;
    State state;
    for (std::uint64_t run = 1; run <= 5; ++run) {
        Life life(storage, run);
        EXPECT_EQ(life.recovery.run, run);
        EXPECT_EQ(life.recovery.created, run == 1);
        EXPECT_EQ(life.recovery.id, small_options().fresh_id);
        EXPECT_FALSE(life.recovery.torn_tail);
        EXPECT_EQ(life.state, state);
        EXPECT_EQ(life.recovery.last_lsn, 100 * (run - 1) + run * (run - 1) / 2);
        life.append(100);
        life.flush();
        life.append(run);
        life.flush();
        state = life.state;
    }
}

TEST(Journal, TellsTheMachinesOfTheLastLife) {
    MemStorage storage;
    JournalOptions options = small_options();
    const MachineId nobody{};
    for (std::uint8_t run = 1; run <= 3; ++run) {
        options.machine.fill(std::byte{run});
        options.vm.fill(std::byte(run + 100));
        Life life(storage, run, options);
        MachineId machine{};
        MachineId vm{};
        machine.fill(std::byte(run - 1));
        vm.fill(std::byte(run + 99));
        EXPECT_EQ(life.recovery.machine, run == 1 ? nobody : machine);
        EXPECT_EQ(life.recovery.vm, run == 1 ? nobody : vm);
    }
}

// The records as they are, in order, whatever they are.
class ListReplay final : public Replay {
public:
    Result<void, Failure> snapshot_begin() override { return {}; }
    Result<void, Failure> snapshot_record(std::span<const std::byte> /*record*/) override {
        return {};
    }
    Result<void, Failure> snapshot_end() override { return {}; }
    Result<void, Failure> log_record(Lsn lsn, std::span<const std::byte> record) override {
        EXPECT_EQ(lsn, records.size() + 1);
        records.emplace_back(record.begin(), record.end());
        return {};
    }

    std::vector<Bytes> records;
};

TEST(Journal, SmallestAndLargestRecords) {
    MemStorage storage;
    std::vector<Bytes> records;
    {
        Life life(storage);
        for (const std::size_t size : {std::size_t{1}, record_size_max, std::size_t{2}}) {
            records.emplace_back(size, std::byte{0});
            life.journal.append(records.back());
        }
        life.flush();
    }
    Journal journal(storage, small_options());
    ListReplay replay;
    ASSERT_TRUE(journal.recover(replay));
    EXPECT_EQ(replay.records, records);
}

TEST(Journal, TheLogGoesOnThroughManySegments) {
    MemStorage storage;
    State state;
    {
        Life life(storage);
        for (int group = 0; group < 40; ++group) {
            life.append(50, record_size_max);
            life.flush();
        }
        state = life.state;
        EXPECT_GT(names_of(storage, "journal-").size(), 10U);
    }
    const Life life(storage);
    EXPECT_EQ(life.state, state);
    EXPECT_EQ(life.replay.log_count, 2'000U);
    EXPECT_GT(life.journal.log_size(), 10 * segment_size_min);
}

TEST(Journal, AGroupIsFullOnlyAtItsLimit) {
    MemStorage storage;
    Life life(storage);
    const Bytes record(30, std::byte{7});
    std::size_t count = 0;
    for (; life.journal.has_room(1, record.size()); ++count)
        life.journal.append(record);
    const std::size_t room = segment_size_min - frames_offset;
    EXPECT_EQ(count, (room - room / 16) / (record.size() + 2)) << "what fits a new segment";
    EXPECT_FALSE(life.journal.has_room(1, record.size()));
    life.flush();
    EXPECT_TRUE(life.journal.has_room(count, record.size()));
    EXPECT_FALSE(life.journal.has_room(count + 1, record.size()));
}

// Whatever the records' sizes: a group takes at most one new segment, on which the space that is
// set aside counts.
TEST(Journal, AFullGroupFitsOneSegment) {
    for (const std::size_t size :
         {std::size_t{1}, std::size_t{40}, std::size_t{683}, std::size_t{1000}, record_size_max}) {
        SCOPED_TRACE(size);
        MemStorage storage;
        Life life(storage);
        const Bytes record(size, std::byte{7});
        for (std::size_t files = 2; files < 6; ++files) {
            while (life.journal.has_room(1, size))
                life.journal.append(record);
            life.flush();
            EXPECT_LE(names_of(storage, "journal-").size(), files);
        }
    }
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
        {"of nothing", 0, 0, 9},
        {"of nothing, then a log", 0, 10, 40},
        {"small, at the very end", 200, 0, 40},
        {"small, then a log", 200, 30, 40},
        {"over two segments", 900, 0, record_size_max},
        {"over two, then more log", 900, 400, record_size_max},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        MemStorage storage;
        State state;
        std::size_t saved = 0;
        {
            Life life(storage);
            life.append(c.before, c.size_max, 300);
            life.flush();
            saved = life.state.size();
            life.snapshot();
            EXPECT_FALSE(life.journal.wants_snapshot());
            EXPECT_EQ(life.journal.log_size(), 0U);
            life.append(c.after, c.size_max, 300);
            life.flush();
            state = life.state;
        }
        const Life life(storage);
        EXPECT_EQ(life.state, state);
        EXPECT_EQ(life.recovery.snapshot_lsn, c.before + 1);
        EXPECT_EQ(life.replay.snapshot_ends, 1U);
        EXPECT_EQ(life.replay.snapshot_count, saved);
        EXPECT_EQ(life.replay.log_count, c.after);
    }
}

// The heart of snapshots in the stream: what happens between the pieces counts once, in the piece
// that comes later or by itself.
TEST(Journal, LogRecordsBetweenThePiecesOfASnapshotCountOnce) {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        MemStorage storage;
        State state;
        std::size_t between = 0;
        {
            Life life(storage, seed);
            life.append(200, 80);
            life.flush();
            life.append(random() % 3);
            life.feeder.begin();
            while (life.journal.snapshot_under_way()) {
                life.flush(random() % 30);
                if (!life.journal.snapshot_under_way()) break;
                const std::size_t count = random() % 20;
                life.append(count, 80);
                between += count;
            }
            life.append(random() % 10, 80);
            life.flush();
            state = life.state;
        }
        Life life(storage, seed + 1'000);
        EXPECT_EQ(life.state, state);
        EXPECT_EQ(life.replay.snapshot_begins, 1U);
        EXPECT_EQ(life.replay.snapshot_ends, 1U);
        EXPECT_GE(life.replay.log_count, between);
        EXPECT_LT(life.replay.ignored_count, between);
    }
}

TEST(Journal, LsnsCountTheFramesOfASnapshotToo) {
    MemStorage storage;
    Life life(storage);
    life.append(5);
    life.flush();
    life.feeder.begin();
    EXPECT_EQ(life.journal.last_lsn(), 6U);
    life.flush(0);
    EXPECT_EQ(life.journal.durable_lsn(), 6U);
    life.append(1);
    EXPECT_EQ(life.journal.last_lsn(), 7U);
    life.flush();
    EXPECT_EQ(life.journal.durable_lsn(), 9U) << "a piece and the end";
    life.append(1);
    life.flush();
    const Life next(storage, 1);
    EXPECT_EQ(next.recovery.last_lsn, 10U);
    EXPECT_EQ(next.recovery.snapshot_lsn, 6U);
    EXPECT_EQ(next.replay.last_lsn, 10U);
}

// One that the life before did not end is left aside, with all its pieces, by every start until a
// whole one takes its place.
TEST(Journal, ASnapshotThatWasNotEndedIsLeftAside) {
    MemStorage storage;
    State state;
    for (std::uint64_t run = 1; run <= 4; ++run) {
        Life life(storage, run);
        EXPECT_EQ(life.state, state);
        EXPECT_EQ(life.replay.snapshot_begins, 0U);
        EXPECT_EQ(life.recovery.snapshot_lsn, 0U);
        life.append(80);
        life.flush();
        life.feeder.begin();
        life.flush(20);
        life.append(20);
        life.flush(20);
        EXPECT_TRUE(life.journal.snapshot_under_way());
        state = life.state;
    }
    Life life(storage, 5);
    EXPECT_EQ(life.state, state);
    life.snapshot();
    life.append(5);
    life.flush();
    life.feeder.begin();
    life.flush(10);
    state = life.state;
    const Life last(storage, 6);
    EXPECT_EQ(last.state, state);
    EXPECT_EQ(last.replay.snapshot_begins, 1U) << "of the whole one";
    EXPECT_EQ(last.replay.snapshot_count, state.size());
}

TEST(Journal, ASnapshotTurnsOldSegmentsIntoSpares) {
    MemStorage storage;
    Life life(storage);
    for (int i = 0; i < 30; ++i) {
        life.append(50, record_size_max);
        life.flush();
    }
    const std::size_t before = names_of(storage, "journal-").size();
    ASSERT_GT(before, 12U);
    life.snapshot();
    const std::size_t after = names_of(storage, "journal-").size();
    EXPECT_LE(after, 12U) << "in use: two with the snapshot, one behind it; spares: six and two";
    EXPECT_GE(after, 9U);
    EXPECT_FALSE(life.journal.wants_space());
    // The log goes on in them: no file comes or goes.
    const auto names = names_of(storage, "");
    for (int i = 0; i < 4; ++i) {
        life.append(50, record_size_max);
        life.flush();
    }
    EXPECT_EQ(names_of(storage, ""), names);
}

TEST(Journal, WantsASnapshotOnceTheLogIsLongAndTwiceTheLastOne) {
    MemStorage storage;
    Life life(storage);
    life.make_space();
    const auto log_until_wanted = [&life](Key key_count) {
        while (!life.journal.wants_snapshot()) {
            life.append(50, record_size_max, key_count);
            life.flush();
            life.make_space();
        }
        return life.journal.log_size();
    };
    EXPECT_NEAR(static_cast<double>(log_until_wanted(10)), 4.0 * segment_size_min,
                segment_size_min);
    life.snapshot();
    EXPECT_FALSE(life.journal.wants_snapshot());
    EXPECT_NEAR(static_cast<double>(log_until_wanted(10)), 4.0 * segment_size_min,
                segment_size_min);
    while (life.state.size() < 900)
        life.append(50, record_size_max, 1'000);
    life.flush();
    life.make_space();
    life.snapshot();
    std::uint64_t snapshot_size = 0;
    for (const auto& [key, record] : life.state)
        snapshot_size += record_prefix_size + record.size();
    const auto log_size = static_cast<double>(log_until_wanted(1'000));
    EXPECT_GT(log_size, 2.0 * static_cast<double>(snapshot_size));
    EXPECT_LT(log_size, 2.1 * static_cast<double>(snapshot_size) + 2.0 * segment_size_min);
    // What was counted comes back with the next life.
    const Life next(storage, 1);
    EXPECT_EQ(static_cast<double>(next.journal.log_size()), log_size);
    EXPECT_TRUE(next.journal.wants_snapshot());
}

// A recycled segment is full of frames that once were sound, some with the LSNs that come next.
TEST(Journal, OldFramesOfARecycledSegmentAreNeverTaken) {
    MemStorage storage;
    State state;
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
    EXPECT_LE(names_of(storage, "journal-").size(), 12U);
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
        const Life life(storage);
        EXPECT_TRUE(life.recovery.clean);
        EXPECT_EQ(life.replay.log_count, 10U);
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

// A group of one record, whose frame takes `size` bytes.
void append_frame(Life& life, std::size_t size) {
    constexpr std::size_t overhead = frame_header_size + record_prefix_size;
    life.journal.append(Bytes(size - overhead, std::byte{0}));
    life.flush();
}

TEST(Journal, ACleanStopFitsASegmentFilledToTheLastByte) {
    constexpr std::size_t frame_size = 800;
    for (std::size_t unused = 0; unused <= 64; unused += frame_alignment) {
        SCOPED_TRACE(std::to_string(unused) + " bytes left");
        MemStorage storage;
        {
            Life life(storage);
            std::size_t left = segment_size_min - frames_offset - next_frame_size - unused;
            for (; left >= 2 * frame_size; left -= frame_size)
                append_frame(life, frame_size);
            append_frame(life, left - frame_size);
            append_frame(life, frame_size);
            EXPECT_EQ(names_of(storage, "journal-").size(), 1U);
            life.close();
            EXPECT_EQ(names_of(storage, "journal-").size(), unused < frame_header_size ? 2U : 1U);
        }
        Journal journal(storage, small_options());
        ListReplay replay;
        const auto recovered = journal.recover(replay);
        ASSERT_TRUE(recovered) << recovered.error().message;
        EXPECT_TRUE(recovered->clean);
    }
}

TEST(Journal, OtherFilesOfTheDirectoryAreLeftAlone) {
    MemStorage storage;
    const std::vector<std::string> others = {
        "lock",     "journal-1", "journal-00000000000000ZZ", "journal-00000000000000AB",
        "journal-", "new-file",  "segment-0000000000000001"};
    for (const std::string& name : others)
        storage.set_content(name, {std::byte{1}});
    Life(storage).append(1);
    for (const std::string& name : others)
        EXPECT_EQ(storage.content(name).size(), 1U) << name;
}

TEST(Journal, LeftoversOfACrashAreTidiedUp) {
    MemStorage storage;
    storage.set_content("new-0000000000000007", Bytes(100));
    storage.set_content("journal-0000000000000003", Bytes(2 * segment_size_min));
    storage.set_content("journal-0000000000000004", Bytes(segment_size_min));
    const Life life(storage);
    EXPECT_TRUE(names_of(storage, "new-").empty());
    EXPECT_EQ(names_of(storage, "journal-"), std::vector<std::string>{"journal-0000000000000004"})
        << "one of another size is of no use as a spare";
    EXPECT_EQ(life.journal.disk_size(), segment_size_min);
}

TEST(Journal, TheSegmentSizeMayChangeBetweenLives) {
    MemStorage storage;
    State state;
    for (std::uint64_t run = 1; run <= 6; ++run) {
        JournalOptions options = small_options();
        options.segment_size *= run % 2 + 1;
        Life life(storage, run, options);
        EXPECT_EQ(life.state, state);
        life.append(300, 400);
        life.flush();
        if (run >= 4) {
            life.snapshot();
            for (const std::string& name : names_of(storage, "journal-"))
                EXPECT_EQ(storage.content(name).size(), options.segment_size);
        }
        state = life.state;
    }
}

// What is set aside is not given up for a size that does not fit on the disk.
TEST(Journal, ASegmentSizeThatFindsNoRoomIsRefusedAndChangesNothing) {
    MemStorage storage;
    Life(storage, 1).make_space();
    const std::vector<std::string> names = names_of(storage, "");
    storage.set_capacity(storage.used());
    JournalOptions larger = small_options();
    larger.segment_size *= 2;
    {
        Journal journal(storage, larger);
        StateReplay replay;
        const auto refused = journal.recover(replay);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Errc::no_space);
        EXPECT_NE(refused.error().message.find("segment_size"), std::string::npos)
            << refused.error().message;
    }
    EXPECT_EQ(names_of(storage, ""), names);
    EXPECT_TRUE(Life(storage, 2).journal.has_space_for({}));
    storage.set_capacity(10 * larger.segment_size);
    const Life life(storage, 3, larger);
    for (const std::string& name : names_of(storage, "journal-")) {
        const auto header = header_of(storage, name);
        EXPECT_TRUE(header || storage.content(name).size() == larger.segment_size) << name;
    }
}

// However many there are, and however they end, their files do not grow in number for ever.
TEST(Journal, ShortLivesLeaveFewFiles) {
    MemStorage storage;
    State state;
    for (std::uint64_t run = 1; run <= 200; ++run) {
        Life life(storage, run);
        EXPECT_EQ(life.state, state);
        life.make_space();
        life.append(1);
        life.flush();
        if (life.journal.wants_snapshot()) life.snapshot();
        if (run % 2 == 0) life.close();
        state = life.state;
        ASSERT_LT(names_of(storage, "").size(), 40U) << run;
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
    StateReplay replay;
    replay.refused_lsn = 7;
    const auto recovered = journal.recover(replay);
    ASSERT_FALSE(recovered);
    EXPECT_EQ(recovered.error().code, Errc::pool_changed);
    EXPECT_NE(recovered.error().message.find(
                  segment_file(storage, 1) +
                  " (segment 1), offset 4096, LSN 1, the record with LSN 7: not this one"),
              std::string::npos)
        << recovered.error().message;
    EXPECT_EQ(storage.list().value(), names_before);
    EXPECT_TRUE(journal.sealed());
}

TEST(Journal, WhoKnowsMoreCanRefuseAJournal) {
    MemStorage storage;
    {
        Life life(storage);
        life.append(10);
        life.flush();
    }
    const auto names = names_of(storage, "");
    const Bytes content = storage.content(segment_file(storage, 1));
    Journal journal(storage, small_options());
    StateReplay replay;
    const auto recovered =
        journal.recover(replay, [](const Recovery& found) -> Result<std::uint64_t, Failure> {
            EXPECT_EQ(found.run, 1U);
            EXPECT_EQ(found.last_lsn, 10U);
            return Failure{Errc::config_invalid, "an old copy"};
        });
    ASSERT_FALSE(recovered);
    EXPECT_EQ(recovered.error().message, "an old copy");
    EXPECT_EQ(names_of(storage, ""), names);
    EXPECT_EQ(storage.content(segment_file(storage, 1)), content);
}

TEST(Journal, ALifeIsAboveTheRunThatItIsGiven) {
    MemStorage storage;
    const std::pair<std::uint64_t, std::uint64_t> given_and_got[] = {{0, 1}, {7, 8}, {3, 9}};
    for (const auto& [given, got] : given_and_got) {
        Journal journal(storage, small_options());
        StateReplay replay;
        const auto recovered = journal.recover(
            replay,
            [run = given](const Recovery&) -> Result<std::uint64_t, Failure> { return run; });
        ASSERT_TRUE(recovered) << recovered.error().message;
        EXPECT_EQ(recovered->run, got);
    }
    EXPECT_EQ(Life(storage).recovery.run, 10U);
}

TEST(Journal, RemembersThatThereIsAWitness) {
    MemStorage storage;
    JournalOptions options = small_options();
    for (const bool had : {false, true}) {
        options.has_witness = true;
        EXPECT_EQ(Life(storage, 0, options).recovery.had_witness, had);
    }
}

}  // namespace
}  // namespace inod
