// A seed, from its first life to its last or to a broken promise.
//
// Thread safety: none; one seed at a time in a process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/sim/figures.h"
#include "tests/sim/story.h"

namespace inod::sim {

inline constexpr std::uint64_t lives_per_seed = 5;

// What was violated; nothing if all promises held. The same for the same seed, always.
std::optional<std::string> live_seed(std::uint64_t seed, Story& story, Figures& figures);

// For a seed that has failed: lives it again and gives the end of its story, with what was violated
// and how to see all of it.
std::string failure_report(std::uint64_t seed);

// Once, before the first seed. From then on a signal that ends the program, by a failed assertion
// say, names the seed that is being lived and how to see its story.
void prepare_process();

}  // namespace inod::sim
