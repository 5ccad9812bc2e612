#include "daemon/memory_limit.h"

#include <algorithm>
#include <fstream>
#include <string>

#include <sys/resource.h>
#include <unistd.h>

namespace inod::daemon {
namespace {

constexpr std::uint64_t unlimited = UINT64_MAX;

std::uint64_t ram_size() {
    const auto pages = sysconf(_SC_PHYS_PAGES);
    const auto page_size = sysconf(_SC_PAGE_SIZE);
    if (pages <= 0 || page_size <= 0) return unlimited;
    return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_size);
}

std::uint64_t address_space_size() {
    rlimit limit{};
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return unlimited;
    return limit.rlim_cur;
}

// memory.max of our own cgroup and of those above it, of which the smallest holds. cgroup v2 only:
// its line in /proc/self/cgroup begins with "0::" (cgroups(7)).
std::uint64_t cgroup_limit() {
    std::ifstream cgroups("/proc/self/cgroup");
    std::string line;
    while (std::getline(cgroups, line) && !line.starts_with("0::")) {
    }
    if (!line.starts_with("0::")) return unlimited;

    std::uint64_t smallest = unlimited;
    for (std::string path = line.substr(3); !path.empty(); path.resize(path.rfind('/'))) {
        std::ifstream file("/sys/fs/cgroup" + path + "/memory.max");
        std::uint64_t limit = 0;
        if (file >> limit) smallest = std::min(smallest, limit);
        if (path.rfind('/') == std::string::npos) break;
    }
    return smallest;
}

}  // namespace

std::uint64_t default_memory_max() {
    const std::uint64_t smallest = std::min({ram_size(), address_space_size(), cgroup_limit()});
    return smallest / 5 * 4;
}

}  // namespace inod::daemon
