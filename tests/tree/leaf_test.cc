// One leaf beside a plain array that says of each ID of a small universe what is there.
#include "lib/tree/leaf.h"

#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace inod {
namespace {

// Which value each ID has, and whether an entry begins with it though its neighbour's is the same.
class Model {
public:
    Model(Id base, std::size_t count) : base_(base), values_(count), separate_(count) {}

    [[nodiscard]] std::size_t count() const { return values_.size(); }
    [[nodiscard]] Id id(std::size_t i) const { return base_ + i; }
    [[nodiscard]] bool is_free(std::size_t first, std::size_t last) const {
        for (std::size_t i = first; i <= last; ++i) {
            if (values_[i] != 0) return false;
        }
        return true;
    }
    void store(std::size_t first, std::size_t last, std::uint64_t value, bool merged) {
        for (std::size_t i = first; i <= last; ++i) {
            values_[i] = value;
            separate_[i] = false;
        }
        separate_[first] = !merged;
        if (last + 1 < count()) separate_[last + 1] = !merged;
    }
    void erase(std::size_t first, std::size_t last) {
        for (std::size_t i = first; i <= last; ++i)
            values_[i] = 0;
    }
    [[nodiscard]] std::optional<LeafEntry> find(std::size_t i) const {
        if (values_[i] == 0) return std::nullopt;
        std::size_t first = i;
        while (first > 0 && values_[first - 1] == values_[i] && !separate_[first])
            --first;
        std::size_t last = i;
        while (last + 1 < count() && values_[last + 1] == values_[i] && !separate_[last + 1])
            ++last;
        return LeafEntry{{id(first), id(last)}, values_[i]};
    }
    // The nearest at or after (before) i that is live or free.
    [[nodiscard]] std::optional<Id> next(std::size_t i, bool live) const {
        for (; i < count(); ++i) {
            if ((values_[i] != 0) == live) return id(i);
        }
        if (live || id(count() - 1) == id_max) return std::nullopt;
        return id(count() - 1) + 1;
    }
    [[nodiscard]] std::optional<Id> previous(std::size_t i, bool live) const {
        for (++i; i-- > 0;) {
            if ((values_[i] != 0) == live) return id(i);
        }
        if (live || base_ == 0) return std::nullopt;
        return base_ - 1;
    }

private:
    Id base_;
    std::vector<std::uint64_t> values_;
    std::vector<bool> separate_;
};

template <unsigned words_count>
class LeafBesideModel {
public:
    LeafBesideModel(Id base, std::size_t count, std::uint64_t seed)
        : model_(base, count), random_(seed) {}

    void run(int steps) {
        for (int i = 0; i < steps && !testing::Test::HasFatalFailure(); ++i) {
            step();
            compare();
            part_and_restore();
        }
    }

    // How often a store did not fit, and how often a hole was made in a wide item.
    int refused_stores = 0;
    int refused_holes = 0;
    int stores = 0;

private:
    std::size_t draw(std::size_t count) { return random_() % count; }

