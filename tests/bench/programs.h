// Where the programs are that a run needs: those of the build, and those of Debian's packages, which may
// be missing.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace inod::bench {

struct Programs {
    std::filesystem::path echo_server;
    std::filesystem::path load;
    std::filesystem::path inod;
    std::filesystem::path inod_without_disk;
    std::filesystem::path redis_server;  // empty: not installed
    std::filesystem::path postgresql;    // the folder of its programs; empty: not installed

    // As the build puts them, seen from the folder of tests/bench in it, and what is installed.
    static Programs in(const std::filesystem::path& folder);
};

// What a server or a load has written to the file, on one line.
std::string said_in(const std::string& file);

}  // namespace inod::bench
