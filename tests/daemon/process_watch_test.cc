// Promise: the end of a process is reported, once, and nothing else is.
#include "daemon/process_watch.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

#include "tests/daemon/child.h"
#include "tests/sim/refused_memory.h"

namespace inod::daemon {
namespace {

class ProcessWatchTest : public testing::Test {
protected:
    ProcessWatchTest() : watch_(ProcessWatch::create(budget_, 10'000).value()) {}

    // Everything that has ended by now, in ascending order.
    std::vector<std::uint64_t> ended() {
        std::array<std::uint64_t, 16> keys{};
        const auto count = watch_->take_ended(keys);
        std::sort(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(count));
        return {keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(count)};
    }

    // Whether the event loop would be woken, or be within `timeout`, in milliseconds.
    [[nodiscard]] bool calls_the_loop(int timeout = 0) const {
        pollfd loop{.fd = watch_->descriptor(), .events = POLLIN, .revents = 0};
        return ::poll(&loop, 1, timeout) == 1;
    }

    MemoryBudget budget_{std::uint64_t{1} << 30U};
    std::unique_ptr<ProcessWatch> watch_;
};

using Keys = std::vector<std::uint64_t>;
constexpr int patience = 60'000;

TEST_F(ProcessWatchTest, AnEndIsReportedOnceWithItsKey) {
    Child first;
    Child second;
    ASSERT_TRUE(watch_->add(0, first.open()));
    ASSERT_TRUE(watch_->add(UINT64_MAX, second.open()));
    EXPECT_EQ(watch_->size(), 2U);
    EXPECT_FALSE(calls_the_loop());
    EXPECT_EQ(ended(), Keys{});

    second.kill();
    EXPECT_TRUE(calls_the_loop(patience));
    EXPECT_EQ(ended(), Keys{UINT64_MAX});
    EXPECT_FALSE(calls_the_loop());
    EXPECT_EQ(ended(), Keys{});
    EXPECT_EQ(watch_->size(), 1U);

    first.reap();
    EXPECT_TRUE(calls_the_loop(patience));
    EXPECT_EQ(ended(), Keys{0});
    EXPECT_EQ(watch_->size(), 0U);
    EXPECT_EQ(budget_.used(), 0U);
}

TEST_F(ProcessWatchTest, AnEndThatWasBeforeIsReportedToo) {
    Child zombie;
    Child reaped;
    OwnedFd of_reaped = reaped.open();
    zombie.kill();
    reaped.reap();
    ASSERT_TRUE(watch_->add(1, zombie.open()));
    ASSERT_TRUE(watch_->add(2, std::move(of_reaped)));
    EXPECT_EQ(ended(), (Keys{1, 2}));
}

TEST_F(ProcessWatchTest, AnEndWaitsForWhoeverComesLate) {
    Child child;
    ASSERT_TRUE(watch_->add(7, child.open()));
    child.reap();
    EXPECT_EQ(watch_->take_ended({}), 0U) << "no room";
    EXPECT_TRUE(calls_the_loop(patience));
    EXPECT_TRUE(calls_the_loop());
    EXPECT_EQ(ended(), Keys{7});
}

// A client that sent its pidfd may keep it, and the same open file with it.
TEST_F(ProcessWatchTest, WhatIsForgottenStaysSoThoughSomebodyElseKeepsThePidfd) {
    Child child;
    const OwnedFd kept = child.open();
    ASSERT_TRUE(watch_->add(1, OwnedFd(::dup(kept.get()))));
    ASSERT_TRUE(watch_->add(2, OwnedFd(::dup(kept.get()))));
    watch_->remove(1);
    watch_->remove(1);
    watch_->remove(3);
    EXPECT_EQ(watch_->size(), 1U);
    child.kill();
    EXPECT_EQ(ended(), Keys{2});
    EXPECT_FALSE(calls_the_loop());
    EXPECT_EQ(ended(), Keys{});
}

TEST_F(ProcessWatchTest, AKeyIsFreeAgainOnceItWasReported) {
    Child first;
    ASSERT_TRUE(watch_->add(5, first.open()));
    first.reap();
    EXPECT_EQ(ended(), Keys{5});
    Child second;
    ASSERT_TRUE(watch_->add(5, second.open()));
    EXPECT_EQ(ended(), Keys{});
    second.reap();
    EXPECT_EQ(ended(), Keys{5});
}

// As many as 10,000, where the limit of descriptors allows it.
TEST_F(ProcessWatchTest, ThousandsAreReportedInBatches) {
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    const std::uint64_t count = std::min<std::uint64_t>(10'000, limit.rlim_max - 100);
    Child child;
    for (std::uint64_t key = 0; key < count; ++key)
        ASSERT_TRUE(watch_->add(key, child.open()));
    EXPECT_EQ(watch_->size(), count);
    EXPECT_FALSE(calls_the_loop());

    child.reap();
    Keys keys;
    std::array<std::uint64_t, 777> batch{};
    for (std::size_t taken = batch.size(); taken == batch.size();) {
        EXPECT_TRUE(calls_the_loop(patience));
        taken = watch_->take_ended(batch);
        keys.insert(keys.end(), batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(taken));
    }
    EXPECT_FALSE(calls_the_loop());
    Keys want(count);
    std::iota(want.begin(), want.end(), 0U);
    std::sort(keys.begin(), keys.end());
    EXPECT_EQ(keys, want);
    EXPECT_EQ(budget_.used(), 0U);
}

TEST_F(ProcessWatchTest, NoMemoryIsTakenToTakeWhatHasEnded) {
    std::vector<std::unique_ptr<Child>> children;
    for (std::uint64_t key = 0; key < 10; ++key) {
        children.push_back(std::make_unique<Child>());
        ASSERT_TRUE(watch_->add(key, children.back()->open()));
    }
    for (const auto& child : children)
        child->reap();
    std::array<std::uint64_t, 16> keys{};
    std::size_t taken = 0;
    {
        const sim::RefusedMemory none;
        watch_->remove(9);
        taken = watch_->take_ended(keys);
    }
    EXPECT_EQ(taken, 9U);
}

TEST_F(ProcessWatchTest, WithoutMemoryNothingIsAdded) {
    Child child;
    OwnedFd pidfd = child.open();
    Result<void, Failure> added;
    {
        const sim::RefusedMemory none;
        added = watch_->add(1, std::move(pidfd));
    }
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, Errc::out_of_memory);
    EXPECT_EQ(budget_.used(), 0U);
    {
        const sim::UsedUpBudget nothing_left(budget_);
        const auto refused = watch_->add(1, child.open());
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Errc::out_of_memory);
    }
    EXPECT_EQ(watch_->size(), 0U);
    EXPECT_TRUE(watch_->add(1, child.open()));
    EXPECT_GT(budget_.used(), 0U);
    watch_.reset();
    EXPECT_EQ(budget_.used(), 0U);
}

// The descriptors of others are none of its own.
TEST_F(ProcessWatchTest, NoMoreAreAddedThanThereMayBe) {
    watch_ = ProcessWatch::create(budget_, 2).value();
    Child child;
    ASSERT_TRUE(watch_->add(1, child.open()));
    ASSERT_TRUE(watch_->add(2, child.open()));
    const auto refused = watch_->add(3, child.open());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::out_of_memory);
    EXPECT_NE(refused.error().message.find("LimitNOFILE"), std::string::npos);
    EXPECT_EQ(watch_->size(), 2U);
    watch_->remove(1);
    EXPECT_TRUE(watch_->add(3, child.open()));
}

TEST_F(ProcessWatchTest, WhatTheKernelRefusesChangesNothing) {
    const auto added = watch_->add(1, OwnedFd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)));
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, Errc::io_error);
    EXPECT_EQ(watch_->size(), 0U);
    EXPECT_EQ(budget_.used(), 0U);
    Child child;
    EXPECT_TRUE(watch_->add(1, child.open()));
}

}  // namespace
}  // namespace inod::daemon
