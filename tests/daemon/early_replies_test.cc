// Promise: the first replies to a long read are sent early where that wakes a client, and not where the client
// takes the daemon's core for it.
#include "daemon/early_replies.h"

#include <gtest/gtest.h>

namespace inod::daemon {
namespace {

constexpr std::size_t read_size = 1'024;
constexpr std::size_t seven_eighths = 896;

TEST(EarlyReplies, AreThoseToTheFirstEighthOfALongRead) {
    EarlyReplies early;
    EXPECT_EQ(early.undecided_behind(read_size), seven_eighths);
    EXPECT_EQ(early.undecided_behind(512), 448U);
    EXPECT_EQ(early.undecided_behind(511), 0U);
    EXPECT_EQ(early.undecided_behind(0), 0U);
}

TEST(EarlyReplies, GoOnWhileNobodyTakesTheCore) {
    EarlyReplies early;
    for (int i = 0; i < 1'000; ++i) {
        ASSERT_EQ(early.undecided_behind(read_size), seven_eighths);
        early.were_sent(0);
    }
}

TEST(EarlyReplies, AreLeftForAHundredLongReadsWhenSomebodyTookTheCore) {
    EarlyReplies early;
    const auto expect_a_pause = [&] {
        for (int i = 0; i < 100; ++i) {
            ASSERT_EQ(early.undecided_behind(read_size), 0U);
            ASSERT_EQ(early.undecided_behind(1), 0U) << "a short one does not count";
        }
        ASSERT_EQ(early.undecided_behind(read_size), seven_eighths);
    };
    for (const long interruptions : {7, 8, 9}) {
        early.were_sent(interruptions);
        ASSERT_NO_FATAL_FAILURE(expect_a_pause());
    }
    early.were_sent(9);
    EXPECT_EQ(early.undecided_behind(read_size), seven_eighths) << "nobody did since";
}

}  // namespace
}  // namespace inod::daemon
