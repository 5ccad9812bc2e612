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

// "Redis 7.0.15, PostgreSQL 15.18", as far as they are installed; empty if neither is.
std::string versions_of(const Programs& programs);

// The first word of what `--version` printed that is a version, without what stands before it; empty if
// there is none.
std::string version_in(const std::string& output);

// What a server or a load has written to the file, on one line.
std::string said_in(const std::string& file);

}  // namespace inod::bench
