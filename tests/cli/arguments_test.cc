#include "cli/arguments.h"

#include <chrono>
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

TEST(Arguments, DurationsAreANumberAndAUnit) {
    using namespace std::chrono_literals;
    struct Case {
        std::string text;
        std::chrono::milliseconds want;
    };
    const std::vector<Case> cases{
        {"1ms", 1ms},      {"500ms", 500ms},          {"30s", 30s}, {"5m", 5min}, {"2h", 2h},
        {"49d", 49 * 24h}, {"4294967295ms", ttl_max},
    };
    for (const Case& c : cases)
        EXPECT_EQ(parse_duration(c.text), c.want) << c.text;
    for (const char* text :
         {"", "0s", "0ms", "30", "s", "-1s", "+1s", " 1s", "1s ", "1.5s", "1e3s", "1S", "1sec",
          "1m30s", "50d", "4294967296ms", "18446744073709551616ms", "18446744073709551615d"}) {
        EXPECT_FALSE(parse_duration(text)) << "'" << text << "'";
    }
}

TEST(Arguments, DurationsArePrintedInAUnitThatFits) {
    using namespace std::chrono_literals;
    EXPECT_EQ(text_of(1ms), "1ms");
    EXPECT_EQ(text_of(1'999ms), "1999ms");
    EXPECT_EQ(text_of(29'999ms), "29s");
    EXPECT_EQ(text_of(120s), "2m");
    EXPECT_EQ(text_of(119s), "119s");
    EXPECT_EQ(text_of(47h), "47h");
    EXPECT_EQ(text_of(49 * 24h), "49d");
}

TEST(Arguments, BindingsAreWordsAndOneHasATime) {
    using namespace std::chrono_literals;
    using proto::Binding;
    EXPECT_EQ(parse_binding("persistent"), (BindingArgument{.binding = Binding::persistent}));
    EXPECT_EQ(parse_binding("connection"), (BindingArgument{.binding = Binding::connection}));
    EXPECT_EQ(parse_binding("process"), (BindingArgument{.binding = Binding::process}));
    EXPECT_EQ(parse_binding("ttl=30s"), (BindingArgument{.binding = Binding::ttl, .ttl = 30s}));
    for (const char* text : {"", "ttl", "ttl=", "ttl=0s", "ttl=30", "ttl 30s", "Process",
                             "process=1s", "unknown", "processes"}) {
        EXPECT_FALSE(parse_binding(text)) << "'" << text << "'";
    }
}

}  // namespace
}  // namespace inod::cli
