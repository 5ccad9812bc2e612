// Promise: a leaf does what an array of IDs does, as far as it has room.
// Method: random calls from seeds, within what the tree keeps to, on a leaf and on an array with a
// place for each ID; every answer compared, verify() after each step. The IDs begin at 0, end at the
// last of all, or lie somewhere between.
#include "lib/tree/leaf.h"

#include <algorithm>
#include <random>

#include "tests/tree/support.h"

namespace inod {
namespace {

using Random = std::mt19937_64;

// What one leaf holds, of the IDs base to base + size - 1.
class LeafModel {
public:
    LeafModel(Id base, std::uint64_t size) : base_(base), ids_(size) {}

    [[nodiscard]] Id base() const { return base_; }
    [[nodiscard]] Id last() const { return base_ + (ids_.size() - 1); }
    [[nodiscard]] bool has(Id id) const { return id >= base_ && id <= last(); }
    [[nodiscard]] Value load(Id id) const { return has(id) ? at(id).value : 0; }
    // The ID goes on the entry of the one before, and both are here.
    [[nodiscard]] bool continues(Id id) const {
        return load(id) != 0 && id > base_ && load(id - 1) != 0 && at(id).joined;
    }
    [[nodiscard]] bool is_empty() const { return live_ == 0; }
    [[nodiscard]] std::uint64_t live() const { return live_; }
    [[nodiscard]] std::optional<Id> next(Id id) const {
        id = std::max(id, base_);
        for (; has(id); ++id) {
            if (load(id) != 0) return id;
            if (id == last()) break;
        }
        return std::nullopt;
    }
    [[nodiscard]] std::optional<Id> previous(Id id) const {
        id = std::min(id, last());
        for (; has(id); --id) {
            if (load(id) != 0) return id;
            if (id == base_) break;
        }
        return std::nullopt;
    }
    [[nodiscard]] Id entry_first(Id id) const {
        while (continues(id))
            --id;
        return id;
    }
    [[nodiscard]] Id entry_last(Id id) const {
        while (id < last() && continues(id + 1))
            ++id;
        return id;
    }
    // What the first live ID says of the one before, which is in the leaf before: known unless IDs
    // before it were here and are gone.
    std::optional<bool> first_joined;

    void store(Range range, Value value, bool joined, std::optional<bool> joins_next) {
        const auto first = next(base_);
        if (!first || range.first < *first) first_joined = joined;
        for (Id id = range.first;; ++id) {
            if (at(id).value == 0) ++live_;
            at(id) = {value, joined || id > range.first};
            if (id == range.last) break;
        }
        if (joins_next && range.last < last() && load(range.last + 1) != 0) {
            at(range.last + 1).joined = *joins_next;
        }
    }
    void set_joined(Id id, bool joined) {
        at(id).joined = joined;
        if (next(base_) == id) first_joined = joined;
    }
    void clear(Range range) {
        const auto first = next(base_);
        for (Id id = std::max(range.first, base_); id <= std::min(range.last, last()); ++id) {
            if (at(id).value != 0) --live_;
            at(id) = {};
            if (id == last()) break;
        }
        if (first && next(base_) != first) first_joined.reset();
    }
    // What is live of `part`, the rest of the space free.
    [[nodiscard]] LeafModel cut(Range part) const {
        LeafModel result = *this;
        const auto first = next(part.first);
        if (part.first > base_) result.clear({base_, part.first - 1});
        if (part.last < last()) result.clear({part.last + 1, last()});
        if (!first || *first > part.last) return result;
        if (continues(*first)) {
            result.first_joined = true;
        } else if (*first > base_ && load(*first - 1) != 0) {
            result.first_joined = false;
        }
        return result;
    }

    // Free runs that end before a live ID, or at `to`, from `from` on.
    [[nodiscard]] std::vector<Range> gaps(Id from, std::optional<Id> to) const {
        std::vector<Range> result;
        Id begin = from;
        const Id end = to.value_or(last());
        for (auto id = next(from); id && *id <= end; id = next(begin)) {
            if (*id > begin) result.push_back({begin, *id - 1});
            if (*id == end) return result;
            begin = *id + 1;
        }
        if (to && begin <= *to) result.push_back({begin, *to});
        return result;
    }

private:
    struct Place {
        Value value = 0;
        bool joined = false;
    };
    [[nodiscard]] Place& at(Id id) { return ids_[id - base_]; }
    [[nodiscard]] const Place& at(Id id) const { return ids_[id - base_]; }

