// Promise: a call that needs memory drops exactly the caller's guard, and whatever another writer
// does meanwhile, the reserve suffices when the call returns, and what was decided holds.
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "tests/tree/signal_lock.h"
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

using Tree = BasicRangeTree<16>;

// So many IDs that storing them needs nodes which no reserve of these tests has yet.
constexpr std::uint64_t many_ids = 100 * Leaf<16>::cell_size;

// What a call is made with, and another writer finds.
struct Window {
    Tree& tree;
    Id& cursor;
    VisitedGuard& guard;
};

TEST(GuardTaken, DecidesAgainAfterAnotherWriter) {
    using Call = std::function<Result<Range>(Window&)>;
    using Writer = std::function<void(Tree&, Id & cursor)>;
    const Range wanted{1'000, 1'000 + (many_ids - 1)};
    const Call store_wanted = [&](Window& w) -> Result<Range> {
        if (auto stored = w.tree.store(w.guard, wanted, 5); !stored) return stored.error();
        return wanted;
    };
    const Call insert_wanted = [&](Window& w) -> Result<Range> {
        if (auto stored = w.tree.insert(w.guard, wanted, 5); !stored) return stored.error();
        return wanted;
    };
    const GapRequest request{.count = many_ids, .window = {1'000, 1'000 + 4 * many_ids - 1}};
    const Call lowest = [&](Window& w) { return w.tree.allocate_lowest(w.guard, request, 5); };
    const Call highest = [&](Window& w) { return w.tree.allocate_highest(w.guard, request, 5); };
    const Call cyclic = [&](Window& w) {
        return w.tree.allocate_cyclic(w.guard, request, w.cursor, 5);
    };
    const auto part = [&](std::uint64_t index) {  // of the window, which has four
        return Range{1'000 + index * many_ids, 1'000 + (index + 1) * many_ids - 1};
    };
    const Writer takes_first = [](Tree& tree, Id&) { store(tree, {1'000, 1'000}, 9); };
    const Writer takes_a_later_one = [](Tree& tree, Id&) { store(tree, {1'007, 1'009}, 9); };
    const Writer takes_last = [&](Tree& tree, Id&) {
        store(tree, {request.window.last, request.window.last}, 9);
    };
    const Writer takes_and_frees = [&](Tree& tree, Id&) {
        store(tree, wanted, 9);
        tree.erase(wanted);
    };
    const Writer takes_every_part = [&](Tree& tree, Id&) {
        for (std::uint64_t i = 0; i < 4; ++i)
            store(tree, {part(i).first + 10, part(i).first + 10}, 9);
    };
    const Writer moves_cursor = [&](Tree&, Id& cursor) { cursor = part(2).first; };
    const Writer moves_cursor_out = [](Tree&, Id& cursor) { cursor = 7; };
    const Writer splits = [](Tree& tree, Id&) {
        for (Id id = 0; id < 200; ++id)
            store(tree, {id, id}, id + 100);
    };
    const Writer grows = [](Tree& tree, Id&) {
        for (Id id = 0; id < 2'000; ++id)
            store(tree, {10'000'000 + 200 * id, 10'000'000 + 200 * id + id % 3}, id + 1);
    };
    const Writer empties = [](Tree& tree, Id&) { tree.clear(); };
    const Writer reserves = [](Tree& tree, Id&) { store(tree, {1'000, 1'000}, reserved); };

    const Error exhausted = Errc::pool_exhausted;
    const Error outside{Errc::cursor_outside, 7};
    const auto taken = [](Id id) { return Error{Errc::id_taken, id}; };
    struct Case {
        const char* name;
        Call call;
        Writer writer;
        std::optional<Range> want;
        Error error;
        std::optional<Id> cursor;
    };
    // clang-format off
    const Case cases[] = {
        {"store over what came",             store_wanted,  takes_first,       wanted,                {},           {}},
        {"store, split meanwhile",           store_wanted,  splits,            wanted,                {},           {}},
        {"store, grown meanwhile",           store_wanted,  grows,             wanted,                {},           {}},
        {"store, emptied meanwhile",         store_wanted,  empties,           wanted,                {},           {}},
        {"insert, first ID taken",           insert_wanted, takes_first,       {},                    taken(1'000), {}},
        {"insert, a later ID taken",         insert_wanted, takes_a_later_one, {},                    taken(1'007), {}},
        {"insert, first ID reserved",        insert_wanted, reserves,          {},                    taken(1'000), {}},
        {"insert, taken and free again",     insert_wanted, takes_and_frees,   wanted,                {},           {}},
        {"insert, split meanwhile",          insert_wanted, splits,            wanted,                {},           {}},
        {"insert, grown meanwhile",          insert_wanted, grows,             wanted,                {},           {}},
        {"insert, emptied meanwhile",        insert_wanted, empties,           wanted,                {},           {}},
        {"lowest, taken: the next",          lowest,        takes_first,       Range{1'001, 1'000 + many_ids}, {},  {}},
        {"lowest, reserved: the next",       lowest,        reserves,          Range{1'001, 1'000 + many_ids}, {},  {}},
        {"lowest, all taken",                lowest,        takes_every_part,  {},                    exhausted,    {}},
        {"lowest, taken and free again",     lowest,        takes_and_frees,   part(0),               {},           {}},
        {"lowest, split meanwhile",          lowest,        splits,            part(0),               {},           {}},
        {"lowest, grown meanwhile",          lowest,        grows,             part(0),               {},           {}},
        {"lowest, emptied meanwhile",        lowest,        empties,           part(0),               {},           {}},
        {"highest, taken: the next",         highest,       takes_last,        Range{part(3).first - 1, part(3).last - 1}, {}, {}},
        {"highest, all taken",               highest,       takes_every_part,  {},                    exhausted,    {}},
        {"highest, grown meanwhile",         highest,       grows,             part(3),               {},           {}},
        {"highest, emptied meanwhile",       highest,       empties,           part(3),               {},           {}},
        {"cyclic, taken: the next",          cyclic,        takes_first,       part(1),               {},           part(2).first},
        {"cyclic, cursor moved",             cyclic,        moves_cursor,      part(2),               {},           part(3).first},
        {"cyclic, cursor moved out",         cyclic,        moves_cursor_out,  {},                    outside,      7},
        {"cyclic, all taken",                cyclic,        takes_every_part,  {},                    exhausted,    part(1).first},
        {"cyclic, split meanwhile",          cyclic,        splits,            part(1),               {},           part(2).first},
        {"cyclic, grown meanwhile",          cyclic,        grows,             part(1),               {},           part(2).first},
        {"cyclic, emptied meanwhile",        cyclic,        empties,           part(1),               {},           part(2).first},
    };
    // clang-format on
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        OwnTree<16> own;
        for (Id id = 0; id < 20; ++id)
            store(own.tree, {50 * id, 50 * id}, id + 1);
        Id cursor = part(1).first;
        VisitedGuard guard;
        std::vector<Entry> left;  // by the other writer
        guard.writer = [&] {
            c.writer(own.tree, cursor);
            left = occupied_entries_of(own.tree);
        };
        guard.visits = 1;
        Window window{own.tree, cursor, guard};
        const Result<Range> got = c.call(window);
        EXPECT_TRUE(guard.locked);
        ASSERT_GE(guard.drops, 1);
        ASSERT_EQ(got.has_value(), c.want.has_value());
        if (c.cursor) {
            EXPECT_EQ(cursor, *c.cursor);
        }
        if (c.want) {
            EXPECT_EQ(*got, *c.want);
            EXPECT_EQ(own.tree.find(c.want->first), (Entry{*c.want, 5}));
            own.tree.erase(*c.want);
            std::erase_if(left, [&](const Entry& e) { return c.want->contains(e.range); });
        } else {
            EXPECT_EQ(got.error(), c.error);
        }
        EXPECT_EQ(occupied_entries_of(own.tree), left);
        INOD_EXPECT_SOUND(own.tree);
    }
}

// Memory that calls back when it is asked, which is while the caller's guard is dropped.
class WatchedMemory final : public NodeMemory {
public:
    void* take(std::size_t size) noexcept override {
        if (on_take) std::exchange(on_take, nullptr)();
        return NodeMemory::system().take(size);
    }
    void give(void* memory, std::size_t size) noexcept override {
        NodeMemory::system().give(memory, size);
    }

    std::function<void()> on_take;  // once
};

TEST(GuardTaken, IsAUniqueLock) {
    MemoryBudget budget(budget_of_tests);
    WatchedMemory memory;
    Tree tree(budget, memory);
    std::mutex mutex;
    // Another thread is let in, and takes what the first was about to.
    bool visited = false;
    memory.on_take = [&] {
        std::thread([&] {
            std::unique_lock other(mutex);
            EXPECT_EQ(tree.allocate_lowest(other, {.count = 10}, 2).value(), (Range{0, 9}));
            visited = true;
        }).join();
    };
    std::unique_lock lock(mutex);
    EXPECT_EQ(tree.allocate_lowest(lock, {.count = many_ids}, 1).value(),
              (Range{10, 9 + many_ids}));
    EXPECT_TRUE(visited);
    EXPECT_TRUE(lock.owns_lock());
    INOD_EXPECT_SOUND(tree);
}

// Which call needs memory makes no difference: each drops the object that its caller took.
TEST(GuardTaken, PutsBackTheSignalMaskThatTheCallerHad) {
    struct Case {
        const char* name;
        std::set<int> signals;  // blocked where the lock is taken
        std::function<bool(Tree&, GuardRef)> call;
    };
    const Range range{0, many_ids - 1};
    const GapRequest request{.count = many_ids};
    Id cursor = 0;
    const Case cases[] = {
        {"preallocate",
         {SIGUSR1},
         [&](Tree& tree, GuardRef guard) { return tree.preallocate(guard, range).has_value(); }},
        {"store",
         {},
         [&](Tree& tree, GuardRef guard) { return tree.store(guard, range, 1).has_value(); }},
        {"insert",
         {SIGUSR2, SIGTERM},
         [&](Tree& tree, GuardRef guard) { return tree.insert(guard, range, 1).has_value(); }},
        {"allocate_lowest",
         {SIGHUP},
         [&](Tree& tree, GuardRef guard) {
             return tree.allocate_lowest(guard, request, 1).has_value();
         }},
        {"allocate_highest",
         {},
         [&](Tree& tree, GuardRef guard) {
             return tree.allocate_highest(guard, request, 1).has_value();
         }},
        {"allocate_cyclic",
         {SIGUSR1, SIGUSR2},
         [&](Tree& tree, GuardRef guard) {
             return tree.allocate_cyclic(guard, request, cursor, 1).has_value();
         }},
    };
    const std::set<int> before = blocked_signals();
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        MemoryBudget budget(budget_of_tests);
        WatchedMemory memory;
        Tree tree(budget, memory);
        std::mutex mutex;
        const BlockedSignals blocked(c.signals);
        const std::set<int> callers = blocked_signals();
        std::optional<std::set<int>> inside;
        memory.on_take = [&] {
            inside = blocked_signals();
            // Free for another call site, whose mask is its own.
            const BlockedSignals others({SIGALRM});
            const SignalLock other(mutex);
            store(tree, {5'000'000, 5'000'000}, 2);
        };
        {
            SignalLock lock(mutex);
            const std::set<int> held = blocked_signals();
            EXPECT_TRUE(held.contains(SIGALRM));
            EXPECT_TRUE(c.call(tree, lock));
            EXPECT_EQ(blocked_signals(), held);
        }
        ASSERT_TRUE(inside);
        EXPECT_EQ(*inside, callers);
        EXPECT_EQ(blocked_signals(), callers);
        INOD_EXPECT_SOUND(tree);
    }
    EXPECT_EQ(blocked_signals(), before);
}

// Within another such lock the mask that was found is the one with all signals blocked: in the window
// they still are, and the outer lock is still held.
TEST(GuardTaken, StaysInsideAnOuterSignalLock) {
    MemoryBudget budget(budget_of_tests);
    WatchedMemory memory;
    Tree tree(budget, memory);
    std::mutex outer_mutex;
    std::mutex mutex;
    const std::set<int> before = blocked_signals();
    {
        const SignalLock outer(outer_mutex);
        const std::set<int> all = blocked_signals();
        bool visited = false;
        memory.on_take = [&] {
            visited = true;
            EXPECT_EQ(blocked_signals(), all);
            std::thread([&] {
                EXPECT_FALSE(std::unique_lock(outer_mutex, std::try_to_lock).owns_lock());
                EXPECT_TRUE(std::unique_lock(mutex, std::try_to_lock).owns_lock());
            }).join();
        };
        {
            SignalLock lock(mutex);
            EXPECT_TRUE(tree.store(lock, {0, many_ids}, 1).has_value());
            EXPECT_EQ(blocked_signals(), all);
            std::thread([&] {
                EXPECT_FALSE(std::unique_lock(mutex, std::try_to_lock).owns_lock());
            }).join();
        }
        EXPECT_TRUE(visited);
        EXPECT_EQ(blocked_signals(), all);
    }
    EXPECT_EQ(blocked_signals(), before);
    INOD_EXPECT_SOUND(tree);
}

// What the caller keeps behind the same lock agrees with the tree whenever somebody has taken it: no
// call gives it up once it has stored.
TEST(GuardTaken, IsSharedWithTheCallersOtherData) {
    struct Table {
        std::mutex mutex;
        MemoryBudget budget{budget_of_tests};
        Tree tree{budget};
        std::map<Id, Value> names;  // by first ID

        void add(Value value, std::uint64_t count) {
            std::unique_lock lock(mutex);
            const auto range = tree.allocate_lowest(lock, {.count = count}, value);
            ASSERT_TRUE(range.has_value());
            ASSERT_TRUE(lock.owns_lock());
            ASSERT_TRUE(names.emplace(range->first, value).second);
            for (const Entry& entry : entries_of(tree))
                ASSERT_EQ(names.at(entry.range.first), entry.value);
        }
    } table;
    std::vector<std::thread> threads;
    for (Value thread = 1; thread <= 3; ++thread) {
        threads.emplace_back([&table, thread] {
            for (Value i = 0; i < 60; ++i)
                table.add(1'000 * thread + i, 1 + i % 7 * 300);
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_EQ(table.tree.entry_count(), 180U);
    EXPECT_EQ(table.names.size(), 180U);
    INOD_EXPECT_SOUND(table.tree);
}

// A caller who must not give up the lock.
struct FirmGuard {
    static void lock() { ADD_FAILURE() << "was dropped"; }
    static void unlock() { ADD_FAILURE() << "was dropped"; }
    [[nodiscard]] static bool may_drop() { return false; }
};

TEST(GuardTaken, StaysWithACallerWhoForbidsIt) {
    OwnTree<16> own;
    Tree& tree = own.tree;
    for (Id id = 0; id < 40; ++id)
        store(tree, {300 * id, 300 * id + id % 5}, id + 1);
    const std::vector<Entry> before = entries_of(tree);
    const std::uint64_t reserve = tree.reserve_size();
    const std::uint64_t used = own.budget.used();
    FirmGuard guard;
    const Range range{100'000, 100'000 + (many_ids - 1)};
    const GapRequest request{.count = many_ids};
    Id cursor = 4'711;
    const Error errors[] = {
        tree.preallocate(guard, range).error(),
        tree.store(guard, range, 1).error(),
        tree.store(guard, {0, many_ids}, 1).error(),  // nor is anything erased for it
        tree.insert(guard, range, 1).error(),
        tree.allocate_lowest(guard, request, 1).error(),
        tree.allocate_highest(guard, request, 1).error(),
        tree.allocate_cyclic(guard, request, cursor, 1).error(),
    };
    for (const Error& error : errors)
        EXPECT_EQ(error, Error(Errc::out_of_memory));
    EXPECT_EQ(cursor, 4'711U);
    EXPECT_EQ(entries_of(tree), before);
    EXPECT_EQ(tree.reserve_size(), reserve);
    EXPECT_EQ(own.budget.used(), used);

    // With what was prepared earlier it is served.
    NoGuard free;
    ASSERT_TRUE(tree.preallocate(free, range).has_value());
    EXPECT_TRUE(tree.insert(guard, range, 1).has_value());
    INOD_EXPECT_SOUND(tree);
}

// Another writer takes what there was, and leaves a tree that owes more: what is wanted is worked out
// anew after each look.
TEST(Preallocate, CountsWhatAnotherWriterLeftOwing) {
    constexpr std::uint64_t cell = Leaf<16>::cell_size;
    OwnTree<16> own;
    store(own.tree, {0, 200 * cell}, 1);
    own.tree.erase({0, 200 * cell});  // the reserve stays
    VisitedGuard guard;
    guard.writer = [&] { store(own.tree, {2'000 * cell, 2'190 * cell}, 2); };
    guard.visits = 1;
    const Range range{1'000 * cell, 1'400 * cell};
    ASSERT_TRUE(own.tree.preallocate(guard, range).has_value());
    EXPECT_GE(guard.drops, 1);
    own.tree.store(range, 1);
    INOD_EXPECT_SOUND(own.tree);
}

}  // namespace
}  // namespace inod
