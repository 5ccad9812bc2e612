// A new store from the lines of another one: what `inoctl import` does.
//
// Nothing is written before the last line was read and all of them fit each other. Then the store
// is made under names that no start looks at (staged_storage.h), read back, and only then its files
// get their own. Whatever comes in between, a start finds no store, refuses what is there since a
// segment of it is missing, or finds all of it.
//
// Thread safety: none needed; blocks for as long as the source, a start and a stop take.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "lib/base/result.h"
#include "lib/base/storage.h"
#include "lib/journal/journal.h"

namespace inod {

// The next line without its end, nothing behind the last; or why that cannot be told.
using LineSource = std::function<Result<std::optional<std::string>, Failure>()>;

struct ImportOptions {
    JournalOptions journal;  // `fresh_id` is the identity of the new store
    // How far each pool passes over what the exported store may have handed out since, as in
    // lib/allocator/adopt.h; none: the state stays just as it was exported.
    std::optional<std::uint64_t> skip_ahead;
    // Bytes that the state may take in memory, as a daemon with as many would have to have it.
    std::uint64_t memory_max = std::uint64_t{16} << 30U;
};

struct Imported {
    StoreId store{};
    std::size_t holders = 0;
    std::size_t pools = 0;
    std::uint64_t live_runs = 0;  // of all pools
};

// Makes a store in `directory`, which has no file but perhaps `lock`, from lines as state_lines.h
// says. Its first life is over, with a clean stop; it has no witness yet.
//
// Requires that the caller holds the lock of the directory, if that is a state directory.
// Errors: state_in_use, if the directory has other files. import_invalid, with the number of the
//   line: it is no such line, of a version that is unknown here, or contradicts itself or what
//   stands before it. Those of `source`; io_error, no_space, out_of_memory. What was written is
//   removed again, as far as that is possible.
Result<Imported, Failure> import_state(Storage& directory, const LineSource& source,
                                       const ImportOptions& options);

}  // namespace inod
