// The flusher's own clock: an old log gets a snapshot behind it, though nothing happens any more. And its lock.
#include "daemon/flusher.h"

#include <atomic>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "tests/allocator/machine.h"

namespace inod::daemon {
namespace {

using std::chrono::seconds;

// Runs a flusher on `machine` until a snapshot was taken, or for `patience`. True if one was.
bool takes_snapshot(Machine& machine, seconds snapshot_age_max, seconds patience) {
    EventLoop loop;
    Flusher flusher(loop, *machine.allocator, snapshot_age_max,
                    [](const Failure& failure) { ADD_FAILURE() << failure.message; });
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (;;) {
        const Flusher::Guard guard(flusher);
        if (machine.allocator->journal().snapshot_size() > 0) return true;
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::yield();
    }
}

TEST(Flusher, HasASnapshotTakenOnceTheLogIsOld) {
    Machine machine({unique_pool("inode")});
    machine.fresh_token_epoch = 7;  // or the flusher begins one
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(0).result);
    ASSERT_TRUE(machine.flush());
    EXPECT_FALSE(takes_snapshot(machine, seconds(3600), seconds(1)));
    EXPECT_TRUE(takes_snapshot(machine, seconds(1), seconds(60)));
    machine.allocator->request_snapshot();
    EXPECT_FALSE(machine.allocator->has_work()) << "there is nothing in the log any more";
}

// A request that gives its lock back meanwhile, as for memory, while others on another thread want it.
TEST(Flusher, NobodyElseComesBetweenTwoStepsOfARequest) {
    Machine machine({unique_pool("inode")});
    ASSERT_STARTS(machine);
    EventLoop loop;
    Flusher flusher(loop, *machine.allocator, seconds(3600),
                    [](const Failure& failure) { ADD_FAILURE() << failure.message; });
    std::atomic<std::uint64_t> others = 0;
    std::atomic<bool> ends = false;
    std::thread other([&] {
        while (!ends) {
            const Flusher::Guard guard(flusher);
            ++others;
        }
    });
    while (others == 0)
        std::this_thread::yield();
    for (int round = 0; round < 100; ++round) {
        Flusher::Guard guard(flusher);
        const std::uint64_t before = others;
        EXPECT_TRUE(machine.allocate(0).result);
        const std::uint64_t groups = flusher.groups_synced();
        flusher.notify(std::move(guard));
        // The flusher does.
        while (flusher.groups_synced() == groups)
            std::this_thread::yield();
        EXPECT_EQ(others, before) << "round " << round;
    }
    ends = true;
    other.join();
}

}  // namespace
}  // namespace inod::daemon
