// A write or sync of the journal that fails ends the daemon with status 3. Nothing is acknowledged
// after the failure, and everything that was acknowledged before is there after a restart.
//
// Method: strace(1) makes the Nth fdatasync(2) or pwrite(2) of the daemon fail.

#include <cstdlib>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/e2e/daemon_process.h"
#include "tests/e2e/support.h"

namespace inod::faults {

using namespace e2e;

namespace {

bool has_strace() {
    std::string paths = std::getenv("PATH");
    for (std::size_t begin = 0; begin <= paths.size();) {
        const auto end = std::min(paths.find(':', begin), paths.size());
        if (access((paths.substr(begin, end - begin) + "/strace").c_str(), X_OK) == 0) return true;
        begin = end + 1;
    }
    return false;
}

// strace -D makes itself the daemon's grandchild, so that our child is the daemon.
std::vector<std::string> failing(const std::string& call, const std::string& error, int when) {
    return {"strace", "-D",
            "-f",     "-qq",
            "-o",     "/dev/null",
            "-e",     "trace=" + call,
            "-e",     "inject=" + call + ":error=" + error + ":when=" + std::to_string(when) + "+"};
}

struct Outcome {
    std::uint64_t acknowledged = 0;
    bool refused = false;  // a request was, or its connection broke
};

// Allocates one by one until it is refused, and goes on a little to see that nothing succeeds
// afterwards.
Outcome allocate_until_refused(Client& client) {
    Outcome outcome;
    while (!outcome.refused && outcome.acknowledged < 5'000) {
        const auto lease = client.allocate("inode");
        if (lease) {
            ++outcome.acknowledged;
            EXPECT_EQ(lease->range.first, outcome.acknowledged);
        } else {
            outcome.refused = true;
        }
    }
    for (int i = 0; i < 10; ++i)
        EXPECT_FALSE(client.allocate("inode").has_value()) << "acknowledged after the failure";
    return outcome;
}

// "fdatasync_3": the third one fails.
std::string name_of(const testing::TestParamInfo<std::tuple<std::string, int>>& info) {
    return std::get<0>(info.param) + "_" + std::to_string(std::get<1>(info.param));
}

class JournalFailure : public testing::TestWithParam<std::tuple<std::string, int>> {
protected:
    void SetUp() override {
        if (!has_strace()) GTEST_SKIP() << "strace is not installed: see tools/setup --test";
    }
};

TEST_P(JournalFailure, EndsTheDaemonAndLosesNothing) {
    const auto [call, when] = GetParam();
    DaemonProcess daemon(R"({"pools": [{"name": "inode", "policy": "unique", "min": 1,
                             "max": 1000000}], "journal": {"segment_size": 65536}})");
    ASSERT_TRUE(daemon.start()) << daemon.log();
    ASSERT_EQ(daemon.terminate(), (Exit{.status = 0}));
    // A leak check needs the same privilege that the tracer has.
    daemon.launch() = {.wrapper = failing(call, "EIO", when),
                       .environment = {{"ASAN_OPTIONS", "detect_leaks=0"}}};
    const bool started = daemon.start();
    Outcome outcome;
    if (started) {
        auto client = Client::connect({.socket_path = daemon.socket(), .pools = {}});
        if (client) {
            outcome = allocate_until_refused(*client);
            EXPECT_TRUE(outcome.refused);
        }
    }
    const Exit exit = daemon.wait_for_end();
    EXPECT_EQ(exit, (Exit{.status = started ? 3 : 1})) << daemon.log();
    EXPECT_NE(daemon.log().find(daemon.state_dir()), std::string::npos) << daemon.log();
    EXPECT_NE(daemon.log().find("Input/output error"), std::string::npos) << daemon.log();

    daemon.launch() = {};
    ASSERT_TRUE(daemon.start()) << daemon.log();
    Client client = daemon.connect();
    std::uint64_t live = 0;
    for (const auto& lease : list_all(client, "inode"))
        live += lease.range.span() + 1;
    EXPECT_GE(live, outcome.acknowledged);
    EXPECT_LE(live, outcome.acknowledged + 1) << "but for the one in doubt";
    EXPECT_GT(client.allocate("inode").value().range.first, outcome.acknowledged);
}

// Few syncs in, the start itself fails; later ones hit allocations, and the switch of segments.
INSTANTIATE_TEST_SUITE_P(Sync, JournalFailure,
                         testing::Combine(testing::Values("fdatasync"),
                                          testing::Values(1, 2, 3, 5, 10, 100, 800)),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Write, JournalFailure,
                         testing::Combine(testing::Values("pwrite64"), testing::Values(3, 30, 300)),
                         name_of);

}  // namespace
}  // namespace inod::faults
