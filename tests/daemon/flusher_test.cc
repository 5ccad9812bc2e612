// The flusher's own clock: an old log gets a snapshot behind it, though nothing happens any more.
#include "daemon/flusher.h"

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

}  // namespace
}  // namespace inod::daemon
