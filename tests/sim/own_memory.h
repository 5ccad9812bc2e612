// Memory that the simulation takes for itself, which is never refused: what refused_memory.h
// refuses is for the library alone.
//
// Thread safety: each thread has its own.
#pragma once

namespace inod::sim {

// While one exists, the thread allocates for the simulation.
class OwnMemory {
public:
    OwnMemory() { ++depth(); }
    ~OwnMemory() { --depth(); }
    OwnMemory(const OwnMemory&) = delete;
    OwnMemory& operator=(const OwnMemory&) = delete;

    [[nodiscard]] static bool is_used() { return depth() > 0; }

private:
    static int& depth() {
        thread_local int value = 0;
        return value;
    }
};

}  // namespace inod::sim
