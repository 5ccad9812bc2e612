#include "lib/base/file_lock.h"

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

namespace inod {
namespace {

TEST(FileLock, IsHeldByOneUntilItsDescriptorIsClosed) {
    std::string folder = testing::TempDir() + "inod-lock-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    const std::string path = folder + "/lock";
    {
        const auto first = lock_file(path, "taken");
        ASSERT_TRUE(first) << first.error().message;
        const auto second = lock_file(path, "taken");
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().code, Errc::state_in_use);
        EXPECT_EQ(second.error().message, "taken");
    }
    EXPECT_TRUE(lock_file(path, "taken"));
    const auto nowhere = lock_file(folder + "/no/lock", "taken");
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().code, Errc::io_error);
    std::filesystem::remove_all(folder);
}

TEST(FileLock, ThoseWhoLookKeepOutWhoeverWritesAndMakeNothing) {
    std::string folder = testing::TempDir() + "inod-lock-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    const std::string path = folder + "/lock";
    const auto none = lock_file_to_look(path, "taken");
    ASSERT_TRUE(none) << none.error().message;
    EXPECT_FALSE(*none);
    EXPECT_FALSE(std::filesystem::exists(path));
    {
        const auto writer = lock_file(path, "taken");
        ASSERT_TRUE(writer);
        const auto refused = lock_file_to_look(path, "taken");
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Errc::state_in_use);
    }
    const auto one = lock_file_to_look(path, "taken");
    const auto other = lock_file_to_look(path, "taken");
    EXPECT_TRUE(one && *one && other && *other);
    EXPECT_FALSE(lock_file(path, "taken"));
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace inod
