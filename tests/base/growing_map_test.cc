// Maps that grow by a chain at a time, beside one of the standard library.
#include "lib/base/growing_map.h"

#include <map>
#include <random>

#include <gtest/gtest.h>

namespace inod {
namespace {

using Map = GrowingMap<std::uint32_t, std::uint64_t>;

TEST(GrowingMap, HoldsWhatAMapHolds) {
    MemoryBudget budget(std::uint64_t{1} << 30U);
    std::mt19937_64 random(3);
    std::map<std::uint32_t, std::uint64_t> model;
    {
        Map map(budget);
        for (int step = 0; step < 50'000; ++step) {
            // It grows, shrinks to nearly nothing, and grows again.
            const bool shrinks = step / 10'000 % 2 == 1;
            const auto key = static_cast<std::uint32_t>(random() % 10'000);
            if (random() % 10 < (shrinks ? 9U : 2U)) {
                if (model.erase(key) > 0) map.erase(key);
            } else {
                const auto inserted = map.insert(key);
                ASSERT_TRUE(inserted);
                ASSERT_EQ(**inserted, model[key]) << "a new one begins anew";
                **inserted = model[key] = random();
            }
            const auto asked = static_cast<std::uint32_t>(random() % 10'000);
            const auto known = model.find(asked);
            const std::uint64_t* const found = map.find(asked);
            ASSERT_EQ(found != nullptr, known != model.end()) << asked;
            if (found != nullptr) {
                ASSERT_EQ(*found, known->second);
            }
            ASSERT_EQ(map.size(), model.size());
        }
        EXPECT_GT(budget.used(), 0U);
    }
    EXPECT_EQ(budget.used(), 0U);
}

TEST(GrowingMap, IsAsBeforeWhereThereIsNoMemory) {
    for (std::uint64_t memory_max = 0; memory_max < 10'000; memory_max += 100) {
        MemoryBudget budget(memory_max);
        Map map(budget);
        std::uint32_t count = 0;
        while (map.insert(count))
            ++count;
        EXPECT_LE(budget.used(), memory_max);
        EXPECT_EQ(map.insert(count).error().code, Errc::out_of_memory);
        EXPECT_EQ(map.size(), count);
        for (std::uint32_t key = 0; key <= count; ++key)
            ASSERT_EQ(map.find(key) != nullptr, key < count) << key;
        if (count == 0) continue;
        // The place of one that goes is the next one's.
        map.erase(0);
        EXPECT_TRUE(map.insert(count));
    }
}

// No insertion looks at more than a few others, whichever it is.
TEST(Chains, GrowWithoutMovingMuch) {
    constexpr std::uint32_t count = 50'000;
    std::vector<ChainIndex> links(count, no_index);
    Chains chains;
    std::uint64_t looked_at = 0;
    const auto hash = [&](ChainIndex index) {
        ++looked_at;
        return mixed(index);
    };
    const auto link = [&](ChainIndex index) -> ChainIndex& { return links[index]; };
    std::uint64_t most = 0;
    for (ChainIndex index = 0; index < count; ++index) {
        if (chains.is_full()) chains.add_block();
        looked_at = 0;
        chains.add_chain(hash, link);
        most = std::max(most, looked_at);
        chains.insert(index, mixed(index), link);
    }
    EXPECT_LE(most, 20U);
    for (ChainIndex index = 0; index < count; ++index) {
        const ChainIndex found =
            chains.find(mixed(index), link, [&](ChainIndex at) { return at == index; });
        ASSERT_EQ(found, index);
    }
}

}  // namespace
}  // namespace inod
