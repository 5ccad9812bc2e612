// What freeze_memory.cc and the tests that load it into a daemon agree on.
#pragma once

#include <atomic>
#include <cstdint>

namespace inod::faults {

enum class Frozen : std::uint32_t {
    not_yet,  // nothing is in the way
    ordered,  // by the test
    done,     // by the library: there is no memory any more
};

// Shared memory.
struct FrozenWords {
    std::atomic<Frozen> state;
    std::atomic<std::uint64_t>
        drained;  // calls of malloc(3) that brought something until nothing was left
    std::atomic<std::uint64_t> refused;  // calls by the program since
};

}  // namespace inod::faults
