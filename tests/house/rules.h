// Who may include whom: the table that DESIGN's arrows come down to, and the search for what breaks
// it.
//
// A room is a folder of the house: "lib/tree", "daemon". Arrows point one way, so a room can be
// understood, tested and replaced with what lies below it alone.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace inod::house {

struct Room {
    std::string_view folder;
    std::vector<std::string_view> may_use;  // rooms, besides itself
    bool quiet;                             // no sockets, threads or output: see rules.cc
};

// Every room that has rules. Tests and examples have none: they may include anything.
const std::vector<Room>& rooms();

// Each line says what is wrong and where: "lib/tree/a.h:3: includes daemon/session.h: lib/tree may
// use lib/base". Empty if the house below `root` keeps to the table.
std::vector<std::string> broken_includes(const std::filesystem::path& root);

// The same of the link lines in each room's CMakeLists.txt, which name the targets inod_<room>.
std::vector<std::string> broken_links(const std::filesystem::path& root);

}  // namespace inod::house
