// Promise: what was set aside when the state was last made larger lets the log go on for ever, on a
// disk that gives nothing more. lib/journal/space.h has the figures.
#include "lib/journal/space.h"

#include "lib/journal/frame.h"
#include "tests/journal/support.h"

namespace inod {
namespace {

using sim::MemStorage;

TEST(JournalSpace, IsMadeAStepAtATime) {
    MemStorage storage;
    JournalOptions options = small_options();
    options.segment_size = std::uint64_t{4} << 20U;
    Life life(storage, 0, options);
    EXPECT_TRUE(life.journal.wants_space());
    EXPECT_FALSE(life.journal.has_space_for({}));
    std::uint64_t size = life.journal.disk_size();
    for (int spare = 0; spare < 6; ++spare) {
        for (int step = 0; step < 4; ++step) {
            EXPECT_EQ(life.journal.disk_size(), size) << "a spare counts when it is complete";
            EXPECT_TRUE(life.journal.wants_space());
            const std::uint64_t calls = storage.calls();
            ASSERT_TRUE(life.journal.make_space());
            EXPECT_LE(storage.calls() - calls, 20U) << "a step writes 1 MiB";
            // The log goes on in between.
            life.append(1);
            life.flush();
        }
        size += options.segment_size;
        EXPECT_EQ(life.journal.disk_size(), size);
        EXPECT_EQ(life.journal.has_space_for({}), spare >= 3) << "four, see space.h";
    }
    EXPECT_FALSE(life.journal.wants_space());
    EXPECT_TRUE(names_of(storage, "new-").empty());
}

TEST(JournalSpace, IsEnoughForAStateOrNot) {
    MemStorage storage;
    Life life(storage);
    const StateSize size{.kept = 300'000, .holes = 50'000};
    life.journal.set_state_size(size);
    while (!life.journal.has_space_for(size)) {
        ASSERT_TRUE(life.journal.wants_space());
        ASSERT_TRUE(life.journal.make_space());
    }
    const std::uint64_t spares = life.journal.disk_size() / segment_size_min - 1;
    const SpacePlan plan(segment_size_min);
    EXPECT_EQ(spares, plan.to_release(size));
    EXPECT_EQ(spares, 4 + (300'000 * 5 / 4 + 50'000 * 9 / 4) / 57'000 + 1);
    EXPECT_FALSE(life.journal.has_space_for({.kept = 600'000, .holes = 0}));
    EXPECT_TRUE(life.journal.has_space_for({.kept = 350'000, .holes = 0}));
    EXPECT_TRUE(life.journal.wants_space()) << "two more, for leases to come";
}

TEST(JournalSpace, TheTwoFormsOfThePlanAgree) {
    const SpacePlan plan(segment_size_min);
    std::mt19937_64 random(1);
    for (int i = 0; i < 100'000; ++i) {
        const StateSize size{.kept = random() % (std::uint64_t{1} << random() % 40U),
                             .holes = random() % (std::uint64_t{1} << random() % 40U)};
        const std::uint64_t needed = plan.to_release(size);
        ASSERT_TRUE(plan.suffice(needed, size)) << size.kept << " " << size.holes;
        ASSERT_FALSE(plan.suffice(needed - 1, size)) << size.kept << " " << size.holes;
        ASSERT_LE(plan.to_write_out(size), needed);
    }
}

TEST(JournalSpace, WithoutSpaceForASpareItSaysSoAndGoesOn) {
    MemStorage storage;
    storage.set_capacity(3 * segment_size_min + 100);
    Life life(storage);
    EXPECT_TRUE(life.journal.has_space());
    life.make_space();
    EXPECT_FALSE(life.journal.has_space());
    EXPECT_FALSE(life.journal.sealed());
    EXPECT_TRUE(names_of(storage, "new-").empty()) << "what little space there is was given back";
    EXPECT_EQ(life.journal.disk_size(), 3 * segment_size_min);
    life.append(50);
    life.flush();
    ASSERT_TRUE(life.journal.make_space());
    EXPECT_FALSE(life.journal.has_space());

    storage.set_capacity(4 * segment_size_min);
    ASSERT_TRUE(life.journal.make_space());
    EXPECT_TRUE(life.journal.has_space());
    EXPECT_TRUE(life.journal.wants_space());
    storage.set_capacity(100 * segment_size_min);
    life.make_space();
    EXPECT_FALSE(life.journal.wants_space());
    EXPECT_TRUE(life.journal.has_space());
    EXPECT_EQ(state_on(storage), life.state);
}

// Whichever call it is that finds the disk full, or too many files open: else each try, one a second, would take a
// file's worth.
TEST(JournalSpace, AFileThatIsNotCompletedIsGivenBack) {
    for (const Errc lack : {Errc::no_space, Errc::out_of_memory}) {
        bool has_failed = true;
        for (std::uint64_t call = 1; has_failed; ++call) {
            SCOPED_TRACE(std::string(name(lack)) + " at call " + std::to_string(call));
            MemStorage storage;
            Life life(storage);
            storage.fail_call(call, lack);
            life.make_space();
            has_failed = storage.failures() > 0;
            EXPECT_EQ(life.journal.lack(), has_failed ? lack : Errc::ok);
            EXPECT_EQ(storage.used(), life.journal.disk_size());
        }
    }
}

// Lives that crash before they have made space take nothing of what is set aside.
TEST(JournalSpace, AStartMakesUpForTheSpareItTakes) {
    MemStorage storage;
    Life(storage, 1).make_space();
    std::size_t files = names_of(storage, "").size();
    for (std::uint64_t life = 2; life < 20; ++life) {
        Life begun(storage, life);
        EXPECT_EQ(names_of(storage, "").size(), ++files);
        EXPECT_TRUE(begun.journal.has_space_for({}));
    }
    storage.set_capacity(storage.used());
    const Life on_full_disk(storage, 20);
    EXPECT_EQ(names_of(storage, "").size(), files);
    EXPECT_TRUE(names_of(storage, "new-").empty());
}

TEST(JournalSpace, OnceNothingIsWantedThereIsSpace) {
    MemStorage storage;
    Life life(storage);
    life.make_space();
    storage.set_capacity(life.journal.disk_size());
    life.journal.set_state_size({.kept = 1'000'000, .holes = 0});
    ASSERT_TRUE(life.journal.make_space());
    EXPECT_FALSE(life.journal.has_space());
    life.journal.set_state_size({});
    EXPECT_FALSE(life.journal.wants_space());
    ASSERT_TRUE(life.journal.make_space());
    EXPECT_TRUE(life.journal.has_space());
}

TEST(JournalSpace, WithNothingSetAsideItIsSealed) {
    MemStorage storage;
    storage.set_capacity(segment_size_min);
    Life life(storage);
    Result<void, Failure> flushed;
    State durable;
    while (flushed) {
        ASSERT_LT(life.journal.last_lsn(), 10'000U);
        durable = life.state;
        life.append(20, record_size_max);
        flushed = flush_group(life.journal);
    }
    EXPECT_EQ(flushed.error().code, Errc::no_space);
    EXPECT_TRUE(life.journal.sealed());
    EXPECT_EQ(life.journal.flush().error().code, Errc::journal_sealed);
    storage.set_capacity(10 * segment_size_min);
    EXPECT_GE(last_serial(state_on(storage)), last_serial(durable));
}

TEST(JournalSpace, GroupsAreShortWhileASnapshotIsWrittenForLackOfIt) {
    MemStorage storage;
    Life life(storage);
    for (int spare = 0; spare < 3; ++spare)
        ASSERT_TRUE(life.journal.make_space());
    life.append(50);
    life.flush();
    const auto room = [&life] {
        std::size_t size = 0;
        for (; life.journal.has_room(1, 30); size += 32)
            life.journal.append(Bytes(30, std::byte{0}));
        return size;
    };
    life.feeder.begin();
    life.flush(5);
    EXPECT_GT(room(), 50'000U) << "there is space";
    life.flush(5);
    storage.set_capacity(life.journal.disk_size());
    ASSERT_TRUE(life.journal.make_space());
    ASSERT_FALSE(life.journal.has_space());
    const std::size_t short_room = room();
    EXPECT_GE(short_room, 400U);
    EXPECT_LE(short_room - 32 + std::size_t{3} * 200, 1'024U)
        << "with the longest request at its end";
    EXPECT_FALSE(life.journal.has_room(0, 1));
    life.flush();
    ASSERT_FALSE(life.journal.snapshot_under_way());
    EXPECT_GT(room(), 50'000U) << "it is written";
}

// A user that keeps a state of a known size, with the journal on a disk that has room for what was
// set aside and nothing more. Its log never ends.
class FullDisk {
public:
    struct Plan {
        const char* name;
        std::size_t kept;        // records of 100 bytes at the beginning
        std::size_t holes;       // so many more come when the disk is full
        std::size_t log_before;  // bytes of log before that
        std::size_t piece_size;  // bytes of the snapshot in a group
        std::uint64_t told = 1;  // so many times its size is told once the disk is full
    };
    static constexpr std::size_t saved_size = 100 + record_prefix_size;

    explicit FullDisk(const Plan& plan)
        : plan_(plan), journal_(storage_, small_options()), feeder_(journal_, state_) {}

    // Makes the state and what it needs, and then no more.
    void fill() {
        StateReplay replay;
        ASSERT_TRUE(journal_.recover(replay));
        while (state_.size() < plan_.kept)
            ASSERT_NO_FATAL_FAILURE(add_key());
        while (journal_.log_size() < plan_.log_before)
            ASSERT_NO_FATAL_FAILURE(change(0));
        ASSERT_NO_FATAL_FAILURE(turn());
        journal_.set_state_size(size());
        while (!journal_.has_space_for(size()))
            ASSERT_TRUE(journal_.make_space());
        storage_.set_capacity(journal_.disk_size());
        is_full_ = true;
    }

    // Goes on until the journal has written its state out so many times.
    void go_on(std::size_t rounds) {
        std::mt19937_64 random(1);
        for (std::size_t turns = 0; snapshots_ < rounds; ++turns) {
            ASSERT_LT(turns, rounds * 20'000);
            // As much as a group takes: that is the worst for the space.
            while (journal_.has_room(1, record_size_max)) {
                if (state_.size() < plan_.kept + plan_.holes && random() % 4 == 0) {
                    ASSERT_NO_FATAL_FAILURE(add_key());
                } else {
                    ASSERT_NO_FATAL_FAILURE(change(random() % plan_.kept));
                }
            }
            ASSERT_NO_FATAL_FAILURE(turn());
        }
        EXPECT_EQ(state_.size(), plan_.kept + plan_.holes);
    }

    State recovered() {
        Journal journal(storage_, small_options());
        StateReplay replay;
        auto done = journal.recover(replay);
        EXPECT_TRUE(done) << done.error().message;
        return replay.state;
    }
    [[nodiscard]] const State& state() const { return state_; }

private:
    [[nodiscard]] StateSize size() const {
        const std::uint64_t times = is_full_ ? plan_.told : 1;
        return {.kept = times * state_.size() * saved_size,
                .holes = (plan_.kept + plan_.holes - state_.size()) * saved_size};
    }

    void add_key() { put(state_.size(), 0); }
    // What a snapshot has of the key stays as long as it was.
    void change(std::size_t key) { put(key, ++serial_); }

    void put(std::size_t key, std::uint32_t serial) {
        Bytes record(100);
        ByteWriter out(record);
        out.put(static_cast<Key>(key));
        out.put(serial);
        if (!journal_.has_room(1, record.size())) {
            ASSERT_NO_FATAL_FAILURE(turn());
        }
        state_[static_cast<Key>(key)] = record;
        journal_.append(record);
    }

    // A turn of whoever flushes.
    void turn() {
        journal_.set_state_size(size());
        if (is_full_ && journal_.wants_snapshot() && !journal_.snapshot_under_way()) {
            feeder_.begin();
        }
        const bool was_under_way = journal_.snapshot_under_way();
        feeder_.feed(plan_.piece_size / saved_size + 1);
        auto flushed = flush_group(journal_);
        ASSERT_TRUE(flushed) << flushed.error().message << ", after " << snapshots_;
        if (was_under_way && !journal_.snapshot_under_way()) ++snapshots_;
        if (is_full_ && journal_.wants_space()) {
            ASSERT_TRUE(journal_.make_space());
        }
    }

    const Plan plan_;
    MemStorage storage_;
    Journal journal_;
    State state_;
    SnapshotFeeder feeder_;
    bool is_full_ = false;
    std::uint32_t serial_ = 0;
    std::size_t snapshots_ = 0;
};

TEST(JournalSpace, OnAFullDiskTheLogGoesOnForEver) {
    const FullDisk::Plan plans[] = {
        // name                 kept holes log_before piece_size told
        {"next to nothing", 1, 0, 0, 65'536},
        {"one segment", 560, 0, 0, 65'536},
        {"a long log before", 560, 0, 500'000, 65'536},
        {"several segments", 4'000, 0, 0, 65'536},
        {"several, in small pieces", 4'000, 0, 0, 8'192},
        {"it doubles", 2'000, 2'000, 0, 8'192},
        {"it grows from nothing", 1, 3'000, 0, 8'192},
        {"many segments", 20'000, 5'000, 0, 8'192},
        {"of which too much is told", 2'000, 0, 0, 8'192, 50},
    };
    for (const FullDisk::Plan& plan : plans) {
        SCOPED_TRACE(plan.name);
        FullDisk disk(plan);
        ASSERT_NO_FATAL_FAILURE(disk.fill());
        ASSERT_NO_FATAL_FAILURE(disk.go_on(12));
        EXPECT_EQ(disk.recovered(), disk.state());
    }
}

}  // namespace
}  // namespace inod
