// What is measured of the journal without a socket: how fast a state comes back, how much memory that
// takes, how many bytes a record costs, and how long a snapshot holds up whoever wants the lock.
//
// Each measurement runs in a process of its own, so that its peak of memory is its own.
#pragma once

#include <cstdint>
#include <string>

namespace inod::bench {

struct Work {
    std::string directory;  // empty, on the disk to measure
    std::uint64_t lease_count = 0;
    std::uint32_t holder_count = 0;
};

struct Built {
    double seconds;              // for all leases, in groups of 4,096
    double peak_mib;             // resident memory
    double log_bytes_per_lease;  // in groups of 64
    double
        snapshot_hold_up_ms;  // the longest that gathering a piece took, on the thread's CPU clock
    double snapshot_hold_up_p99_ms;
    double snapshot_seconds;
    double snapshot_bytes_per_lease;
};

struct Recovered {
    double seconds;
    double cpu_seconds;
    double peak_mib;
    double state_mib;  // what is counted for the state
};

// Makes a store with so many live leases of one ID in `directory`, in the log alone.
Built build_log(const Work& work);
// Adds a snapshot to it, from which the next recovery starts.
Built add_snapshot(const Work& work);
// Recovers it. `cold`: with its files out of the page cache.
Recovered recover(const Work& work, bool cold);

}  // namespace inod::bench
