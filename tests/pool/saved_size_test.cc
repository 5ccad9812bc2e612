// What is set aside on disk rests on Pool::saved_size(): it must never be less than what a snapshot
// takes, of the pool as it is and as any releases can make it.
#include <random>

#include "tests/pool/pieces.h"
#include "tests/pool/test_pool.h"

namespace inod {
namespace {

// Held against `before`, of the time when the last lease was handed out.
void expect_covered(const Pool& pool, const SavedSize& before, std::uint64_t holders) {
    const SavedSize now = pool.saved_size(holders);
    const std::uint64_t size = snapshot_size_of(pool);
    EXPECT_LE(size, now.kept) << pool.live_count().runs << " runs, " << pool.live_count().ids;
    EXPECT_LE(size, before.kept + before.holes) << pool.live_count().runs << " runs";
}

struct Shape {
    const char* name;
    Policy policy;
    Durability durability;
    std::uint64_t lease_count_max;  // IDs
    std::uint64_t holders;
    bool claims;
    bool raises_generations;
};

constexpr Shape shapes[] = {
    // name                  policy          durability         IDs   holders claims generations
    {"single IDs", Policy::unique, Durability::lease, 1, 1, false, false},
    {"many holders", Policy::unique, Durability::lease, 1, 300, false, false},
    {"small leases", Policy::cyclic, Durability::lease, 8, 30, false, true},
    {"wide, of two", Policy::unique, Durability::lease, 60'000, 2, false, false},
    {"wide, of many", Policy::cyclic, Durability::lease, 60'000, 300, false, true},
    {"claims far apart", Policy::unique, Durability::lease, 2, 3, true, false},
    {"claims in a cyclic pool", Policy::cyclic, Durability::lease, 200, 300, true, true},
    {"blocks with claims", Policy::unique, Durability::block, 300, 100, true, false},
};

class Pooled {
public:
    Pooled(const Shape& shape, std::uint64_t seed)
        : shape_(shape),
          random_(seed),
          test_({.name = std::string(pool_name_size_max, 'p'),
                 .policy = shape.policy,
                 .range = {random_() % 2 == 0 ? 1 : id_max / 2, id_max},
                 .durability = shape.durability}) {}

    void hand_out(std::size_t leases) {
        for (std::size_t i = 0; i < leases; ++i) {
            const auto holder = static_cast<HolderIndex>(random_() % shape_.holders);
            if (shape_.raises_generations && random_() % 20 == 0) test_.unclean_stop();
            const std::uint64_t count = 1 + random_() % shape_.lease_count_max;
            const Id first = pool().spec().range.first;
            if (shape_.claims && random_() % 2 == 0) {
                const Id at = first + (random_() >> (1 + random_() % 62));
                static_cast<void>(test_.allocate_at(Range{at, at + count - 1}, holder));
            } else {
                ASSERT_TRUE(test_.allocate(count, holder));
            }
        }
    }
    // Releases whole runs, parts, every second ID, or all but one in a while.
    void release() {
        const auto runs = runs_of(pool());
        if (runs.empty()) return;
        const LiveRun& run = runs[random_() % runs.size()];
        const std::uint64_t steps[] = {1, 2, 3, 17, 33, 100, 2'049};
        const std::uint64_t step = steps[random_() % std::size(steps)];
        if (step == 1) {
            ASSERT_TRUE(test_.release(run.range, run.generation, run.holder));
            return;
        }
        const std::uint64_t count = 1 + random_() % (step - 1);
        for (Id id = run.range.first;; id += step) {
            const Range part{id, std::min(id + count - 1, run.range.last)};
            ASSERT_TRUE(test_.release(part, run.generation, run.holder));
            if (run.range.last - id < step) return;
        }
    }

    [[nodiscard]] const Pool& pool() const { return test_.pool; }

private:
    const Shape shape_;
    std::mt19937_64 random_;
    TestPool test_;
};

TEST(SavedSize, IsNeverLessThanWhatASnapshotTakes) {
    for (const Shape& shape : shapes) {
        for (std::uint64_t seed = 0; seed < 3; ++seed) {
            SCOPED_TRACE(std::string(shape.name) + ", seed " + std::to_string(seed));
            Pooled pooled(shape, seed);
            expect_covered(pooled.pool(), pooled.pool().saved_size(shape.holders), shape.holders);
            for (const std::size_t leases : {1U, 3U, 20U, 100U, 500U}) {
                pooled.hand_out(leases);
                const SavedSize before = pooled.pool().saved_size(shape.holders);
                expect_covered(pooled.pool(), before, shape.holders);
                for (int i = 0; i < 20; ++i) {
                    pooled.release();
                    expect_covered(pooled.pool(), before, shape.holders);
                }
                if (HasFailure()) return;
            }
        }
    }
}

// As many as it takes for what each one takes to show beside the records' heads: wide leases that
// touch each other, of two in turn, and claims as far from each other as they are wide.
TEST(SavedSize, CoversManyWideLeases) {
    for (const std::uint64_t count : {20U, 33U, 160U, 200U, 20'000U}) {
        for (const bool are_claims : {false, true}) {
            SCOPED_TRACE(std::to_string(count) + (are_claims ? " IDs, claims" : " IDs, leases"));
            TestPool test(unique_spec({0, id_max}));
            for (Id i = 0; i < 10'000; ++i) {
                const auto holder = static_cast<HolderIndex>(i % 2);
                const Id first = 1'000 + 2 * count * i;
                ASSERT_TRUE(are_claims ? test.allocate_at({first, first + count - 1}, holder)
                                       : test.allocate(count, holder));
            }
            expect_covered(test.pool, test.pool.saved_size(2), 2);
        }
    }
}

// Of a pool in which numbers rest, what rests included and what is to rest still.
std::uint64_t snapshot_size_with_rests(const Pool& pool) {
    std::uint64_t size = snapshot_size_of(pool);
    for (Id from = 0;;) {
        std::vector<std::byte> memory(items_size_max);
        RunWriter writer(memory, from, 0);
        std::size_t visits_left = ~std::size_t{0};
        const Id covered = pool.save_resting(from, writer, visits_left);
        std::vector<std::byte> encoded(encoded_record_size_max + items_size_max);
        ByteWriter out(encoded);
        encode(RestingSaved{.pool = 0,
                            .covered = {from, covered},
                            .until = pool.last_end_of_rest(),
                            .items = {writer.finish()}},
               out);
        size += record_head_size + out.size();
        if (covered == id_max) return size;
        from = covered + 1;
    }
}

// From the moment at which its holder ends, swept or not.
TEST(SavedSize, CoversWhatIsToRest) {
    for (const std::uint64_t count : {1U, 20U, 33U, 200U}) {
        SCOPED_TRACE(std::to_string(count) + " IDs");
        PoolSpec spec = cyclic_spec({0, id_max});
        spec.quarantine_ms = 1'000;
        TestPool test(spec);
        for (Id i = 0; i < 10'000; ++i)
            ASSERT_TRUE(test.allocate(count, static_cast<HolderIndex>(i % 2)));
        const auto expect_enough = [&] {
            EXPECT_LE(snapshot_size_with_rests(test.pool), test.pool.saved_size(2).kept);
        };
        expect_enough();
        test.tags.end(1, [&](Value value) { test.pool.leases_died(test.tags.count(value)); });
        for (int slice = 0; slice < 3; ++slice) {
            expect_enough();
            std::size_t visits_left = 7'000;
            test.pool.sweep(visits_left);
        }
        EXPECT_FALSE(test.pool.has_dead());
        expect_enough();
    }
}

// A wide lease of which every pattern is left that costs much.
TEST(SavedSize, CoversAnyPatternOfHoles) {
    for (std::uint64_t period = 2; period < 70; ++period) {
        for (const std::uint64_t live : {std::uint64_t{1}, period / 2, period - 1}) {
            for (const Id first : {Id{0}, id_max - 65'535}) {
                SCOPED_TRACE(std::to_string(live) + " of " + std::to_string(period));
                TestPool test(unique_spec({first, first + 65'535}));
                ASSERT_TRUE(test.allocate(65'536));
                const SavedSize before = test.pool.saved_size(1);
                for (Id id = first; id + (period - 1) > id && id + period - 1 <= first + 65'535;
                     id += period) {
                    ASSERT_TRUE(test.release(Range{id + live, id + period - 1}));
                    if (first + 65'535 - id < 2 * period) break;
                }
                expect_covered(test.pool, before, 1);
                if (HasFailure()) return;
            }
        }
    }
}

}  // namespace
}  // namespace inod
