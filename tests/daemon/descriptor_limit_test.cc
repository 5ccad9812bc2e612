#include "daemon/descriptor_limit.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace inod::daemon {
namespace {

TEST(DescriptorLimit, EachHasAShareAndSomeAreLeft) {
    struct Case {
        const char* name;
        std::uint64_t limit;
        std::uint32_t connections_max;
        std::uint32_t threads;
        std::uint32_t connections;
        std::uint64_t processes;
    };
    // clang-format off
    const Case cases[] = {
        // name                            limit      connections_max  threads  connections  processes
        {"as systemd is told",             1'048'576, 16'384,          1,       16'384,      1'011'712},
        {"fewer than connections want",    20'000,    16'384,          1,       5'964,       3'976},
        {"few",                            64,        16'384,          1,       18,          12},
        {"few, and threads to wait on",    64,        16'384,          9,       9,           6},
        {"fewer than threads wait on",     64,        16'384,          64,      0,           0},
        {"few wanted",                     20'000,    100,             1,       100,         15'704},
        {"none",                           0,         16'384,          1,       0,           0},
        {"more than any kernel has",       ~0ULL,     4'294'967'295,   1,       4'294'967'295,
                                                                                ~0ULL - 4096 - 8'589'934'590},
    };
    // clang-format on
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const DescriptorShares shares = share_descriptors(c.limit, c.connections_max, c.threads);
        EXPECT_EQ(shares.limit, c.limit);
        EXPECT_EQ(shares.connections, c.connections);
        EXPECT_EQ(shares.processes, c.processes);
    }
}

TEST(DescriptorLimit, IsRaisedToWhatTheKernelLets) {
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    rlimit low = before;
    low.rlim_cur = before.rlim_max / 2;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    EXPECT_EQ(raise_descriptor_limit(), before.rlim_max);
    rlimit after{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
    EXPECT_EQ(after.rlim_cur, before.rlim_max);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace inod::daemon
