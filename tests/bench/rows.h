// What is measured: the groups of tools/bench, their rows, and the goals. A later group is another
// entry in rows.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace inod::bench {

// The servers of a run.
enum class Peer : std::uint8_t {
    echo,
    commit_in_loop,    // the echo server, with a sync before it answers
    commit_in_thread,  // the same, and reads on meanwhile
    inod,
    inod_without_disk,  // the same daemon on a storage that keeps nothing
};
inline constexpr std::size_t peer_count = 5;

// What inod is measured against. Of several the faster one counts.
enum class Floor : std::uint8_t { echo, group_commit, no_disk };
std::span<const Peer> peers_of(Floor floor);

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
