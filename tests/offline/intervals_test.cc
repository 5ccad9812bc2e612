#include "lib/offline/intervals.h"

#include <bitset>
#include <random>

#include <gtest/gtest.h>

namespace inod {
namespace {

TEST(Intervals, SayWhatABitForEachIdSays) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        // At either end of all IDs.
        const Id base = seed % 2 == 0 ? 0 : id_max - 63;
        Intervals set;
        std::bitset<64> bits;
        for (int step = 0; step < 20; ++step) {
            const Id first = random() % 64;
            const Id last = std::min<Id>(63, first + random() % 9);
            const auto common = set.common({base + first, base + last});
            Id lowest = first;
            while (lowest <= last && !bits[lowest])
                ++lowest;
            ASSERT_EQ(common.has_value(), lowest <= last);
            if (common) {
                Id end = lowest;
                while (end < last && bits[end + 1])
                    ++end;
                ASSERT_EQ(*common, (Range{base + lowest, base + end}));
            }
            set.add({base + first, base + last});
            for (Id id = first; id <= last; ++id)
                bits.set(id);
            ASSERT_TRUE(set.contains({base + first, base + last}));
        }
    }
}

TEST(Intervals, TakeOutWhatABitForEachIdLoses) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        const Id base = seed % 2 == 0 ? 0 : id_max - 63;
        Intervals sets[2];
        std::bitset<64> bits[2];
        for (int step = 0; step < 40; ++step) {
            const std::size_t which = random() % 2;
            const Id first = random() % 64;
            const Id last = std::min<Id>(63, first + random() % 9);
            const bool adds = random() % 3 != 0;
            const Range range{base + first, base + last};
            adds ? sets[which].add(range) : sets[which].remove(range);
            for (Id id = first; id <= last; ++id)
                bits[which].set(id, adds);
            for (Id id = 0; id < 64; ++id)
                ASSERT_EQ(sets[which].contains({base + id, base + id}), bits[which][id]) << id;
            Id lowest = first;
            while (lowest < 64 && !(bits[0][lowest] && !bits[1][lowest]))
                ++lowest;
            const auto outside = sets[0].first_outside(sets[1], {base + first, base + 63});
            ASSERT_EQ(outside.has_value(), lowest < 64);
            if (!outside) continue;
            Id end = lowest;
            while (end < 63 && bits[0][end + 1] && !bits[1][end + 1])
                ++end;
            ASSERT_EQ(*outside, (Range{base + lowest, base + end}));
        }
    }
}

TEST(Intervals, HoldTheWholeSpace) {
    Intervals set;
    set.add({5, 9});
    set.add({0, id_max});
    EXPECT_TRUE(set.contains(whole_space));
    EXPECT_EQ(set.common({id_max, id_max}), (Range{id_max, id_max}));
    set.clear();
    EXPECT_FALSE(set.common(whole_space));
}

}  // namespace
}  // namespace inod
