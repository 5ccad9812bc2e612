// Changes and lookups, the edges by name: ID 0, ID 2^64 - 1, the whole space.
#include <algorithm>
#include <sstream>

#include "tests/tree/model.h"
#include "tests/tree/support.h"

namespace inod {
namespace {

constexpr Id top = id_max;

struct Step {
    enum Kind { store, merge, erase } kind;
    Range range;
    Value value = 0;
};

TEST(RangeTree, ChangesAsTold) {
    struct Case {
        const char* name;
        std::vector<Step> steps;
        std::vector<Entry> want;
    };
    using enum Step::Kind;
    const Case cases[] = {
        {"nothing", {}, {}},
        {"first ID of all", {{store, {0, 0}, 7}}, {{{0, 0}, 7}}},
        {"last ID of all", {{store, {top, top}, 7}}, {{{top, top}, 7}}},
        {"both", {{store, {top, top}, 7}, {store, {0, 0}, 7}}, {{{0, 0}, 7}, {{top, top}, 7}}},
        {"erase first of all", {{store, {0, 4}, 7}, {erase, {0, 0}}}, {{{1, 4}, 7}}},
        {"erase last of all",
         {{store, {top - 4, top}, 7}, {erase, {top, top}}},
         {{{top - 4, top - 1}, 7}}},
        {"erase the space", {{store, {0, 4}, 7}, {store, {top, top}, 7}, {erase, {0, top}}}, {}},
        {"erase where nothing is",
         {{store, {5, 6}, 7}, {erase, {0, 4}}, {erase, {7, top}}},
         {{{5, 6}, 7}}},
        {"erase in an empty tree", {{erase, {0, top}}}, {}},
        {"hole", {{store, {0, 9}, 7}, {erase, {4, 5}}}, {{{0, 3}, 7}, {{6, 9}, 7}}},
        {"hole of all but the ends",
         {{store, {0, 9}, 7}, {erase, {1, 8}}},
         {{{0, 0}, 7}, {{9, 9}, 7}}},
        {"across entries",
         {{store, {0, 4}, 1}, {store, {5, 9}, 2}, {erase, {3, 6}}},
         {{{0, 2}, 1}, {{7, 9}, 2}}},
        {"store stays apart from equals",
         {{store, {0, 4}, 1}, {store, {5, 9}, 1}},
         {{{0, 4}, 1}, {{5, 9}, 1}}},
        {"store over the middle",
         {{store, {0, 9}, 1}, {store, {4, 5}, 1}},
         {{{0, 3}, 1}, {{4, 5}, 1}, {{6, 9}, 1}}},
        {"store over all",
         {{store, {1, 2}, 1}, {store, {5, 5}, 2}, {store, {0, 9}, 3}},
         {{{0, 9}, 3}}},
        {"merge left", {{store, {0, 4}, 1}, {merge, {5, 9}, 1}}, {{{0, 9}, 1}}},
        {"merge right", {{store, {5, 9}, 1}, {merge, {0, 4}, 1}}, {{{0, 9}, 1}}},
        {"merge both", {{store, {0, 2}, 1}, {store, {4, 6}, 1}, {merge, {3, 3}, 1}}, {{{0, 6}, 1}}},
        {"merge not: another value",
         {{store, {0, 4}, 1}, {merge, {5, 9}, 2}},
         {{{0, 4}, 1}, {{5, 9}, 2}}},
        {"merge not: a free ID between",
         {{store, {0, 4}, 1}, {merge, {6, 9}, 1}},
         {{{0, 4}, 1}, {{6, 9}, 1}}},
        {"merge at the last ID",
         {{store, {top - 1, top - 1}, 1}, {merge, {top, top}, 1}},
         {{{top - 1, top}, 1}}},
        {"merge not around the ends",
         {{store, {top, top}, 1}, {merge, {0, 0}, 1}},
         {{{0, 0}, 1}, {{top, top}, 1}}},
        {"merge over part of equals", {{store, {0, 9}, 1}, {merge, {4, 5}, 1}}, {{{0, 9}, 1}}},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        OwnTree<16> own;
        for (const Step& step : c.steps) {
            if (step.kind == store) inod::store(own.tree, step.range, step.value);
            if (step.kind == merge) store_merged(own.tree, step.range, step.value);
            if (step.kind == erase) own.tree.erase(step.range);
        }
        EXPECT_EQ(entries_of(own.tree), c.want);
        INOD_EXPECT_SOUND(own.tree);
    }
}

TEST(RangeTree, LooksUpAtTheEdges) {
    OwnTree<16> own;
    auto& tree = own.tree;
    EXPECT_EQ(tree.find(0), std::nullopt);
    EXPECT_EQ(tree.next(0), std::nullopt);
    EXPECT_EQ(tree.previous(top), std::nullopt);
    const Entry low{{0, 0}, 1};
    const Entry middle{{10, 20}, 2};
    const Entry high{{top, top}, 3};
    for (const Entry& entry : {low, middle, high})
        store(tree, entry.range, entry.value);

    struct Case {
        const char* name;
        Id id;
        std::optional<Entry> find;
        std::optional<Entry> next;
        std::optional<Entry> previous;
    };
    const Case cases[] = {
        {"first of all", 0, low, low, low},
        {"behind the first", 1, std::nullopt, middle, low},
        {"before an entry", 9, std::nullopt, middle, low},
        {"first of an entry", 10, middle, middle, middle},
        {"last of an entry", 20, middle, middle, middle},
        {"behind an entry", 21, std::nullopt, high, middle},
        {"before the last", top - 1, std::nullopt, high, middle},
        {"last of all", top, high, high, high},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        EXPECT_EQ(tree.find(c.id), c.find);
        EXPECT_EQ(tree.next(c.id), c.next);
        EXPECT_EQ(tree.previous(c.id), c.previous);
    }
}

// One entry over the whole space is refused by every budget, since its releases could ask for 2^63
// entries. Nothing wraps on the way to that answer.
TEST(RangeTree, RefusesToPrepayTheWholeSpace) {
    for (const std::uint64_t size_max : {budget_of_tests, id_max}) {
        MemoryBudget budget(size_max);
        RefusingMemory memory;
        memory.refuses = true;
        RangeTree tree(budget, memory);
        NoGuard guard;
        for (const Range range : {whole_space, Range{0, top - 1}, Range{1, top}}) {
            const auto result = tree.preallocate(guard, range);
            ASSERT_FALSE(result.has_value()) << range;
            EXPECT_EQ(result.error().code, Errc::out_of_memory);
        }
        EXPECT_EQ(budget.used(), 0U);
        INOD_EXPECT_SOUND(tree);
    }
}

TEST(RangeTree, AppendingLeavesFullNodes) {
    OwnTree<256> own;
    constexpr std::uint64_t count = 10'000;
    for (Id id = 0; id < count; ++id)
        store(own.tree, {id, id}, id + 1);
    EXPECT_EQ(own.tree.entry_count(), count);
    // 8 bytes of value, 3 bits, and a few words for each leaf.
    EXPECT_LE(own.tree.node_count() * RangeTree::node_size,
              count * 88 / 10 + 2 * RangeTree::node_size);
    EXPECT_EQ(own.tree.worst_case_nodes(), 0U);  // no release of single IDs needs anything
    INOD_EXPECT_SOUND(own.tree);
}

// What an allocator does all day: `held` IDs are live, one more is stored behind them and the first one goes. Of
// each eight hundred IDs one is another's.
template <unsigned words>
void expect_a_moving_run_kept(std::uint64_t held, std::uint64_t steps) {
    SCOPED_TRACE(std::to_string(words) + " words, " + std::to_string(held) + " held");
    constexpr std::uint64_t others = 800;
    constexpr std::uint64_t steps_per_look = 97;
    const auto value_at = [](Id id) { return id % others == 0 ? Value{2} : Value{1}; };
    OwnTree<words> own;
    Model model;
    for (Id id = 1; id <= steps; ++id) {
        store_merged(own.tree, {id, id}, value_at(id));
        model.store_merged({id, id}, value_at(id));
        if (id > held) {
            own.tree.erase({id - held, id - held});
            model.erase({id - held, id - held});
        }
        if (id % steps_per_look != 0) continue;
        ASSERT_EQ(own.tree.verify(), std::nullopt) << id;
        const Id first = id > held ? id - held + 1 : 1;
        ASSERT_EQ(own.tree.load(first - 1), 0U) << id;
        ASSERT_EQ(own.tree.find(first), model.find_occupied(first)) << id;
        ASSERT_EQ(own.tree.find(id), model.find_occupied(id)) << id;
    }
    ASSERT_EQ(entries_of(own.tree), model.entries());
}

TEST(RangeTree, KeepsWhatMovesOnIdById) {
    for (const std::uint64_t held : {1U, 5U, 63U, 64U, 200U, 700U, 1500U}) {
        expect_a_moving_run_kept<16>(held, 4'000);
        expect_a_moving_run_kept<24>(held, 6'000);
        expect_a_moving_run_kept<256>(held, 6'000);
    }
}

// As the last one, of one value alone, and so many of them that their entry becomes a wide one.
template <unsigned words>
void expect_a_long_run_kept() {
    SCOPED_TRACE(words);
    constexpr std::uint64_t cell = Leaf<words>::cell_size;
    constexpr std::uint64_t held = 3 * cell;
    constexpr std::uint64_t steps_per_look = 61;
    OwnTree<words> own;
    for (Id id = 1; id <= 3 * held; ++id) {
        store_merged(own.tree, {id, id}, 7);
        const Id first = id > held ? id - held + 1 : 1;
        if (id > held) own.tree.erase({first - 1, first - 1});
        if (id % steps_per_look != 0) continue;
        ASSERT_EQ(own.tree.verify(), std::nullopt) << id;
        ASSERT_EQ(entries_of(own.tree), (std::vector<Entry>{{{first, id}, 7}}));
    }
}

TEST(RangeTree, KeepsALongRunThatMovesOnIdById) {
    expect_a_long_run_kept<16>();
    expect_a_long_run_kept<24>();
    expect_a_long_run_kept<256>();
}

TEST(RangeTree, GivesMemoryBack) {
    OwnTree<256> own;
    for (Id id = 0; id < 400'000; ++id)
        store(own.tree, {2 * id, 2 * id}, 1);
    const std::uint64_t full = own.tree.bytes();
    EXPECT_EQ(own.budget.used(), full);
    for (Id id = 0; id < 399'000; ++id)
        own.tree.erase({2 * id, 2 * id});
    INOD_EXPECT_SOUND(own.tree);
    own.tree.trim();
    EXPECT_LT(own.tree.bytes(), full / 10);
    EXPECT_EQ(own.budget.used(), own.tree.bytes());
    own.tree.clear();
    EXPECT_EQ(own.tree.node_count(), 0U);
    INOD_EXPECT_SOUND(own.tree);
}

TEST(RangeTree, DrawsItself) {
    OwnTree<16> own;
    for (Id id = 0; id < 4; ++id)
        store(own.tree, {1'000 * id, 1'000 * id + 2 * id}, id + 1);
    store(own.tree, {10'000, 11'000}, 7);
    std::ostringstream out;
    own.tree.dump(out);
    EXPECT_NE(out.str().find("(to 1002, gap 999) (to 3006, gap 997) (gap 6993)\n"
                             "  [0=1 1000.. many, 1 groups, 3 slots]\n"
                             "  [2000..=3 one, 1 groups 3000..=4 one, 1 groups]\n"
                             "  [10000-11000=7]\n"),
              std::string::npos)
        << out.str();
}

// Reserved entries at both ends, beside ordinary ones, and a wide one.
constexpr Entry first_reserved{{0, 0}, reserved};
constexpr Entry low{{1, 4}, 7};
constexpr Entry middle_reserved{{10, 5'000}, reserved};
constexpr Entry middle{{5'001, 9'000}, 7};
constexpr Entry high{{top - 4, top - 1}, 8};
constexpr Entry last_reserved{{top, top}, reserved};

void fill_with_reserved(BasicRangeTree<16>& tree) {
    for (const Entry& entry : {first_reserved, low, middle_reserved, middle, high, last_reserved})
        store(tree, entry.range, entry.value);
}

TEST(RangeTree, LooksUpBesideReservedEntries) {
    OwnTree<16> own;
    const auto& tree = own.tree;
    fill_with_reserved(own.tree);
    using Found = std::optional<Entry>;
    struct Case {
        const char* name;
        Id id;
        Found find, next, previous;
        Found find_occupied, next_occupied, previous_occupied;
    };
    constexpr std::nullopt_t none = std::nullopt;
    // clang-format off
    const Case cases[] = {
        {"first ID of all, reserved", 0,       none,   low,    none,   first_reserved,  first_reserved,  first_reserved},
        {"behind it",                 1,       low,    low,    low,    low,             low,             low},
        {"in a gap",                  5,       none,   middle, low,    none,            middle_reserved, low},
        {"before a reserved one",     9,       none,   middle, low,    none,            middle_reserved, low},
        {"first of a reserved one",   10,      none,   middle, low,    middle_reserved, middle_reserved, middle_reserved},
        {"last of a reserved one",    5'000,   none,   middle, low,    middle_reserved, middle_reserved, middle_reserved},
        {"first of a wide one",       5'001,   middle, middle, middle, middle,          middle,          middle},
        {"last of a wide one",        9'000,   middle, middle, middle, middle,          middle,          middle},
        {"behind a wide one",         9'001,   none,   high,   middle, none,            high,            middle},
        {"before the last",           top - 5, none,   high,   middle, none,            high,            middle},
        {"last but one",              top - 1, high,   high,   high,   high,            high,            high},
        {"last ID of all, reserved",  top,     none,   none,   high,   last_reserved,   last_reserved,   last_reserved},
    };
    // clang-format on
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        EXPECT_EQ(tree.find(c.id), c.find);
        EXPECT_EQ(tree.next(c.id), c.next);
        EXPECT_EQ(tree.previous(c.id), c.previous);
        EXPECT_EQ(tree.find_occupied(c.id), c.find_occupied);
        EXPECT_EQ(tree.next_occupied(c.id), c.next_occupied);
        EXPECT_EQ(tree.previous_occupied(c.id), c.previous_occupied);
        EXPECT_EQ(tree.load(c.id), c.find ? c.find->value : 0);
        const auto cursor = tree.begin_at(c.id);
        ASSERT_EQ(static_cast<bool>(cursor), c.next.has_value());
        if (cursor) {
            EXPECT_EQ(*cursor, *c.next);
        }
    }
    EXPECT_EQ(entries_of(tree), (std::vector<Entry>{low, middle, high}));
    EXPECT_EQ(tree.entry_count(), 6U);
}

// Nothing but reserved entries: there is something, and nothing to be found.
TEST(RangeTree, LooksUpWhereAllIsReserved) {
    OwnTree<16> own;
    auto& tree = own.tree;
    for (const Range range : {Range{0, 2}, Range{100, 5'000}, Range{top - 1, top}})
        store(tree, range, reserved);
    for (const Id id : {Id{0}, Id{2}, Id{50}, Id{100}, Id{9'999}, top - 1, top}) {
        SCOPED_TRACE(id);
        EXPECT_EQ(tree.find(id), std::nullopt);
        EXPECT_EQ(tree.next(id), std::nullopt);
        EXPECT_EQ(tree.previous(id), std::nullopt);
        EXPECT_FALSE(tree.begin_at(id));
    }
    EXPECT_EQ(tree.next_occupied(3), (Entry{{100, 5'000}, reserved}));
    EXPECT_EQ(tree.previous_occupied(top - 2), (Entry{{100, 5'000}, reserved}));
}

TEST(RangeTree, ErasesTheEntryAtAnId) {
    struct Case {
        const char* name;
        Id id;
        std::optional<Entry> want;
    };
    const Case cases[] = {
        {"first ID of all, reserved", 0, first_reserved},
        {"first of an entry", 1, low},
        {"last of an entry", 4, low},
        {"in a gap", 5, std::nullopt},
        {"within a reserved one", 2'500, middle_reserved},
        {"first of a wide one, which touches", 5'001, middle},
        {"last of a wide one", 9'000, middle},
        {"behind a wide one", 9'001, std::nullopt},
        {"last but one", top - 1, high},
        {"last ID of all, reserved", top, last_reserved},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        OwnTree<16> own;
        fill_with_reserved(own.tree);
        std::vector<Entry> left = occupied_entries_of(own.tree);
        if (c.want) std::erase(left, *c.want);
        EXPECT_EQ(own.tree.erase_at(c.id), c.want);
        EXPECT_EQ(occupied_entries_of(own.tree), left);
        EXPECT_EQ(own.tree.erase_at(c.id), std::nullopt);
        INOD_EXPECT_SOUND(own.tree);
    }
    OwnTree<16> empty;
    EXPECT_EQ(empty.tree.erase_at(0), std::nullopt);
    EXPECT_EQ(empty.tree.erase_at(top), std::nullopt);
}

// An entry that goes on over many leaves is found, and goes, as one.
TEST(RangeTree, ErasesAnEntryOfManyLeavesAtAnyId) {
    for (const Range whole : {Range{0, 99'999}, Range{top - 99'999, top}}) {
        for (const Id id : {whole.first, whole.first + 50'000, whole.last}) {
            SCOPED_TRACE(id);
            OwnTree<16> own;
            auto& tree = own.tree;
            store(tree, whole, 1);
            // Holes, and then the same again, piece by piece.
            for (Id hole = whole.first + 300; hole < whole.last - 300; hole += 700) {
                tree.erase({hole, hole});
                store_merged(tree, {hole, hole}, 1);
            }
            const Entry all{whole, 1};
            for (const Id at : {whole.first, whole.first + 31'000, whole.last}) {
                EXPECT_EQ(tree.find(at), all);
                EXPECT_EQ(tree.next(at), all);
                EXPECT_EQ(tree.previous(at), all);
            }
            EXPECT_EQ(tree.entry_count(), 1U);
            EXPECT_EQ(tree.erase_at(id), all);
            EXPECT_EQ(tree.node_count(), 0U);
            EXPECT_EQ(tree.id_count(), 0U);
            INOD_EXPECT_SOUND(tree);
        }
    }
}

TEST(RangeTree, ErasesTheWholeSpace) {
    OwnTree<16> own;
    fill_with_reserved(own.tree);
    own.tree.erase(whole_space);
    EXPECT_EQ(own.tree.entry_count(), 0U);
    EXPECT_EQ(own.tree.id_count(), 0U);
    EXPECT_EQ(own.tree.height(), 0U);
    EXPECT_EQ(own.tree.next_gap(0), whole_space);
    own.tree.erase(whole_space);
    INOD_EXPECT_SOUND(own.tree);
}

}  // namespace
}  // namespace inod
