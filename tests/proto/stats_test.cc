#include "proto/stats.h"

#include <set>

#include <gtest/gtest.h>

namespace inod::proto {
namespace {

TEST(Stats, TheTableNamesEachIdOnceInOrder) {
    std::set<std::string_view> names;
    std::uint32_t last = 0;
    for (const StatInfo& info : stat_table()) {
        EXPECT_GT(static_cast<std::uint32_t>(info.id), last) << info.name;
        last = static_cast<std::uint32_t>(info.id);
        EXPECT_TRUE(names.insert(info.name).second) << info.name;
        EXPECT_FALSE(info.meaning.empty());
        EXPECT_EQ(name(info.id), info.name);
        EXPECT_EQ(info.scope == StatScope::pool, last < 64) << info.name;
    }
    EXPECT_EQ(names.size(), 22U);
    EXPECT_EQ(name(StatId{63}), "unknown");
}

}  // namespace
}  // namespace inod::proto
