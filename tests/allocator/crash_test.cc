// Promises: nothing is handed out twice, nothing acknowledged is lost, wherever the power fails.
// Method: each life runs on a disk that dies at a random call and forgets or tears what was not
// synced; the next life recovers from what is left. An oracle of sets and maps, too simple to be
// wrong, is asked about every step. A seed repeats its failure exactly.
#include <cstdlib>
#include <map>
#include <set>
#include <tuple>

#include "tests/allocator/machine.h"

namespace inod {
namespace {

struct Key {
    PoolIndex pool;
    Id id;
    // clang-tidy 14 takes the 0 inside for a null pointer.
    friend auto operator<=>(const Key&, const Key&) = default;  // NOLINT(modernize-use-nullptr)
};

struct Known {
    std::uint64_t generation;
    std::uint32_t uid;
    bool claimed;
    bool releasing;  // its release was asked for, and may have happened or not
};

// What the world outside knows.
class Oracle {
public:
    // Handed out: nobody may ever have had it. Whether the world hears of it is another matter.
    void hand_out(PoolIndex pool, const Lease& lease, std::uint32_t uid, bool claimed, Lsn lsn) {
        for (Id id = lease.range.first;; ++id) {
            ASSERT_FALSE(seen_.contains({{pool, id}, lease.generation})) << "repeats: " << id;
            ASSERT_TRUE(this_life_.insert({{pool, id}, lease.generation}).second);
            unheard_.push_back({lsn, {pool, id}, {lease.generation, uid, claimed, false}, false});
            if (id == lease.range.last) break;
        }
    }
    void release(PoolIndex pool, Id id, std::uint64_t generation, Lsn lsn) {
        const auto found = live_.find({pool, id});
        if (found != live_.end()) found->second.releasing = true;
        unheard_.push_back({lsn, {pool, id}, {generation, 0, false, true}, true});
    }
    // All up to this LSN is durable, so the world hears of it.
    void acknowledge(Lsn durable) {
        std::vector<Change> still;
        for (const Change& change : unheard_) {
            if (change.lsn > durable) {
                still.push_back(change);
            } else if (change.is_release) {
                live_.erase(change.key);
                gone_.insert({change.key, change.held.generation});
            } else {
                seen_.insert({change.key, change.held.generation});
                live_[change.key] = change.held;
            }
        }
        unheard_ = std::move(still);
    }

    // After a restart: everything acknowledged is there, and what is there counts as handed out.
    void check(Machine& machine, bool clean) {
        for (const auto& [key, held] : live_) {
            const auto found = machine.allocator->lookup(key.pool, key.id, 0).result;
            const bool kept =
                clean || held.claimed || machine.specs[key.pool].durability == Durability::lease;
            if (kept && !held.releasing) {
                ASSERT_TRUE(found) << "lost: pool " << key.pool << " ID " << key.id;
            } else if (!kept) {
                ASSERT_FALSE(found) << "was not recorded: " << key.id;
                ASSERT_EQ(found.error().code, Errc::released);
            }
            if (found && !held.releasing) {
                ASSERT_EQ(found->generation, held.generation);
                ASSERT_EQ(found->holder.uid, held.uid);
            }
        }
        this_life_.clear();
        unheard_.clear();
        std::map<Key, Known> now;
        for (std::size_t pool = 0; pool < machine.specs.size(); ++pool)
            visit(machine, static_cast<PoolIndex>(pool), now);
        live_ = std::move(now);
    }

    const std::map<Key, Known>& live() const { return live_; }

private:
    using Number = std::pair<Key, std::uint64_t>;
    struct Change {
        Lsn lsn;
        Key key;
        Known held;
        bool is_release;
    };

    void visit(Machine& machine, PoolIndex pool, std::map<Key, Known>& now) {
        for (Id from = 0;;) {
            const auto run = machine.allocator->next(pool, from).result;
            if (!run) return;
            for (Id id = run->range.first;; ++id) {
                const Key key{pool, id};
                ASSERT_FALSE(gone_.contains({key, run->generation})) << "a release undone: " << id;
                seen_.insert({key, run->generation});
                const auto before = live_.find(key);
                const bool claimed = before == live_.end() || before->second.claimed;
                now[key] = {run->generation, run->holder.uid, claimed, false};
                if (id == run->range.last) break;
            }
            if (run->range.last == id_max) return;
            from = run->range.last + 1;
        }
    }

