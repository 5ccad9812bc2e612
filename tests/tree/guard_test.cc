// Promise: a call that needs memory drops exactly the caller's guard, and whatever another writer
// does meanwhile, the reserve suffices when the call returns.
#include <functional>
#include <mutex>

#include "tests/tree/support.h"

namespace inod {
namespace {

// A guard whose unlock() lets another writer in, as often as `visits` says.
struct VisitedGuard {
    std::function<void()> writer;
    int visits = 0;
    bool locked = true;
    int drops = 0;

    void unlock() {
        EXPECT_TRUE(locked);
        locked = false;
        ++drops;
        if (visits-- > 0) writer();
    }
    void lock() {
        EXPECT_FALSE(locked);
        locked = true;
    }
};

TEST(Preallocate, LooksAgainAfterAnotherWriter) {
    struct Case {
        const char* name;
        std::function<void(BasicRangeTree<16>&)> writer;
    };
    const Case cases[] = {
        {"the wanted range was taken",
         [](auto& tree) {
             store(tree, {1'000, 1'100}, 2);
         }},
        {"the tree grew",
         [](auto& tree) {
             for (Id id = 0; id < 500; ++id)
                 store(tree, {5'000 + 4 * id, 5'000 + 4 * id + 2}, 2);
         }},
        {"a wide entry came",
         [](auto& tree) {
             store(tree, {10'000, 30'000}, 2);
         }},
        {"the tree was emptied", [](auto& tree) { tree.clear(); }},
        {"holes were made",
         [](auto& tree) {
             for (Id id = 1; id < 200; id += 2)
                 tree.erase({id, id});
         }},
    };
    for (const Case& c : cases) {
        for (int visits = 1; visits <= 3; ++visits) {
            SCOPED_TRACE(c.name);
            OwnTree<16> own;
            store(own.tree, {0, 199}, 1);
            VisitedGuard guard;
            guard.writer = [&] { c.writer(own.tree); };
            guard.visits = visits;
            const Range range{1'000, 1'999};
            ASSERT_TRUE(own.tree.preallocate(guard, range).has_value());
            EXPECT_TRUE(guard.locked);
            EXPECT_GE(guard.drops, 1);
            own.tree.store_merged(range, 1);
            INOD_ASSERT_SOUND(own.tree);
            for (Id id = range.first + 1; id < range.last; id += 2)
                own.tree.erase({id, id});
            INOD_ASSERT_SOUND(own.tree);
        }
    }
}

TEST(Preallocate, KeepsTheGuardWhenTheReserveSuffices) {
    OwnTree<256> own;
    VisitedGuard guard;
    for (Id id = 0; id < 10'000; ++id) {
        ASSERT_TRUE(own.tree.preallocate(guard, {id, id}).has_value());
        own.tree.store({id, id}, id + 1);
    }
    // One drop for each slab of nodes, and none in between.
    EXPECT_EQ(static_cast<std::uint64_t>(guard.drops) * NodeReserve::nodes_per_slab,
              own.tree.node_count() + own.tree.reserve_size());
}

TEST(Preallocate, KeepsTheGuardWhenTheBudgetRefuses) {
    MemoryBudget budget(1'000'000);
    RangeTree tree(budget);
    VisitedGuard guard;
    EXPECT_FALSE(tree.preallocate(guard, {0, 10'000'000}).has_value());
    EXPECT_EQ(guard.drops, 0);
}

TEST(Preallocate, TakesAnyGuard) {
    OwnTree<256> own;
    std::mutex mutex;
    std::unique_lock lock(mutex);
    ASSERT_TRUE(own.tree.preallocate(lock, {0, 100'000}).has_value());
    EXPECT_TRUE(lock.owns_lock());
    own.tree.store({0, 100'000}, 1);
    INOD_EXPECT_SOUND(own.tree);
}

TEST(Preallocate, FailingChangesNothing) {
    MemoryBudget budget(1'000'000);
    RefusingMemory memory;
    RangeTree tree(budget, memory);
    for (Id id = 0; id < 100; ++id)
        store(tree, {10 * id, 10 * id + 4}, 1);
    const std::vector<Entry> before = entries_of(tree);
    const std::uint64_t reserve = tree.reserve_size();
    const std::uint64_t used = budget.used();

    VisitedGuard guard;
    const auto over_budget = tree.preallocate(guard, {5'000, 10'000'000});
    ASSERT_FALSE(over_budget.has_value());
    EXPECT_EQ(over_budget.error().code, Errc::out_of_memory);

    memory.refuses = true;
    const auto refused = tree.preallocate(guard, {5'000, 900'000});
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, Errc::out_of_memory);

    EXPECT_TRUE(guard.locked);
    EXPECT_EQ(entries_of(tree), before);
    EXPECT_EQ(tree.reserve_size(), reserve);
    EXPECT_EQ(budget.used(), used);
    INOD_EXPECT_SOUND(tree);
}

}  // namespace
}  // namespace inod