    Id base_;
    std::vector<Place> ids_;
    std::uint64_t live_ = 0;
};

template <unsigned words>
struct OwnLeaf {
    OwnLeaf() {
        node.set_meta({});
        node.set_version(0);
    }
    OwnLeaf(const OwnLeaf&) = delete;
    OwnLeaf& operator=(const OwnLeaf&) = delete;

    Node<words> node;
    Leaf<words> leaf{node};
};

// Which calls a run of steps makes more often, so that leaves of all shapes come about.
struct Habit {
    const char* name;
    std::uint64_t span_max;  // IDs in a stored range, less one
    std::uint64_t distance;  // between what is appended, at most
    Value value_max;
};

template <unsigned words>
class LeafMatch {
public:
    using Leaf = inod::Leaf<words>;
    static constexpr std::uint64_t space = 2 * Leaf::cell_size + 130;

    LeafMatch(const Habit& habit, std::uint64_t seed)
        : habit_(habit), random_(seed), model_(any_base(random_), space) {}

    void step() {
        switch (random_() % 10) {
            case 0:
            case 1:
            case 2: append(); break;
            case 3:
            case 4: insert(); break;
            case 5: clear(); break;
            case 6: coin() ? clear() : clear_one(); break;
            case 7: set_joined(); break;
            case 8:
                if (random_() % 8 == 0) take_over();
                break;
            default: look(); break;
        }
        ASSERT_EQ(own_.leaf.verify(), std::nullopt);
        if (!model_.is_empty()) gaps();
    }
    void check() { same(own_.leaf, model_); }

private:
    static Id any_base(Random& random) {
        switch (random() % 3) {
            case 0: return 0;
            case 1: return id_max - (space - 1);
            default: return (random() >> 1U) + 1;
        }
    }
    Id any_id() { return model_.base() + random_() % space; }
    // A live one, or one near it.
    Id any_live() {
        const auto found = model_.next(any_id());
        return found ? *found : model_.next(model_.base()).value_or(model_.base());
    }
    Value any_value() { return 1 + random_() % habit_.value_max; }
    bool coin() { return random_() % 2 == 0; }

    static void same(const Leaf& leaf, const LeafModel& model) {
        ASSERT_EQ(leaf.verify(), std::nullopt);
        const bool is_wide = leaf.wide().has_value();
        if (!is_wide) {
            ASSERT_EQ(leaf.live_count(), model.live());
        }
        std::uint64_t starts = 0;
        for (Id id = model.base();; ++id) {
            ASSERT_EQ(leaf.load(id), model.load(id)) << id;
            if (model.load(id) != 0) {
                if (id > model.base() && model.load(id - 1) != 0) {
                    ASSERT_EQ(leaf.is_joined(id), model.continues(id)) << id;
                }
                starts += model.continues(id) ? 0U : 1U;
            }
            if (id == model.last()) break;
        }
        if (!is_wide) {
            ASSERT_EQ(leaf.starts_in(whole_space, false), starts);
        }
        const auto first = model.next(model.base());
        if (first && model.first_joined) {
            ASSERT_EQ(leaf.is_joined(*first), *model.first_joined) << *first;
        }
    }

    void append() {
        const auto before = model_.previous(model_.last());
        Range range{any_id(), 0};
        if (before) {
            if (*before == model_.last()) return;
            range.first = *before + 1 + random_() % habit_.distance * (random_() % 2);
            if (range.first < *before || range.first > model_.last()) return;
        } else if (coin()) {
            range.first = model_.base();
        }
        std::uint64_t span = random_() % (habit_.span_max + 1);
        if (random_() % 20 == 0) span = Leaf::cell_size - 70 + random_() % 140;
        range.last = range.first + std::min(span, model_.last() - range.first);
        const bool touches = before && *before + 1 == range.first;
        const Value value = touches && coin() ? model_.load(*before) : any_value();
        const bool joined = before ? touches && value == model_.load(*before) && coin() : coin();
        const bool fits = own_.leaf.append(range, value, joined);
        if (!before) {
            EXPECT_TRUE(fits) << range;
        }
        if (before && Leaf::is_wide(range)) {
            EXPECT_FALSE(fits) << range;
        }
        if (fits) {
            model_.store(range, value, joined, std::nullopt);
        } else {
            check();
        }
    }

