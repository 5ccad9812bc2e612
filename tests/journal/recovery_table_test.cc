// What recovery decides, as a table: docs/journal.md has the same one in words. Every combination
// of what can be wrong with the snapshot, with the newest segment, and with the mark of a clean
// stop.
#include "lib/journal/frame.h"
#include "lib/journal/recovery.h"
#include "tests/journal/support.h"

namespace inod {
namespace {

using sim::MemStorage;

enum class Snapshot {
    whole,    // the newest header names it as what to start from
    torn,     // it was being written when the machine stopped
    absent,   // none was ever begun
    damaged,  // it was whole, and a bit of it turned round since
};

enum class Newest {
    whole,
    torn_end,  // its last frame is not whole: the mark, or else the last group
    damaged,   // a bit of a frame before its last group turned round
    absent,    // its file is gone
    foreign,   // it is one of another store
};

enum class Mark { clean, none };

// What a start comes to.
enum class Outcome {
    all,      // everything is there, and it says whether the stop was clean
    unclean,  // likewise, but it cannot know that the stop was clean, and reports a torn tail
    cut,      // everything but the last group, which is reported as a torn tail
    refused,  // journal_damaged, and the disk is as it was
};

struct Row {
    Snapshot snapshot;
    Newest newest;
    Mark mark;
    Outcome outcome;
    const char* reason;  // in the message of a refusal
};

constexpr const char* unsound = "no frame reads back, and it was durable when";
constexpr const char* unsound_before = "no frame reads back, and something was written behind it";
constexpr const char* missing = "is missing, and it was gone on in";
constexpr const char* foreign = "it belongs to another store";

// clang-format off
constexpr Row rows[] = {
    // snapshot          newest segment    mark         outcome           reason
    {Snapshot::whole,    Newest::whole,    Mark::clean, Outcome::all,     ""},
    {Snapshot::whole,    Newest::whole,    Mark::none,  Outcome::all,     ""},
    {Snapshot::whole,    Newest::torn_end, Mark::clean, Outcome::unclean, ""},
    {Snapshot::whole,    Newest::torn_end, Mark::none,  Outcome::cut,     ""},
    {Snapshot::whole,    Newest::damaged,  Mark::clean, Outcome::refused, unsound},
    {Snapshot::whole,    Newest::damaged,  Mark::none,  Outcome::refused, unsound},
    {Snapshot::whole,    Newest::absent,   Mark::clean, Outcome::refused, missing},
    {Snapshot::whole,    Newest::absent,   Mark::none,  Outcome::refused, missing},
    {Snapshot::whole,    Newest::foreign,  Mark::clean, Outcome::refused, foreign},
    {Snapshot::whole,    Newest::foreign,  Mark::none,  Outcome::refused, foreign},

    {Snapshot::torn,     Newest::whole,    Mark::clean, Outcome::all,     ""},
    {Snapshot::torn,     Newest::whole,    Mark::none,  Outcome::all,     ""},
    {Snapshot::torn,     Newest::torn_end, Mark::clean, Outcome::unclean, ""},
    {Snapshot::torn,     Newest::torn_end, Mark::none,  Outcome::cut,     ""},
    {Snapshot::torn,     Newest::damaged,  Mark::clean, Outcome::refused, unsound},
    {Snapshot::torn,     Newest::damaged,  Mark::none,  Outcome::refused, unsound},
    {Snapshot::torn,     Newest::absent,   Mark::clean, Outcome::refused, missing},
    {Snapshot::torn,     Newest::absent,   Mark::none,  Outcome::refused, missing},
    {Snapshot::torn,     Newest::foreign,  Mark::clean, Outcome::refused, foreign},
    {Snapshot::torn,     Newest::foreign,  Mark::none,  Outcome::refused, foreign},

    {Snapshot::absent,   Newest::whole,    Mark::clean, Outcome::all,     ""},
    {Snapshot::absent,   Newest::whole,    Mark::none,  Outcome::all,     ""},
    {Snapshot::absent,   Newest::torn_end, Mark::clean, Outcome::unclean, ""},
    {Snapshot::absent,   Newest::torn_end, Mark::none,  Outcome::cut,     ""},
    {Snapshot::absent,   Newest::damaged,  Mark::clean, Outcome::refused, unsound},
    {Snapshot::absent,   Newest::damaged,  Mark::none,  Outcome::refused, unsound},
    {Snapshot::absent,   Newest::absent,   Mark::clean, Outcome::refused, missing},
    {Snapshot::absent,   Newest::absent,   Mark::none,  Outcome::refused, missing},
    {Snapshot::absent,   Newest::foreign,  Mark::clean, Outcome::refused, foreign},
    {Snapshot::absent,   Newest::foreign,  Mark::none,  Outcome::refused, foreign},

    {Snapshot::damaged,  Newest::whole,    Mark::clean, Outcome::refused, unsound_before},
    {Snapshot::damaged,  Newest::whole,    Mark::none,  Outcome::refused, unsound_before},
    {Snapshot::damaged,  Newest::torn_end, Mark::clean, Outcome::refused, unsound_before},
    {Snapshot::damaged,  Newest::torn_end, Mark::none,  Outcome::refused, unsound_before},
    {Snapshot::damaged,  Newest::damaged,  Mark::clean, Outcome::refused, unsound_before},
    {Snapshot::damaged,  Newest::damaged,  Mark::none,  Outcome::refused, unsound_before},
    {Snapshot::damaged,  Newest::absent,   Mark::clean, Outcome::refused, unsound},
    {Snapshot::damaged,  Newest::absent,   Mark::none,  Outcome::refused, unsound},
    {Snapshot::damaged,  Newest::foreign,  Mark::clean, Outcome::refused, foreign},
    {Snapshot::damaged,  Newest::foreign,  Mark::none,  Outcome::refused, foreign},
};
// clang-format on

// A journal as a row has it.
class Built {
public:
    explicit Built(const Row& row) : row_(row) {
        write();
        damage();
    }

