// What is measured of holders without a socket. Each measurement runs in a process of its own.
#pragma once

#include <cstdint>
#include <string>

#include "lib/pool/lease.h"
#include "tests/bench/holders/least_times.h"

namespace inod::bench {

// One holder that ends, among others.
struct EndWork {
    std::string directory;          // empty, on the disk to measure
    std::uint64_t live_count;       // leases of one ID, which fill their pool
    std::uint64_t ended_count;      // of them the holder's, at random
    bool with_generations = false;  // each of the holder's has a generation of its own
};

// Milliseconds, but for the counts.
struct Ended {
    double end_ms;            // of the lock, for the end itself
    double until_free_ms;     // from the end until it is durable and a thousand lookups said so
    double until_lease_ms;    // and until somebody had one of the IDs, in a pool that was full
    double slices_before;     // of the sweep, before that
    double slices;            // of the whole sweep
    double slice_longest_ms;  // of the lock
    double slice_p99_ms;
    double others_longest_ms;  // of the lock, for lookups and hand-outs between slices
    double sweep_ms;           // of processor time, all of it
};

// Ends it, looks at what everybody sees meanwhile and behind it, and fails where that is not as it must be.
Ended end_holder(const EndWork& work);

// A holder for each lease, or one for all.
enum class HolderOf : std::uint8_t {
    all,         // one persistent holder, and another between its leases, so that none touch
    connection,  // bound to a connection each
    process,
    ttl,
    name,  // persistent, by a name of eight bytes
    user,  // persistent, of a user each
};

struct BookkeepingWork {
    std::string directory;  // empty, on the disk to measure
    std::uint64_t lease_count;
    HolderOf holder_of;
};

struct Bookkeeping {
    double budget_bytes;  // for each lease, of the memory budget, but for the tree's nodes
    double heap_bytes;    // the same as malloc counts it, which has no nodes of trees
};

// Adds to `times` how long each request held the lock, of all that made holders and leases: two a lease
// at most, and some that were asked again.
Bookkeeping keep_books(const BookkeepingWork& work, LeastTimes& times);

}  // namespace inod::bench
