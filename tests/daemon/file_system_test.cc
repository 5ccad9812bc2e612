#include "daemon/file_system.h"

#include <gtest/gtest.h>
#include <linux/magic.h>

namespace inod::daemon {
namespace {

TEST(FileSystem, ThoseThatCopyWhatIsRewrittenAreKnownByName) {
    EXPECT_EQ(copies_on_write(BTRFS_SUPER_MAGIC), "btrfs");
    EXPECT_EQ(copies_on_write(F2FS_SUPER_MAGIC), "f2fs");
    EXPECT_EQ(copies_on_write(NILFS_SUPER_MAGIC), "nilfs2");
    EXPECT_EQ(copies_on_write(0x2FC12FC1), "zfs");
    EXPECT_EQ(copies_on_write(EXT4_SUPER_MAGIC), std::nullopt);
    EXPECT_EQ(copies_on_write(XFS_SUPER_MAGIC), std::nullopt);
    EXPECT_EQ(copies_on_write(TMPFS_MAGIC), std::nullopt);
}

TEST(FileSystem, OneThatNobodyCanTellIsTakenForGood) {
    EXPECT_EQ(copies_on_write(std::string("/nowhere/at/all")), std::nullopt);
    EXPECT_EQ(copies_on_write(std::string("/proc")), std::nullopt);
}

}  // namespace
}  // namespace inod::daemon
