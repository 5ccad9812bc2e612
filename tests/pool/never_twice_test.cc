// Promise: no (ID, generation) is handed out twice, whatever a pool is asked for.
// Method: random requests in tiny pools, where everything happens often, held against an oracle
// too simple to be wrong. Every change is recorded, and now and then the pool is replaced by one
// replayed from the records, or restored from the pieces of a snapshot, with requests between them:
// nothing may tell it from the first.
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "lib/pool/record.h"
#include "tests/pool/pieces.h"
#include "tests/pool/test_pool.h"

namespace inod {
namespace {

constexpr std::uint64_t id_count = 12;

std::uint64_t seed_count() {
    const char* const is_long = std::getenv("INOD_TEST_LONG");
    return is_long != nullptr && *is_long == '1' ? 20'000 : 600;
}

class Machine {
public:
    explicit Machine(std::uint64_t seed) : random_(seed) {
        const Id bases[] = {0, 1, 1'000, id_max - (id_count - 1)};
        const Id first = bases[draw(4)];
        spec_ = draw(2) == 0 ? cyclic_spec({first, first + (id_count - 1)})
                             : unique_spec({first, first + (id_count - 1)});
        full_ = spec_.range;
        spec_.range.last -= draw(4);  // room to widen
        pool_ = std::make_unique<Pool>(spec_, next_index_++, tags_, budget_);
        first_spec_ = spec_;
    }

    void run(int steps) {
        for (int i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) {
            step();
            check();
        }
    }

private:
    std::uint64_t draw(std::uint64_t count) { return random_() % count; }
    Id draw_id() { return full_.first + draw(id_count); }
    HolderIndex draw_holder() { return static_cast<HolderIndex>(draw(2)); }

    void step() {
        const std::uint64_t kind = draw(100);
        if (kind < 92) {
            request(kind);
        } else if (kind < 95) {
            records_.push_back(UncleanStop{});
            pool_->replay_unclean_stop();
        } else if (kind < 96) {
            widen();
        } else if (kind < 98) {
            replay();
        } else {
            restore();
        }
    }

    void request(std::uint64_t kind) {
        if (kind < 40) {
            allocate();
        } else if (kind < 55) {
            claim();
        } else {
            release();
        }
    }

    void allocate() {
        const std::uint64_t count = 1 + draw(3);
        const HolderIndex holder = draw_holder();
        NoGuard nobody_else;
        const auto granted = pool_->allocate(nobody_else, Wish{count}, holder);
        if (granted) {
            EXPECT_EQ(granted->lease.range.count(), count);
            records_.push_back(
                Allocated{0, granted->lease.range, holder, granted->raised_generation});
            hand_out(*granted, holder);
        } else {
            EXPECT_EQ(granted.error().code, Errc::pool_exhausted);
            EXPECT_TRUE(spec_.policy == Policy::unique || !has_gap(count));
        }
    }

    void claim() {
        const Id first = draw_id();
        const Range range{first, first + std::min(draw(3), full_.last - first)};
        const HolderIndex holder = draw_holder();
        NoGuard nobody_else;
        const auto granted = pool_->allocate_at(nobody_else, range, holder);
        if (granted) {
            EXPECT_EQ(granted->lease.range, range);
            records_.push_back(Claimed{0, range, holder, granted->raised_generation});
            hand_out(*granted, holder);
            return;
        }
        const Error error = granted.error();
        EXPECT_TRUE(range.contains(error.detail));
        if (error.code == Errc::id_taken) {
            EXPECT_TRUE(live_.contains(error.detail));
        } else if (error.code == Errc::id_burned) {
            EXPECT_EQ(spec_.policy, Policy::unique);
        } else {
            EXPECT_EQ(error, Error(Errc::id_out_of_range, std::max(first, spec_.range.last + 1)));
        }
    }

    void hand_out(const Granted& granted, HolderIndex holder) {
        const Lease& lease = granted.lease;
        EXPECT_EQ(lease.generation == 0, spec_.policy == Policy::unique);
        for (Id id = lease.range.first;; ++id) {
            ASSERT_TRUE(seen_.insert({id, lease.generation}).second)
                << id << "@" << lease.generation << " was handed out before";
            ASSERT_TRUE(spec_.range.contains(id));
            ASSERT_TRUE(live_.insert({id, {lease.generation, holder}}).second) << id << " is live";
            if (id == lease.range.last) break;
        }
    }

    void release() {
        const Id first = draw_id();
        const Range range{first, first + std::min(draw(3), full_.last - first)};
        const HolderIndex holder = draw_holder();
        const auto at_first = live_.find(first);
        const std::uint64_t generation =
            at_first != live_.end() && draw(8) > 0 ? at_first->second.first : draw(3);
        bool allowed = generation != 0 || spec_.policy == Policy::unique;
        for (Id id = range.first;; ++id) {
            const auto found = live_.find(id);
            allowed =
                allowed && found != live_.end() && found->second == std::pair(generation, holder);
            if (id == range.last) break;
        }
        const auto released = pool_->release(range, generation, holder);
        ASSERT_EQ(released.has_value(), allowed);
        if (!allowed) return;
        records_.push_back(Released{0, range});
        for (Id id = range.first;; ++id) {
            live_.erase(id);
            if (id == range.last) break;
        }
    }

    void widen() {
        if (spec_.range.last == full_.last) return;
        ++spec_.range.last;
        pool_->widen(spec_.range.last);
        records_.push_back(PoolDefined{0, "", spec_.policy, spec_.durability, spec_.range});
    }

    void replay() {
        auto twin = std::make_unique<Pool>(first_spec_, next_index_++, tags_, budget_);
        for (const Record& record : records_)
            std::visit([&](const auto& r) { apply(*twin, r); }, record);
        take_over(std::move(twin));
    }

    static void apply(Pool& pool, const Allocated& r) {
        ASSERT_TRUE(pool.replay_allocated(r.range, r.holder, r.raised_generation));
    }
    static void apply(Pool& pool, const Claimed& r) {
        ASSERT_TRUE(pool.replay_claimed(r.range, r.holder, r.raised_generation));
    }
    static void apply(Pool& pool, const Released& r) { ASSERT_TRUE(pool.replay_released(r.range)); }
    static void apply(Pool& pool, const UncleanStop&) { pool.replay_unclean_stop(); }
    static void apply(Pool& pool, const PoolDefined& r) { pool.widen(r.range.last); }
    template <class Other>
    static void apply(Pool&, const Other&) {
        FAIL() << "not recorded here";
    }

    void restore() {
        auto twin = std::make_unique<Pool>(pool_->spec(), next_index_++, tags_, budget_);
        Pieces pieces(*pool_, false, twin.get());
        for (bool goes_on = true; goes_on;) {
            const std::size_t done = records_.size();
            for (std::uint64_t i = draw(4); i > 0; --i)
                request(draw(92));
            for (std::size_t i = done; i < records_.size(); ++i)
                std::visit([&](const auto& r) { apply(*twin, r); }, records_[i]);
            goes_on = pieces.next(60 + draw(40), 1 + draw(4));
        }
        take_over(std::move(twin));
    }

    void take_over(std::unique_ptr<Pool> twin) {
        EXPECT_EQ(twin->sequence(), pool_->sequence());
        EXPECT_EQ(runs_of(*twin), runs_of(*pool_));
        EXPECT_EQ(twin->spec(), pool_->spec());
        pool_ = std::move(twin);
    }

    void check() {
        ASSERT_SOUND(*pool_);
        for (Id id = full_.first;; ++id) {
            const auto run = pool_->lookup(id, 0);
            const auto found = live_.find(id);
            ASSERT_EQ(run.has_value(), found != live_.end()) << id;
            if (run) {
                ASSERT_EQ(std::pair(run->generation, run->holder), found->second) << id;
            } else if (was_handed_out(id)) {
                ASSERT_EQ(run.error(), Error(Errc::released, id));
            }
            if (id == full_.last) break;
        }
    }

    bool was_handed_out(Id id) {
        const auto found = seen_.lower_bound({id, 0});
        return found != seen_.end() && found->first == id;
    }

    bool has_gap(std::uint64_t count) {
        std::uint64_t free = 0;
        for (Id id = spec_.range.first;; ++id) {
            free = live_.contains(id) ? 0 : free + 1;
            if (free == count) return true;
            if (id == spec_.range.last) return false;
        }
    }

    std::mt19937_64 random_;
    MemoryBudget budget_{std::uint64_t{1} << 30U};
    Tags tags_{budget_};
    PoolIndex next_index_ = 0;
    PoolSpec spec_;        // as it is now
    PoolSpec first_spec_;  // as it was when the first record was written
    Range full_{0, 0};     // as wide as it may become
    std::unique_ptr<Pool> pool_;
    std::vector<Record> records_;
    std::set<std::pair<Id, std::uint64_t>> seen_;
    std::map<Id, std::pair<std::uint64_t, HolderIndex>> live_;
};

TEST(NeverTwice, WhateverAPoolIsAskedFor) {
    for (std::uint64_t seed = 0; seed < seed_count(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Machine machine(seed);
        machine.run(200);
        if (HasFailure()) return;
    }
}

}  // namespace
}  // namespace inod
