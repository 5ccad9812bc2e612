// Pools that are added to a machine's allocator while it runs, as the daemon adds them.
#pragma once

#include <utility>
#include <vector>

#include "lib/allocator/pool_addition.h"
#include "tests/allocator/machine.h"

namespace inod {

// To the end, with as many turns of the flusher as it takes. The machine's next lives have them too.
inline Result<void, Failure> add_pools(Machine& machine, const std::vector<PoolSpec>& pools) {
    PoolAddition addition(*machine.allocator, pools);
    auto prepared = addition.prepare();
    while (!prepared && prepared.error().code == Errc::block_pending && machine.flush())
        prepared = addition.prepare();
    if (!prepared) return prepared;
    machine.specs.insert(machine.specs.end(), pools.begin(), pools.end());
    while (!addition.record() || !addition.is_durable()) {
        if (!machine.flush()) return Failure{Errc::journal_sealed, "a flush failed"};
    }
    addition.serve();
    return {};
}

inline std::string said(const Result<void, Failure>& done) {
    return done ? "done" : std::string(name(done.error().code)) + ": " + done.error().message;
}

}  // namespace inod
