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

}  // namespace
}  // namespace inod
