// What happened in all lives, counted: a simulation is worth as much as what it met.
//
// Thread safety: none of its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/sim/journal_steps.h"

namespace inod::sim {

enum class Count : std::size_t {
    stores,
    lives,
    starts,
    starts_from_snapshot,
    starts_compared,
    torn_tails,
    client_operations,
    leases,
    leases_lowest,
    leases_aligned,
    leases_untracked,
    wraps,
    leases_rested,
    leases_yielded,
    claims,
    claims_of_reserved,
    claims_of_resting,
    reserves,
    unreserves,
    advances,
    releases,
    binds,
    comings_back,
    renewals,
    ends,
    ends_by_time,
    sweeps,
    lookups,
    lists,
    refusals,
    groups,
    operations_in_flush,
    operations_between,
    asked_again,
    snapshots,
    operations_in_snapshot,
    segments,
    segments_recycled,
    spares,
    clean_stops,
    kills,
    power_cuts,
    reboots,
    holders_over_restarts,
    holders_gone_with_reboot,
    crashes_in_snapshot,
    writes_kept,
    writes_lost,
    writes_torn,
    names_kept,
    names_lost,
    releases_without_memory,
    releases_on_full_disk,
    stops_by_full_disk,
    starts_refused_full,
    starts_needing_more_memory,
    damage_refused,
    damage_cut_last_group,
    damage_unnoticed,
    end  // how many there are
};

enum class Fault : std::size_t {
    crash_in_call,
    crash_in_start,
    crash_in_stop,
    io_error,
    io_error_in_start,
    no_space,
    short_write,
    full_disk,
    no_memory,
    no_memory_in_flush,
    no_memory_in_start,
    budget_used_up,
    small_budget,
    bit_flip,
    stale_sector,
    misdirected_write,
    end
};

std::string_view name(Count count);
std::string_view name(Fault fault);

class Figures {
public:
    void add(Count count, std::uint64_t more = 1) { counts_.at(index(count)) += more; }
    void inject(Fault fault) { ++injected_.at(index(fault)); }
    void meet(Fault fault) { ++met_.at(index(fault)); }
    // The process ended in a call to the disk of this step.
    void crash_at(Step step) { ++crashes_.at(index(step)); }
    void add(const Figures& other);

    [[nodiscard]] std::uint64_t of(Count count) const { return counts_.at(index(count)); }
    // How often a fault was planned, and how often something came of it: a call that was to fail
    // was made, damage changed what the next start came to.
    [[nodiscard]] std::uint64_t injected(Fault fault) const { return injected_.at(index(fault)); }
    [[nodiscard]] std::uint64_t met(Fault fault) const { return met_.at(index(fault)); }
    [[nodiscard]] std::uint64_t crashes_at(Step step) const { return crashes_.at(index(step)); }

    // All of them, a line for each, as people read it.
    [[nodiscard]] std::string table() const;

private:
    template <class Enum>
    static constexpr std::size_t index(Enum value) {
        return static_cast<std::size_t>(value);
    }

    std::array<std::uint64_t, static_cast<std::size_t>(Count::end)> counts_{};
    std::array<std::uint64_t, static_cast<std::size_t>(Fault::end)> injected_{};
    std::array<std::uint64_t, static_cast<std::size_t>(Fault::end)> met_{};
    std::array<std::uint64_t, static_cast<std::size_t>(Step::end)> crashes_{};
};

}  // namespace inod::sim
