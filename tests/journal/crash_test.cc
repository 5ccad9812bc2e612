// Promise: whatever was durable comes back, exactly, in order, and nothing else does, wherever the
// power fails, and wherever a call fails.
#include <algorithm>

#include "tests/journal/support.h"

namespace inod {
namespace {

using sim::MemStorage;

// What must come back: the first `durable` records; what may: the others, as far as they go.
struct Oracle {
    Records records;
    std::size_t durable = 0;

    // `found` is what a recovery gave: from now on all of it is durable, and the rest is gone.
    void check(const Records& found) {
        EXPECT_GE(found.size(), durable) << "something durable was lost";
        ASSERT_LE(found.size(), records.size()) << "something was invented";
        ASSERT_TRUE(std::equal(found.begin(), found.end(), records.begin()));
        records.resize(found.size());
        durable = found.size();
    }
};

struct Script {
    std::uint64_t seed;
    bool close = true;
};

// Appends, flushes and takes snapshots by the seed, until something fails or the script ends.
// Returns the first failure.
Result<void, Failure> live(MemStorage& storage, Oracle& oracle, const Script& script) {
    std::mt19937_64 random(script.seed);
    Journal journal(storage, small_options());
    ListReplay replay;
    auto recovered = journal.recover(replay);
    if (!recovered) return recovered.error();
    oracle.check(replay.records);
    const std::size_t steps = 2 + random() % 8;
    for (std::size_t step = 0; step < steps; ++step) {
        const std::size_t count = random() % 60;
        const std::size_t size_max = random() % 4 == 0 ? record_size_max : 60;
        for (std::size_t i = 0; i < count; ++i) {
            oracle.records.push_back(record_of(oracle.records.size() + 1, random(), size_max));
            EXPECT_EQ(journal.append(oracle.records.back()), oracle.records.size());
        }
        auto done = flush_all(journal);
        if (done) oracle.durable = journal.durable_lsn();
        if (done && random() % 3 == 0) done = write_snapshot(journal, oracle.records);
        if (!done) {
            EXPECT_TRUE(journal.sealed());
            return done;
        }
    }
    if (!script.close || random() % 2 == 0) return {};
    auto closed = journal.close();
    EXPECT_EQ(journal.sealed(), !closed);
    return closed;
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
    ListReplay replay;
    auto recovered = journal.recover(replay);
    ASSERT_TRUE(recovered) << recovered.error().message;
    ASSERT_NO_FATAL_FAILURE(oracle.check(replay.records));
}

// Method: the life is lived once to count its calls, then once more for each call, on a copy of the
// disk that loses its power there, and once more with a second cut during or after the recovery.
TEST(JournalCrash, NothingDurableIsLostAtAnyCall) {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
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
            SCOPED_TRACE("seed " + std::to_string(seed) + ", call " + std::to_string(call));
            std::mt19937_64 random(seed * 1'000 + call);
            const auto storage = world.storage->clone();
            Oracle oracle = world.oracle;
            storage->die_at_call(call);
            EXPECT_EQ(live(*storage, oracle, script).has_value(), call == calls + 1);
            storage->crash(random);

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

// Method: one call fails, by itself; then the daemon starts again, with or without a power cut in
// between. What the second life has seen must survive a power cut after it, also where a sync had
// failed and left pages that only read back.
TEST(JournalCrash, AFailedCallSealsAndLosesNothing) {
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
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
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        MemStorage storage;
        Oracle oracle;
        for (int life = 0; life < 25; ++life) {
            const std::uint64_t kind = random() % 4;
            if (kind != 0) storage.die_at_call(1 + random() % 90);
            static_cast<void>(live(storage, oracle, {.seed = random()}));
            if (kind != 1) storage.crash(random);
            storage.die_at_call(0);
            if (HasFailure()) return;
        }
        ASSERT_NO_FATAL_FAILURE(expect_recovers(storage, oracle));
    }
}

}  // namespace
}  // namespace inod
