// What an allocator has to do with its witness (lib/journal/witness.h): asks it before a start
// changes anything, tells it of the fresh run before anything is handed out, and never lets it fall
// behind by more than a stride.
//
// Life: construct, admit() once, begin_run() once, then gather() and write() in turn.
//
// Thread safety: none of its own. write() blocks for a sync or several; the allocator calls it
// within flush(), where nothing else is called, and all else under its lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lib/base/result.h"
#include "lib/base/storage.h"
#include "lib/journal/journal.h"
#include "lib/journal/stale_copy.h"
#include "lib/journal/witness.h"
#include "lib/pool/marks.h"
#include "lib/pool/pool_spec.h"

namespace inod {

// How far the journal may go above what the witness says of it before the witness is written again,
// records. A copy of the latest run that is further behind than that is noticed.
inline constexpr std::uint64_t witness_lsn_stride = 65'536;

// How far a pool may go above what the witness says of it before that: what
// `inoctl adopt --skip-ahead auto` skips above it, and so the price of an adoption.
inline constexpr std::uint64_t witness_generation_stride = 1024;
// At most a thousandth of what is left, and 0 where less than a thousand are left: there each
// hand-out is witnessed first. Requires mark <= max.
std::uint64_t witness_mark_stride(Id mark, Id max) noexcept;

// The end of that stride: no pool of this kind, witnessed at `mark` (none: before it began), told
// anybody of a number above it, claims aside, or of a generation above it; none: of nothing at all.
// Never falls as `mark` rises.
std::optional<std::uint64_t> witness_limit(const PoolSpec& spec,
                                           std::optional<std::uint64_t> mark) noexcept;

// Where the witness is, and where the store is started.
struct WitnessPlace {
    Storage* storage = nullptr;  // the witness's own directory; outlives its user
    Surroundings here;
};

class StoreWitness {
public:
    explicit StoreWitness(const WitnessPlace& place);

    // May a store that was read as `found` (run 0: there is none) be started? Then there is a
    // witness with room for the marks of `pools_max` pools, and often for some more. `fresh_id` is the identity of a store
    // that is made now, `marks` are those of the store as found.
    //
    // Errors: state_stale, journal_damaged (of the witness), record_unknown, io_error, no_space;
    //   the message names the witness and the remedy.
    Result<void, Failure> admit(const Recovery& found, const StoreId& fresh_id,
                                std::span<const PoolMark> marks, std::size_t pools_max);

    // Of so many pools the marks can be told, since admit().
    [[nodiscard]] std::size_t pools_max() const noexcept {
        return marks_count_max(marks_memory_.size());
    }

    // The fresh run is durable in the store up to `lsn`: now here too. Errors: io_error.
    Result<void, Failure> begin_run(const Recovery& run, Lsn lsn, std::span<const PoolMark> marks);

    // True if the journal came so far that the witness is to be written.
    [[nodiscard]] bool is_behind(Lsn lsn) const noexcept {
        return lsn - facts_.lsn >= witness_lsn_stride;
    }

    // What the next write() is to say. Allocates nothing.
    void gather(Lsn lsn, std::span<const PoolMark> marks) noexcept;

    // Writes what was gathered since the last one, if anything was. Requires that the journal has
    // it on stable storage. Errors: io_error; no other write may follow.
    Result<void, Failure> write();

private:
    [[nodiscard]] std::span<const std::byte> encoded(std::span<const PoolMark> marks) noexcept;

    Surroundings here_;
    Witness witness_;
    WitnessFacts facts_;  // as they were gathered last
    std::vector<std::byte> marks_memory_;
    std::span<const std::byte> marks_;  // likewise, within it
    bool is_gathered_ = false;
};

}  // namespace inod