    std::set<Number> seen_;       // every number that anybody may have heard of
    std::set<Number> this_life_;  // and those handed out since the last start
    std::set<Number> gone_;       // acknowledged releases
    std::map<Key, Known> live_;
    std::vector<Change> unheard_;
};

class Life {
public:
    Life(Machine& machine, Oracle& oracle, std::mt19937_64& random)
        : machine_(machine), oracle_(oracle), random_(random) {}

    void run(int steps, bool may_close) {
        for (int i = 0; powered_ && i < steps && !::testing::Test::HasFatalFailure(); ++i) {
            if (!machine_.allocator->has_room()) flush();
            if (powered_) step();
        }
        if (!powered_) return;
        ASSERT_EQ(machine_.allocator->verify().value_or("sound"), "sound");
        flush();
        if (powered_ && may_close && draw(3) == 0)
            closed_ = machine_.allocator->close().has_value();
    }
    [[nodiscard]] bool closed() const { return closed_; }

private:
    std::uint64_t draw(std::uint64_t count) { return random_() % count; }

    void step() {
        const auto pool = static_cast<PoolIndex>(draw(machine_.specs.size()));
        const auto uid = static_cast<std::uint32_t>(draw(3));
        const std::uint64_t kind = draw(20);
        if (kind < 8) {
            allocate(pool, 1 + draw(4), uid);
        } else if (kind < 11) {
            const PoolSpec& spec = machine_.specs[pool];
            const auto cursor = machine_.allocator->pool(pool)->sequence().cursor;
            const Id base = draw(2) == 0 ? spec.range.first : cursor.value_or(spec.range.first);
            const Id first = base + std::min(draw(30), spec.range.last - base);
            const Range range{first, first + std::min(draw(3), spec.range.last - first)};
            hear(pool, machine_.allocate_at(pool, range, uid), uid, true);
        } else if (kind < 17) {
            release();
        } else {
            flush();
        }
    }

    // As a session does it: where a mark must be durable first, it asks again after the next group.
    void allocate(PoolIndex pool, std::uint64_t count, std::uint32_t uid) {
        auto answer = machine_.allocate_now(pool, count, uid);
        if (!answer.result && answer.result.error().code == Errc::block_pending) {
            flush();
            if (!powered_) return;
            answer = machine_.allocate_now(pool, count, uid);
            ASSERT_TRUE(answer.result || answer.result.error().code != Errc::block_pending);
        }
        hear(pool, answer, uid, false);
    }

    void hear(PoolIndex pool, const Answer<Lease>& answer, std::uint32_t uid, bool claimed) {
        if (!answer.result) return;
        oracle_.hand_out(pool, *answer.result, uid, claimed, answer.wait_for);
        if (answer.wait_for <= machine_.durable()) oracle_.acknowledge(machine_.durable());
    }

    void release() {
        if (oracle_.live().empty()) return;
        auto it = oracle_.live().lower_bound(
            {static_cast<PoolIndex>(draw(machine_.specs.size())), draw(60)});
        if (it == oracle_.live().end()) it = oracle_.live().begin();
        const auto [key, held] = *it;
        const auto answer = machine_.release(key.pool, {key.id, key.id}, held.generation, held.uid);
        ASSERT_EQ(answer.result.has_value(), !held.releasing)
            << "pool " << key.pool << " ID " << key.id << " "
            << (answer.result ? "released twice" : name(answer.result.error().code));
        if (!answer.result) return;
        oracle_.release(key.pool, key.id, held.generation, answer.wait_for);
        if (answer.wait_for <= machine_.durable()) oracle_.acknowledge(machine_.durable());
    }

    void flush() {
        powered_ = machine_.flush();
        if (!powered_) return;
        oracle_.acknowledge(machine_.durable());
        powered_ = machine_.allocator->maintain().has_value();
    }

