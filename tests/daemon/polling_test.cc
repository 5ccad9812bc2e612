// Promise: the daemon keeps looking where that finds something, and nowhere else.
#include "daemon/polling.h"

#include <gtest/gtest.h>

namespace inod::daemon {
namespace {

using std::chrono::microseconds;
constexpr microseconds bound{50};
constexpr microseconds none{0};

TEST(Polling, IsOffUnlessItIsAskedFor) {
    Polling polling{none};
    EXPECT_FALSE(polling.is_on());
    polling.has_slept(none);
    EXPECT_EQ(polling.window(), none);
}

TEST(Polling, LooksForTwiceAsLongAsTheLastWaitAndNotBeyondTheBound) {
    Polling polling{bound};
    EXPECT_TRUE(polling.is_on());
    EXPECT_EQ(polling.window(), none) << "nothing is known yet";
    polling.has_slept(microseconds(10));
    EXPECT_EQ(polling.window(), microseconds(20));
    polling.has_found();
    EXPECT_EQ(polling.window(), microseconds(20));
    polling.has_slept(microseconds(40));
    EXPECT_EQ(polling.window(), bound);
}

TEST(Polling, DoesNotLookWhereWaitsAreLong) {
    Polling polling{bound};
    polling.has_slept(microseconds(10));
    polling.has_slept(microseconds(51));
    EXPECT_EQ(polling.window(), none);
    polling.has_slept(microseconds(50));
    EXPECT_EQ(polling.window(), bound);
}

// Each wait is short, and nothing ever comes before the sleep: whoever sends needs this core.
TEST(Polling, StopsForAWhileWhereNothingIsFound) {
    Polling polling{bound};
    int looked = 0;
    constexpr int waits = 10'000;
    for (int i = 0; i < waits; ++i) {
        const bool looks = polling.window() > none;
        looked += looks ? 1 : 0;
        polling.has_slept(microseconds(12) +
                          std::chrono::duration_cast<microseconds>(polling.window()));
    }
    EXPECT_GT(looked, waits / 1'000) << "it tries again";
    EXPECT_LT(looked, waits / 100);
}

TEST(Polling, GoesOnWhereSomethingIsFoundNowAndThen) {
    Polling polling{bound};
    for (int i = 0; i < 1'000; ++i) {
        polling.has_slept(microseconds(10));
        ASSERT_GT(polling.window(), none);
        polling.has_found();
    }
}

TEST(Polling, StopsForAWhileWhereOthersWantTheCore) {
    Polling polling{bound};
    polling.has_slept(microseconds(10));
    polling.was_interrupted();
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(polling.window(), none);
        polling.has_slept(microseconds(10));
    }
}

}  // namespace
}  // namespace inod::daemon
