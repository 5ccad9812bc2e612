// Promise: a release cannot fail for want of memory.
// Method: fill a tree, refuse every further byte from a random moment on, then release everything
// that is live, in random order and random pieces. A node that is missing ends the process, in
// NodeReserve::take(); the counts say that none was asked for elsewhere.
#include <algorithm>
#include <random>

#include "tests/tree/support.h"

namespace inod {
namespace {

using Random = std::mt19937_64;

enum class Pieces { single_ids, random_ranges, every_second_first };

// What to release so that in the end everything is: in random order.
std::vector<Range> pieces_of(const std::vector<Entry>& entries, Pieces pieces, Random& random) {
    std::vector<Range> result;
    for (const Entry& entry : entries) {
        for (Id id = entry.range.first;;) {
            const std::uint64_t most = pieces == Pieces::random_ranges ? 7 : 1;
            const Id last = id + std::min(entry.range.last - id, random() % most);
            result.push_back({id, last});
            if (last == entry.range.last) break;
            id = last + 1;
        }
    }
    if (pieces == Pieces::every_second_first) {
        // What makes the most entries out of the fewest releases.
        std::stable_partition(result.begin(), result.end(), [](Range r) { return r.first % 2; });
    } else {
        std::shuffle(result.begin(), result.end(), random);
    }
    return result;
}

// Stores until a random moment at which either the budget is full or memory refuses.
template <unsigned words>
void fill(BasicRangeTree<words>& tree, RefusingMemory& memory, Random& random) {
    const std::uint64_t width_max = std::uint64_t{1} << (random() % 9);
    const std::uint64_t moment = random() % 2'000;
    NoGuard guard;
    for (std::uint64_t step = 0; step < 3'000; ++step) {
        if (step == moment) memory.refuses = true;
        const Id first = random() % 2 == 0 ? random() % 100'000 : id_max - random() % 100'000;
        const std::uint64_t span = random() % width_max;
        const Range range{first, first > id_max - span ? id_max : first + span};
        if (!tree.preallocate(guard, range)) continue;
        if (random() % 2 == 0) {
            tree.store(range, 1 + random() % 3);
        } else {
            tree.store_merged(range, 1 + random() % 3);
        }
    }
    INOD_ASSERT_SOUND(tree);
}

// From now on memory refuses; in the end none was asked for.
class AllPaid {
public:
    AllPaid(RefusingMemory& memory, const MemoryBudget& budget)
        : memory_(memory), budget_(budget), asked_(memory.asked), used_(budget.used()) {
        memory.refuses = true;
    }
    template <class Tree>
    void check_all_released(const Tree& tree) const {
        EXPECT_EQ(tree.entry_count(), 0U);
        EXPECT_EQ(tree.id_count(), 0U);
        EXPECT_EQ(tree.node_count(), 0U);
        EXPECT_EQ(memory_.asked, asked_);
        EXPECT_EQ(budget_.used(), used_);
        INOD_ASSERT_SOUND(tree);
    }

private:
    const RefusingMemory& memory_;
    const MemoryBudget& budget_;
    const std::uint64_t asked_;
    const std::uint64_t used_;
};

template <unsigned words>
void release_everything(std::uint64_t seed, Pieces pieces) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    MemoryBudget budget(100'000 + random() % 5'000'000);
    RefusingMemory memory;
    BasicRangeTree<words> tree(budget, memory);
    fill(tree, memory, random);
    const AllPaid paid(memory, budget);

    std::uint64_t owed = tree.node_count() + tree.worst_case_nodes();
    std::uint64_t step = 0;
    for (const Range range : pieces_of(entries_of(tree), pieces, random)) {
        tree.erase(range);
        ASSERT_LE(tree.node_count() + tree.worst_case_nodes(), owed) << range;
        owed = tree.node_count() + tree.worst_case_nodes();
        if (++step % 5'000 == 0) {
            INOD_ASSERT_SOUND(tree);
        }
    }
    paid.check_all_released(tree);
}

template <unsigned words>
void release_everything() {
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
        for (const Pieces pieces :
             {Pieces::single_ids, Pieces::random_ranges, Pieces::every_second_first}) {
            release_everything<words>(seed, pieces);
            if (::testing::Test::HasFatalFailure()) return;
        }
    }
}

TEST(Prepaid, ReleasesWithoutMemoryNodesOfSixteenWords) {
    release_everything<16>();
}
TEST(Prepaid, ReleasesWithoutMemoryNodesOfTwentyFourWords) {
    release_everything<24>();
}
TEST(Prepaid, ReleasesWithoutMemoryNodesThatShip) {
    release_everything<256>();
}

// Wide entries of several cells, some joined of pieces, with neighbours that touch them on both sides
// or stand near; and no memory from a random moment on, in the middle of it.
template <unsigned words>
void fill_with_wide(BasicRangeTree<words>& tree, RefusingMemory& memory, Range space,
                    Random& random) {
    constexpr std::uint64_t cell = Leaf<words>::cell_size;
    constexpr std::uint64_t steps = 120;
    const std::uint64_t moment = 10 + random() % (2 * steps);
    NoGuard guard;
    const auto put = [&](Id first, std::uint64_t span, Value value, bool is_merged) {
        if (first < space.first || first > space.last) return;
        const Range range{first, first + std::min(span, space.last - first)};
        if (!tree.preallocate(guard, range)) return;
        if (is_merged) {
            tree.store_merged(range, value);
        } else {
            tree.store(range, value);
        }
        ASSERT_GE(tree.reserve_size(), tree.worst_case_nodes());
    };
    for (std::uint64_t step = 0; step < steps; ++step) {
        if (step == moment) memory.refuses = true;
        const Id first = space.first + random() % space.count();
        const std::uint64_t span = (1 + random() % 5) * cell - 66 + random() % 132;
        const Value value = 1 + random() % 2;
        if (random() % 3 == 0) {
            put(first, span, value, random() % 2 == 0);
        } else {
            // What touches on both sides, first or last.
            const Id behind = first + span + 1;
            const bool is_first = random() % 2 == 0;
            const bool is_merged = random() % 2 == 0;
            if (!is_first) put(first, span, value, is_merged);
            put(first - 1 - random() % 3, random() % 2, 1 + random() % 2, is_merged);
            put(behind + random() % 3, random() % 100, 1 + random() % 2, is_merged);
            if (is_first) put(first, span, value, is_merged);
        }
    }
    INOD_ASSERT_SOUND(tree);
}

template <unsigned words>
void release_wide(std::uint64_t seed, Pieces pieces, std::uint64_t cell_count) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    MemoryBudget budget(budget_of_tests);
    RefusingMemory memory;
    BasicRangeTree<words> tree(budget, memory);
    const std::uint64_t span = cell_count * Leaf<words>::cell_size - 1;
    const Id bases[] = {0, random() >> 1U, id_max - span};
    const Id base = bases[random() % std::size(bases)];
    fill_with_wide(tree, memory, {base, base + span}, random);
    if (::testing::Test::HasFatalFailure()) return;
    const AllPaid paid(memory, budget);
    std::uint64_t step = 0;
    for (const Range range : pieces_of(entries_of(tree), pieces, random)) {
        tree.erase(range);
        ASSERT_GE(tree.reserve_size(), tree.worst_case_nodes()) << range;
        if (++step % 10'000 == 0) {
            INOD_ASSERT_SOUND(tree);
        }
    }
    paid.check_all_released(tree);
}

