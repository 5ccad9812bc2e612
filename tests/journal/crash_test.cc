// Promise: whatever was durable comes back, exactly, in order, and nothing else does, wherever the
// power fails, and wherever a call fails: in a group, between segments, in a snapshot, in a start.
#include "tests/journal/support.h"

namespace inod {
namespace {

using sim::MemStorage;

std::uint64_t seeds(std::uint64_t count) {
    return is_long() ? 10 * count : count;
}

// What must come back: the first `durable` changes; what may: the others, as far as they go.
struct Oracle {
    std::vector<Bytes> changes;
    std::size_t durable = 0;

    // `found` is what a recovery gave: from now on all of it is durable, and the rest is gone.
    void check(const State& found) {
        const std::size_t count = last_serial(found);
        EXPECT_GE(count, durable) << "something durable was lost";
        ASSERT_LE(count, changes.size()) << "something was invented";
        changes.resize(count);
        ASSERT_EQ(found, state_of(changes));
        durable = count;
    }
};

struct Script {
    std::uint64_t seed;
    bool may_close = true;
};

// A life as the seed has it, until something fails or the script ends.
class ScriptedLife {
public:
    ScriptedLife(MemStorage& storage, Oracle& oracle, const Script& script)
        : oracle_(oracle),
          script_(script),
          random_(script.seed),
          journal_(storage, small_options()),
          feeder_(journal_, state_) {}

    // Returns the first failure.
    Result<void, Failure> run() {
        StateReplay replay;
        auto recovered = journal_.recover(replay);
        if (!recovered) return recovered.error();
        oracle_.check(replay.state);
        if (testing::Test::HasFatalFailure()) return {};
        state_ = replay.state;
        auto done = live();
        EXPECT_EQ(journal_.sealed(), !done);
        return done;
    }

private:
    Result<void, Failure> live() {
        const std::size_t steps = 2 + random_() % 10;
        for (std::size_t step = 0; step < steps; ++step) {
            if (auto done = make_some_space(); !done) return done;
            append();
            if (!journal_.snapshot_under_way() && random_() % 3 == 0) feeder_.begin();
            if (auto done = flush(); !done) return done;
        }
        if (!script_.may_close || random_() % 2 == 0) return {};
        while (journal_.snapshot_under_way()) {
            if (auto done = flush(); !done) return done;
        }
        return journal_.close();
    }

    Result<void, Failure> make_some_space() {
        const bool is_wanted = journal_.wants_space() && random_() % 3 == 0;
        return is_wanted ? journal_.make_space() : Result<void, Failure>();
    }

    void append() {
        const std::size_t count = random_() % 60;
        const std::size_t size_max = random_() % 4 == 0 ? record_size_max : 60;
        for (std::size_t i = 0; i < count; ++i) {
            const auto serial = static_cast<std::uint32_t>(oracle_.changes.size() + 1);
            oracle_.changes.push_back(change_of(serial, random_(), size_max));
            const Bytes& change = oracle_.changes.back();
            state_[key_of(change)] = change;
            journal_.append(change);
        }
    }

    // A group, with a piece of any size, also of none, of the snapshot under way.
    Result<void, Failure> flush() {
        feeder_.feed(random_() % 4 == 0 ? all_of_it : random_() % 40);
        auto done = flush_group(journal_);
        if (done) oracle_.durable = oracle_.changes.size();
        return done;
    }

