// Promise: the tree does what a sorted list does, whatever the order of calls.
// Method: random calls of all kinds from seeds on both, every answer compared, verify() after each
// batch. INOD_TREE_OPERATIONS says how many calls in all. A seed repeats its failure exactly.
#include "tests/tree/model.h"

#include <functional>
#include <random>

#include "tests/tree/support.h"

namespace inod {
namespace {

using Random = std::mt19937_64;

struct Distribution {
    const char* name;
    std::function<Id(Random&)> id;
    std::uint64_t width_max;  // IDs in a range
    Value value_max;
    bool appends;  // half the stores go behind the last entry
};

Id near(Random& random, Id edge, std::uint64_t distance) {
    const std::uint64_t away = random() % distance;
    return edge == 0 ? away : edge - away;
}

const Distribution distributions[] = {
    {"tiny space", [](Random& r) { return r() % 64; }, 6, 2, false},
    {"small space, narrow", [](Random& r) { return r() % 2'000; }, 3, 3, false},
    {"at both ends", [](Random& r) { return near(r, r() % 2 == 0 ? 0 : id_max, 300); }, 9, 3,
     false},
    {"wide", [](Random& r) { return r() >> (r() % 40); }, 1U << 12U, 4, false},
    {"append and release", [](Random& r) { return r() % 3'000; }, 4, 2, true},
    {"dense singles", [](Random& r) { return r() % 1'000; }, 1, 1'000, false},
};

template <unsigned words>
class Match {
public:
    Match(const Distribution& distribution, std::uint64_t seed)
        : distribution_(distribution), random_(seed) {}

    void step() {
        const Range range = any_range();
        switch (random_() % 16) {
            case 0:
            case 1:
            case 2: change(range, false); break;
            case 3:
            case 4:
            case 5: change(range, true); break;
            case 6:
            case 7:
            case 8:
            case 9: erase(range); break;
            case 10: rare(range); break;
            case 11: EXPECT_EQ(tree_.find(range.first), model_.find(range.first)); break;
            case 12: EXPECT_EQ(tree_.next(range.first), model_.next(range.first)); break;
            case 13: EXPECT_EQ(tree_.previous(range.first), model_.previous(range.first)); break;
            default: gaps(range); break;
        }
    }
    void check() {
        INOD_ASSERT_SOUND(tree_);
        ASSERT_EQ(entries_of(tree_), model_.entries());
        ASSERT_EQ(tree_.entry_count(), model_.size());
    }

private:
    Range any_range() {
        const Id first = distribution_.id(random_);
        const std::uint64_t span = random_() % distribution_.width_max;
        return {first, first > id_max - span ? id_max : first + span};
    }
    void change(Range range, bool merged) {
        const Value value = 1 + random_() % distribution_.value_max;
        const auto end = tree_.previous(id_max);
        if (distribution_.appends && random_() % 2 == 0 && end && end->range.last < 4'000) {
            range = {end->range.last + 1, end->range.last + 1 + range.span()};
        }
        NoGuard guard;
        ASSERT_TRUE(tree_.preallocate(guard, range).has_value());
        if (merged) {
            tree_.store_merged(range, value);
            model_.store_merged(range, value);
        } else {
            tree_.store(range, value);
            model_.store(range, value);
        }
        paid();
    }
    void erase(Range range) {
        // Now and then as far as to another place altogether.
        if (random_() % 64 == 0) range.last = std::max(range.first, any_range().last);
        release(range);
    }
    void rare(Range range) {
        if (random_() % 2'000 == 0) {
            tree_.clear();
            model_.clear();
        } else if (auto entry = model_.next(range.first)) {
            release(entry->range);
        }
        paid();
    }
    // What is in use and what may be needed together never rise: the proof's claim, and sharper
    // than the reserve, which is filled by the slab.
    void release(Range range) {
        const std::uint64_t before = tree_.node_count() + tree_.worst_case_nodes();
        tree_.erase(range);
        model_.erase(range);
        EXPECT_LE(tree_.node_count() + tree_.worst_case_nodes(), before);
        paid();
    }
    void gaps(Range range) {
        const std::uint64_t count = 1 + random_() % (2 * distribution_.width_max);
        const Id max = random_() % 4 == 0 ? id_max : any_range().last;
        const Id min = random_() % 4 == 0 ? 0 : range.first;
        const Id from = random_() % 4 == 0 ? min : any_range().first;
        const std::uint64_t align = random_() % 3 == 0 ? 1 + random_() % 20 : 1;
        const GapRequest request{.count = count, .align = align, .window = {min, max}};
        EXPECT_EQ(tree_.find_gap(request, from), model_.find_gap(request, from));
        EXPECT_EQ(tree_.find_gap_down(request, from), model_.find_gap_down(request, from));
    }
    void paid() { EXPECT_GE(tree_.reserve_size(), tree_.worst_case_nodes()); }

    const Distribution& distribution_;
    Random random_;
    MemoryBudget budget_{budget_of_tests};
    BasicRangeTree<words> tree_{budget_};
    Model model_;
};

template <unsigned words>
void play(std::uint64_t operations) {
    constexpr std::uint64_t steps_per_seed = 5'000;
    constexpr std::uint64_t steps_per_batch = 250;
    const std::uint64_t share = operations / std::size(distributions);
    for (const Distribution& distribution : distributions) {
        for (std::uint64_t seed = 0; seed * steps_per_seed < share; ++seed) {
            SCOPED_TRACE(std::string(distribution.name) + ", seed " + std::to_string(seed));
            Match<words> match(distribution, seed);
            for (std::uint64_t step = 1; step <= steps_per_seed; ++step) {
                match.step();
                if (step % steps_per_batch == 0) match.check();
                if (::testing::Test::HasFailure()) return;
            }
        }
    }
}

TEST(Model, NodesOfThree) {
    play<16>(operation_count() * 2 / 5);
}
TEST(Model, NodesOfFour) {
    play<24>(operation_count() * 2 / 5);
}
TEST(Model, NodesThatShip) {
    play<256>(operation_count() / 5);
}

// Every sequence of three changes over five IDs.
template <unsigned words>
void exhaust() {
    struct Step {
        int kind;  // 0: store, 1: store_merged, 2: erase
        Range range;
    };
    std::vector<Step> steps;
    for (Id first = 0; first < 5; ++first) {
        for (Id last = first; last < 5; last += 2) {
            for (int kind = 0; kind < 3; ++kind)
                steps.push_back({kind, {first, last}});
        }
    }
    // Each starts from a filled tree, so that splits and merges are near.
    std::uint64_t sequences = 1;
    constexpr int length = 3;
    for (int i = 0; i < length; ++i)
        sequences *= steps.size();
    for (std::uint64_t sequence = 0; sequence < sequences; ++sequence) {
        OwnTree<words> own;
        Model model;
        for (Id id = 0; id < 2 * words; ++id) {
            store(own.tree, {10 * id + 5, 10 * id + 8}, 1);
            model.store({10 * id + 5, 10 * id + 8}, 1);
        }
        std::uint64_t rest = sequence;
        for (int i = 0; i < length; ++i) {
            const Step& step = steps[rest % steps.size()];
            rest /= steps.size();
            // Over the IDs 4 to 8: the first entry and the free ID before it.
            const Range range{step.range.first + 4, step.range.last + 4};
            if (step.kind == 0) {
                store(own.tree, range, 1);
                model.store(range, 1);
            } else if (step.kind == 1) {
                store_merged(own.tree, range, 1);
                model.store_merged(range, 1);
            } else {
                own.tree.erase(range);
                model.erase(range);
            }
        }
        INOD_ASSERT_SOUND(own.tree) << sequence;
        ASSERT_EQ(entries_of(own.tree), model.entries()) << sequence;
    }
}

TEST(Exhaustive, EverySequenceOfThreeChangesAtTheLeftEdge) {
    exhaust<16>();
    exhaust<24>();
}

}  // namespace
}  // namespace inod
