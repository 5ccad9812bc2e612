// Promises that the product was slow to keep, each with what the simulation does about it. Whoever
// finds that one does not hold turns its switch off, and says in docs/promises.md what is missing.
#pragma once

#include <cstdint>

namespace inod::sim {

// Where damage takes the very last group, which nothing proves to have been synced, no number that
// was handed out in it, or because of what was in it, returns; but for the gaps that
// docs/promises.md names: Oracle::may_return(). Off: any of them may.
inline constexpr bool last_group_repeats_forbidden = true;

// A full disk never ends the daemon, nor keeps it from starting, as long as nothing fails but for
// lack of space. Before the first lease nothing is set aside, and a start may be refused. Off: the
// daemon may end.
inline constexpr bool full_disk_never_stops = true;

// So many starts on a full disk, one after the other and without a snapshot made whole between them, have
// room in what is set aside.
inline constexpr std::uint64_t starts_on_full_disk_max = 2;

}  // namespace inod::sim
