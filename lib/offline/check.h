// Is a store sound? What `inoctl check` does: reads every frame and every record, takes the state
// back as a start would, checks every invariant of it, and keeps an account of its own of what was
// handed out (hand_outs.h). Changes nothing.
//
// Thread safety: none needed; blocks for as long as two starts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/result.h"
#include "lib/base/storage.h"
#include "lib/journal/journal.h"
#include "lib/pool/pool.h"

namespace inod {

struct CheckReport {
    struct PoolReport {
        PoolSpec spec;  // lease_count_max is the configuration's business, not the store's
        SequenceState sequence;
        std::uint64_t live_ids;
        std::uint64_t live_runs;
    };

    // What was read; of a damaged store, as far as it could be.
    std::uint64_t frames = 0;
    std::uint64_t records = 0;
    // Of a store that reads back to its end. `run` is that of its last life.
    std::optional<Recovery> store;
    std::size_t segments = 0;  // in use
    std::size_t spares = 0;
    std::uint64_t snapshot_size = 0;  // bytes
    std::uint64_t log_size = 0;       // since the snapshot, bytes
    // The state as the next start finds it. Pools are there if all records fit each other.
    std::size_t holders = 0;
    std::vector<PoolReport> pools;

    // What is wrong and where, each a sentence; empty if the store is sound. A torn tail is not
    // here: a crash leaves one, and the next start cuts it.
    std::vector<std::string> damage;
};

// Errors: io_error, also if there is no store; record_unknown, if a newer version wrote it, so that
// its soundness cannot be told; out_of_memory.
Result<CheckReport, Failure> check(Storage& storage);

}  // namespace inod
