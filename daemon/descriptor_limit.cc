#include "daemon/descriptor_limit.h"

#include <algorithm>

#include <spdlog/spdlog.h>
#include <sys/resource.h>

namespace inod::daemon {
namespace {

// The journal has one open for each of its segments, which is enough for a state of 12 GiB in
// segments of 4 MiB; then some of our own, and what strangers sent and a Closer has still to close.
constexpr std::uint64_t reserve = 4096;

// Nor more than this part of few.
constexpr std::uint64_t reserve_part = 4;

// Each thread but the first takes so many: for its epoll(7), for who wakes it, for a timer.
constexpr std::uint64_t per_thread = 3;

}  // namespace

DescriptorShares share_descriptors(std::uint64_t limit, std::uint32_t connections_max,
                                   std::uint32_t threads) noexcept {
    const std::uint64_t kept = std::min(reserve, limit / reserve_part) + per_thread * (threads - 1);
    const std::uint64_t rest = limit - std::min(kept, limit);
    const std::uint64_t of_connections = std::min(std::uint64_t{2} * connections_max, rest / 4 * 3);
    return {.limit = limit,
            .connections = static_cast<std::uint32_t>(of_connections / 2),
            .processes = rest - of_connections};
}

void warn_of_few_descriptors(const DescriptorShares& shares, std::uint32_t connections_max) {
    if (shares.connections >= connections_max) return;
    spdlog::warn(
        "fewer connections are taken than connections_max, {}, for lack of file descriptors: raise "
        "LimitNOFILE of the service (ulimit -n)",
        connections_max);
}

std::uint64_t raise_descriptor_limit() noexcept {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
    return limit.rlim_cur;
}

}  // namespace inod::daemon
