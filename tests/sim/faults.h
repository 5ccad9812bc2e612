// Which fault comes when: all drawn beforehand, from the dice, for a store and for each of its
// processes.
//
// Thread safety: none of its own.
#pragma once

#include <cstdint>
#include <optional>

#include "lib/base/errc.h"
#include "tests/sim/dice.h"
#include "tests/sim/figures.h"

namespace inod::sim {

// How a process comes to its end, if nothing else ends it before.
enum class End { clean_stop, kill, power_cut };

// One call to the disk, counted from when it is armed, that fails; or with which the process ends.
struct CallFault {
    std::uint64_t number;
    std::uint64_t segments;       // 0, or counted from when so many segments have been opened
    bool is_in_snapshot;          // while a snapshot was under way
    std::optional<Errc> code;     // none: a crash
    std::uint64_t kept_permille;  // of a write
};

struct ProcessPlan {
    std::uint64_t operations;
    End end;

    std::optional<CallFault> in_start;
    std::optional<std::uint64_t> memory_in_start;  // so many allocations are allowed before
    std::optional<CallFault> in_life;
    std::optional<std::uint64_t> memory_in_flush;  // from which flush on
    std::optional<CallFault> in_stop;

    std::optional<std::uint64_t> full_disk;  // so many bytes more are free
    bool is_full_at_start;                   // otherwise in the middle of its life
    bool has_long_log;
    bool has_slow_flusher;  // it makes a group only where somebody waits for one
    bool is_started_twice;
};

// Where a bit flips, and when.
enum class Flip {
    anywhere,
    in_first_groups,  // in the last group of a process that has made few
    in_only_trace  // in the frame that names the segment of a process that has made none, where the
                   // one before has stopped clean
};

// Damage comes once in a store's life, so that it is known what it may take with it.
struct StorePlan {
    std::optional<Fault> damage;
    std::uint64_t damaged_process;  // in or after which
    Flip flip;                      // if that is the damage
    std::uint64_t memory_max;
    bool has_small_budget;
    std::uint64_t segment_size;
    std::uint64_t snapshot_size_per_group;
};

StorePlan draw_store(Dice& dice);
// `is_behind_clean_stop`: such a process often ends early.
ProcessPlan draw_process(Dice& dice, bool is_behind_clean_stop);

}  // namespace inod::sim
