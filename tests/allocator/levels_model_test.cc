// Promise: whatever is asked of pools at several levels, in whatever order, through restarts and while
// snapshots are taken, every number at every level is where a simple model has it.
// Method: the model keeps each number of each pool in a map, with the numbers that go with it. A seed
// repeats its run. INOD_LEVELS_OPERATIONS says how many operations, of all seeds together.
#include <array>
#include <cstdlib>
#include <map>
#include <set>

#include "tests/allocator/levels.h"

namespace inod {
namespace {

struct Place {
    PoolIndex pool;
    Id id;

    friend auto operator<=>(const Place&, const Place&) = default;
};

// A number that is held, and those that go with it: from the highest level down.
struct Held {
    std::uint32_t uid;
    std::vector<LevelNumber> levels;
};

constexpr std::uint64_t quarantine_ms = 3'000;

std::vector<PoolSpec> pools() {
    PoolSpec resting = below("root", lowest_pool("resting", {1, 900}));
    resting.quarantine_ms = quarantine_ms;
    PoolSpec banded = below("left", lowest_pool("banded", {1, 300}));
    banded.reserved = {{40, 59}, {100, 104}};
    return {lowest_pool("root", {10, 3'000}),
            below("root", cyclic_pool("left", {1, 1'200})),
            resting,
            banded,
            below("banded", unique_pool("deep", {Id{1} << 40U, Id{1} << 41U})),
            below("left", cyclic_pool("twin", {1, 200}))};
}
constexpr std::size_t pool_count = 6;

class Walk {
public:
    explicit Walk(std::uint64_t seed) : random_(seed), machine_(pools()) {
        machine_.journal.snapshot_size_per_group = seed % 2 == 0 ? 512 : 8'192;
    }

    void run(std::uint64_t operations) {
        ASSERT_STARTS(machine_);
        for (std::uint64_t i = 0; i < operations && !::testing::Test::HasFatalFailure(); ++i) {
            SCOPED_TRACE("operation " + std::to_string(i));
            step();
            if (i % 1'000 == 999) compare();
        }
        for (const int count : granted_)
            EXPECT_GT(count, 50) << "of each pool";
        EXPECT_GT(restarts_, 5);
        EXPECT_GT(held_below_, 50);
    }

private:
    void step() {
        if (!machine_.allocator->has_room()) {
            ASSERT_TRUE(machine_.flush());
        }
        const std::uint64_t what = random_() % 1'000;
        if (what < 420) {
            allocate();
        } else if (what < 480) {
            claim();
        } else if (what < 820) {
            release();
        } else if (what < 860) {
            release_above();
        } else if (what < 940) {
            look();
        } else if (what < 950) {
            end();
        } else if (what < 960) {
            machine_.allocator->sweep();
        } else if (what < 975) {
            machine_.now += random_() % 1'500;
            machine_.allocator->set_time(machine_.now);
        } else if (what < 995) {
            if (random_() % 8 == 0) machine_.allocator->request_snapshot();
            ASSERT_TRUE(machine_.flush());
        } else {
            restart();
        }
    }

    void allocate() {
        const auto pool = static_cast<PoolIndex>(random_() % pool_count);
        const auto uid = static_cast<std::uint32_t>(random_() % 4);
        const auto answer = machine_.allocate(pool, 1 + random_() % 5, uid);
        note(pool, uid, answer);
    }

    void claim() {
        const auto pool = static_cast<PoolIndex>(random_() % pool_count);
        const auto uid = static_cast<std::uint32_t>(random_() % 4);
        const Id first = machine_.specs[pool].range.first + random_() % 300;
        const Range range{first, first + random_() % 3};
        NoGuard nobody_else;
        Asker asker = user(uid);
        asker.takes_reserved = random_() % 2 == 0;
        const auto answer = machine_.insist(
            [&] { return machine_.allocator->allocate_at(nobody_else, pool, range, asker); });
        const bool is_free = note(pool, uid, answer);
        if (is_free) {
            ASSERT_EQ(answer.result->range, range);
        }
    }

    // What an answer says is so from now on. Nothing of it was held before, or ever handed out.
    bool note(PoolIndex pool, std::uint32_t uid, const Answer<Lease>& answer) {
        if (!answer.result) {
            if (answer.result.error().code == Errc::sweep_pending) machine_.allocator->sweep();
            return false;
        }
        const Range range = answer.result->range;
        ++granted_[pool];
        std::vector<LevelNumber> firsts;
        for (Id id = range.first; id <= range.last; ++id) {
            const auto levels = machine_.allocator->lookup_levels(pool, id, 0);
            EXPECT_TRUE(levels.result);
            if (!levels.result) return false;
            Held held{.uid = uid, .levels = {levels.result->begin(), levels.result->end()}};
            EXPECT_EQ(held.levels.back(), (LevelNumber{pool, id, answer.result->generation}));
            if (firsts.empty()) firsts = held.levels;
            for (std::size_t i = 0; i < held.levels.size(); ++i) {
                const LevelNumber& at = held.levels[i];
                EXPECT_EQ(at.id - firsts[i].id, id - range.first) << "in a row, in order";
                EXPECT_EQ(at.generation, firsts[i].generation);
                note(at, held);
            }
        }
        return true;
    }

    void note(const LevelNumber& at, const Held& held) {
        const bool is_new = seen_.insert({{at.pool, at.id}, at.generation}).second;
        EXPECT_TRUE(is_new) << at.pool << ": " << at.id << "@" << at.generation << " comes twice";
        EXPECT_TRUE(held_.try_emplace({at.pool, at.id}, held).second) << "it was held";
        const auto rest = rests_until_.find({at.pool, at.id});
        if (rest != rests_until_.end()) {
            EXPECT_GE(machine_.now, rest->second) << "it was to rest";
        }
    }

    void release() {
        if (held_.empty()) return;
        const auto it = any();
        const LevelNumber leaf = it->second.levels.back();
        const std::uint32_t uid = it->second.uid;
        Id last = leaf.id;
        for (std::uint64_t more = random_() % 6; more > 0 && can_go_with(leaf, uid, last + 1);
             --more)
            ++last;
        const auto released = machine_.release(leaf.pool, {leaf.id, last}, leaf.generation, uid);
        ASSERT_TRUE(released.result) << name(released.result.error().code);
        for (Id id = leaf.id; id <= last; ++id)
            forget(held_.at({leaf.pool, id}));
    }

    bool can_go_with(const LevelNumber& leaf, std::uint32_t uid, Id id) const {
        const auto next = held_.find({leaf.pool, id});
        return next != held_.end() && next->second.uid == uid &&
               next->second.levels.back() == LevelNumber{leaf.pool, id, leaf.generation};
    }

    void release_above() {
        if (held_.empty()) return;
        const auto it = any();
        const std::vector<LevelNumber>& levels = it->second.levels;
        if (levels.size() < 2) return;
        const LevelNumber at = levels[random_() % (levels.size() - 1)];
        const auto refused =
            machine_.release(at.pool, {at.id, at.id}, at.generation, it->second.uid);
        ASSERT_FALSE(refused.result);
        ASSERT_EQ(refused.result.error(), Error(Errc::held_below, at.id));
        ++held_below_;
    }

    void forget(const Held& held) {
        for (const LevelNumber& at : std::vector<LevelNumber>(held.levels)) {
            held_.erase({at.pool, at.id});
            if (machine_.allocator->any_pool(at.pool).rest_ms() == 0) continue;
            rests_until_[{at.pool, at.id}] = machine_.now + quarantine_ms;
        }
    }

    void end() {
        const auto uid = static_cast<std::uint32_t>(random_() % 4);
        end_user(machine_, uid);
        for (auto it = held_.begin(); it != held_.end();) {
            const Held held = it->second;
            if (held.uid != uid) {
                ++it;
                continue;
            }
            forget(held);
            it = held_.begin();
        }
    }

    void look() {
        if (held_.empty()) return;
        const auto it = any();
        check(it->first, it->second);
    }

    void check(const Place& place, const Held& held) {
        const auto answer = machine_.allocator->lookup_levels(place.pool, place.id, 0);
        ASSERT_TRUE(answer.result) << place.pool << ": " << place.id;
        const std::vector<LevelNumber> told(answer.result->begin(), answer.result->end());
        ASSERT_EQ(told, held.levels);
        const auto found = machine_.allocator->lookup(place.pool, place.id, 0);
        ASSERT_EQ(found.result.value().holder.uid, held.uid);
    }

    // All of it, either way.
    void compare() {
        ASSERT_EQ(soundness(machine_), "sound");
        std::size_t count = 0;
        for (PoolIndex pool = 0; pool < pool_count; ++pool) {
            machine_.allocator->any_pool(pool).for_each_run(
                [&](const Run& run) { count += run.range.count(); });
        }
        ASSERT_EQ(count, held_.size());
        for (const auto& [place, held] : held_) {
            check(place, held);
            if (::testing::Test::HasFatalFailure()) return;
        }
    }

    // By itself, or by kill -9 behind a group; while a snapshot is under way, or not.
    void restart() {
        ASSERT_TRUE(machine_.flush());
        if (random_() % 2 == 0) {
            ASSERT_TRUE(machine_.allocator->close());
        } else if (random_() % 2 == 0) {
            machine_.crash(random_());
        }
        ASSERT_STARTS(machine_);
        ++restarts_;
        compare();
    }

    std::map<Place, Held>::iterator any() {
        const Place from{static_cast<PoolIndex>(random_() % pool_count), random_() % 1'200};
        const auto it = held_.lower_bound(from);
        return it != held_.end() ? it : held_.begin();
    }

    std::mt19937_64 random_;
    Machine machine_;
    std::map<Place, Held> held_;
    std::set<std::pair<Place, std::uint64_t>> seen_;
    std::map<Place, BootTime> rests_until_;
    std::array<int, pool_count> granted_{};
    int restarts_ = 0;
    int held_below_ = 0;
};

TEST(LevelsModel, EveryNumberIsWhereASimpleModelHasIt) {
    const char* const said = std::getenv("INOD_LEVELS_OPERATIONS");
    const std::uint64_t operations = said != nullptr ? std::strtoull(said, nullptr, 10) : 100'000;
    constexpr std::uint64_t per_seed = 5'000;
    for (std::uint64_t seed = 1; seed <= (operations + per_seed - 1) / per_seed; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Walk(seed).run(per_seed);
        if (HasFailure()) return;
    }
}

}  // namespace
}  // namespace inod