    MemStorage storage;
    State all;               // what everything that was written comes to
    State without_last;      // and without the last group
    std::uint64_t base = 1;  // where recovery starts

private:
    void write() {
        const bool has_snapshot = row_.snapshot != Snapshot::absent;
        const bool is_torn = row_.snapshot == Snapshot::torn;
        Life life(storage, 1);
        write_groups(life, 3);
        if (has_snapshot) {
            life.feeder.begin();
            life.flush(8);
            write_groups(life, is_torn ? 3 : 1);
            EXPECT_TRUE(life.journal.snapshot_under_way());
        }
        if (is_torn && row_.mark == Mark::none) return;  // what is newest has the snapshot in it
        if (is_torn) {
            Life next(storage, 2);
            end(next);
            return;
        }
        while (life.journal.snapshot_under_way())
            life.flush();
        if (has_snapshot) base = 2;
        if (!has_snapshot) {
            Life next(storage, 2);  // so that there is a segment before the newest
            end(next);
            return;
        }
        end(life);
    }
    void end(Life& life) {
        write_groups(life, 3);
        if (row_.mark == Mark::clean) life.close();
    }
    // Groups of ten changes each, with a few records of the snapshot that may be under way.
    void write_groups(Life& life, int count) {
        for (int i = 0; i < count; ++i) {
            without_last = life.state;
            last_at_ = i == 0 ? last_at_ : end_of_newest();
            life.append(10);
            life.flush(3);
        }
        all = life.state;
    }

    [[nodiscard]] std::string newest() const {
        std::uint64_t number = 1;
        while (!segment_file(storage, number + 1).empty())
            ++number;
        return segment_file(storage, number);
    }
    [[nodiscard]] std::uint64_t end_of_newest() const {
        return used_size(storage.content(newest()));
    }

    void damage() {
        if (row_.snapshot == Snapshot::damaged) {
            storage.flip(segment_file(storage, 2), frames_offset + 100, std::byte{4});
        }
        const std::string name = newest();
        if (row_.newest == Newest::torn_end) {
            tear(name);
        } else if (row_.newest == Newest::damaged) {
            storage.flip(name, frames_offset + 100, std::byte{4});
        } else if (row_.newest == Newest::absent) {
            ASSERT_TRUE(storage.remove(name));
        } else if (row_.newest == Newest::foreign) {
            MemStorage other;
            JournalOptions options = small_options();
            options.fresh_id.fill(std::byte{0x77});
            Life(other, 9, options).append(1);
            storage.set_content(name, other.content(segment_file(other, 1)));
        }
    }
    // The first sector of the last frames never came to the disk: of the mark, or of the group.
    void tear(const std::string& name) {
        Bytes content = storage.content(name);
        const std::uint64_t end = used_size(content);
        std::uint64_t at = last_at_;
        if (row_.mark == Mark::clean) at = end / frame_alignment * frame_alignment - 16;
        std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(at), 8, std::byte{0xee});
        storage.set_content(name, content);
    }

    const Row row_;
    std::uint64_t last_at_ = 0;  // where in the newest segment the last group begins, or before
};

std::string text(const Row& row) {
    static constexpr const char* snapshots[] = {"whole", "torn", "absent", "damaged"};
    static constexpr const char* segments[] = {"whole", "torn at its end", "damaged", "absent",
                                               "of another store"};
    return std::string("snapshot ") + snapshots[static_cast<int>(row.snapshot)] +
           ", newest segment " + segments[static_cast<int>(row.newest)] +
           (row.mark == Mark::clean ? ", clean mark" : ", no mark");
}

void expect_refused(Built& built, const Row& row) {
    StateReplay replay;
    const auto found = scan(built.storage, replay);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Errc::journal_damaged);
    EXPECT_NE(found.error().message.find(row.reason), std::string::npos) << found.error().message;
}

void expect_recovered(Built& built, const Row& row) {
    StateReplay replay;
    const auto found = scan(built.storage, replay);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(replay.state, row.outcome == Outcome::cut ? built.without_last : built.all);
    EXPECT_EQ(found->base, built.base);
    EXPECT_EQ(replay.snapshot_ends, row.snapshot == Snapshot::whole ? 1U : 0U);
    EXPECT_EQ(found->recovery.clean, row.outcome == Outcome::all && row.mark == Mark::clean);
    EXPECT_EQ(found->recovery.torn_tail.has_value(), row.outcome != Outcome::all);
    // And it can be gone on from, with the same state ever after.
    const State state = replay.state;
    for (std::uint64_t life = 50; life < 53; ++life)
        EXPECT_EQ(Life(built.storage, life).state, state);
}

TEST(JournalRecovery, IsDecidedByTheTable) {
    std::size_t count = 0;
    for (const Row& row : rows) {
        SCOPED_TRACE(text(row));
        Built built(row);
        if (row.outcome == Outcome::refused) {
            expect_refused(built, row);
        } else {
            expect_recovered(built, row);
        }
        const bool is_in_order = static_cast<std::size_t>(row.snapshot) == count / 10 &&
                                 static_cast<std::size_t>(row.newest) == count % 10 / 2 &&
                                 static_cast<std::size_t>(row.mark) == count % 2;
        EXPECT_TRUE(is_in_order) << "every combination, once";
        ++count;
    }
    EXPECT_EQ(count, 40U);
}

}  // namespace
}  // namespace inod
