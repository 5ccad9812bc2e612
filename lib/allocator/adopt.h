// Adopting an old copy of a state directory: what `inoctl adopt` does, while no daemon runs on it.
//
// It is a life of its own: the store is recovered as it is, every pool skips what may have been
// handed out since the copy was made, and the store stops clean, with a witness that fits it.
// Leases stay as they are in the copy: what was leased since is not known (its numbers read as
// released), and what was released since is live again.
//
// Thread safety: none needed; blocks for as long as a start and a stop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/allocator/allocator.h"
#include "lib/base/result.h"
#include "lib/base/storage.h"
#include "lib/journal/backup_file.h"
#include "lib/journal/stale_copy.h"

namespace inod {

// How far pools skip ahead.
struct SkipAhead {
    // So many numbers above its mark for each unique pool, so many generations for each that wraps;
    // 0 where surely nothing was handed out since. None: by what the witness knows, to a stride
    // above its marks (store_witness.h).
    std::optional<std::uint64_t> count;
    // A number may be too few to come up to what the witness knows of a pool. That is right only where
    // what the witness knows is a claim far up, which the pool is never to reach.
    bool may_stay_below_witness = false;
};

struct Adoption {
    struct SkippedPool {
        std::string name;
        std::uint64_t from;  // its mark or generation as a start finds it
        std::uint64_t to;    // and now; not above the pool's max
    };
    StoreId store{};
    std::uint64_t run = 0;  // of this life; the next start has a higher one
    std::vector<SkippedPool> pools;
    // Pools that the witness knows and the copy does not: made since. Whoever defines them again
    // gets numbers a second time, so they need new names.
    std::size_t pools_missing = 0;
};

// To judge by names alone, may a store be adopted in `state`? adopt() and adopt_backup() ask again.
// Errors: state_stale if there is none; for one that comes from a backup state_in_use if there is
// anything; io_error.
Result<void, Failure> check_adoptable(const Storage& state, bool is_from_backup,
                                      const Surroundings& here);

// Adopts the store in `state` for the witness in `witness_directory`, which is made or replaced.
// `options` needs no pools, all are kept as they are, and no segment size where the store has one.
// `here` is for messages.
//
// Until the last write the witness says that the store is stale, so an adoption that was cut off
// leaves a store that does not start, and is done again: then it skips a second time, which costs
// numbers and nothing else.
//
// Requires that the caller holds the lock of the state directory.
// Errors: state_stale if there is no store, if the number comes below what the witness knows, or if
//   `skip` has no count and the witness does not tell (there is none, or it is damaged, of another
//   store or version, or knows pools that the copy lacks or has with another max): with a number it
//   goes on. Those of Allocator::recover(), and io_error, no_space. The message names the remedy.
Result<Adoption, Failure> adopt(Storage& state, Storage& witness_directory,
                                AllocatorOptions options, SkipAhead skip, const Surroundings& here);

// The same of a backup, which it brings into `state` first.
//
// What can refuse it comes before anything is written. Then the witness is told that the store is
// stale, and only then are the segments brought in: so one that was cut off anywhere leaves a
// directory, empty or not, on which nothing starts, and is done again. If all segments are there by
// then, that is an adoption without a backup.
//
// Errors: state_in_use if `state` is not empty (lib/journal/restore.h); those of adopt().
Result<Adoption, Failure> adopt_backup(BackupFile& backup, Storage& state,
                                       Storage& witness_directory, const AllocatorOptions& options,
                                       SkipAhead skip, const Surroundings& here);

}  // namespace inod
