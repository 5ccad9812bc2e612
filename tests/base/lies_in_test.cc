#include "lib/base/lies_in.h"

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

namespace inod {
namespace {

namespace fs = std::filesystem;

TEST(LiesIn, FollowsLinksAndDots) {
    std::string pattern = testing::TempDir() + "inod-lies-in-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    const fs::path folder = pattern;
    fs::create_directories(folder / "a/b");
    fs::create_directory_symlink(folder / "a/b", folder / "link");
    struct Case {
        const char* path;
        bool want;
    };
    // clang-format off
    const Case cases[] = {
        {"a",           true},
        {"a/",          true},
        {"a/b",         true},
        {"a/new",       true},
        {"x/../a/new",  true},
        {"link",        true},
        {"link/new",    true},
        {"",            false},
        {"a2",          false},  // the same beginning is another place
        {"a/../other",  false},
    };
    // clang-format on
    for (const Case& c : cases) {
        SCOPED_TRACE(c.path);
        const auto inside = lies_in(folder / c.path, folder / "a");
        ASSERT_TRUE(inside) << inside.error().message;
        EXPECT_EQ(*inside, c.want);
    }
    const auto nowhere = lies_in(folder / "a", folder / "none");
    EXPECT_EQ(nowhere.error().code, Errc::io_error);
    fs::remove_all(folder);
}

}  // namespace
}  // namespace inod
