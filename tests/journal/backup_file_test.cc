// A backup file: what damage is noticed, and the way back into a state directory.
#include "lib/journal/backup_file.h"

#include "lib/base/crc32c.h"
#include "lib/journal/backup.h"
#include "lib/journal/recovery.h"
#include "lib/journal/restore.h"
#include "tests/journal/support.h"

namespace inod {
namespace {

using sim::MemStorage;

const std::string file = "backup";

class BackupFileTest : public testing::Test {
protected:
    BackupFileTest() {
        MemStorage store;
        Life life(store);
        life.append(1'500, 300);
        life.flush();
        state_ = life.state;
        const auto made = back_up(store, directory_, {.name = file, .temporary = "new"});
        EXPECT_TRUE(made) << made.error().message;
        content_ = directory_.content(file);
    }

    // What becomes of a backup with this content.
    Errc opened(Bytes content) {
        directory_.set_content(file, std::move(content));
        const auto backup = BackupFile::open(directory_, file);
        return backup ? Errc::ok : backup.error().code;
    }
    std::unique_ptr<BackupFile> open() { return BackupFile::open(directory_, file).value(); }

    State state_;
    MemStorage directory_;
    Bytes content_;
};

TEST_F(BackupFileTest, IsRefusedWhereverABitIsTurnedRound) {
    ASSERT_GT(content_.size(), 3 * segment_size_min);
    EXPECT_EQ(opened(content_), Errc::ok);
    std::vector<std::uint64_t> places;
    for (std::uint64_t at = 0; at < content_.size(); at += 512)
        places.push_back(at);
    for (std::uint64_t at = content_.size() - backup_trailer_size; at < content_.size(); ++at)
        places.push_back(at);
    for (const std::uint64_t at : places) {
        directory_.flip(file, at, std::byte{0x10});
        const auto backup = BackupFile::open(directory_, file);
        ASSERT_FALSE(backup) << at;
        ASSERT_EQ(backup.error().code, Errc::journal_damaged) << at;
        directory_.flip(file, at, std::byte{0x10});
    }
}

TEST_F(BackupFileTest, IsRefusedWhereItWasCutOrGrew) {
    for (std::uint64_t size = 0; size < content_.size(); size += 512) {
        const Bytes cut(content_.begin(), content_.begin() + static_cast<std::ptrdiff_t>(size));
        ASSERT_EQ(opened(cut), Errc::journal_damaged) << size;
    }
    Bytes grown = content_;
    for (const std::size_t more : {1U, 36U, 4096U}) {
        grown.resize(content_.size() + more);
        ASSERT_EQ(opened(grown), Errc::journal_damaged) << more;
    }
    // Whole segments are missing, and the trailer is there.
    Bytes shorter(content_.begin() + segment_size_min, content_.end());
    EXPECT_EQ(opened(shorter), Errc::journal_damaged);
}

TEST_F(BackupFileTest, OfALaterVersionIsSaidToBeOne) {
    Bytes later = content_;
    later[content_.size() - backup_trailer_size + 8] = std::byte{backup_version + 1};
    const std::span<std::byte> bytes(later);
    ByteWriter crc(bytes.last(4));
    crc.put(crc32c(bytes.first(bytes.size() - 4)));
    EXPECT_EQ(opened(later), Errc::record_unknown);
}

TEST_F(BackupFileTest, IsNotWrittenTo) {
    const auto backup = open();
    const auto names = backup->list().value();
    EXPECT_EQ(names.front(), "journal-0000000000000001");
    EXPECT_EQ(backup->create("journal-0000000000000009").error().code, Errc::io_error);
    EXPECT_EQ(backup->open("journal-0000000000000009").error().code, Errc::io_error);
    EXPECT_EQ(backup->open("lock").error().code, Errc::io_error);
    EXPECT_EQ(backup->remove(names.front()).error().code, Errc::io_error);
    EXPECT_EQ(backup->rename(names.front(), "x").error().code, Errc::io_error);
    EXPECT_EQ(backup->sync_names().error().code, Errc::io_error);
    const auto segment = backup->open(names.front()).value();
    EXPECT_EQ(segment->write(0, Bytes(1)).error().code, Errc::io_error);
    EXPECT_EQ(segment->sync().error().code, Errc::io_error);
    EXPECT_EQ(directory_.content(file), content_);
}

TEST_F(BackupFileTest, ASegmentEndsWhereTheNextOneBegins) {
    const auto segment = open()->open("journal-0000000000000001").value();
    const std::uint64_t size = segment->size().value();
    EXPECT_EQ(size, segment_size_min);
    Bytes bytes(100);
    EXPECT_EQ(segment->read(size - 40, bytes).value(), 40U);
    EXPECT_EQ(segment->read(size, bytes).value(), 0U);
    EXPECT_EQ(segment->read(size + 4096, bytes).value(), 0U);
}

TEST_F(BackupFileTest, ComesBackIntoADirectory) {
    MemStorage state;
    state.set_content("lock", {});
    state.set_content("new-0000000000000001", Bytes(500));
    state.set_content("new-00000000000000ff", Bytes(500));
    ASSERT_TRUE(check_restorable(state));
    const auto backup = open();
    ASSERT_TRUE(restore(*backup, state));
    EXPECT_EQ(names_of(state, "new-").size(), 0U);
    EXPECT_EQ(names_of(state, "journal-").size(), backup->parts().size());
    std::mt19937_64 random(1);
    state.crash(random);
    EXPECT_EQ(state_on(state), state_) << "durable";
}

TEST_F(BackupFileTest, ComesBackIntoAnEmptyDirectoryAlone) {
    for (const char* name : {"journal-0000000000000001", "thesis.txt", "witness"}) {
        MemStorage state;
        state.set_content("lock", {});
        state.set_content(name, {});
        const auto checked = check_restorable(state);
        ASSERT_FALSE(checked) << name;
        EXPECT_EQ(checked.error().code, Errc::state_in_use);
        EXPECT_NE(checked.error().message.find(name), std::string::npos);
    }
}

TEST_F(BackupFileTest, ThatFindsNoSpaceLeavesTheDirectoryEmpty) {
    MemStorage state;
    state.set_capacity(2 * segment_size_min);
    EXPECT_EQ(restore(*open(), state).error().code, Errc::no_space);
    EXPECT_TRUE(state.names().empty());
}

// Cut off anywhere, it leaves a directory on which nothing starts, or all of the backup.
TEST_F(BackupFileTest, ComesBackAsAWholeOrNotAtAll) {
    const auto backup = open();
    bool ended = false;
    int empty = 0;
    int refused = 0;
    for (std::uint64_t turn = 0; !ended; ++turn) {
        const std::uint64_t call = 1 + turn / 8;
        SCOPED_TRACE("call " + std::to_string(call) + " seed " + std::to_string(turn));
        MemStorage state;
        state.die_at_call(call);
        ended = restore(*backup, state).has_value();
        std::mt19937_64 random(turn);
        state.crash(random);
        StateReplay replay;
        const auto read = scan(state, replay);
        empty += read && read->recovery.run == 0 ? 1 : 0;
        refused += read ? 0 : 1;
        if (read && read->recovery.run != 0) {
            EXPECT_EQ(replay.state, state_);
        }
        if (ended) {
            EXPECT_EQ(replay.state, state_);
        }
        // And once more.
        if (!check_restorable(state)) continue;
        ASSERT_TRUE(restore(*backup, state));
        EXPECT_EQ(state_on(state), state_);
    }
    EXPECT_GT(empty, 5);
    EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace inod
