// A machine whose store has a witness, and the memory of all that was ever told.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "lib/journal/witness.h"
#include "tests/allocator/machine.h"

namespace inod {

// A pool of each kind, of which the witness has to know most: one that runs out, one that wraps
// with each few leases, and one of either durability that has numbers without end.
inline std::vector<PoolSpec> witnessed_pools() {
    return {unique_pool("endless"), unique_pool("small", {1, 60'000}),
            unique_pool("block", {1, id_max}, Durability::block), cyclic_pool("wraps", {1, 7})};
}

class WitnessedMachine : public Machine {
public:
    WitnessedMachine() : Machine(witnessed_pools()) { has_witness = true; }

    // What the witness on the disk says.
    [[nodiscard]] WitnessRecord witnessed() {
        auto record = Witness(witness_disk).load();
        return record && *record ? **record : WitnessRecord{};
    }
};

// Whoever was told of a number must be the only one, ever.
class Told {
public:
    // One group: `count` leases of each pool, each released again where `releases`. Whoever waits
    // hears of it if the group becomes durable. False if it does not.
    bool hand_out(Machine& machine, std::uint64_t count, bool releases = false) {
        std::vector<std::pair<PoolIndex, Lease>> waiting;
        const auto pool_count = static_cast<PoolIndex>(machine.specs.size());
        for (PoolIndex pool = 0; pool < pool_count; ++pool) {
            for (std::uint64_t i = 0; i < count; ++i) {
                const auto answer = machine.allocate(pool);
                if (!answer.result) {
                    if (answer.result.error().code == Errc::pool_exhausted) break;
                    return false;
                }
                waiting.emplace_back(pool, *answer.result);
                // A pool that wraps has too few for all to stay.
                const bool wraps = machine.specs[pool].policy != Policy::unique;
                if (!releases && !wraps) continue;
                const Lease& lease = *answer.result;
                if (!machine.release(pool, lease.range, lease.generation).result) return false;
            }
        }
        if (!machine.flush()) return false;
        for (const auto& [pool, lease] : waiting) {
            const bool is_new =
                told_.emplace(machine.specs[pool].name, lease.range.first, lease.generation).second;
            EXPECT_TRUE(is_new) << machine.specs[pool].name << " told of " << lease.range.first
                                << "@" << lease.generation << " twice";
        }
        return true;
    }

private:
    std::set<std::tuple<std::string, Id, std::uint64_t>> told_;
};

}  // namespace inod
