// No thread but the event loop's takes a stop signal, as one that did would end the process at the daemon's end.
#include "daemon/stop_signals.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include <boost/asio/io_context.hpp>
#include <fcntl.h>
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

constexpr std::uint64_t none = 0;
const std::uint64_t stop_signals = bit_of(SIGTERM) | bit_of(SIGINT);

// How many threads there are more, and that none of those takes a stop signal.
std::size_t count_quiet(const std::set<std::string>& before) {
    std::size_t count = 0;
    for (const std::string& thread : threads()) {
        if (before.contains(thread)) continue;
        ++count;
        EXPECT_EQ(blocked_by(thread) & stop_signals, stop_signals) << thread;
    }
    return count;
}

TEST(StopSignals, AreNotTakenByTheCloser) {
    const auto before = threads();
    Closer closer;
    // A thread that has not begun yet blocks all signals: it has, when it has closed something.
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const OwnedFd reads(ends[0]);
    closer.close(0, OwnedFd(ends[1]));
    char none_comes = 0;
    ASSERT_EQ(read(reads.get(), &none_comes, 1), 0);
    EXPECT_EQ(count_quiet(before), 1U);
    EXPECT_EQ(blocked_by("/proc/thread-self") & stop_signals, none) << "the starter takes them";
}

TEST(StopSignals, AreNotTakenByTheFlusher) {
    Machine machine({unique_pool("inode")});
    ASSERT_TRUE(machine.start());
    boost::asio::io_context io;
    const auto before = threads();
    const Flusher flusher(io, *machine.allocator, std::chrono::seconds(3600),
                          [](const Failure& failure) { ADD_FAILURE() << failure.message; });
    EXPECT_EQ(count_quiet(before), 1U);
    EXPECT_EQ(blocked_by("/proc/thread-self") & stop_signals, none) << "the starter takes them";
}

}  // namespace
}  // namespace inod::daemon