    Oracle& oracle_;
    const Script script_;
    std::mt19937_64 random_;
    Journal journal_;
    State state_;
    SnapshotFeeder feeder_;
};

Result<void, Failure> live(MemStorage& storage, Oracle& oracle, const Script& script) {
    return ScriptedLife(storage, oracle, script).run();
}

struct World {
    std::unique_ptr<MemStorage> storage = std::make_unique<MemStorage>();
    Oracle oracle;
};

// A store with some lives behind it.
World make_world(std::uint64_t seed) {
    World world;
    for (std::uint64_t life = 0; life < seed % 4; ++life) {
        auto lived = live(*world.storage, world.oracle, {.seed = seed * 100 + life});
        EXPECT_TRUE(lived) << lived.error().message;
    }
    return world;
}

void expect_recovers(MemStorage& storage, Oracle& oracle) {
    Journal journal(storage, small_options());
    StateReplay replay;
    auto recovered = journal.recover(replay);
    ASSERT_TRUE(recovered) << recovered.error().message;
    ASSERT_NO_FATAL_FAILURE(oracle.check(replay.state));
}

// The machine stops, by a power cut or, what was written stays, by kill -9.
void stop(MemStorage& storage, bool by_power_cut, std::mt19937_64& random) {
    if (by_power_cut) storage.crash(random);
    storage.die_at_call(0);
}

// Method: the life is lived once to count its calls, then twice more for each call, on a copy of
// the disk: there the power fails, or the daemon is killed and the power fails later; and then a
// second cut comes during or after the start.
TEST(JournalCrash, NothingDurableIsLostAtAnyCall) {
    for (std::uint64_t seed = 0; seed < seeds(6); ++seed) {
        const World world = make_world(seed);
        const Script script{.seed = seed};
        std::uint64_t calls = 0;
        {
            const auto storage = world.storage->clone();
            Oracle oracle = world.oracle;
            ASSERT_TRUE(live(*storage, oracle, script));
            calls = storage->calls();
        }
        for (std::uint64_t call = 1; call <= calls + 1; ++call) {
            const bool by_power_cut = (seed + call) % 2 == 0;
            SCOPED_TRACE("seed " + std::to_string(seed) + ", call " + std::to_string(call) +
                         (by_power_cut ? ", power cut" : ", kill"));
            std::mt19937_64 random(seed * 1'000 + call);
            const auto storage = world.storage->clone();
            Oracle oracle = world.oracle;
            storage->die_at_call(call);
            EXPECT_EQ(live(*storage, oracle, script).has_value(), call == calls + 1);
            stop(*storage, by_power_cut, random);

            storage->die_at_call(1 + random() % 60);
            static_cast<void>(live(*storage, oracle, {.seed = random()}));
            storage->crash(random);
            expect_recovers(*storage, oracle);
            storage->crash(random);
            expect_recovers(*storage, oracle);
            if (HasFailure()) return;
        }
    }
}

// A store whose end needs every kind of work from the next start: frames that nothing proves, a
// snapshot under way, a file half made, a segment about to be opened.
World make_unfinished(std::uint64_t seed) {
    World world = make_world(seed % 3 + 1);
    std::mt19937_64 random(seed);
    world.storage->die_at_call(30 + random() % 60);
    static_cast<void>(live(*world.storage, world.oracle, {.seed = seed, .may_close = false}));
    stop(*world.storage, random() % 2 == 0, random);
    return world;
}

// The calls of a start alone, each of them the last, and those of the start after it too.
TEST(JournalCrash, AStartMayBeCutAtEveryCallAndCutAgain) {
    for (std::uint64_t seed = 0; seed < seeds(6); ++seed) {
        const World world = make_unfinished(seed);
        bool is_cut = true;
        for (std::uint64_t call = 1; is_cut; ++call) {
            std::mt19937_64 random(seed * 1'000 + call);
            const auto once = world.storage->clone();
            Oracle oracle = world.oracle;
            once->die_at_call(call);
            {
                Journal journal(*once, small_options());
                StateReplay replay;
                const auto recovered = journal.recover(replay);
                is_cut = !recovered;
            }
            stop(*once, random() % 2 == 0, random);
            for (std::uint64_t second = 1 + random() % 3;; second += 1 + random() % 4) {
                SCOPED_TRACE("seed " + std::to_string(seed) + ", call " + std::to_string(call) +
                             ", then " + std::to_string(second));
                const auto twice = once->clone();
                Oracle after = oracle;
                twice->die_at_call(second);
                bool is_cut_again = false;
                {
                    Journal journal(*twice, small_options());
                    StateReplay replay;
                    is_cut_again = !journal.recover(replay);
                }
                stop(*twice, random() % 2 == 0, random);
                ASSERT_NO_FATAL_FAILURE(expect_recovers(*twice, after));
                twice->crash(random);
                ASSERT_NO_FATAL_FAILURE(expect_recovers(*twice, after));
                if (!is_cut_again) break;
            }
        }
    }
}

// Method: one call fails, by itself; then the daemon starts again, with or without a power cut in
// between. What the second life has seen must survive a power cut after it, also where a sync had
// failed and left pages that only read back.
TEST(JournalCrash, AFailedCallSealsAndLosesNothing) {
    for (std::uint64_t seed = 0; seed < seeds(6); ++seed) {
        const World world = make_world(seed);
        const Script script{.seed = seed};
        for (std::uint64_t call = 1;; ++call) {
            SCOPED_TRACE("seed " + std::to_string(seed) + ", call " + std::to_string(call));
            std::mt19937_64 random(seed * 1'000 + call);
            const auto storage = world.storage->clone();
            Oracle oracle = world.oracle;
            storage->fail_call(call, Errc::io_error);
            const auto lived = live(*storage, oracle, script);
            if (storage->failures() == 0) break;  // past the last call
            ASSERT_FALSE(lived) << "the failure went unnoticed";
            EXPECT_EQ(lived.error().code, Errc::io_error);
            if (random() % 2 == 0) storage->crash(random);
            ASSERT_NO_FATAL_FAILURE(expect_recovers(*storage, oracle));
            storage->crash(random);
            ASSERT_NO_FATAL_FAILURE(expect_recovers(*storage, oracle));
        }
    }
}

TEST(JournalCrash, ManyLivesOnOneDisk) {
    for (std::uint64_t seed = 0; seed < seeds(20); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        MemStorage storage;
        Oracle oracle;
        for (int life = 0; life < 25; ++life) {
            const std::uint64_t kind = random() % 4;
            if (kind != 0) storage.die_at_call(1 + random() % 90);
            static_cast<void>(live(storage, oracle, {.seed = random()}));
            stop(storage, kind != 1, random);
            if (HasFailure()) return;
        }
        ASSERT_NO_FATAL_FAILURE(expect_recovers(storage, oracle));
    }
}

// The frame that names the next segment reads back after a kill, but only from the page cache. The
// life that goes on behind it must not be lost when the power fails.
TEST(JournalCrash, WhatNamesTheNewestSegmentIsMadeDurable) {
    std::size_t seen = 0;
    for (std::uint64_t call = 1; call < 60; ++call) {
        MemStorage storage;
        {
            Life life(storage, 1);
            life.append(20);
            life.flush();
        }
        storage.die_at_call(call);
        {
            Journal journal(storage, small_options());
            StateReplay replay;
            if (journal.recover(replay)) break;
        }
        storage.die_at_call(0);
        const std::string first = segment_file(storage, 1);
        const Bytes content = storage.content(first);
        const std::string second = segment_file(storage, 2);
        if (second.empty()) continue;
        // What is there of the frame that names it?
        const std::uint64_t end = used_size(content);
        for (std::uint64_t seed = 0; seed < 10; ++seed) {
            SCOPED_TRACE("call " + std::to_string(call) + ", seed " + std::to_string(seed));
            std::mt19937_64 random(seed);
            const auto disk = storage.clone();
            State state;
            {
                Life life(*disk, 2);
                life.append(5);
                life.flush();
                state = life.state;
            }
            disk->crash(random);
            ASSERT_EQ(state_on(*disk), state) << "the first segment ends at " << end;
        }
        ++seen;
    }
    EXPECT_GT(seen, 1U);
}

// A spare was named, the name not synced, when the daemon was killed; on a full disk the next start has
// only that one to take.
TEST(JournalCrash, TheNameOfASpareIsMadeSureBeforeItIsUsed) {
    MemStorage storage;
    {
        Life life(storage, 1);
        life.append(20);
        life.flush();
        storage.die_behind([](const sim::DiskCall& call) { return call.call == "rename"; }, 1);
        while (life.journal.make_space()) {
        }
    }
    storage.kill();
    ASSERT_EQ(names_of(storage, "journal-").size(), 2U) << "one in use, one spare";
    storage.set_capacity(storage.used());
    Life life(storage, 2);
    life.append(5);
    life.flush();
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        const auto disk = storage.clone();
        disk->set_capacity(2 * storage.used());  // space has come back
        disk->crash(random);
        ASSERT_EQ(state_on(*disk), life.state);
    }
}

}  // namespace
}  // namespace inod
