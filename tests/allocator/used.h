// A machine that was in use for a while.
#pragma once

#include <random>
#include <vector>

#include "tests/allocator/machine.h"

namespace inod {

inline std::vector<PoolSpec> four_pools() {
    return {unique_pool("inode"), unique_pool("small", {0, 500}), cyclic_pool("pid", {2, 40}),
            cyclic_pool("edge", {id_max - 20, id_max})};
}

// A few hundred requests that leave leases, holes, claims and wraps behind.
inline void use(Machine& machine, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (int i = 0; i < 400; ++i) {
        if (!machine.allocator->has_room()) {
            ASSERT_TRUE(machine.flush());
        }
        const auto index = static_cast<PoolIndex>(random() % machine.specs.size());
        const Range range = machine.specs[index].range;
        const auto uid = static_cast<std::uint32_t>(random() % 3);
        const Id id = range.first + random() % 40;
        switch (random() % 4) {
            case 0: (void)machine.allocate(index, 1 + random() % 3, uid); break;
            case 1: (void)machine.allocate_at(index, {id, id}, uid); break;
            default:
                const auto run = machine.allocator->lookup(index, id, 0).result;
                if (!run) break;
                (void)machine.release(index, {id, id}, run->generation, run->holder.uid);
        }
    }
    ASSERT_TRUE(machine.flush());
}

}  // namespace inod