    void insert() {
        const auto last = model_.previous(model_.last());
        if (!last || own_.leaf.wide()) return;
        Range range{any_id(), 0};
        if (coin()) {  // where something was, or touches
            const Id live = any_live();
            range.first = live - std::min<Id>(live - model_.base(), random_() % 3);
        }
        if (range.first >= *last || model_.load(range.first) != 0) return;
        const Id room = *model_.next(range.first) - 1;
        range.last = range.first + std::min(random_() % (habit_.span_max + 1), room - range.first);
        if (coin()) range.last = room;
        if (Leaf::is_wide(range)) return;
        const Value left = range.first > model_.base() ? model_.load(range.first - 1) : 0;
        const Value right = model_.load(range.last + 1);
        Value value = any_value();
        if (left != 0 && coin()) value = left;
        if (right != 0 && coin()) value = right;
        // The leaf before may end where the range begins.
        const bool is_first = *model_.next(model_.base()) > range.last;
        const bool joined = coin() && (left == value || (left == 0 && is_first));
        const bool joins_next = right == value && coin();
        if (!joined && !joins_next && coin()) {
            insert_near(range, value);
            return;
        }
        if (own_.leaf.insert(range, value, joined, joins_next)) {
            model_.store(range, value, joined, joins_next);
        } else {
            check();
        }
    }

    // The ID from which on the leaf may answer: its first live one, or one before it.
    Id any_low() {
        const Id first = *model_.next(model_.base());
        return first - std::min(first - model_.base(), coin() ? 0 : random_() % 100);
    }
    // All that is free around a range that is free, or would be, before the last live ID.
    [[nodiscard]] Range gap_around(Range range, Id low) const {
        const auto before = range.first > low ? model_.previous(range.first - 1) : std::nullopt;
        return {before ? *before + 1 : low, *model_.next(range.last + 1) - 1};
    }

    void insert_near(Range range, Value value) {
        const Id low = std::min(any_low(), range.first);
        const Range gap = gap_around(range, low);
        if (const auto filled = own_.leaf.insert_near(range, value, low)) {
            EXPECT_EQ(*filled, gap.count()) << range;
            model_.store(range, value, false, false);
        } else {
            check();
        }
    }

    void clear_one() {
        const auto last = model_.previous(model_.last());
        const Id id = any_live();
        if (!last || id >= *last) return;
        const Id low = any_low();
        const auto released = own_.leaf.clear_one(id, low);
        if (!released) {
            check();
            return;
        }
        ASSERT_NE(model_.load(id), 0U) << id;
        EXPECT_EQ(released->gap, gap_around({id, id}, low).count()) << id;
        EXPECT_EQ(released->was_last, !model_.continues(id + 1)) << id;
        if (id > low || id == 0) {
            EXPECT_EQ(released->was_first, !model_.continues(id)) << id;
        } else if (model_.first_joined) {  // the one before is live in the leaf before
            EXPECT_EQ(released->was_first, !*model_.first_joined) << id;
        }
        model_.clear({id, id});
    }

    void clear() {
        if (model_.is_empty() || own_.leaf.wide()) {
            if (random_() % 4 == 0) empty();
            return;
        }
        Range range{any_live(), 0};
        std::uint64_t span = random_() % 3 == 0 ? random_() % 200 : random_() % 3;
        if (random_() % 50 == 0) span = space;
        range.last = span > id_max - range.first ? id_max : range.first + span;
        if (coin()) range.first -= std::min<Id>(range.first, random_() % 100);
        own_.leaf.clear(range);
        model_.clear(range);
        if (model_.is_empty()) empty();  // as the tree does: such a leaf goes
    }
    void empty() {
        own_.leaf.make_empty();
        model_.clear({model_.base(), model_.last()});
        model_.first_joined.reset();
    }

    // Of the first live ID, as the tree says it when the leaf before has changed.
    void set_joined() {
        const auto first = model_.next(model_.base());
        if (!first) return;
        const bool joined = coin();
        own_.leaf.set_joined(*first, joined);
        model_.set_joined(*first, joined);
    }

