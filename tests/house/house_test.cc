// The house keeps to its table of who may include whom, and the search would notice if it did not.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "tests/house/rules.h"

namespace inod::house {
namespace {

namespace fs = std::filesystem;

using Faults = std::vector<std::string>;

std::string listed(const Faults& faults) {
    std::string list;
    for (const std::string& fault : faults)
        list += "\n  " + fault;
    return list;
}

TEST(House, IncludesKeepToTheTable) {
    const Faults faults = broken_includes(INOD_SOURCE_DIR);
    EXPECT_TRUE(faults.empty()) << listed(faults);
}

TEST(House, LinkLinesKeepToTheTable) {
    const Faults faults = broken_links(INOD_SOURCE_DIR);
    EXPECT_TRUE(faults.empty()) << listed(faults);
}

// A folder with sources of its own and no line in the table would be under no rule.
TEST(House, EveryFolderUnderLibIsInTheTable) {
    for (const auto& entry : fs::directory_iterator(INOD_SOURCE_DIR "/lib")) {
        const std::string folder = "lib/" + entry.path().filename().string();
        EXPECT_TRUE(std::any_of(rooms().begin(), rooms().end(), [&](const Room& room) {
            return room.folder == folder;
        })) << folder;
    }
}

// A room stands below those that it may use, so the table has no circle.
TEST(House, ArrowsPointOneWay) {
    std::set<std::string_view> above;
    for (const Room& room : rooms()) {
        for (const std::string_view used : room.may_use) {
            EXPECT_TRUE(above.contains(used)) << room.folder << " uses " << used;
        }
        above.insert(room.folder);
    }
}

// A small house of its own, into which a test plants what the search must find.
class PlantedHouse : public testing::Test {
protected:
    PlantedHouse() {
        std::string name = testing::TempDir() + "inod-house-XXXXXX";
        root_ = ::mkdtemp(name.data());
        put("lib/base/range.h", "#pragma once\n#include <cstdint>\n");
        put("lib/tree/tree.h", "#include \"lib/base/range.h\"\n");
        put("daemon/main.cc", "#include <thread>\n#include \"lib/base/range.h\"\n");
        put("lib/tree/CMakeLists.txt",
            "# no inod_daemon here\nadd_library(inod_tree STATIC tree.cc)\n"
            "target_link_libraries(inod_tree PUBLIC inod_base PRIVATE inod_warnings)\n");
        EXPECT_EQ(broken_includes(root_), Faults{});
        EXPECT_EQ(broken_links(root_), Faults{});
    }
    ~PlantedHouse() override { fs::remove_all(root_); }

    void put(const std::string& file, const std::string& text) {
        fs::create_directories((root_ / file).parent_path());
        std::ofstream(root_ / file) << text;
    }

    fs::path root_;
};

TEST_F(PlantedHouse, ABadIncludeIsFound) {
    struct Case {
        std::string file;
        std::string line;
        std::string want;  // behind "<file>:2: includes "
    };
    const Case cases[] = {
        {"lib/tree/x.h", "#include \"daemon/main.cc\"",
         "daemon/main.cc: lib/tree may use lib/base"},
        {"lib/base/x.cc", "  #  include \"lib/tree/tree.h\"",
         "lib/tree/tree.h: lib/base may use nothing"},
        {"lib/tree/x.cc", "#include \"tree.h\"",
         "tree.h: spells no whole path from the root, or leaves the house"},
        {"daemon/x.cc", "#include \"tests/house/rules.h\"",
         "tests/house/rules.h: spells no whole path from the root, or leaves the house"},
        {"daemon/x.h", "#include <lib/base/range.h>",
         "lib/base/range.h: our own headers stand in quotes"},
        {"lib/tree/x.cc", "#include \"lib/base/gone.h\"", "lib/base/gone.h: there is no such file"},
        {"lib/tree/deep/er/x.c", "#include <thread>",
         "thread: lib/tree has no sockets, threads or output"},
        {"lib/base/x.h", "#include <sys/socket.h>",
         "sys/socket.h: lib/base has no sockets, threads or output"},
        {"proto/x.cc", "#include <boost/asio/read.hpp>",
         "boost/asio/read.hpp: proto has no sockets, threads or output"},
        {"config/x.cc", "#include <spdlog/spdlog.h>",
         "spdlog/spdlog.h: config has no sockets, threads or output"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.file + " " + c.line);
        put(c.file, "// a comment\n" + c.line + "\n");
        EXPECT_EQ(broken_includes(root_), Faults{c.file + ":2: includes " + c.want});
        fs::remove(root_ / c.file);
    }
}

TEST_F(PlantedHouse, ABadLinkLineIsFound) {
    put("lib/base/CMakeLists.txt",
        "add_library(inod_base STATIC a.cc)\ntarget_link_libraries(inod_base PUBLIC inod_tree)\n");
    EXPECT_EQ(broken_links(root_),
              Faults{"lib/base/CMakeLists.txt:2: links inod_tree: lib/base may use nothing"});
}

}  // namespace
}  // namespace inod::house
