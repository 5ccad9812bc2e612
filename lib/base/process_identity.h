// Which process it was, for all the life of one boot: a PID alone comes back.
//
// Thread safety: plain values.
#pragma once

#include <cstdint>

namespace inod {

// What is known of a process besides the boot it runs in. Two of one boot and of one PID namespace
// are equal exactly if they are of the same process, as far as daemon/process_identity.h says.
struct ProcessIdentity {
    std::uint32_t pid = 0;    // in the daemon's own PID namespace; 1 or more
    std::uint64_t inode = 0;  // of its pidfd in pidfs; 0 where the kernel has none (before 6.9)
    std::uint64_t start_time = 0;  // clock ticks since boot, in the daemon's time namespace
    // In which PID namespace it was seen: its inode number. 0: not said.
    std::uint64_t pid_namespace = 0;

    friend constexpr bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

}  // namespace inod
