// The pools of a soak: one of each kind, a small one that is full at most times, one whose numbers rest.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <string>

#include "tests/soak/model.h"

namespace inod::soak {

// In "slot" what lies here is only ever claimed: allocations stay far below.
inline constexpr Id slot_claims_begin = 120'000;
inline constexpr std::uint64_t slot_claims = 10'000;

inline constexpr std::array pool_kinds = {
    PoolKind{"inode", true, {1, std::numeric_limits<Id>::max()}, {}},
    PoolKind{"block", true, {1, std::numeric_limits<Id>::max()}, {}},
    PoolKind{"pid", false, {2, 1'000'000}, {}},
    PoolKind{"slot", false, {0, 131'071}, {}},
    PoolKind{"rest", false, {1, 200'000}, std::chrono::seconds(3)},
    PoolKind{"few", false, {1, 2'000}, {}},
};
inline constexpr std::size_t inode_pool = 0;
inline constexpr std::size_t slot_pool = 3;
inline constexpr std::size_t rest_pool = 4;
inline constexpr std::size_t few_pool = 5;

// In a hundred allocations, how many are of which.
inline constexpr std::array<unsigned, pool_kinds.size()> pool_shares = {25, 20, 30, 12, 8, 5};

// That of those who die in the midst of anything, who nobody knows the numbers of.
inline constexpr const char* mayfly_pool = "mayfly";

// Tokens and snapshots are of a minute, so that five are long enough for both to be in balance.
inline const std::string soak_config = R"({
  "pools": [
    {"name": "inode", "policy": "unique", "min": 1, "max": 18446744073709551615},
    {"name": "block", "policy": "unique", "min": 1, "max": 18446744073709551615, "durability": "block"},
    {"name": "pid", "policy": "cyclic", "min": 2, "max": 1000000},
    {"name": "slot", "policy": "lowest", "min": 0, "max": 131071},
    {"name": "rest", "policy": "cyclic", "min": 1, "max": 200000, "quarantine": 3},
    {"name": "few", "policy": "lowest", "min": 1, "max": 2000, "quarantine": 1, "quarantine_yields": true},
    {"name": "mayfly", "policy": "lowest", "min": 1, "max": 10000, "grants": [{"everyone": true}]}
  ],
  "token_keep": 60,
  "journal": {"snapshot_age_max": 60},
  "log_level": "warn"
})";

}  // namespace inod::soak
