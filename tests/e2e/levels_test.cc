// Pools with a parent, through the real daemon: configured, asked, killed and started again.

#include <gtest/gtest.h>

#include "tests/e2e/daemon_process.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

// The lower pool comes first: the order in a configuration is anybody's.
const char* const two_levels = R"({"pools": [
    {"name": "pid.web", "policy": "lowest", "min": 1, "max": 100, "parent": "pid"},
    {"name": "pid", "policy": "cyclic", "min": 2, "max": 1000}]})";

std::string text_of(const Result<std::vector<proto::LevelRecord>>& levels) {
    if (!levels) return std::string(name(levels.error().code));
    std::string text;
    for (const proto::LevelRecord& level : *levels)
        text += std::to_string(level.pool) + ":" + std::to_string(level.id) + " ";
    return text;
}

TEST(LevelsThroughTheDaemon, OneNumberAtEachAndAllOfThemBackAfterAKill) {
    DaemonProcess daemon(two_levels);
    ASSERT_TRUE(daemon.start()) << daemon.log();
    std::uint64_t generation = 0;
    {
        Client client = daemon.connect();
        ASSERT_TRUE(client.allocate("pid", 3));
        const auto leased = client.allocate("pid.web", 2);
        ASSERT_TRUE(leased);
        EXPECT_EQ(leased->range, (Range{1, 2}));
        generation = leased->generation;
        EXPECT_EQ(text_of(client.lookup_levels("pid.web", 2)), "0:6 1:2 ");
        EXPECT_EQ(text_of(client.lookup_levels("pid", 6)), "0:6 1:2 ");
        EXPECT_EQ(text_of(client.lookup_levels("pid", 4)), "0:4 ");
        EXPECT_EQ(text_of(client.lookup_levels("pid.web", 3)), "never_allocated");
        const auto held = client.release("pid", {5, 6}, generation);
        ASSERT_FALSE(held);
        EXPECT_EQ(held.error(), Error(Errc::held_below, 5));
    }
    daemon.kill9();
    ASSERT_TRUE(daemon.start()) << daemon.log();
    Client client = daemon.connect();
    EXPECT_EQ(text_of(client.lookup_levels("pid", 6)), "0:6 1:2 ");
    ASSERT_TRUE(client.release("pid.web", {1, 1}, generation));
    EXPECT_EQ(text_of(client.lookup_levels("pid", 5)), "released");
    EXPECT_EQ(text_of(client.lookup_levels("pid", 6)), "0:6 1:2 ");
}

TEST(LevelsThroughTheDaemon, AHolderOfAConnectionEndsAtAllLevels) {
    DaemonProcess daemon(two_levels);
    ASSERT_TRUE(daemon.start()) << daemon.log();
    {
        Client client = daemon.connect();
        ASSERT_TRUE(client.bind({.binding = proto::Binding::connection}));
        ASSERT_TRUE(client.allocate("pid.web", 1));
    }
    Client client = daemon.connect();
    std::string told;
    for (const Deadline deadline = soon(); std::chrono::steady_clock::now() < deadline;) {
        told = text_of(client.lookup_levels("pid", 2));
        if (told == "released") break;
    }
    EXPECT_EQ(told, "released");
    EXPECT_EQ(text_of(client.lookup_levels("pid.web", 1)), "released");
}

}  // namespace
}  // namespace inod::e2e