    // Splits at a random ID, puts both halves together again, goes on with one of the three.
    void take_over() {
        if (own_.leaf.wide() || model_.live() < 2) return;
        const Leaf& leaf = own_.leaf;
        const Id middle = leaf.middle();
        ASSERT_GT(middle, *model_.next(model_.base()));
        ASSERT_LE(middle, *model_.previous(model_.last()));
        const Id at = coin() ? middle : any_live();
        OwnLeaf<words> left;
        OwnLeaf<words> right;
        if (at > 0) {
            ASSERT_EQ(left.leaf.take_over(leaf, {0, at - 1}, {.bridges = false}), at - 1);
        }
        ASSERT_EQ(right.leaf.take_over(leaf, {at, id_max}, {.bridges = false}), id_max);
        const LeafModel left_model = at > model_.base() ? model_.cut({model_.base(), at - 1})
                                                        : LeafModel(model_.base(), space);
        const LeafModel right_model = model_.cut({at, model_.last()});
        same(left.leaf, left_model);
        same(right.leaf, right_model);

        // What the first ID is to be can be said anew.
        if (right_model.load(at) != 0) {
            OwnLeaf<words> told;
            const bool joins = coin();
            const TakeOver how{.bridges = coin(), .joins = joins};
            if (told.leaf.take_over(leaf, {at, id_max}, how) == id_max) {
                EXPECT_EQ(told.leaf.is_joined(at), joins) << at;
                LeafModel told_model = right_model;
                told_model.set_joined(at, joins);
                same(told.leaf, told_model);
            }
        }
        join(left.leaf, right.leaf, left_model, right_model);
        if (::testing::Test::HasFatalFailure()) return;
        OwnLeaf<words> whole;
        ASSERT_EQ(whole.leaf.take_over(leaf, whole_space, {.bridges = false}), id_max);
        EXPECT_LE(whole.leaf.packed_count(), leaf.packed_count());
        same(whole.leaf, model_);
        switch (random_() % 3) {
            case 0:
                if (left_model.is_empty()) break;
                own_.leaf.assign(left.leaf);
                model_ = left_model;
                break;
            case 1:
                if (right_model.is_empty()) break;
                own_.leaf.assign(right.leaf);
                model_ = right_model;
                break;
            default: own_.leaf.assign(whole.leaf);
        }
    }
    void join(const Leaf& left, const Leaf& right, const LeafModel& left_model,
              const LeafModel& right_model) {
        OwnLeaf<words> both;
        if (both.leaf.take_over(left, whole_space, {}) != id_max) return;
        same(both.leaf, left_model);
        const auto reached = both.leaf.take_over(right, whole_space, {});
        if (reached == id_max) {
            same(both.leaf, model_);
        } else {
            ASSERT_EQ(both.leaf.verify(), std::nullopt);
            const auto begin = right_model.next(model_.base());
            ASSERT_TRUE(begin);
            // All up to there and nothing behind, of which there is some.
            if (reached) {
                ASSERT_NE(right_model.load(*reached), 0U);
                ASSERT_LT(*reached, *right_model.previous(model_.last()));
                same(both.leaf, model_.cut({model_.base(), *reached}));
            } else {
                same(both.leaf, left_model);
            }
        }
    }

