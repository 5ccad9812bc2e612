#include "lib/base/make_directory.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace inod {
namespace {

namespace fs = std::filesystem;

class MakeDirectory : public testing::Test {
protected:
    MakeDirectory() {
        std::string pattern = testing::TempDir() + "inod-directory-XXXXXX";
        EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
    }
    ~MakeDirectory() override { fs::remove_all(folder_); }

    [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }

    fs::path folder_;
};

TEST_F(MakeDirectory, MakesOneForItsOwnerAlone) {
    for (const char* name : {"a", "b/", "c//"}) {
        ASSERT_TRUE(make_directory(path(name))) << name;
        EXPECT_EQ(fs::status(path(name)).permissions(), fs::perms::owner_all) << name;
    }
}

TEST_F(MakeDirectory, LeavesWhatIsThere) {
    fs::create_directory(path("a"));
    fs::permissions(path("a"), fs::perms::owner_all | fs::perms::group_read);
    std::ofstream(path("letter")) << "dear";
    EXPECT_TRUE(make_directory(path("a")));
    EXPECT_EQ(fs::status(path("a")).permissions(), fs::perms::owner_all | fs::perms::group_read);
    EXPECT_TRUE(make_directory(path("letter")));
    EXPECT_EQ(fs::file_size(path("letter")), 4U);
}

TEST_F(MakeDirectory, MakesNoDirectoryAbove) {
    const auto made = make_directory(path("no/such"));
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Errc::io_error);
    EXPECT_EQ(made.error().message, "mkdir(" + path("no/such") + "): No such file or directory");
    EXPECT_FALSE(fs::exists(path("no")));
}

TEST_F(MakeDirectory, TakesARelativePath) {
    const fs::path before = fs::current_path();
    fs::current_path(folder_);
    const bool made = make_directory("here").has_value();
    fs::current_path(before);
    EXPECT_TRUE(made);
    EXPECT_TRUE(fs::is_directory(path("here")));
}

}  // namespace
}  // namespace inod
