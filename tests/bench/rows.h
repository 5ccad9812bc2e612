// What is measured: the groups of tools/bench, their rows, and the goals. A later group is another
// entry in rows.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace inod::bench {

// What inod is measured against: the echo server, or the echo server that syncs before it answers.
enum class Floor : std::uint8_t { echo, group_commit };

// Which core the load runs on; the servers are on the first. With one client at a time, two cores
// measure how long a sleeping core takes to wake.
enum class Placement : std::uint8_t { one_core, two_cores };

struct Row {
    std::string_view name;
    std::string_view pool;  // bench_block or bench_lease: its durability is in the name
    Floor floor;
    unsigned connections;
    unsigned depth;  // requests under way on each
    Placement placement;
    std::optional<double> goal;  // of inod's requests a second by the floor's
};

struct Group {
    std::string_view name;
    std::span<const Row> rows;
};

std::span<const Group> groups();

}  // namespace inod::bench