template <unsigned words>
void release_wide(std::uint64_t seed_count, std::uint64_t cell_count) {
    for (std::uint64_t seed = 0; seed < seed_count; ++seed) {
        for (const Pieces pieces :
             {Pieces::single_ids, Pieces::random_ranges, Pieces::every_second_first}) {
            release_wide<words>(seed, pieces, cell_count);
            if (::testing::Test::HasFatalFailure()) return;
        }
    }
}

TEST(Prepaid, ReleasesWideEntriesOfSixteenWords) {
    release_wide<16>(is_long_test() ? 200 : 20, 60);
}
TEST(Prepaid, ReleasesWideEntriesOfTwentyFourWords) {
    release_wide<24>(is_long_test() ? 200 : 20, 60);
}
TEST(Prepaid, ReleasesWideEntriesThatShip) {
    release_wide<256>(is_long_test() ? 20 : 4, 30);
}

// One wide lease among full leaves of single IDs, where each split has the furthest to go up.
TEST(Prepaid, OneWideEntryAmongFullNodes) {
    OwnTree<256> own;
    for (Id id = 0; id < 10'000; ++id) {
        const Id first = 1'000 * id;
        store(own.tree, id == 5'000 ? Range{first, first + 900} : Range{first, first}, 1);
    }
    // Not a node for each full leaf: only those above the wide entry can split for nothing.
    EXPECT_LE(own.tree.worst_case_nodes(), 450U / 4 + 2 * own.tree.height());
    std::uint64_t owed = own.tree.node_count() + own.tree.worst_case_nodes();
    for (Id id = 5'000'001; id < 5'000'900; id += 2) {
        own.tree.erase({id, id});
        ASSERT_LE(own.tree.node_count() + own.tree.worst_case_nodes(), owed);
        owed = own.tree.node_count() + own.tree.worst_case_nodes();
    }
    EXPECT_EQ(own.tree.entry_count(), 10'450U);
    INOD_EXPECT_SOUND(own.tree);
}

// A wide entry is all there is, and its leaf the root: a hole makes two leaves of it, or three, and an
// inner node above them.
template <unsigned words>
void split_the_only_leaf() {
    constexpr std::uint64_t cell = Leaf<words>::cell_size;
    for (std::uint64_t cell_count = 2; cell_count <= 50; ++cell_count) {
        for (const Id hole : {Id{1}, cell_count / 2 * cell + 1, cell_count * cell - 2}) {
            SCOPED_TRACE(std::to_string(cell_count) + " cells, hole at " + std::to_string(hole));
            OwnTree<words> own;
            auto& tree = own.tree;
            store(tree, {0, cell_count * cell - 1}, 1);
            ASSERT_EQ(tree.node_count(), 1U);
            const std::uint64_t needed = tree.worst_case_nodes();
            tree.erase({hole, hole});
            ASSERT_LE(tree.node_count() - 1 + tree.worst_case_nodes(), needed);
            INOD_ASSERT_SOUND(tree);
        }
    }
}

TEST(Prepaid, CountsTheFirstInnerNode) {
    split_the_only_leaf<16>();
    split_the_only_leaf<24>();
    split_the_only_leaf<256>();
}

// What a wide entry owes is a leaf for each cell that it reaches into, but one, whatever its length.
TEST(Prepaid, CountsCellsAndNotLengths) {
    constexpr std::uint64_t cell = Leaf<16>::cell_size;
    OwnTree<16> own;
    store(own.tree, {cell - 1, 2 * cell}, 1);  // three cells, one of which it covers
    const std::uint64_t owed = own.tree.node_count() + own.tree.worst_case_nodes();
    EXPECT_GE(own.tree.worst_case_nodes(), 2U + 1U);  // and an inner node
    own.tree.erase({cell + 10, cell + 10});
    EXPECT_EQ(own.tree.node_count(), 4U);
    EXPECT_LE(own.tree.node_count() + own.tree.worst_case_nodes(), owed);
    INOD_EXPECT_SOUND(own.tree);
}

// Each leaf that a wide entry becomes has a slot above it.
TEST(Prepaid, CountsTheInnerNodesAboveWhatAnEntryBecomes) {
    constexpr std::uint64_t cell = Leaf<16>::cell_size;
    constexpr std::uint64_t cell_count = 200;
    OwnTree<16> own;
    store(own.tree, {0, cell_count * cell - 1}, 1);
    std::uint64_t owed = own.tree.node_count() + own.tree.worst_case_nodes();
    EXPECT_GE(own.tree.worst_case_nodes(), 2 * (cell_count - 1));  // nodes of four slots, half full
    for (std::uint64_t i = 0; i < cell_count; ++i) {
        const Id id = i * cell + 7;
        own.tree.erase({id, id});
        ASSERT_LE(own.tree.node_count() + own.tree.worst_case_nodes(), owed) << i;
        owed = own.tree.node_count() + own.tree.worst_case_nodes();
    }
    INOD_EXPECT_SOUND(own.tree);
}

// A reserved entry is not released but by whoever reserved it, who then asks for the memory.
TEST(Prepaid, ReservedRangesOweNothing) {
    MemoryBudget budget(1'000'000);
    BasicRangeTree<256> tree(budget);
    NoGuard guard;
    ASSERT_TRUE(tree.store(guard, whole_space, reserved).has_value());
    EXPECT_EQ(tree.worst_case_nodes(), 0U);
    EXPECT_EQ(tree.load(5), 0U);
    EXPECT_EQ(tree.next(0), std::nullopt);
    ASSERT_TRUE(tree.preallocate(guard, {1'000, 1'000}).has_value());
    tree.erase({1'000, 1'000});
    EXPECT_EQ(tree.next_gap(0), (Range{1'000, 1'000}));
    EXPECT_EQ(tree.entry_count(), 2U);
    INOD_EXPECT_SOUND(tree);
}

}  // namespace
}  // namespace inod
