// Which files make up a configuration, and what happens where they cannot be read.

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "config/config.h"
#include "lib/base/owned_fd.h"

namespace inod {
namespace {

namespace fs = std::filesystem;

class LoadConfig : public testing::Test {
protected:
    LoadConfig() {
        std::string name = testing::TempDir() + "inod-config-XXXXXX";
        directory_ = ::mkdtemp(name.data());
        put("inod.json", R"({"pools": [{"name": "a", "policy": "unique", "min": 1, "max": 9}]})");
    }
    ~LoadConfig() override { fs::remove_all(directory_); }

    void put(const std::string& name, const std::string& text) {
        fs::create_directories((directory_ / name).parent_path());
        std::ofstream(directory_ / name) << text;
    }
    [[nodiscard]] std::string path(const std::string& name) const { return directory_ / name; }

    [[nodiscard]] std::string refusal(const std::string& name) const {
        const auto config = load_config(path(name));
        if (config) return "(accepted)";
        EXPECT_EQ(config.error().code, Errc::config_invalid);
        return config.error().message;
    }

    fs::path directory_;
};

TEST_F(LoadConfig, NeedsNoDropIns) {
    const auto config = load_config(path("inod.json"));
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->pools.size(), 1U);
}

TEST_F(LoadConfig, ReadsDropInsInTheByteOrderOfTheirNames) {
    put("inod.d/9.json", R"({"memory_max": 9})");
    put("inod.d/10.json", R"({"memory_max": 10, "connections_max": 10})");
    put("inod.d/B.json", R"({"log_level": "warn"})");
    put("inod.d/a.json", R"({"log_level": "error"})");
    const auto config = load_config(path("inod.json"));
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->memory_max, 9U);
    EXPECT_EQ(config->connections_max, 10U);
    EXPECT_EQ(config->log_level, LogLevel::error);
}

TEST_F(LoadConfig, PassesOverWhatIsNoDropIn) {
    put("inod.d/.hidden.json", "broken");
    put("inod.d/README", "broken");
    put("inod.d/x.json.bak", "broken");
    put("inod.json.d/x.json", "broken");
    EXPECT_EQ(refusal("inod.json"), "(accepted)");
}

TEST_F(LoadConfig, AFileOfAnyNameHasItsDropIns) {
    fs::rename(path("inod.json"), path("inod"));
    put("inod.d/x.json", R"({"memory_max": 9})");
    const auto config = load_config(path("inod"));
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->memory_max, 9U);
}

TEST_F(LoadConfig, NamesTheFileThatIsWrong) {
    put("inod.d/10-x.json", R"({"pools": [{"name": "b"}, {"name": "a", "min": -3}]})");
    EXPECT_EQ(refusal("inod.json"),
              path("inod.d/10-x.json") +
                  ": pools[1].min: -3 is not an integer from 0 to 18446744073709551615");
    put("inod.d/10-x.json", "{\n\n  !}");
    EXPECT_EQ(refusal("inod.json"),
              path("inod.d/10-x.json") +
                  ": line 3, column 3: syntax error while parsing object key - invalid literal; "
                  "last read: '{<U+000A><U+000A>  !'; expected string literal");
}

TEST_F(LoadConfig, RefusesWhatCannotBeRead) {
    EXPECT_EQ(refusal("none.json"),
              path("none.json") + ": cannot be opened: No such file or directory");
    put("dir.json/x", "");
    EXPECT_EQ(refusal("dir.json"), path("dir.json") + ": cannot be read: Is a directory");
    fs::create_directories(path("inod.d/x.json"));
    EXPECT_EQ(refusal("inod.json"), path("inod.d/x.json") + ": cannot be read: Is a directory");
    fs::remove_all(path("inod.d"));
    fs::create_symlink("nowhere", path("inod.d"));
    EXPECT_EQ(refusal("inod.json"), "(accepted)") << "a dangling link is no directory";
    fs::remove(path("inod.d"));
    put("inod.d", "");
    EXPECT_EQ(refusal("inod.json"), path("inod.d") + ": cannot be listed: Not a directory");
}

TEST_F(LoadConfig, RefusesAFileWithoutEnd) {
    const auto config = load_config("/dev/zero");
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().message, "/dev/zero: has more than 16777216 bytes");
}

// A daemon that serves cannot wait for whoever writes into it.
TEST_F(LoadConfig, WaitsForNoPipeWhereItIsReadAgain) {
    ASSERT_TRUE(fs::remove(path("inod.json")));
    ASSERT_EQ(mkfifo(path("inod.json").c_str(), 0600), 0);
    EXPECT_FALSE(reload_config(path("inod.json")));
    const OwnedFd slow_writer(open(path("inod.json").c_str(), O_RDWR | O_CLOEXEC));
    const auto config = reload_config(path("inod.json"));
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().message,
              path("inod.json") + ": cannot be read: Resource temporarily unavailable");
    ASSERT_TRUE(fs::remove(path("inod.json")));
    put("inod.json", R"({"pools": [{"name": "a", "policy": "unique", "min": 1, "max": 9}]})");
    EXPECT_TRUE(reload_config(path("inod.json")));
}

TEST_F(LoadConfig, TheShippedDefaultIsSound) {
    const auto config = load_config(INOD_SOURCE_DIR "/config/inod.json");
    ASSERT_TRUE(config) << config.error().message;
    Config want;
    want.pools = {{.spec = {"inode", Policy::unique, {1, id_max}}, .grants = {}},
                  {.spec = {"pid", Policy::cyclic, {2, 4'194'303}}, .grants = {}}};
    EXPECT_EQ(*config, want);
}

}  // namespace
}  // namespace inod
