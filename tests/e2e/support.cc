#include "tests/e2e/support.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include <sys/wait.h>

namespace inod::e2e {

int run_in_shell(const std::string& command) {
    const std::string folder = std::filesystem::path(INOD_CTL_PROGRAM).parent_path();
    const int status = std::system(("PATH=" + folder + ":$PATH; " + command).c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::vector<proto::LeaseRecord> list_all(Client& client, PoolRef pool, std::uint32_t limit) {
    std::vector<proto::LeaseRecord> all;
    for (Id from = 0;;) {
        const LeasePage page = client.list(pool, from, limit).value();
        all.insert(all.end(), page.leases.begin(), page.leases.end());
        if (!page.more) return all;
        from = page.leases.back().range.last + 1;
    }
}

std::uint64_t value_of(const std::vector<proto::Stat>& stats, proto::StatId id) {
    const auto found =
        std::find_if(stats.begin(), stats.end(), [id](const auto& stat) { return stat.id == id; });
    if (found == stats.end()) throw std::runtime_error("no stat " + std::string(name(id)));
    return found->value;
}

}  // namespace inod::e2e
