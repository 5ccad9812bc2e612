// Promise: a backup has all that was acknowledged before it was begun, and what it has is a prefix
// of what was written, whatever is written meanwhile.
// Method: a writer takes steps before every read (moving_store.h). A seed repeats its failure.
#include "lib/journal/backup.h"

#include <functional>

#include "lib/journal/backup_file.h"
#include "lib/journal/frame.h"
#include "lib/journal/recovery.h"
#include "tests/journal/moving_store.h"

namespace inod {
namespace {

using sim::MemStorage;

const BackupName as{.name = "backup", .temporary = "backup.new"};

std::string said(const Result<BackupMade, Failure>& made) {
    return made ? "made" : std::string(name(made.error().code)) + ": " + made.error().message;
}

// What a start on the backup would find.
State state_in(MemStorage& directory) {
    const auto backup = BackupFile::open(directory, as.name);
    EXPECT_TRUE(backup) << backup.error().message;
    if (!backup) return {};
    StateReplay replay;
    const auto read = scan(**backup, replay);
    EXPECT_TRUE(read) << read.error().message;
    if (read) {
        EXPECT_EQ(read->recovery.last_lsn, (*backup)->last_lsn());
    }
    return replay.state;
}

// What came of many backups.
struct Tally {
    int made = 0;
    int given_up = 0;
    int attempts = 0;  // of those that were made
    int ahead = 0;     // have more than was acknowledged when they were begun
};

// Backs the store up again and again; every backup that is made keeps the promise.
void back_up_again_and_again(std::uint64_t seed, const Pace& pace, int count, Tally& tally) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MovingStore store(seed, pace);
    for (int i = 0; i < count; ++i) {
        store.go_on(100);
        MemStorage directory;
        const std::size_t acknowledged = store.acknowledged();
        const auto made =
            store.read([&](Storage& storage) { return back_up(storage, directory, as); });
        if (!made) {
            ASSERT_TRUE(made.error().code == Errc::state_in_use ||
                        made.error().code == Errc::journal_damaged)
                << said(made);
            ASSERT_TRUE(directory.names().empty());
            ++tally.given_up;
            continue;
        }
        ++tally.made;
        tally.attempts += made->attempts;
        const State state = state_in(directory);
        const std::size_t last = last_serial(state);
        ASSERT_GE(last, acknowledged) << "something acknowledged is missing";
        ASSERT_EQ(state, MovingStore::state_of_first(last)) << "not a prefix";
        tally.ahead += last > acknowledged ? 1 : 0;
    }
}

Tally back_up_moving_stores(const Pace& pace, int count = 5) {
    Tally tally;
    const std::uint64_t seeds = is_long() ? 1'000 : 40;
    for (std::uint64_t seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed)
        back_up_again_and_again(seed, pace, count, tally);
    return tally;
}

// The order of reading is such that what is appended meanwhile makes no second attempt necessary.
TEST(Backup, OfAStoreThatOnlyGrowsNeedsOneAttempt) {
    const Tally tally = back_up_moving_stores({.steps_max = 20, .moves_in = 6});
    EXPECT_EQ(tally.given_up, 0);
    EXPECT_EQ(tally.attempts, tally.made);
    EXPECT_GT(tally.ahead, tally.made / 2) << "the store hardly moved";
}

TEST(Backup, StartsOverWhereSegmentsAreUsedAgain) {
    const Tally tally =
        back_up_moving_stores({.steps_max = 3, .takes_snapshots = true, .tear_max = 4});
    EXPECT_GT(tally.attempts, tally.made);
    EXPECT_LT(tally.given_up, tally.made / 4);
}

// A process that is stopped between two calls, and goes on when all is different.
TEST(Backup, OutlastsAStopBetweenAnyTwoReads) {
    const Tally tally =
        back_up_moving_stores({.steps_max = 0, .stop_max = 1'500, .takes_snapshots = true}, 15);
    EXPECT_GT(tally.attempts, tally.made);
    EXPECT_EQ(tally.given_up, 0);
}

TEST(Backup, OutlastsReadsThatAreTorn) {
    const Tally tally = back_up_moving_stores({.steps_max = 1, .tear_max = 40});
    EXPECT_GT(tally.attempts, tally.made);
    EXPECT_LT(tally.given_up, tally.made / 4);
}

// A store with a snapshot, log behind it, and another life.
struct Stopped {
    Stopped() {
        Life first(disk);
        first.append(900, 300);
        first.flush();
        first.snapshot();
        first.append(700, 300);
        first.flush();
        first.close();
        Life second(disk);
        second.append(3);
        second.flush();
        second.close();
        state = second.state;
    }

    MemStorage disk;
    State state;
};

TEST(Backup, OfAStoppedStoreIsAllOfIt) {
    Stopped store;
    MemStorage directory;
    const auto names = store.disk.names();
    const std::uint64_t changes = store.disk.changes();
    const auto made = back_up(store.disk, directory, as);
    ASSERT_EQ(said(made), "made");
    EXPECT_EQ(store.disk.changes(), changes) << "nothing is written to the store";
    EXPECT_EQ(made->attempts, 1);
    EXPECT_EQ(made->run, 2U);
    EXPECT_EQ(made->size, directory.content(as.name).size());
    EXPECT_EQ(made->size, made->segments * segment_size_min + backup_trailer_size);
    EXPECT_LT(made->segments, names.size()) << "spares stay out of it";
    EXPECT_EQ(state_in(directory), store.state);
    EXPECT_EQ(directory.names(), std::vector<std::string>{as.name});
    const auto backup = BackupFile::open(directory, as.name);
    StateReplay replay;
    EXPECT_TRUE(scan(**backup, replay)->recovery.clean);
}

// With the newest segment as it was found, although another one was begun since.
TEST(Backup, EndsWithTheSegmentThatWasTheNewest) {
    MovingStore store(7, {.steps_max = 100});
    store.go_on(1'000);
    MemStorage directory;
    const auto made = store.read([&](Storage& storage) { return back_up(storage, directory, as); });
    ASSERT_EQ(said(made), "made");
    const auto backup = BackupFile::open(directory, as.name);
    StateReplay replay;
    const auto read = scan(**backup, replay);
    ASSERT_TRUE(read);
    EXPECT_FALSE(read->recovery.torn_tail);
    EXPECT_EQ(read->found.slots.size(), made->segments);
}

TEST(Backup, OfADamagedStoreIsRefused) {
    const auto header_at = [](const MemStorage& disk, std::uint64_t number) {
        return std::pair(segment_file(disk, number), std::uint64_t{40});
    };
    const auto frame_at = [](const MemStorage& disk, std::uint64_t number) {
        return std::pair(segment_file(disk, number), frames_offset + frame_header_size);
    };
    const Stopped store;
    std::uint64_t base = 0;
    std::uint64_t newest = 0;
    for (const std::string& name : store.disk.names()) {
        const auto header = header_of(store.disk, name);
        if (!header || header->number < newest) continue;
        newest = header->number;
        base = header->base;
    }
    ASSERT_LT(base + 1, newest);
    for (const std::uint64_t number : {base, base + 1, newest}) {
        for (const auto& [file, offset] :
             {header_at(store.disk, number), frame_at(store.disk, number)}) {
            if (number == newest && offset >= frames_offset) continue;  // a torn tail
            SCOPED_TRACE(segment_name(number) + " at " + std::to_string(offset));
            const auto disk = store.disk.clone();
            disk->flip(file, offset, std::byte{1});
            MemStorage directory;
            const auto made = back_up(*disk, directory, as);
            ASSERT_FALSE(made);
            EXPECT_TRUE(made.error().code == Errc::journal_damaged ||
                        made.error().code == Errc::state_in_use)
                << said(made);
            EXPECT_NE(made.error().message.find("damaged"), std::string::npos) << said(made);
            EXPECT_TRUE(directory.names().empty());
        }
    }
}

TEST(Backup, OfAStoreWithoutASegmentIsRefused) {
    const Stopped store;
    for (const std::string& name : store.disk.names()) {
        const auto header = header_of(store.disk, name);
        if (!header) continue;
        SCOPED_TRACE(name + ", " + segment_name(header->number));
        const auto disk = store.disk.clone();
        ASSERT_TRUE(disk->remove(name));
        MemStorage directory;
        const auto made = back_up(*disk, directory, as);
        NoReplay nobody;
        const auto started = scan(*disk, nobody);
        EXPECT_EQ(made.has_value(), started.has_value()) << said(made);
        EXPECT_EQ(directory.names().empty(), !made);
    }
}

// Headers are read one after the other. One that follows a segment which was not found says that
// the newest of them was passed by.
TEST(Backup, OfHeadersThatDoNotFitTogetherIsRefused) {
    const Stopped store;
    SegmentHeader newest;
    for (const std::string& name : store.disk.names()) {
        const auto header = header_of(store.disk, name);
        if (header && header->number > newest.number) newest = *header;
    }
    const auto with_another_above = [&](std::uint64_t previous) {
        auto disk = store.disk.clone();
        SegmentHeader above = newest;
        above.number += 2;
        above.previous = previous;
        const auto bytes = encode_segment_header(above);
        Bytes content(bytes.begin(), bytes.end());
        content.resize(above.size);
        disk->set_content("journal-00000000000000ff", content);
        return disk;
    };
    MemStorage directory;
    EXPECT_EQ(said(back_up(*with_another_above(newest.number), directory, as)), "made")
        << "it was about to be the next one";
    EXPECT_EQ(back_up(*with_another_above(newest.number + 1), directory, as).error().code,
              Errc::state_in_use);
}

TEST(Backup, OfNothingIsRefused) {
    MemStorage empty;
    MemStorage directory;
    EXPECT_EQ(said(back_up(empty, directory, as)), "io_error: there is no store");
    EXPECT_TRUE(directory.names().empty());
}

TEST(Backup, IsThereWholeOrNotAtAll) {
    Stopped store;
    MemStorage before;
    ASSERT_TRUE(back_up(store.disk, before, as));
    const Bytes old = before.content(as.name);
    {
        Life life(store.disk);
        life.append(50);
        life.flush();
        life.close();
        store.state = life.state;
    }
    bool ended = false;
    int replaced = 0;
    for (std::uint64_t call = 1; !ended; ++call) {
        SCOPED_TRACE("call " + std::to_string(call));
        const auto directory = before.clone();
        directory->die_at_call(call);
        ended = back_up(store.disk, *directory, as).has_value();
        std::mt19937_64 random(call);
        directory->crash(random);
        const bool is_old = directory->content(as.name) == old;
        if (ended) {
            EXPECT_FALSE(is_old);
        }
        if (is_old) continue;
        ++replaced;
        EXPECT_EQ(state_in(*directory), store.state);
    }
    EXPECT_GE(replaced, 1);
}

TEST(Backup, ThatFindsNoSpaceLeavesNothing) {
    Stopped store;
    MemStorage directory;
    directory.set_content("other", Bytes(1000));
    directory.set_capacity(100'000);
    const auto made = back_up(store.disk, directory, as);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Errc::no_space);
    EXPECT_EQ(directory.names(), std::vector<std::string>{"other"});
}

// Somebody else's backup, under way.
TEST(Backup, LeavesAFileOfTheTemporaryNameAlone) {
    Stopped store;
    MemStorage directory;
    directory.set_content(as.temporary, Bytes(1000));
    EXPECT_EQ(back_up(store.disk, directory, as).error().code, Errc::io_error);
    EXPECT_EQ(directory.content(as.temporary), Bytes(1000));
}

}  // namespace
}  // namespace inod
