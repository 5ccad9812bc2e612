// A client in a process of its own, of another user where we may be one, that leases and releases without pause
// until it is killed, in the midst of whatever it is about.
#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

#include "lib/base/owned_fd.h"
#include "tests/soak/pools.h"

namespace inod::soak {

// Thread safety: none; the process that makes one has one thread.
class Mayfly {
public:
    Mayfly(std::string socket, std::optional<uid_t> uid, bool is_of_process, std::uint64_t seed);
    Mayfly(const Mayfly&) = delete;
    Mayfly& operator=(const Mayfly&) = delete;
    // Kills it. Throws Broken where it had come to its end by itself before: it was told something wrong.
    void kill9();
    ~Mayfly();

private:
    pid_t pid_;
    OwnedFd begun_;
};

}  // namespace inod::soak
