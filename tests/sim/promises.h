// Promises that the product does not keep yet, each with what the simulation does about it. Whoever
// mends one turns its switch on, and the simulation holds it from then on.
#pragma once

namespace inod::sim {

// Where damage takes the very last group, which nothing proves to have been synced, no number that
// was handed out in it, or because of what was in it, returns. Off: high-water marks that were
// moved and generations that rose in just that group may be forgotten with it.
inline constexpr bool last_group_repeats_forbidden = false;

// A full disk never ends the daemon, nor keeps it from starting, as long as nothing fails but for
// lack of space. Off: the daemon ends when the present segment is full and there is no spare.
inline constexpr bool full_disk_never_stops = false;

}  // namespace inod::sim
