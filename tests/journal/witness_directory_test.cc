#include "lib/journal/witness_directory.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace inod {
namespace {

namespace fs = std::filesystem;

class WitnessDirectoryTest : public testing::Test {
protected:
    WitnessDirectoryTest() {
        std::string pattern = testing::TempDir() + "inod-witness-XXXXXX";
        EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
        fs::create_directory(path("state"));
    }
    ~WitnessDirectoryTest() override { fs::remove_all(folder_); }

    [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
    [[nodiscard]] auto open(const std::string& directory) const {
        return open_witness_directory(directory, path("state"));
    }
    // Refused with `code`, saying this, and nothing was made.
    void expect_refused(const std::string& directory, Errc code, const std::string& says) const {
        SCOPED_TRACE(directory);
        const bool existed = fs::exists(directory);
        const auto opened = open(directory);
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().code, code);
        EXPECT_NE(opened.error().message.find(directory), std::string::npos)
            << opened.error().message;
        EXPECT_NE(opened.error().message.find(says), std::string::npos) << opened.error().message;
        EXPECT_EQ(fs::exists(directory), existed);
    }

    fs::path folder_;
};

TEST_F(WitnessDirectoryTest, IsMadeForTheOwnerAlone) {
    ASSERT_TRUE(open(path("state.witness")));
    EXPECT_EQ(fs::status(path("state.witness")).permissions(), fs::perms::owner_all);
    EXPECT_TRUE(open(path("state.witness"))) << "the second time as well";
}

TEST_F(WitnessDirectoryTest, TakesWhatACrashLeftAndWhatAFileSystemHas) {
    fs::create_directories(path("w/lost+found"));
    std::ofstream(path("w/witness.new")) << "half";
    EXPECT_TRUE(open(path("w")));
    std::ofstream(path("w/witness")) << "whole";
    std::ofstream(path("w/README")) << "do not touch";
    EXPECT_TRUE(open(path("w")));
}

// A copy of a running store could otherwise be adopted by that store's own witness.
TEST_F(WitnessDirectoryTest, IsUsedByOneAtATime) {
    auto first = open(path("w"));
    ASSERT_TRUE(first);
    expect_refused(path("w"), Errc::state_in_use, "each store needs one of its own");
    first->lock = {};
    EXPECT_TRUE(open(path("w")));
}

TEST_F(WitnessDirectoryTest, IsNotSomebodyElses) {
    fs::create_directory(path("home"));
    std::ofstream(path("home/thesis.txt")) << "all my work";
    expect_refused(path("home"), Errc::state_in_use, "holds thesis.txt and no witness");
}

TEST_F(WitnessDirectoryTest, LiesOutsideTheState) {
    expect_refused(path("state"), Errc::config_invalid, "lies in state directory");
    expect_refused(path("state/"), Errc::config_invalid, "lies in state directory");
    expect_refused(path("state/witness"), Errc::config_invalid, "lies in state directory");
    expect_refused(path("x/../state/w"), Errc::config_invalid, "lies in state directory");
    fs::create_directory_symlink(path("state"), path("link"));
    expect_refused(path("link"), Errc::config_invalid, "lies in state directory");
    expect_refused(path("link/w"), Errc::config_invalid, "lies in state directory");
    EXPECT_TRUE(open(path("state2"))) << "the same beginning is another place";
}

TEST_F(WitnessDirectoryTest, IsADirectoryBelowOneThatIsThere) {
    expect_refused(path("no/such"), Errc::io_error, "No such file or directory");
    std::ofstream(path("letter")) << "dear";
    expect_refused(path("letter"), Errc::io_error, "Not a directory");
}

}  // namespace
}  // namespace inod
