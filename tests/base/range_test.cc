#include "lib/base/range.h"

#include <gtest/gtest.h>

namespace inod {
namespace {

TEST(Range, CountsAtBothEndsOfTheSpace) {
    EXPECT_EQ((Range{0, 0}.count()), 1U);
    EXPECT_EQ((Range{id_max, id_max}.count()), 1U);
    EXPECT_EQ((Range{1, id_max}.count()), id_max);
    EXPECT_EQ(whole_space.span(), id_max);
}

TEST(Range, RangeOfNeverPassesTheLastId) {
    struct Case {
        const char* name;
        Id first;
        std::uint64_t count;
        std::optional<Range> want;
    };
    // clang-format off
    const Case cases[] = {
        // name             first   count   want
        {"one",               5,      1,      Range{5, 5}},
        {"none",              5,      0,      std::nullopt},
        {"last ID of all",    id_max, 1,      Range{id_max, id_max}},
        {"one past the end",  id_max, 2,      std::nullopt},
        {"all but the first", 1,      id_max, Range{1, id_max}},
        {"would wrap",        2,      id_max, std::nullopt},
    };
    // clang-format on
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        EXPECT_EQ(range_of(c.first, c.count), c.want);
    }
}

TEST(Range, OverlapsAndContains) {
    const Range range{10, 20};
    EXPECT_TRUE(range.contains(10));
    EXPECT_TRUE(range.contains(20));
    EXPECT_FALSE(range.contains(21));
    EXPECT_FALSE(range.contains(9));
    EXPECT_TRUE(range.overlaps({20, 30}));
    EXPECT_FALSE(range.overlaps({21, 30}));
    EXPECT_TRUE(range.contains(Range{11, 20}));
    EXPECT_FALSE(range.contains(Range{11, 21}));
    EXPECT_EQ(intersection(range, {15, 30}), (Range{15, 20}));
    EXPECT_EQ(intersection(range, {21, 30}), std::nullopt);
}

}  // namespace
}  // namespace inod
