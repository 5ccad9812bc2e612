// Promise: what was granted at several levels comes back at all of them or at none, wherever a life ended
// and whatever a snapshot had of it; and on a full disk it is released all the same.
#include <algorithm>
#include <map>
#include <set>

#include "tests/allocator/levels.h"

namespace inod {
namespace {

// All numbers of all levels, as lookups tell them.
std::string all_numbers(Machine& machine) {
    std::string text = machine.state();
    for (std::size_t i = 0; i < machine.allocator->pool_index_end(); ++i) {
        const auto index = static_cast<PoolIndex>(i);
        machine.allocator->any_pool(index).for_each_run([&](const Run& run) {
            for (Id id = run.range.first; id <= run.range.last; ++id)
                text += numbers(machine, index, id) + "\n";
        });
    }
    return text;
}

TEST(LevelsRestart, AllComesBackFromTheLog) {
    Machine machine(boxes());
    ASSERT_STARTS(machine);
    for (int i = 0; i < 9; ++i) {
        ASSERT_TRUE(machine.allocate(inner, 4, 1).result);
        ASSERT_TRUE(machine.allocate(other, 3, 2).result);
        ASSERT_TRUE(machine.allocate(box, 2, 1).result);
        ASSERT_TRUE(machine.allocate(host, 1, 3).result);
    }
    ASSERT_TRUE(machine.allocate_at(inner, {90, 95}, 1).result);
    ASSERT_TRUE(machine.release(inner, {3, 9}, 1, 1).result);
    end_user(machine, 2);
    ASSERT_TRUE(machine.allocate(other, 5, 1).result);
    ASSERT_TRUE(machine.allocator->close());
    const std::string before = all_numbers(machine);
    ASSERT_STARTS(machine);
    EXPECT_EQ(all_numbers(machine), before);
    EXPECT_EQ(soundness(machine), "sound");
    ASSERT_TRUE(machine.release(inner, {90, 94}, 1, 1).result);
    EXPECT_EQ(soundness(machine), "sound");
}

// The snapshot's pieces lie between requests of all kinds, holders' ends among them; it is cut at each
// piece, or whole; and then it all comes back.
TEST(LevelsRestart, AllComesBackFromASnapshotThatWasTakenMeanwhile) {
    bool was_whole = false;
    for (std::uint64_t pieces = 1; !was_whole; ++pieces) {
        SCOPED_TRACE("after " + std::to_string(pieces) + " pieces");
        ASSERT_LT(pieces, 200U);
        std::mt19937_64 random(pieces);
        Machine machine(boxes());
        machine.journal.snapshot_size_per_group = 512;
        ASSERT_STARTS(machine);
        const auto request = [&] {
            const auto pool = static_cast<PoolIndex>(random() % 4);
            const auto uid = static_cast<std::uint32_t>(random() % 3);
            const auto leased = machine.allocate(pool, 1 + random() % 3, uid);
            if (!leased.result) machine.allocator->sweep();
            const auto run = machine.allocator->next(pool, random() % 1'000).result;
            if (run && random() % 2 == 0) {
                static_cast<void>(
                    machine.release(pool, run->range, run->generation, run->holder.uid));
            }
            if (random() % 40 == 0) end_user(machine, uid);
        };
        for (int i = 0; i < 200; ++i)
            request();
        ASSERT_TRUE(machine.flush());
        machine.allocator->request_snapshot();
        for (std::uint64_t i = 0; i < pieces && !was_whole; ++i) {
            ASSERT_TRUE(machine.flush());
            was_whole = !machine.allocator->journal().snapshot_under_way();
            for (int k = 0; k < 4; ++k)
                request();
        }
        ASSERT_TRUE(machine.flush());
        for (int life = 0; life < 3; ++life) {
            ASSERT_EQ(soundness(machine), "sound");
            const std::string before = all_numbers(machine);
            const auto alive = live(machine, host);
            // A life that ends by itself leaves generations as they are.
            if (machine.allocator->journal().snapshot_under_way()) {
                machine.crash(random());
                ASSERT_STARTS(machine);
                ASSERT_EQ(live(machine, host), alive);
            } else {
                ASSERT_TRUE(machine.allocator->close());
                ASSERT_STARTS(machine);
                ASSERT_EQ(all_numbers(machine), before);
            }
            for (int i = 0; i < 20; ++i)
                request();
            while (machine.allocator->journal().snapshot_under_way())
                ASSERT_TRUE(machine.flush());
            ASSERT_TRUE(machine.flush());
        }
    }
}

struct Number {
    PoolIndex pool;
    Id id;
    std::uint64_t generation;

    friend auto operator<=>(const Number&, const Number&) = default;
};

// Lives that end anywhere. What was durable is there at all levels, what was not is there at all or none,
// and no number comes twice at any level.
TEST(LevelsCrash, NeverTwiceAndAllOrNothing) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        Machine machine(boxes());
        if (seed % 2 == 0) machine.journal.snapshot_size_per_group = 512;
        std::set<Number> seen;
        std::map<Number, std::string> durable;
        for (int life = 0; life < 6; ++life) {
            ASSERT_STARTS(machine);
            ASSERT_EQ(soundness(machine), "sound");
            for (const auto& [number, all] : durable)
                ASSERT_EQ(numbers(machine, number.pool, number.id), all);
            std::map<Number, std::string> granted;
            for (std::uint64_t steps = random() % 150; steps > 0; --steps) {
                const auto pool = static_cast<PoolIndex>(random() % 4);
                const auto leased = machine.allocate(pool, 1 + random() % 3, 1);
                if (!leased.result) break;
                for (Id id = leased.result->range.first; id <= leased.result->range.last; ++id) {
                    granted[{pool, id, leased.result->generation}] = numbers(machine, pool, id);
                    for (const LevelNumber& at :
                         machine.allocator->lookup_levels(pool, id, 0).result.value()) {
                        ASSERT_TRUE(seen.insert({at.pool, at.id, at.generation}).second)
                            << at.pool << " " << at.id << " came twice";
                    }
                }
                if (random() % 4 == 0) {
                    const Range range = leased.result->range;
                    for (Id id = range.first; id <= range.last; ++id)
                        granted.erase({pool, id, leased.result->generation});
                    ASSERT_TRUE(machine.release(pool, range, leased.result->generation, 1).result);
                }
                if (random() % 8 != 0) continue;
                if (random() % 4 == 0) machine.allocator->request_snapshot();
                ASSERT_TRUE(machine.flush());
                durable.insert(granted.begin(), granted.end());
                granted.clear();
            }
            machine.crash(random());
        }
    }
}

TEST(LevelsOnAFullDisk, EveryReleaseGoesThrough) {
    std::mt19937_64 random(1);
    Machine machine({cyclic_pool("top", {1, 1'000'000}),
                     below("top", cyclic_pool("middle", {1, 1'000'000})),
                     below("middle", unique_pool("low", {1, 1'000'000})),
                     below("top", unique_pool("beside", {1, 1'000'000}))});
    ASSERT_STARTS(machine);
    for (const std::uint64_t count : {1U, 7U, 3'000U}) {
        SCOPED_TRACE("leases of " + std::to_string(count));
        ASSERT_TRUE(machine.flush());
        machine.disk.set_capacity(machine.allocator->journal().disk_size());
        std::vector<std::pair<Id, std::uint32_t>> ids;
        bool is_full = false;
        for (std::uint32_t uid = 0; !is_full && ids.size() < 100'000; uid = 1 - uid) {
            if (!machine.allocator->has_room()) {
                ASSERT_TRUE(machine.flush());
            }
            const auto leased = machine.allocate(2, count, uid);
            if (!leased.result) {
                ASSERT_EQ(leased.result.error().code, Errc::no_space);
                is_full = true;
                break;
            }
            for (Id id = leased.result->range.first; id <= leased.result->range.last; ++id)
                ids.emplace_back(id, uid);
            // What lies in a row below does not above.
            if (random() % 3 == 0) {
                is_full = !machine.allocate(3, 1, 2).result;
            }
        }
        // Of the wide ones very many take little.
        EXPECT_TRUE(is_full || count == 3'000) << ids.size();
        ASSERT_TRUE(machine.flush());
        ASSERT_GT(ids.size(), 100U);
        machine.disk.set_capacity(machine.allocator->journal().disk_size());
        std::shuffle(ids.begin(), ids.end(), random);
        for (const auto& [id, uid] : ids) {
            ASSERT_TRUE(machine.release(2, {id, id}, 0, uid).result);
            ASSERT_TRUE(machine.flush());
        }
        EXPECT_EQ(live(machine, 2), 0U);
        EXPECT_EQ(soundness(machine), "sound");
        machine.disk.set_capacity(~std::uint64_t{0});
        ASSERT_TRUE(machine.allocator->make_space());
    }
}

}  // namespace
}  // namespace inod
