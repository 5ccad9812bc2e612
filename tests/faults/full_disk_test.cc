// A full disk: allocations say so, releases go on, and allocations come back with the space.

#include <cerrno>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/mount.h>

#include "tests/e2e/daemon_process.h"
#include "tests/e2e/support.h"

namespace inod::faults {

using namespace e2e;

namespace {

namespace fs = std::filesystem;

// A small file system in memory, mounted at a path.
class SmallDisk {
public:
    explicit SmallDisk(std::string path) : path_(std::move(path)) {
        fs::create_directory(path_);
        mounted_ = mount("inod-test", path_.c_str(), "tmpfs", 0, "size=2m,mode=0700") == 0;
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    ~SmallDisk() {
        if (mounted_) umount2(path_.c_str(), MNT_DETACH);
    }

    [[nodiscard]] bool mounted() const { return mounted_; }
    void fill() const {
        std::ofstream file(filler(), std::ios::binary);
        const std::string block(4096, 'x');
        while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
        }
    }
    void make_room() const { fs::remove(filler()); }

private:
    [[nodiscard]] std::string filler() const { return path_ + "/filler"; }

    std::string path_;
    bool mounted_ = false;
};

TEST(Space, AFullDiskRefusesAllocationsUntilThereIsRoom) {
    DaemonProcess daemon(R"({"pools": [{"name": "inode", "policy": "unique", "min": 1,
                             "max": 1000000}], "journal": {"segment_size": 65536}})");
    const SmallDisk disk(daemon.state_dir());
    if (!disk.mounted()) GTEST_SKIP() << "only root may mount a small file system";
    ASSERT_TRUE(daemon.start()) << daemon.log();
    Client client = daemon.connect();
    ASSERT_TRUE(client.allocate("inode", 100).has_value());
    disk.fill();
    auto lease = client.allocate("inode");
    for (int i = 0; i < 20'000 && lease; ++i)
        lease = client.allocate("inode");
    ASSERT_FALSE(lease.has_value());
    EXPECT_EQ(lease.error().code, Errc::no_space);
    EXPECT_TRUE(client.release("inode", {1, 50}).has_value());
    EXPECT_EQ(client.lookup("inode", 50).error().code, Errc::released);

    disk.make_room();
    // Nobody releases anything now: the daemon finds the room by itself.
    for (const Deadline deadline = soon(); !lease && std::chrono::steady_clock::now() < deadline;)
        lease = client.allocate("inode");
    EXPECT_TRUE(lease.has_value()) << name(lease.error().code);
    EXPECT_EQ(daemon.terminate(), (Exit{.status = 0})) << daemon.log();
}

}  // namespace
}  // namespace inod::faults
