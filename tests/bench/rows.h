// What is measured: the groups of tools/bench, their rows, and the goals. A later group is another
// entry in rows.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace inod::bench {

// The servers of a run.
enum class Peer : std::uint8_t {
    echo,
    commit_in_loop,    // the echo server, with a sync before it answers
    commit_in_thread,  // the same, and reads on meanwhile
    inod,
    inod_polling,       // the daemon, spinning before it sleeps
    inod_without_disk,  // the same daemon on a storage that keeps nothing
    redis,
    redis_always,  // with appendfsync always
    postgresql,
};
inline constexpr std::size_t peer_count = 9;
std::string_view name_of(Peer peer);
bool is_daemon(Peer peer);
bool is_redis(Peer peer);

// What is asked of a server, over and over. An echo server does the same for each.
enum class Work : std::uint8_t {
    hold,       // allocate, and release the oldest once a connection holds so many
    scattered,  // the same of leases that lie apart, and any is released instead of the oldest
    lookup,     // of what a connection holds
    release,    // one ID at a time, of leases of 1,000 that are allocated when those are used up
    increment,  // a number, and nothing is known of who has it: Redis INCR, PostgreSQL nextval
    record,     // a number, and who has it, without giving any back
};
std::string_view name_of(Work work);

// Which core the load runs on; the servers are on the first. With one client at a time, two cores
// also measure how long a sleeping core takes to wake.
enum class Placement : std::uint8_t { one_core, two_cores };
std::string_view name_of(Placement placement);

// How long each side looks, where both poll.
inline constexpr unsigned polling_spin_us = 50;

// Leases that a connection holds, where nothing else is said.
inline constexpr unsigned hold_usual = 1000;

// One server under one load: what a run of the load measures. Rows may have it in common.
struct Series {
    Peer peer = Peer::echo;
    Work work = Work::hold;
    std::string_view pool{};  // of the daemon: bench_block or bench_lease
    unsigned count = 1;       // IDs in an allocation
    unsigned connections = 1;
    unsigned depth = 1;  // requests under way on each
    Placement placement = Placement::two_cores;
    unsigned spin_us = 0;        // how long the load looks for replies before it sleeps
    unsigned hold = hold_usual;  // leases that a connection holds

    friend bool operator==(const Series&, const Series&) = default;
};

// What inod is measured against.
enum class Against : std::uint8_t {
    echo,
    group_commit,  // of its two ways the faster one counts
    no_disk,
    single,  // itself, allocating one ID with each request
    few,     // itself, with a thousandth of the leases
    redis_increment,
    redis_record,
    redis_hold,  // the same work as inod's, releases and all
    redis_always,
    nextval,
    durable_insert,
};
std::string_view name_of(Against against);

// Which number of both sides is compared: requests a second have to be at least the goal, a latency at
// most.
enum class Quantity : std::uint8_t { requests_per_second, p99_us };

struct Row {
    std::string name;
    std::string_view pool;  // its durability is in its name
    Against against = Against::echo;
    unsigned connections = 1;
    unsigned depth = 1;
    std::optional<double> goal{};  // of inod's number by the other's
    Work work = Work::hold;
    unsigned count = 1;
    Quantity quantity = Quantity::requests_per_second;
    bool polling = false;  // both sides of inod look for a while before they sleep
    Placement placement = Placement::two_cores;
    unsigned hold = hold_usual;
};

// The two sides of a row. Of several on the other side the faster one counts.
Series inod_of(const Row& row);
std::vector<Series> against_of(const Row& row);

struct Group {
    std::string_view name;
    std::vector<Row> rows;
};

// Names of rows are unique in a group.
std::vector<Group> groups();

}  // namespace inod::bench
