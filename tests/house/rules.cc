#include "tests/house/rules.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <optional>
#include <regex>

namespace inod::house {
namespace {

namespace fs = std::filesystem;

// What a quiet room includes no header of. Sockets and threads belong to the daemon and the client,
// so that everything else runs in a test, and runs the same way every time; and it is the daemon
// that speaks, while a library returns.
constexpr std::array<std::string_view, 18> loud_headers = {
    "arpa/",      "boost/asio", "condition_variable", "future",   "iostream",   "netdb.h",
    "netinet/",   "poll.h",     "pthread.h",          "spdlog/",  "stop_token", "sys/epoll.h",
    "sys/poll.h", "sys/socket", "sys/un.h",           "systemd/", "thread",     "threads.h",
};

bool is_source(const fs::path& file) {
    const auto extension = file.extension();
    return extension == ".h" || extension == ".cc" || extension == ".c";
}

// The room that a path from the root lies in.
const Room* room_of(std::string_view path) {
    for (const Room& room : rooms()) {
        if (path.starts_with(room.folder) && path.substr(room.folder.size()).starts_with('/')) {
            return &room;
        }
    }
    return nullptr;
}

bool may_use(const Room& room, std::string_view other) {
    return other == room.folder ||
           std::find(room.may_use.begin(), room.may_use.end(), other) != room.may_use.end();
}

std::string rule_of(const Room& room) {
    std::string list;
    for (const std::string_view other : room.may_use) {
        list += (list.empty() ? "" : ", ") + std::string(other);
    }
    return std::string(room.folder) + " may use " + (list.empty() ? "nothing" : list);
}

// Why `room` may not include "path", or nothing if it may.
std::optional<std::string> fault_of_ours(const Room& room, const std::string& path,
                                         const fs::path& root) {
    const Room* other = room_of(path);
    if (other == nullptr) return "spells no whole path from the root, or leaves the house";
    if (!may_use(room, other->folder)) return rule_of(room);
    if (!fs::exists(root / path)) return "there is no such file";
    return std::nullopt;
}

// The same of a <header>.
std::optional<std::string> fault_of_system(const Room& room, std::string_view header) {
    if (room_of(header) != nullptr) return "our own headers stand in quotes";
    if (!room.quiet) return std::nullopt;
    for (const std::string_view loud : loud_headers) {
        const bool whole = loud.ends_with(".h") || loud.find('/') == loud.npos;
        if (whole ? header == loud : header.starts_with(loud)) {
            return std::string(room.folder) + " has no sockets, threads or output";
        }
    }
    return std::nullopt;
}

void check_file(const fs::path& root, const fs::path& file, const Room& room,
                std::vector<std::string>& faults) {
    static const std::regex include(R"re(^\s*#\s*include\s*(["<])([^">]+)[">])re");
    std::ifstream in(file);
    std::string line;
    for (int number = 1; std::getline(in, line); ++number) {
        std::smatch match;
        if (!std::regex_search(line, match, include)) continue;
        const std::string header = match[2];
        const auto fault =
            match[1] == "\"" ? fault_of_ours(room, header, root) : fault_of_system(room, header);
        if (!fault) continue;
        faults.push_back(fs::relative(file, root).string() + ":" + std::to_string(number) +
                         ": includes " + header + ": " + *fault);
    }
}

// "lib/tree" is the target inod_tree, "daemon" is inod_daemon.
std::string target_of(std::string_view folder) {
    return "inod_" + std::string(folder.substr(folder.rfind('/') + 1));
}

void check_links(const fs::path& root, const Room& room, std::vector<std::string>& faults) {
    static const std::regex target(R"(\binod_\w+)");
    const fs::path file = root / room.folder / "CMakeLists.txt";
    std::ifstream in(file);
    std::string line;
    for (int number = 1; std::getline(in, line); ++number) {
        line.resize(std::min(line.find('#'), line.size()));
        for (std::sregex_iterator word(line.begin(), line.end(), target), end; word != end;
             ++word) {
            for (const Room& other : rooms()) {
                if (word->str() != target_of(other.folder)) continue;
                if (may_use(room, other.folder)) continue;
                faults.push_back(fs::relative(file, root).string() + ":" + std::to_string(number) +
                                 ": links " + word->str() + ": " + rule_of(room));
            }
        }
    }
}

}  // namespace

const std::vector<Room>& rooms() {
    static const std::vector<Room> table = {
        {"lib/base", {}, true},
        {"lib/tree", {"lib/base"}, true},
        {"lib/journal", {"lib/base"}, true},
        {"lib/pool", {"lib/tree", "lib/base"}, true},
        {"lib/allocator", {"lib/pool", "lib/tree", "lib/journal", "lib/base"}, true},
        {"proto", {"lib/base"}, true},
        {"config", {"lib/pool", "lib/base"}, true},
        {"lib/offline",
         {"lib/allocator", "lib/pool", "lib/tree", "lib/journal", "config", "lib/base"},
         true},
        {"lib/client", {"proto", "lib/base"}, false},
        {"daemon",
         {"lib/allocator", "lib/pool", "lib/journal", "proto", "config", "lib/base"},
         false},
        {"cli",
         {"lib/client", "lib/offline", "lib/allocator", "lib/journal", "proto", "config",
          "lib/base"},
         false},
    };
    return table;
}

std::vector<std::string> broken_includes(const fs::path& root) {
    std::vector<std::string> faults;
    for (const Room& room : rooms()) {
        if (!fs::exists(root / room.folder)) continue;
        for (const auto& entry : fs::recursive_directory_iterator(root / room.folder)) {
            if (entry.is_regular_file() && is_source(entry.path())) {
                check_file(root, entry.path(), room, faults);
            }
        }
    }
    std::sort(faults.begin(), faults.end());
    return faults;
}

std::vector<std::string> broken_links(const fs::path& root) {
    std::vector<std::string> faults;
    for (const Room& room : rooms())
        check_links(root, room, faults);
    return faults;
}

}  // namespace inod::house
