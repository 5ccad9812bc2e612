// A pool as tests want it: with a budget of its own and no lock.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lib/pool/cyclic_sequence.h"
#include "lib/pool/pool.h"
#include "lib/pool/unique_sequence.h"

namespace inod {

inline PoolSpec unique_spec(Range range, Durability durability = Durability::lease) {
    return {.name = "inode", .policy = Policy::unique, .range = range, .durability = durability};
}

inline PoolSpec cyclic_spec(Range range) {
    return {.name = "pid", .policy = Policy::cyclic, .range = range};
}

// The generation of a pool that began with 1, after so many raises and so many unclean stops.
constexpr std::uint64_t generation(std::uint64_t raises, std::uint64_t unclean_stops) {
    return 1 + raises + unclean_stops * generations_per_unclean_stop;
}

class TestPool {
public:
    explicit TestPool(const PoolSpec& spec, std::uint64_t memory_max = std::uint64_t{1} << 30U)
        : budget(memory_max), tags(budget), pool(spec, 0, tags, budget) {}

    // As a daemon whose disk is quick: a mark is durable before anybody asks again.
    Result<Granted> allocate(std::uint64_t count = 1, HolderIndex holder = 0) {
        pool.settle_mark();
        auto granted = allocate_unsettled(count, holder);
        if (granted || granted.error().code != Errc::block_pending) return granted;
        pool.settle_mark();
        return allocate_unsettled(count, holder);
    }
    // Where no mark has become durable meanwhile.
    Result<Granted> allocate_unsettled(std::uint64_t count = 1, HolderIndex holder = 0) {
        NoGuard nobody_else;
        return pool.allocate(nobody_else, Wish{.count = count}, holder);
    }
    Result<Granted> allocate_at(Range range, HolderIndex holder = 0,
                                bool may_take_reserved = false) {
        NoGuard nobody_else;
        return pool.allocate_at(nobody_else, range, holder, may_take_reserved);
    }
    Result<Granted> allocate_at(Id id, HolderIndex holder = 0, bool may_take_reserved = false) {
        return allocate_at({id, id}, holder, may_take_reserved);
    }
    Result<bool> release(Range range, std::uint64_t generation = 0, HolderIndex holder = 0) {
        return pool.release(range, generation, holder);
    }
    Result<bool> release(Id id, std::uint64_t generation = 0, HolderIndex holder = 0) {
        return pool.release({id, id}, generation, holder);
    }
    void unclean_stop() { pool.replay_unclean_stop(); }

    MemoryBudget budget;
    Tags tags;
    Pool pool;
};

// What a request came to, in a form that a table can name: a lease or an error.
struct Outcome {
    Lease lease{{0, 0}, 0};
    Error error;

    Outcome(const Result<Granted>& granted)  // NOLINT(google-explicit-constructor)
        : lease(granted ? granted->lease : Lease{{0, 0}, 0}),
          error(granted ? Error{} : granted.error()) {}
    Outcome(Range range, std::uint64_t generation) : lease{range, generation} {}
    Outcome(Id id, std::uint64_t generation) : lease{{id, id}, generation} {}
    Outcome(Error refusal) : error(refusal) {}  // NOLINT(google-explicit-constructor)
    Outcome(Errc refusal) : error(refusal) {}   // NOLINT(google-explicit-constructor)

    friend bool operator==(const Outcome&, const Outcome&) = default;
    friend std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
        if (outcome.error.code != Errc::ok) {
            return out << name(outcome.error.code) << " (" << outcome.error.detail << ")";
        }
        return out << outcome.lease.range.first << "-" << outcome.lease.range.last << "@"
                   << outcome.lease.generation;
    }
};

inline std::ostream& operator<<(std::ostream& out, const LiveRun& run) {
    return out << run.range.first << "-" << run.range.last << "@" << run.generation << " of "
               << run.holder;
}

// Every run of live IDs, in order, by next() alone.
inline std::vector<LiveRun> runs_of(const Pool& pool) {
    std::vector<LiveRun> runs;
    for (Id id = 0;;) {
        const auto run = pool.next(id);
        if (!run) return runs;
        runs.push_back(*run);
        if (run->range.last == id_max) return runs;
        id = run->range.last + 1;
    }
}

#define EXPECT_SOUND(pool) EXPECT_EQ((pool).verify().value_or("sound"), "sound")
#define ASSERT_SOUND(pool) ASSERT_EQ((pool).verify().value_or("sound"), "sound")

}  // namespace inod