    Machine& machine_;
    Oracle& oracle_;
    std::mt19937_64& random_;
    bool powered_ = true;
    bool closed_ = false;
};

// So much log that one of the next lives takes a snapshot, and crashes in it.
void lengthen_log(Machine& machine) {
    const std::uint64_t enough = 4 * small_journal().segment_size - std::uint64_t{6} * 1024;
    for (Id id = 1; machine.allocator->journal().log_size() < enough; ++id) {
        ASSERT_LT(id, 100'000U);
        if (!machine.allocator->has_room()) {
            ASSERT_TRUE(machine.flush());
        }
        const auto leased = machine.allocate_at(5, {id, id});
        ASSERT_TRUE(leased.result);
        ASSERT_TRUE(machine.release(5, {id, id}, leased.result->generation).result);
        if (id % 100 == 0) {
            ASSERT_TRUE(machine.flush());
        }
    }
    ASSERT_TRUE(machine.flush());
}

// Two starts from the same bytes come to the same.
void start_twice(Machine& machine, Recovery& recovery) {
    Machine twin(machine.specs);
    const auto copy = machine.disk.clone();
    const auto twins = twin.start_on(*copy);
    ASSERT_EQ(said(twins), "recovered");
    const auto started = machine.start();
    ASSERT_EQ(said(started), "recovered");
    ASSERT_EQ(machine.state(), twin.state());
    ASSERT_EQ(started->clean, twins->clean);
    recovery = *started;
    twin.allocator.reset();  // before its disk
}

struct Figures {
    std::uint64_t lives = 0;
    std::uint64_t clean_stops = 0;
    std::uint64_t deaths_in_recovery = 0;
    std::uint64_t deaths_in_life = 0;
    std::uint64_t torn_tails = 0;
    std::uint64_t snapshots = 0;
};

void run_lives(std::uint64_t seed, int life_count, Figures& figures) {
    std::mt19937_64 random(seed);
    Machine machine({unique_pool("inode"), unique_pool("blocks", {1, id_max}, Durability::block),
                     unique_pool("small", {0, 4'000}), cyclic_pool("pid", {1, 40}),
                     cyclic_pool("edge", {id_max - 9, id_max}), cyclic_pool("log", {1, 100'000})});
    const bool has_long_log = seed % 8 == 0;
    Oracle oracle;
    ASSERT_STARTS(machine);
    if (has_long_log) lengthen_log(machine);
    bool closed = false;
    for (int life = 0; life < life_count && !::testing::Test::HasFatalFailure(); ++life) {
        SCOPED_TRACE("life " + std::to_string(life));
        if (random() % 4 == 0) {
            machine.disk.die_at_call(1 + random() % 40);
            const auto started = machine.start();
            if (!started) {
                ASSERT_EQ(started.error().code, Errc::io_error) << said(started);
                ++figures.deaths_in_recovery;
            }
            closed = false;
            machine.crash(random());
        }
        Recovery recovery;
        start_twice(machine, recovery);
        if (::testing::Test::HasFatalFailure()) return;
        ASSERT_TRUE(recovery.clean || !closed);
        ASSERT_EQ(machine.allocator->verify().value_or("sound"), "sound");
        oracle.check(machine, recovery.clean);
        if (::testing::Test::HasFatalFailure()) return;

        const std::uint64_t failures_before = machine.disk.failures();
        machine.disk.die_at_call(1 + random() % 80);
        Life one(machine, oracle, random);
        one.run(80, !has_long_log);
        closed = one.closed();
        ++figures.lives;
        figures.clean_stops += closed ? 1U : 0U;
        figures.snapshots += recovery.snapshot_lsn != 0 ? 1U : 0U;
        figures.torn_tails += recovery.torn_tail ? 1U : 0U;
        // A power cut, or merely the end of the process, with all that it wrote still there.
        const bool is_dead = machine.disk.failures() != failures_before;
        figures.deaths_in_life += is_dead ? 1U : 0U;
        if (is_dead || random() % 3 != 0) {
            machine.crash(random());
        } else {
            machine.disk.die_at_call(0);
        }
    }
}

TEST(AllocatorCrash, NothingRepeatsAndNothingAcknowledgedIsLost) {
    const char* const is_long = std::getenv("INOD_TEST_LONG");
    const std::uint64_t seed_count = is_long != nullptr && *is_long == '1' ? 4'000 : 60;
    Figures figures;
    for (std::uint64_t seed = 0; seed < seed_count; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        run_lives(seed, 8, figures);
        if (HasFailure()) return;
    }
    // The lives are worth something only if all of this happens in them.
    EXPECT_EQ(figures.lives, 8 * seed_count);
    EXPECT_GT(figures.clean_stops, seed_count / 4);
    EXPECT_GT(figures.deaths_in_recovery, seed_count / 2);
    EXPECT_GT(figures.deaths_in_life, seed_count);
    EXPECT_GT(figures.torn_tails, seed_count / 4);
    EXPECT_GT(figures.snapshots, seed_count / 2);
}

}  // namespace
}  // namespace inod
