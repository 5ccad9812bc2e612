// What the program fault_tracer and the tests that start it agree on.
#pragma once

#include <atomic>
#include <cstdint>

namespace inod::faults {

// What happens to a call.
enum class Fault : std::uint32_t {
    none,       // it is counted alone
    kill,       // the process is killed before it
    power_cut,  // likewise, and what was written and not yet synced is gone
    error,      // it is not made, and fails; a failed sync loses what it should have made durable
    shorten,    // half of the bytes are written
    skip,       // it is not made, and says that it succeeded
};

// Shared memory: what the tracer has seen so far.
struct TracedCalls {
    std::atomic<std::uint64_t> count;     // of calls that could have been chosen
    std::atomic<std::uint64_t> chosen;    // to how many of them the fault happened
    std::atomic<std::uint32_t> number;    // the system call that the first of them was
    std::atomic<std::uint64_t> position;  // which one it was, counted from 1
};

}  // namespace inod::faults