    void look() {
        const Leaf& leaf = own_.leaf;
        for (const Id id : {any_id(), any_live(), Id{0}, id_max}) {
            EXPECT_EQ(leaf.load(id), model_.load(id)) << id;
            EXPECT_EQ(leaf.next(id), model_.next(id)) << id;
            EXPECT_EQ(leaf.previous(id), model_.previous(id)) << id;
            if (model_.load(id) == 0) continue;
            EXPECT_EQ(leaf.entry_first(id), model_.entry_first(id)) << id;
            EXPECT_EQ(leaf.entry_last(id), model_.entry_last(id)) << id;
        }
        const auto first = model_.next(model_.base());
        ASSERT_EQ(leaf.empty(), !first);
        if (!first) return;
        const Id last = *model_.previous(model_.last());
        const bool is_only =
            model_.live() - 1 == last - *first && model_.entry_first(last) == *first;
        EXPECT_EQ(leaf.only_entry(), is_only ? std::optional(Range{*first, last}) : std::nullopt);
        if (!leaf.wide()) starts(*first);
    }
    void starts(Id first_live) {
        Range range{any_live(), 0};
        range.last = range.first + std::min(random_() % 300, model_.last() - range.first);
        bool joins = range.first > model_.base() && model_.load(range.first - 1) != 0;
        std::uint64_t want = 0;
        for (Id id = range.first;; ++id) {
            if (model_.load(id) != 0 && !model_.continues(id)) ++want;
            if (id == range.last) break;
        }
        // The one before may be live in the leaf before.
        if (range.first == first_live && range.first > 0 && model_.first_joined && coin()) {
            joins = true;
            want -= *model_.first_joined ? 1U : 0U;
        }
        EXPECT_EQ(own_.leaf.starts_in(range, joins), want) << range;
    }

    void gaps() {
        const Leaf& leaf = own_.leaf;
        const Id last = *model_.previous(model_.last());
        const Id low = coin() ? any_low() : model_.base();
        std::uint64_t longest = 0;
        for (const Range gap : model_.gaps(low, std::nullopt))
            longest = std::max(longest, gap.count());
        EXPECT_EQ(leaf.longest_gap(low), longest) << low;
        EXPECT_EQ(leaf.longest_gap(low, longest), longest) << low;

        const std::uint64_t aligns[] = {1, 1, 1 + random_() % 9, 64, 128, 1 + random_() % 300};
        const std::uint64_t align = aligns[random_() % std::size(aligns)];
        const std::uint64_t count = 1 + random_() % (random_() % 4 == 0 ? 300 : 4);
        const Id from = std::max(low, any_id());
        std::optional<Id> lowest;
        for (const Range gap : model_.gaps(from, std::nullopt)) {
            const std::uint64_t skipped = (align - gap.first % align) % align;
            if (gap.span() < skipped || gap.span() - skipped < count - 1) continue;
            lowest = gap.first + skipped;
            break;
        }
        EXPECT_EQ(leaf.lowest_gap(count, align, from), lowest)
            << count << " aligned to " << align << " from " << from;

        const Id to = low + random_() % (last - low + 1);
        std::optional<Id> highest;
        for (const Range gap : model_.gaps(low, to)) {
            if (gap.span() < count - 1) continue;
            const Id at = gap.last - (count - 1);
            if (at - gap.first < at % align) continue;
            highest = at - at % align;
        }
        EXPECT_EQ(leaf.highest_gap(count, align, low, to), highest)
            << count << " aligned to " << align << " from " << low << " to " << to;
    }

    const Habit& habit_;
    Random random_;
    LeafModel model_;
    OwnLeaf<words> own_;
};

const Habit habits[] = {
    {"singles with values", 0, 3, 1'000},
    {"singles far apart", 0, 200, 3},
    {"short ranges", 3, 4, 2},
    {"ranges", 150, 100, 2},
    {"one value", 40, 90, 1},
};

template <unsigned words>
void play(std::uint64_t seed_count) {
    constexpr std::uint64_t steps_per_seed = 1'000;
    constexpr std::uint64_t steps_per_check = 50;
    for (const Habit& habit : habits) {
        for (std::uint64_t seed = 0; seed < seed_count; ++seed) {
            SCOPED_TRACE(std::string(habit.name) + ", seed " + std::to_string(seed));
            LeafMatch<words> match(habit, seed);
            for (std::uint64_t step = 1; step <= steps_per_seed; ++step) {
                match.step();
                if (step % steps_per_check == 0) match.check();
                if (::testing::Test::HasFailure()) {
                    ADD_FAILURE() << "at step " << step;
                    return;
                }
            }
        }
    }
}

TEST(Leaf, DoesWhatAnArrayDoesOfSixteenWords) {
    play<16>(is_long_test() ? 200 : 20);
}
TEST(Leaf, DoesWhatAnArrayDoesOfTwentyFourWords) {
    play<24>(is_long_test() ? 200 : 20);
}
TEST(Leaf, DoesWhatAnArrayDoesThatShips) {
    play<256>(is_long_test() ? 20 : 2);
}

}  // namespace
}  // namespace inod
