// The pools of a store: some of all kinds that an administrator can configure, and what he changes of them.
//
// Thread safety: none of its own.
#pragma once

#include <vector>

#include "lib/pool/pool_spec.h"
#include "tests/sim/dice.h"

namespace inod::sim {

// At most so many at once.
inline constexpr std::size_t pools_max = 12;

// Ten of the catalogue, in any order.
std::vector<PoolSpec> draw_pools(Dice& dice);

// A pool is made wider, gets a band that is kept out of circulation, or is new; rarely. Says which.
std::string_view change_pools(std::vector<PoolSpec>& pools, Dice& dice);

}  // namespace inod::sim