    // Mostly short, now and then as long as it gets.
    Range draw_range() {
        const std::size_t first = draw(model_.count());
        const std::size_t widths[] = {1, 1, 1, 2, 3, 10, 70, 400, 4'000, model_.count()};
        const std::size_t width = 1 + draw(widths[draw(std::size(widths))]);
        return {first, std::min(first + width - 1, model_.count() - 1)};
    }

    void step() {
        const Range at = draw_range();
        const Range range{model_.id(at.first), model_.id(at.last)};
        if (draw(2) == 0) {
            if (!model_.is_free(at.first, at.last)) return;
            const std::uint64_t value = 1 + draw(3);
            const bool merged = draw(2) == 0;
            if (leaf_.store(range, value, merged)) {
                model_.store(at.first, at.last, value, merged);
                ++stores;
            } else {
                ++refused_stores;
            }
        } else {
            if (leaf_.erase(range)) {
                model_.erase(at.first, at.last);
            } else {
                ++refused_holes;
                const auto hole = model_.find(at.first);
                ASSERT_TRUE(hole && hole->range.contains(range)) << "refused, and no hole";
            }
        }
    }

    void compare() {
        ASSERT_EQ(leaf_.verify().value_or("sound"), "sound");
        for (int k = 0; k < 10; ++k) {
            const std::size_t i = draw(model_.count());
            ASSERT_EQ(leaf_.find(model_.id(i)).has_value(), model_.find(i).has_value()) << i;
            if (model_.find(i)) {
                ASSERT_EQ(leaf_.find(model_.id(i))->range, model_.find(i)->range) << i;
                ASSERT_EQ(leaf_.find(model_.id(i))->value, model_.find(i)->value) << i;
            }
            ASSERT_EQ(leaf_.next_live(model_.id(i)), model_.next(i, true)) << i;
            ASSERT_EQ(leaf_.previous_live(model_.id(i)), model_.previous(i, true)) << i;
            ASSERT_EQ(leaf_.next_free(model_.id(i)), model_.next(i, false)) << i;
            ASSERT_EQ(leaf_.previous_free(model_.id(i)), model_.previous(i, false)) << i;
        }
    }

    // Parted at a random ID and put together again, a leaf is what it was.
    void part_and_restore() {
        if (leaf_.empty() || draw(4) != 0) return;
        const Id id = model_.id(draw(model_.count()));
        const auto before = leaf_.previous_live(id);
        const auto behind = leaf_.next_live(id);
        if (!before || !behind || *before == id) return;
        Leaf<words_count> whole = leaf_;
        Leaf<words_count> right;
        if (!crosses_wide(*before, *behind)) {
            leaf_.move_tail(id, right);
            ASSERT_EQ(leaf_.verify().value_or("sound"), "sound");
            ASSERT_EQ(right.verify().value_or("sound"), "sound");
            ASSERT_EQ(leaf_.last_id(), *before);
            ASSERT_EQ(right.first_id(), *behind);
            ASSERT_EQ(leaf_.value_of(*before), whole.value_of(*before));
            ASSERT_EQ(right.value_of(*behind), whole.value_of(*behind));
            ASSERT_EQ(right.last_id(), whole.last_id());
        }
        leaf_ = whole;
    }
    bool crosses_wide(Id before, Id behind) {
        return leaf_.find(before) == leaf_.find(behind) &&
               leaf_.find(before)->range.span() >= Leaf<words_count>::bits_max / 2;
    }

    Model model_;
    std::mt19937_64 random_;
    Leaf<words_count> leaf_;
};

template <unsigned words_count>
void run_lives(std::uint64_t seed_count) {
    int refused_stores = 0;
    int refused_holes = 0;
    int stores = 0;
    // So few IDs that all touch, a few words of a bitmap, and more than a bitmap has room for.
    for (const std::size_t universe :
         {20U, 150U, 2U * static_cast<unsigned>(Leaf<words_count>::bits_max)}) {
        for (std::uint64_t seed = 0; seed < 3 * seed_count; ++seed) {
            const Id bases[] = {0, 1'000'000, id_max - (universe - 1)};
            SCOPED_TRACE(std::to_string(universe) + " IDs, seed " + std::to_string(seed));
            LeafBesideModel<words_count> life(bases[seed % 3], universe, seed);
            life.run(300);
            if (testing::Test::HasFatalFailure()) return;
            refused_stores += life.refused_stores;
            refused_holes += life.refused_holes;
            stores += life.stores;
        }
    }
    // Only then has all of it been met.
    EXPECT_GT(stores, 1000);
    EXPECT_GT(refused_stores, 100);
    EXPECT_GT(refused_holes, 10);
}

TEST(Leaf, ARunTooWideForABitmapGetsWideOnlyWithoutHoles) {
    for (const bool has_hole : {false, true}) {
        SCOPED_TRACE(has_hole);
        Leaf<16> leaf;
        ASSERT_TRUE(leaf.store({0, 699}, 1, true));
        if (has_hole) {
            ASSERT_TRUE(leaf.erase({100, 100}));
        }
        EXPECT_EQ(leaf.store({700, 799}, 1, true), !has_hole) << "no room beside the bitmap";
        EXPECT_EQ(leaf.value_of(100), has_hole ? 0U : 1U);
        EXPECT_EQ(leaf.find(500)->range, has_hole ? (Range{101, 699}) : (Range{0, 799}));
        EXPECT_EQ(leaf.verify().value_or("sound"), "sound");
    }
}

TEST(Leaf, AnEntryOfItsOwnDoesNotJoinTheItemBefore) {
    Leaf<24> leaf;
    ASSERT_TRUE(leaf.store({0, 19}, 1, true));
    for (const Id id : {Id{20}, Id{25}})
        ASSERT_TRUE(leaf.store({id, id}, 2, false));
    ASSERT_TRUE(leaf.erase({20, 20}));
    ASSERT_TRUE(leaf.store({20, 20}, 1, false)) << "where the second item's bitmap begins";
    EXPECT_EQ(leaf.find(19)->range, (Range{0, 19}));
    EXPECT_EQ(leaf.find(20)->range, (Range{20, 20}));
    EXPECT_EQ(leaf.verify().value_or("sound"), "sound");
}

TEST(Leaf, OfSixteenWordsIsWhatTheModelIs) {
    run_lives<16>(100);
}

TEST(Leaf, OfTwentyFourWordsIsWhatTheModelIs) {
    run_lives<24>(100);
}

TEST(Leaf, OfTheTreesSizeIsWhatTheModelIs) {
    run_lives<127>(10);
}

}  // namespace
}  // namespace inod
