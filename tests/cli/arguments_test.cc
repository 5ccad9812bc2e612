#include "cli/arguments.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace inod::cli {
namespace {

TEST(Arguments, IdsAndRangesComeBackAsTheyWereTyped) {
    struct Case {
        std::string text;
        Range range;
        std::uint64_t generation;
    };
    const std::vector<Case> cases{
        {"0", {0, 0}, 0},
        {"12", {12, 12}, 0},
        {"3-102", {3, 102}, 0},
        {"7@1", {7, 7}, 1},
        {"7-9@18446744073709551615", {7, 9}, id_max},
        {"18446744073709551615", {id_max, id_max}, 0},
        {"0-18446744073709551615", {0, id_max}, 0},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.text);
        const auto ids = parse_ids(c.text);
        ASSERT_TRUE(ids);
        EXPECT_EQ(ids->range, c.range);
        EXPECT_EQ(ids->generation, c.generation);
        EXPECT_EQ(text_of(ids->range, ids->generation), c.text);
    }
}

TEST(Arguments, ARangeTurnedRoundIsLeftToTheDaemonToRefuse) {
    const auto ids = parse_ids("9-3");
    ASSERT_TRUE(ids);
    EXPECT_EQ(ids->range.first, 9U);
    EXPECT_EQ(ids->range.last, 3U);
}

TEST(Arguments, AnythingElseIsNoId) {
    for (const char* text : {"",
                             "-",
                             "1-",
                             "-1",
                             "+1",
                             " 1",
                             "1 ",
                             "0x10",
                             "1.0",
                             "1e3",
                             "one",
                             "1-2-3",
                             "@",
                             "1@",
                             "@1",
                             "1@0",
                             "1@2@3",
                             "1@-2",
                             "18446744073709551616",
                             "1-18446744073709551616"}) {
        EXPECT_FALSE(parse_ids(text)) << "'" << text << "'";
    }
}

TEST(Arguments, HowFarToSkipAheadIsANumberOrAuto) {
    EXPECT_EQ(parse_skip_ahead("auto"), SkipAheadArgument{});
    EXPECT_EQ(parse_skip_ahead("0"), SkipAheadArgument{0});
    EXPECT_EQ(parse_skip_ahead("18446744073709551615"), SkipAheadArgument{id_max});
    for (const char* text : {"", "Auto", "auto ", "-1", "+1", "1e6", "0x10", "1-2", "1@2",
                             "18446744073709551616", "1000000000000000000000"}) {
        EXPECT_FALSE(parse_skip_ahead(text)) << "'" << text << "'";
    }
}

}  // namespace
}  // namespace inod::cli
