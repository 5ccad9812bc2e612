// The numbers that a stats request is answered with. Their IDs stand on the wire and never change;
// a client passes over those it does not know.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "lib/base/bytes.h"

namespace inod::proto {

enum class StatId : std::uint32_t {
    // Of one pool.
    live_ids = 1,
    live_runs = 2,
    cursor = 3,
    generation = 4,
    allocations = 5,
    releases = 6,
    lookups = 7,
    refusals = 8,
    tree_nodes = 9,
    reserve_nodes = 10,

    // Of the daemon as a whole.
    memory_used = 64,
    memory_max = 65,
    connections = 66,
    journal_last_lsn = 67,
    journal_durable_lsn = 68,
    disk_size = 69,
    log_size = 70,
    groups_synced = 71,
    uptime_s = 72,
    run = 73,
    holders = 74,
    tokens = 75,
};

enum class StatScope : std::uint8_t { pool, daemon };

struct StatInfo {
    StatId id;
    StatScope scope;
    std::string_view name;     // As in the enumeration: "live_ids".
    std::string_view meaning;  // With the unit, for people.
};

// Every StatId, by ID.
std::span<const StatInfo> stat_table() noexcept;

// "unknown" for an ID that is not in the table.
std::string_view name(StatId id) noexcept;

struct Stat {
    StatId id{};
    std::uint64_t value = 0;

    friend bool operator==(const Stat&, const Stat&) = default;
};

// On the wire: id u32, zero u32, value u64.
inline constexpr std::size_t stat_size = 16;
void get_item(ByteReader& in, Stat& stat);
void put_item(ByteWriter& out, const Stat& stat);

}  // namespace inod::proto
