// A full disk: allocations say so, releases go on, and allocations come back with the space.

#include <string>

#include <gtest/gtest.h>

#include "tests/e2e/daemon_process.h"
#include "tests/e2e/support.h"
#include "tests/faults/small_disk.h"

namespace inod::faults {
namespace {

using e2e::DaemonProcess;
using e2e::Exit;

// On a disk of its own.
class FullDisk : public testing::TestWithParam<SmallDisk::Kind> {
protected:
    void SetUp() override {
        if (const std::string missing = SmallDisk::missing(GetParam()); !missing.empty()) {
            GTEST_SKIP() << missing;
        }
    }

    DaemonProcess daemon_{R"({"pools": [{"name": "inode", "policy": "unique", "min": 1,
        "max": 1000000000, "lease_count_max": 1000000}], "journal": {"segment_size": 65536}})"};
};

// Until one is refused, which is what is returned; ok if none is.
Errc allocate_until_refused(Client& client) {
    constexpr int allocations_max = 20'000;
    for (int i = 0; i < allocations_max; ++i) {
        const auto lease = client.allocate("inode");
        if (!lease) return lease.error().code;
    }
    return Errc::ok;
}

// The disk has room again: nobody releases anything, the daemon finds it by itself.
bool allocates_again(Client& client) {
    const Deadline deadline = e2e::soon();
    while (std::chrono::steady_clock::now() < deadline)
        if (client.allocate("inode")) return true;
    return false;
}

TEST_P(FullDisk, RefusesAllocationsUntilThereIsRoom) {
    SmallDisk disk(GetParam(), std::uint64_t{8} << 20, SmallDisk::Medium::memory);
    daemon_.use_state_dir(disk.path() + "/state");
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    Client client = daemon_.connect();
    ASSERT_TRUE(client.allocate("inode", 100).has_value());
    disk.fill();
    ASSERT_EQ(allocate_until_refused(client), Errc::no_space);
    EXPECT_TRUE(client.release("inode", {1, 50}).has_value());
    EXPECT_EQ(client.lookup("inode", 50).error().code, Errc::released);
    disk.make_room();
    EXPECT_TRUE(allocates_again(client));
    EXPECT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
}

INSTANTIATE_TEST_SUITE_P(, FullDisk, testing::Values(SmallDisk::Kind::tmpfs, SmallDisk::Kind::ext4),
                         [](const auto& param) {
                             return param.param == SmallDisk::Kind::ext4 ? "ext4" : "tmpfs";
                         });

}  // namespace
}  // namespace inod::faults
