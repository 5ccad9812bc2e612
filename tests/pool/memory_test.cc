// Promise: a release cannot fail for want of memory, and takes none. And whoever comes in while a
// call gets memory is seen.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <random>
#include <vector>

#include "tests/pool/test_pool.h"

namespace {

// Counts what this program takes from the system, so that a test can say "nothing was taken".
std::atomic<std::uint64_t> allocation_count{0};

void* counted(std::size_t size, std::size_t alignment) {
    allocation_count.fetch_add(1, std::memory_order_relaxed);
    const std::size_t rounded = (std::max<std::size_t>(size, 1) + alignment - 1) & ~(alignment - 1);
    return std::aligned_alloc(alignment, rounded);
}

void* counted_or_throw(std::size_t size, std::size_t alignment) {
    void* const memory = counted(size, alignment);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

// The forms for arrays, and those that do not throw without an alignment, call these.
[[gnu::noinline]] void* operator new(std::size_t size) {
    return counted_or_throw(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
    return counted_or_throw(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment,
                                     const std::nothrow_t&) noexcept {
    return counted(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}

namespace inod {
namespace {

struct Live {
    Id id;
    std::uint64_t generation;
    HolderIndex holder;
};

// Takes all that is left of the budget.
void exhaust(MemoryBudget& budget) {
    ASSERT_TRUE(budget.take(budget.size_max() - budget.used()));
}

// Leases and releases at random until the budget is used up, or for a random while if it is not.
std::vector<Live> fill(TestPool& test, std::mt19937_64& random) {
    std::vector<Live> live;
    for (std::uint64_t steps = 1 + random() % 400; steps > 0; --steps) {
        const auto holder = static_cast<HolderIndex>(random() % 20);
        const std::uint64_t count = 1 + random() % (random() % 4 == 0 ? 60 : 3);
        const auto granted =
            random() % 8 == 0 ? test.allocate_at(*range_of(1 + random() % 100'000, count), holder)
                              : test.allocate(count, holder);
        if (!granted) {
            EXPECT_NE(granted.error().code, Errc::pool_exhausted);
            if (granted.error().code == Errc::out_of_memory) break;
            continue;
        }
        const Lease& lease = granted->lease;
        for (Id id = lease.range.first; id <= lease.range.last; ++id)
            live.push_back({id, lease.generation, holder});
        for (int i = 0; i < 3 && random() % 2 == 0; ++i) {
            std::swap(live[random() % live.size()], live.back());
            const Live gone = live.back();
            live.pop_back();
            EXPECT_TRUE(test.release(gone.id, gone.generation, gone.holder));
            if (live.empty()) break;
        }
    }
    return live;
}

TEST(ReleaseWithoutMemory, SucceedsForEveryIdInAnyOrder) {
    for (std::uint64_t seed = 0; seed < 150; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        const bool unique = seed % 3 == 0;
        TestPool test(unique ? unique_spec({1, 200'000}) : cyclic_spec({1, 200'000}),
                      200'000 + random() % 800'000);
        std::vector<Live> live = fill(test, random);
        exhaust(test.budget);
        std::shuffle(live.begin(), live.end(), random);

        const std::uint64_t taken_before = allocation_count.load();
        std::size_t refused = 0;
        for (const Live& one : live)
            refused += test.release(one.id, one.generation, one.holder) ? 0U : 1U;
        EXPECT_EQ(allocation_count.load(), taken_before) << "a release took memory";
        EXPECT_EQ(refused, 0U);
        EXPECT_TRUE(runs_of(test.pool).empty());
        EXPECT_SOUND(test.pool);
    }
}

TEST(ReleaseWithoutMemory, LeavesEveryAllocationRefusedOrSound) {
    TestPool test(cyclic_spec({1, 1'000}));
    exhaust(test.budget);
    EXPECT_EQ(Outcome(test.allocate()), Outcome(Errc::out_of_memory));
    EXPECT_EQ(Outcome(test.allocate_at(5)), Outcome(Errc::out_of_memory));
    EXPECT_EQ(test.pool.sequence(), TestPool(cyclic_spec({1, 1'000})).pool.sequence());
    EXPECT_SOUND(test.pool);
}

TEST(PoolMemory, GoesBackToTheBudgetWithThePool) {
    MemoryBudget budget(std::uint64_t{1} << 30U);
    {
        Tags tags(budget);
        Pool pool(cyclic_spec({1, 10'000}), 0, tags, budget);
        NoGuard nobody_else;
        for (HolderIndex holder = 0; holder < 1'000; ++holder)
            ASSERT_TRUE(pool.allocate(nobody_else, Wish{3}, holder));
        EXPECT_GT(budget.used(), 0U);
    }
    EXPECT_EQ(budget.used(), 0U);
}

// Many holders come and go: their tags' values are used again and never run out of room.
TEST(PoolMemory, StaysBoundedWhileHoldersComeAndGo) {
    TestPool test(cyclic_spec({1, 64}));
    std::uint64_t used_after_warm_up = 0;
    for (std::uint32_t i = 0; i < 50'000; ++i) {
        const HolderIndex holder = i % 100;  // an index is another's as soon as one is gone
        const auto granted = test.allocate(1, holder);
        ASSERT_TRUE(granted.has_value());
        ASSERT_TRUE(test.release(granted->lease.range, granted->lease.generation, holder));
        if (i == 100) used_after_warm_up = test.budget.used();
    }
    EXPECT_EQ(test.budget.used(), used_after_warm_up);
    EXPECT_SOUND(test.pool);
}

// A lock whose every unlock() lets somebody else in, once each time.
class LeakyGuard {
public:
    explicit LeakyGuard(std::function<void()> intruder) : intruder_(std::move(intruder)) {}

    void lock() {
        EXPECT_FALSE(locked_);
        locked_ = true;
    }
    void unlock() {
        EXPECT_TRUE(locked_);
        locked_ = false;
        ++unlocks;
        intruder_();
    }
    [[nodiscard]] bool is_locked() const { return locked_; }

    int unlocks = 0;

private:
    bool locked_ = true;
    std::function<void()> intruder_;
};

TEST(DroppedGuard, AnotherAllocationGetsOtherIds) {
    for (const PoolSpec& spec : {unique_spec({1, 100}), cyclic_spec({1, 100})}) {
        SCOPED_TRACE(spec.name);
        TestPool test(spec);
        std::optional<Result<Granted>> other;
        LeakyGuard guard([&] {
            if (!other) other = test.allocate(2, 9);
        });
        const auto granted = test.pool.allocate(guard, Wish{2}, 1);
        ASSERT_GT(guard.unlocks, 0) << "the first allocation of a pool needs memory";
        EXPECT_TRUE(guard.is_locked());
        ASSERT_TRUE(granted && other && *other);
        EXPECT_EQ((*other)->lease.range, (Range{1, 2}));
        EXPECT_EQ(granted->lease.range, (Range{3, 4}));
        EXPECT_SOUND(test.pool);
    }
}

TEST(DroppedGuard, AClaimMeanwhileIsSeen) {
    for (const PoolSpec& spec : {unique_spec({1, 100}), cyclic_spec({1, 100})}) {
        SCOPED_TRACE(spec.name);
        TestPool test(spec);
        bool intruded = false;
        LeakyGuard guard([&] {
            if (!std::exchange(intruded, true)) {
                EXPECT_TRUE(test.allocate_at(Range{4, 6}, 9));
            }
        });
        EXPECT_EQ(Outcome(test.pool.allocate_at(guard, {1, 5}, 1)),
                  Outcome(Error{Errc::id_taken, 4}));
        EXPECT_TRUE(intruded);
        EXPECT_TRUE(guard.is_locked());
        EXPECT_SOUND(test.pool);
    }
}

// The claim was free and of a fresh generation when it was first looked at.
TEST(DroppedGuard, AClaimReleasedMeanwhileRaisesTheGeneration) {
    TestPool test(cyclic_spec({1, 100}));
    bool intruded = false;
    LeakyGuard guard([&] {
        if (std::exchange(intruded, true)) return;
        EXPECT_EQ(Outcome(test.allocate_at(5, 9)), Outcome(5, 1));
        EXPECT_TRUE(test.release(5, 1, 9));
    });
    EXPECT_EQ(Outcome(test.pool.allocate_at(guard, {5, 5}, 1)), Outcome(5, 2));
    EXPECT_SOUND(test.pool);
}

TEST(DroppedGuard, APoolEmptiedMeanwhileIsExhausted) {
    TestPool test(unique_spec({1, 10}));
    bool intruded = false;
    LeakyGuard guard([&] {
        if (!std::exchange(intruded, true)) {
            EXPECT_TRUE(test.allocate(10, 9));
        }
    });
    EXPECT_EQ(Outcome(test.pool.allocate(guard, Wish{1}, 1)), Outcome(Errc::pool_exhausted));
    EXPECT_SOUND(test.pool);
}

// Others may also give back memory that was just set aside, without any lease of theirs: wide
// leases shrink the reserve when they go.
TEST(DroppedGuard, WhatOthersGiveBackIsSetAsideAgain) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        TestPool test(cyclic_spec({1, 10'000'000}));
        std::vector<std::pair<Lease, HolderIndex>> others;
        LeakyGuard guard([&] {
            if (!others.empty() && random() % 2 == 0) {
                const auto [lease, holder] = others.back();
                others.pop_back();
                EXPECT_TRUE(test.release(lease.range, lease.generation, holder));
            }
            const auto holder = static_cast<HolderIndex>(random() % 5);
            const auto granted = random() % 2 == 0 ? test.allocate(1 + random() % 50'000, holder)
                                                   : test.allocate_at(1 + random() % 1'000, holder);
            if (granted) others.emplace_back(granted->lease, holder);
        });
        for (int step = 0; step < 20; ++step) {
            const std::uint64_t count = 1 + random() % 50'000;
            const auto granted =
                random() % 3 == 0
                    ? test.pool.allocate_at(guard, *range_of(1 + random() % 1'000'000, count), 7)
                    : test.pool.allocate(guard, Wish{count}, 7);
            ASSERT_TRUE(guard.is_locked());
            if (granted) others.emplace_back(granted->lease, 7);
        }
        ASSERT_SOUND(test.pool);
    }
}

}  // namespace
}  // namespace inod
