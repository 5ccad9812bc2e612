// Open files that a benchmark needs, which the processes that it starts may have too.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>

#include <sys/resource.h>

namespace inod::bench {

// Throws where the machine allows fewer.
inline void raise_file_limit(std::size_t count) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, count);
    limit.rlim_max = std::max(limit.rlim_max, limit.rlim_cur);
    if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
    throw std::runtime_error("this machine refuses " + std::to_string(count) +
                             " open files: " + std::strerror(errno));
}

}  // namespace inod::bench
