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
    std::function<std::uint64_t(Random&)> span;  // of ranges: IDs less one
    Value value_max;
    bool appends;  // half the stores go behind the last entry
};

Id near(Random& random, Id edge, std::uint64_t distance) {
    const std::uint64_t away = random() % distance;
    return edge == 0 ? away : edge - away;
}

auto below(std::uint64_t end) {
    return [end](Random& r) { return r() % end; };
}

// Now and then so many IDs that the entry is just wide, or just not, or of several cells; else few,
// which carve those.
auto around_cells(std::uint64_t cell_size) {
    return [cell_size](Random& r) -> std::uint64_t {
        if (r() % 4 != 0) return r() % 3 == 0 ? r() % 200 : r() % 3;
        const std::uint64_t cells = 1 + r() % 2 * (r() % 4);
        return cells * cell_size - 66 + r() % 132;
    };
}

template <unsigned words>
std::vector<Distribution> distributions() {
    constexpr std::uint64_t cell = Leaf<words>::cell_size;
    const auto stride = [](std::uint64_t step) {
        return [step](Random& r) { return step * (r() % 1'000); };
    };
    const auto up_to_stride = [](std::uint64_t step) {
        return [step](Random& r) { return r() % 8 == 0 ? step * (r() % 3) + r() % 2 : 0; };
    };
    return {
        {"tiny space", below(64), below(6), 2, false},
        {"small space, narrow", below(2'000), below(3), 3, false},
        {"at both ends", [](Random& r) { return near(r, r() % 2 == 0 ? 0 : id_max, 300); },
         below(9), 3, false},
        {"wide", [](Random& r) { return r() >> (r() % 40); }, below(1U << 12U), 4, false},
        {"append and release", below(3'000), below(4), 2, true},
        {"dense singles", below(1'000), below(1), 1'000, false},
        {"wide entries, carved", below(12 * cell), around_cells(cell), 2, false},
        {"wide entries at the end", [](Random& r) { return near(r, id_max, 6 * cell); },
         around_cells(cell), 2, false},
        {"multiples of 64", stride(64), up_to_stride(64), 3, false},
        {"multiples of 100", stride(100), up_to_stride(100), 3, false},
    };
}

template <unsigned words>
class Match {
public:
    Match(const Distribution& distribution, std::uint64_t seed)
        : distribution_(distribution), random_(seed) {}

    void step() {
        const Range range = any_range();
        switch (random_() % 24) {
            case 0:
            case 1:
            case 2: change(range, false); break;
            case 3:
            case 4:
            case 5: change(range, true); break;
            case 6: insert(range); break;
            case 7: allocate(range); break;
            case 8:
            case 9:
            case 10:
            case 11:
            case 12: erase(range); break;
            case 13: erase_at(range.first); break;
            case 14: rare(range); break;
            case 15: find(range); break;
            case 16: EXPECT_EQ(tree_.next(range.first), model_.next(range.first)); break;
            case 17: EXPECT_EQ(tree_.previous(range.first), model_.previous(range.first)); break;
            case 18: occupied(range.first); break;
            case 19: walk(range.first); break;
            case 20: EXPECT_EQ(tree_.next_gap(range.first), model_.next_gap(range.first)); break;
            case 21:
                EXPECT_EQ(tree_.previous_gap(range.first), model_.previous_gap(range.first));
                break;
            default: gaps(range); break;
        }
    }
    void check() {
        INOD_ASSERT_SOUND(tree_);
        ASSERT_EQ(entries_of(tree_), model_.entries());
        ASSERT_EQ(occupied_entries_of(tree_), model_.occupied_entries());
        ASSERT_EQ(tree_.entry_count(), model_.size());
        ASSERT_EQ(tree_.id_count(), model_.id_count());
    }

private:
    Range any_range() {
        const Id first = distribution_.id(random_);
        const std::uint64_t span = distribution_.span(random_);
        return {first, first > id_max - span ? id_max : first + span};
    }
    Value any_value() {
        return random_() % 8 == 0 ? reserved : 1 + random_() % distribution_.value_max;
    }
    void prepare(Range range) {
        NoGuard guard;
        ASSERT_TRUE(tree_.preallocate(guard, range).has_value());
    }
    void change(Range range, bool merged) {
        const Value value = any_value();
        const auto end = tree_.previous_occupied(id_max);
        if (distribution_.appends && random_() % 2 == 0 && end && end->range.last < 4'000) {
            range = {end->range.last + 1, end->range.last + 1 + range.span()};
        }
        prepare(range);
        const std::uint64_t most = most_for(range);
        store_in_both(tree_, model_, range, value, merged);
        EXPECT_LE(tree_.node_count() + tree_.worst_case_nodes(), most);
        paid();
    }
    // What preallocate() sees to, rounded up: the nodes in use and needed after a store of `range`.
    std::uint64_t most_for(Range range) const {
        using Leaf = inod::Leaf<words>;
        const std::uint64_t owed =
            Leaf::is_wide(range) ? range.last / Leaf::cell_size - range.first / Leaf::cell_size : 0;
        const Debt<InnerNode<words>::rise> none;
        return tree_.node_count() + tree_.worst_case_nodes() +
               none.with_store(owed, tree_.height()) + 1;
    }
    void insert(Range range) {
        const Value value = any_value();
        NoGuard guard;
        const auto inserted = tree_.insert(guard, range, value);
        const auto taken = model_.next_occupied(range.first);
        if (taken && taken->range.first <= range.last) {
            ASSERT_FALSE(inserted.has_value());
            EXPECT_EQ(inserted.error(),
                      Error(Errc::id_taken, std::max(taken->range.first, range.first)));
        } else {
            EXPECT_TRUE(inserted.has_value());
            model_.store(range, value);
        }
        paid();
    }
    void allocate(Range range) {
        // Small enough a window that some are full; not at its end, since nothing else is there.
        const GapRequest request{.count = 1 + distribution_.span(random_) % 70,
                                 .align = any_align(),
                                 .window = range.span() < 70 ? whole_space : range};
        const Value value = any_value();
        Id cursor = request.window.contains(range.last) ? range.last : request.window.first;
        const Id from = cursor;
        NoGuard guard;
        std::optional<Range> want;
        Result<Range> got = Errc::ok;
        switch (random_() % 3) {
            case 0:
                want = model_.find_gap(request, 0);
                got = tree_.allocate_lowest(guard, request, value);
                break;
            case 1:
                want = model_.find_gap_down(request, id_max);
                got = tree_.allocate_highest(guard, request, value);
                break;
            default:
                want = model_.find_gap(request, from);
                if (!want) want = model_.find_gap(request, 0);
                got = tree_.allocate_cyclic(guard, request, cursor, value);
                EXPECT_EQ(cursor, !want                               ? from
                                  : want->last == request.window.last ? request.window.first
                                                                      : want->last + 1);
        }
        ASSERT_EQ(got.has_value(), want.has_value());
        if (want) {
            EXPECT_EQ(*got, *want);
            model_.store(*want, value);
        } else {
            EXPECT_EQ(got.error().code, Errc::pool_exhausted);
        }
        paid();
    }
    void erase(Range range) {
        // Now and then as far as to another place altogether.
        if (random_() % 64 == 0) range.last = std::max(range.first, any_range().last);
        release(range);
    }
    void erase_at(Id id) {
        const std::uint64_t before = used_and_needed();
        EXPECT_EQ(tree_.erase_at(id), model_.erase_at(id));
        EXPECT_LE(tree_.node_count() + tree_.worst_case_nodes(), before);
        paid();
    }
    void rare(Range range) {
        if (random_() % 2'000 == 0) {
            tree_.clear();
            model_.clear();
        } else if (random_() % 100 == 0) {
            tree_.trim();
        } else if (auto entry = model_.next(range.first)) {
            release(entry->range);
        }
        paid();
    }
    // What is in use and what may be needed together never rise: the proof's claim, and sharper
    // than the reserve, which is filled by the slab. A hole in a reserved entry is paid here and now.
    void release(Range range) {
        const auto around = model_.find_occupied(range.first);
        const bool is_prepaid = !around || around->value != reserved ||
                                around->range.first == range.first ||
                                around->range.last <= range.last;
        if (!is_prepaid) prepare(range);
        const std::uint64_t before = used_and_needed();
        tree_.erase(range);
        model_.erase(range);
        if (is_prepaid) {
            EXPECT_LE(tree_.node_count() + tree_.worst_case_nodes(), before);
        }
        paid();
    }
    std::uint64_t used_and_needed() const { return tree_.node_count() + tree_.worst_case_nodes(); }
    void occupied(Id id) {
        EXPECT_EQ(tree_.find_occupied(id), model_.find_occupied(id));
        EXPECT_EQ(tree_.next_occupied(id), model_.next_occupied(id));
        EXPECT_EQ(tree_.previous_occupied(id), model_.previous_occupied(id));
        const auto found = model_.find(id);
        EXPECT_EQ(tree_.load(id), found ? found->value : 0);
    }
    void find(Range range) {
        auto want = model_.find(range.first);
        EXPECT_EQ(tree_.find(range.first), want);
        if (want) want->range = *intersection(want->range, range);
        EXPECT_EQ(tree_.find_within(range), want);
    }
    void walk(Id id) {
        auto want = model_.next(id);
        auto cursor = tree_.begin_at(id);
        for (int i = 0; i < 12 && cursor && want; ++i, ++cursor) {
            ASSERT_EQ(*cursor, *want);
            want = want->range.last == id_max ? std::nullopt : model_.next(want->range.last + 1);
        }
        if (!want || !cursor) {
            EXPECT_EQ(static_cast<bool>(cursor), want.has_value());
        }
    }
    std::uint64_t any_align() {
        switch (random_() % 6) {
            case 0: return 1 + random_() % 20;
            case 1: return std::uint64_t{1} << (random_() % 33);
            default: return 1;
        }
    }
    void gaps(Range range) {
        const std::uint64_t count = 1 + distribution_.span(random_) * (1 + random_() % 2);
        const Id max = random_() % 4 == 0 ? id_max : any_range().last;
        const Id min = random_() % 4 == 0 ? 0 : range.first;
        const Id from = random_() % 4 == 0 ? min : any_range().first;
        const GapRequest request{.count = count, .align = any_align(), .window = {min, max}};
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
    const std::vector<Distribution> all = distributions<words>();
    const std::uint64_t share = operations / all.size();
    for (const Distribution& distribution : all) {
        for (std::uint64_t seed = 0; seed * steps_per_seed < share; ++seed) {
            SCOPED_TRACE(std::string(distribution.name) + ", seed " + std::to_string(seed));
            Match<words> match(distribution, seed);
            for (std::uint64_t step = 1; step <= steps_per_seed; ++step) {
                match.step();
                if (step % steps_per_batch == 0) match.check();
                if (::testing::Test::HasFailure()) {
                    ADD_FAILURE() << "at step " << step;
                    return;
                }
            }
        }
    }
}

TEST(Model, NodesOfSixteenWords) {
    play<16>(operation_count() * 2 / 5);
}
TEST(Model, NodesOfTwentyFourWords) {
    play<24>(operation_count() * 2 / 5);
}
TEST(Model, NodesThatShip) {
    play<256>(operation_count() / 5);
}

}  // namespace
}  // namespace inod
