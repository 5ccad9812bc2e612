#include "tests/bench/programs.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>

#include <unistd.h>

#include "tests/bench/process.h"

namespace inod::bench {
namespace {

namespace fs = std::filesystem;

bool has_program(const fs::path& folder, const char* name) {
    return ::access((folder / name).c_str(), X_OK) == 0;
}

std::vector<fs::path> folders_of_path() {
    const char* const path = std::getenv("PATH");
    std::istringstream in(path != nullptr ? path : "/usr/bin:/bin");
    std::vector<fs::path> folders;
    for (std::string folder; std::getline(in, folder, ':');)
        folders.emplace_back(folder);
    return folders;
}

fs::path find_redis() {
    for (const fs::path& folder : folders_of_path())
        if (has_program(folder, "redis-server")) return folder / "redis-server";
    return {};
}

int version_of(const fs::path& folder) {
    const std::string name = folder.filename().string();
    int version = 0;
    std::from_chars(name.data(), name.data() + name.size(), version);
    return version;
}

// Debian keeps each version's programs apart from PATH; the newest comes first.
std::vector<fs::path> folders_of_postgresql() {
    std::error_code error;
    std::vector<fs::path> versions;
    for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", error))
        versions.push_back(entry.path());
    std::sort(versions.begin(), versions.end(),
              [](const fs::path& a, const fs::path& b) { return version_of(a) > version_of(b); });
    std::vector<fs::path> folders;
    folders.reserve(versions.size());
    for (const fs::path& version : versions)
        folders.push_back(version / "bin");
    const auto others = folders_of_path();
    folders.insert(folders.end(), others.begin(), others.end());
    return folders;
}

fs::path find_postgresql() {
    constexpr std::array needed = {"initdb", "postgres", "psql", "pgbench"};
    for (const fs::path& folder : folders_of_postgresql()) {
        const bool has_all = std::all_of(needed.begin(), needed.end(), [&](const char* name) {
            return has_program(folder, name);
        });
        if (has_all) return folder;
    }
    return {};
}

}  // namespace

Programs Programs::in(const fs::path& folder) {
    return {.echo_server = folder / "echo_server",
            .load = folder / "load",
            .inod = folder.parent_path().parent_path() / "daemon" / "inod",
            .inod_without_disk = folder / "inod_without_disk",
            .redis_server = find_redis(),
            .postgresql = find_postgresql()};
}

std::string version_in(const std::string& output) {
    std::istringstream words(output);
    for (std::string word; words >> word;) {
        if (word.starts_with("v=")) word.erase(0, 2);
        if (!word.empty() && word.front() >= '0' && word.front() <= '9') return word;
    }
    return {};
}

std::string versions_of(const Programs& programs) {
    std::string all;
    const auto add = [&](const char* name, const fs::path& program) {
        auto process = Process::start({program.string(), "--version"}, std::nullopt);
        const auto output = process ? process->output() : process.error();
        if (!output) return;
        all += (all.empty() ? "" : ", ") + std::string(name) + " " + version_in(*output);
    };
    if (!programs.redis_server.empty()) add("Redis", programs.redis_server);
    if (!programs.postgresql.empty()) add("PostgreSQL", programs.postgresql / "postgres");
    return all;
}

std::string said_in(const std::string& file) {
    std::ifstream in(file);
    std::string all;
    for (std::string line; std::getline(in, line);)
        all += (all.empty() ? "" : "; ") + line;
    return all;
}

}  // namespace inod::bench
