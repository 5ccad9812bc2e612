// How much memory the daemon may plan with when the configuration does not say.
#pragma once

#include <cstdint>

namespace inod::daemon {

// 80 % of the smallest of the cgroup's memory.max, RLIMIT_AS and the machine's RAM, in bytes: the
// rest is for what is not counted (code, stacks, the C library), so that the kernel's limit, which
// kills, is never met.
std::uint64_t default_memory_max();

}  // namespace inod::daemon
