// Promise: a signal that stops the daemon, or has it reload, is read by the event loop, and no thread takes it, as one
// that did would end the process.
#include "daemon/signals.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "daemon/closer.h"
#include "daemon/flusher.h"
#include "tests/allocator/machine.h"

namespace inod::daemon {
namespace {

std::set<std::string> threads() {
    std::set<std::string> names;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task"))
        names.insert(thread.path());
    return names;
}

// A bit for each that the thread blocks, the one with number 1 first.
std::uint64_t blocked_by(const std::string& thread) {
    std::ifstream status(thread + "/status");
    const std::string key = "SigBlk:";
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(key)) return std::strtoull(line.c_str() + key.size(), nullptr, 16);
    }
    return 0;
}

std::uint64_t bit_of(int signal) {
    return std::uint64_t{1} << static_cast<unsigned>(signal - 1);
}

// How many threads there are more, and that none of those takes one.
std::size_t count_quiet(const std::set<std::string>& before) {
    const std::uint64_t own = bit_of(SIGTERM) | bit_of(SIGINT) | bit_of(SIGHUP);
    EXPECT_EQ(blocked_by("/proc/thread-self") & own, own);
    std::size_t count = 0;
    for (const std::string& thread : threads()) {
        if (before.contains(thread)) continue;
        ++count;
        EXPECT_EQ(blocked_by(thread) & own, own) << thread;
    }
    return count;
}

class SignalsTest : public testing::Test {
protected:
    SignalsTest() { pthread_sigmask(SIG_SETMASK, nullptr, &before_); }
    ~SignalsTest() override { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

    sigset_t before_{};
    EventLoop loop_;
};

TEST_F(SignalsTest, AreReadByTheLoop) {
    std::vector<int> taken;
    Signals signals(loop_, [&](int signal) { taken.push_back(signal); });
    for (const int signal : {SIGTERM, SIGHUP, SIGINT, SIGTERM}) {
        ASSERT_EQ(kill(getpid(), signal), 0);
        loop_.run_once(std::chrono::seconds(60));
    }
    EXPECT_EQ(taken, (std::vector<int>{SIGTERM, SIGHUP, SIGINT, SIGTERM}));
}

// It is not lost, and does not end the process.
TEST_F(SignalsTest, ForAReloadWaitsForTheLoop) {
    hold_reload_signal();
    ASSERT_EQ(raise(SIGHUP), 0);
    std::vector<int> taken;
    const Signals signals(loop_, [&](int signal) { taken.push_back(signal); });
    loop_.run_once(std::chrono::seconds(60));
    EXPECT_EQ(taken, std::vector<int>{SIGHUP});
}

TEST_F(SignalsTest, AreTakenByNoThreadThatIsStartedSince) {
    Machine machine({unique_pool("inode")});
    ASSERT_TRUE(machine.start());
    const Signals signals(loop_, [](int /*signal*/) {});
    const auto before = threads();
    const Closer closer;
    const Flusher flusher(loop_, *machine.allocator, std::chrono::seconds(3600),
                          [](const Failure& failure) { ADD_FAILURE() << failure.message; });
    EXPECT_EQ(count_quiet(before), 2U);
}

}  // namespace
}  // namespace inod::daemon
