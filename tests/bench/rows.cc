#include "tests/bench/rows.h"

#include <initializer_list>

namespace inod::bench {
namespace {

using enum Against;
constexpr auto p99 = Quantity::p99_us;
constexpr auto per_second = Quantity::requests_per_second;
constexpr std::string_view block = "bench_block";
constexpr std::string_view lease = "bench_lease";
constexpr std::optional<double> none;

// Long enough for a reply that is under way, short beside what a sleeping core costs in a second.

// clang-format off

// Everything that has to be measured in both placements.
const std::initializer_list<Row> comparison = {
    // name                                             pool   against    conn. deep goal
    {"block, 1 client",                                 block, echo,          1,  1, 0.95},
    {"lease, 1 client",                                 lease, group_commit,  1,  1, 0.95},
    {"block, 64 clients",                               block, echo,         64,  1, 0.95},
    {"lease, 64 clients",                               lease, group_commit, 64,  1, 1.1},
    {"block, 1 client 64 deep",                         block, echo,          1, 64, 0.95},
    {"lease, 1 client 64 deep",                         lease, group_commit,  1, 64, 1.0},
    {"block, 64 clients 16 deep",                       block, echo,         64, 16, 0.7},
    {"lease, 64 clients 16 deep",                       lease, group_commit, 64, 16, 0.9},
    {"block, 50 clients 64 deep",                       block, echo,         50, 64, 0.5},
    {"lease, 50 clients 64 deep",                       lease, group_commit, 50, 64, none},

    //                                                                               goal  work        count quantity
    {"block, p99 of 64 clients",                        block, echo,         64,  1, 1.2,  Work::hold, 1,    p99},
    {"lease, p99 of 64 clients",                        lease, group_commit, 64,  1, 1.2,  Work::hold, 1,    p99},

    {"block, 50 clients 64 deep, of Redis INCR",        block, redis_increment, 50, 64, 2},
    {"block, 50 clients 64 deep, of Redis recording",   block, redis_record,    50, 64, 20},
    {"block, 50 clients 64 deep, of Redis with release",block, redis_hold,      50, 64, none},
    {"lease, 50 clients 64 deep, of Redis always",      lease, redis_always,    50, 64, 20},
    {"block, 1 client, of PostgreSQL nextval",          block, nextval,          1,  1, none},
    {"block, 16 clients, of PostgreSQL nextval",        block, nextval,         16,  1, none},
    {"lease, 64 clients, of PostgreSQL inserts",        lease, durable_insert,  64,  1, none},

    {"block, leases of 1,000, 1 client",                block, single,        1,  1, 0.95, Work::hold, 1000},
    {"lease, leases of 1,000, 1 client",                lease, single,        1,  1, 0.95, Work::hold, 1000},
    {"block, leases of 1,000, 64 clients",              block, single,       64,  1, 0.95, Work::hold, 1000},
    {"lease, leases of 1,000, 64 clients",              lease, single,       64,  1, 0.95, Work::hold, 1000},
    {"block, leases of 1,000, 1 client 64 deep",        block, single,        1, 64, 0.95, Work::hold, 1000},
    {"lease, leases of 1,000, 1 client 64 deep",        lease, single,        1, 64, 0.95, Work::hold, 1000},
    {"block, leases of 1,000, 64 clients 16 deep",      block, single,       64, 16, 0.95, Work::hold, 1000},
    {"lease, leases of 1,000, 64 clients 16 deep",      lease, single,       64, 16, 0.95, Work::hold, 1000},
    {"block, leases of 1,000, 50 clients 64 deep",      block, single,       50, 64, 0.95, Work::hold, 1000},
    {"lease, leases of 1,000, 50 clients 64 deep",      lease, single,       50, 64, 0.95, Work::hold, 1000},

    {"block, lookup, 64 clients",                       block, echo,         64,  1, none, Work::lookup},
    {"lease, lookup, 64 clients",                       lease, echo,         64,  1, none, Work::lookup},
    {"block, lookup, 1 client 64 deep",                 block, echo,          1, 64, none, Work::lookup},
    {"lease, lookup, 1 client 64 deep",                 lease, echo,          1, 64, none, Work::lookup},
    {"block, release, 64 clients",                      block, echo,         64,  1, none, Work::release},
    {"lease, release, 64 clients",                      lease, group_commit, 64,  1, none, Work::release},
    {"block, release, 1 client 64 deep",                block, echo,          1, 64, none, Work::release},
    {"lease, release, 1 client 64 deep",                lease, group_commit,  1, 64, none, Work::release},
};

// Who spins on a core keeps the other side off it, so this takes two.
const Row polling_row =
    {"block, 1 client, polling",                        block, echo,          1,  1, 2.5,  Work::hold, 1, per_second, true};

const std::initializer_list<Row> commit_rows = {
    {"lease/commit, 1 client",                          lease, group_commit,  1,  1, 0.95},
    {"lease/commit, 64 clients",                        lease, group_commit, 64,  1, 1.1},
    {"lease/commit, 1 client 64 deep",                  lease, group_commit,  1, 64, 1.0},
    {"block/no disk, 1 client",                         block, no_disk,       1,  1, 0.97},
    {"block/no disk, 64 clients",                       block, no_disk,      64,  1, 0.97},
    {"block/no disk, 1 client 64 deep",                 block, no_disk,       1, 64, 0.97},
};
// clang-format on

std::vector<Row> main_rows() {
    std::vector<Row> rows = comparison;
    rows.insert(rows.begin() + 1, polling_row);
    for (Row row : comparison) {
        row.name += ", one core";
        row.placement = Placement::one_core;
        rows.push_back(std::move(row));
    }
    return rows;
}

// Ten million leases, none of them beside another, against ten thousand.
std::vector<Row> growth_rows() {
    constexpr unsigned connections = 64;
    constexpr unsigned leases = 10'000'000;
    constexpr double cost_max = 1.5;
    std::vector<Row> rows;
    for (const unsigned depth : {1U, 16U}) {
        for (const std::string_view pool : {block, lease}) {
            rows.push_back({.name = std::string(pool == block ? "block" : "lease") +
                                    ", ten million leases, 64 clients" +
                                    (depth > 1 ? " 16 deep" : ""),
                            .pool = pool,
                            .against = few,
                            .connections = connections,
                            .depth = depth,
                            .goal = 1 / cost_max,
                            .work = Work::scattered,
                            .hold = leases / connections});
        }
    }
    return rows;
}

struct Opponent {
    std::string_view name;
    std::vector<Peer> peers;
    Work work;  // of a peer that is asked for something else than inod
};

Opponent opponent(Against against) {
    switch (against) {
        case echo: return {"the echo floor", {Peer::echo}, Work::hold};
        case group_commit:
            return {"the floor with group commit",
                    {Peer::commit_in_loop, Peer::commit_in_thread},
                    Work::hold};
        case no_disk: return {"inod without a disk", {Peer::inod_without_disk}, Work::hold};
        case single: return {"inod, one ID a request", {Peer::inod}, Work::hold};
        case few: return {"inod, a thousandth of the leases", {Peer::inod}, Work::scattered};
        case redis_increment: return {"Redis INCR", {Peer::redis}, Work::increment};
        case redis_record: return {"Redis INCR and HSET", {Peer::redis}, Work::record};
        case redis_hold: return {"Redis INCR and HSET, HDEL", {Peer::redis}, Work::hold};
        case redis_always:
            return {"Redis INCR and HSET, appendfsync always", {Peer::redis_always}, Work::record};
        case nextval: return {"PostgreSQL nextval", {Peer::postgresql}, Work::increment};
        case durable_insert: break;
    }
    return {"PostgreSQL durable inserts", {Peer::postgresql}, Work::record};
}

}  // namespace

std::string_view name_of(Peer peer) {
    switch (peer) {
        case Peer::echo: return "echo floor";
        case Peer::commit_in_loop: return "floor with commit in its loop";
        case Peer::commit_in_thread: return "floor with commit in a thread";
        case Peer::inod: return "inod";
        case Peer::inod_polling: return "inod, polling";
        case Peer::inod_without_disk: return "inod without a disk";
        case Peer::redis: return "Redis";
        case Peer::redis_always: return "Redis with appendfsync always";
        case Peer::postgresql: break;
    }
    return "PostgreSQL";
}

bool is_daemon(Peer peer) {
    return peer == Peer::inod || peer == Peer::inod_polling || peer == Peer::inod_without_disk;
}

bool is_redis(Peer peer) {
    return peer == Peer::redis || peer == Peer::redis_always;
}

std::string_view name_of(Work work) {
    switch (work) {
        case Work::hold: return "hold";
        case Work::scattered: return "scattered";
        case Work::lookup: return "lookup";
        case Work::release: return "release";
        case Work::increment: return "increment";
        case Work::record: break;
    }
    return "record";
}

std::string_view name_of(Placement placement) {
    return placement == Placement::one_core ? "one core" : "two cores";
}

std::string_view name_of(Against against) {
    return opponent(against).name;
}

Series inod_of(const Row& row) {
    return {.peer = row.polling ? Peer::inod_polling : Peer::inod,
            .work = row.work,
            .pool = row.pool,
            .count = row.count,
            .connections = row.connections,
            .depth = row.depth,
            .placement = row.placement,
            .spin_us = row.polling ? polling_spin_us : 0,
            .hold = row.hold};
}

std::vector<Series> against_of(const Row& row) {
    const Opponent other = opponent(row.against);
    std::vector<Series> all;
    for (const Peer peer : other.peers) {
        all.push_back({.peer = peer,
                       .work = other.work,
                       .pool = is_daemon(peer) ? row.pool : std::string_view(),
                       .connections = row.connections,
                       .depth = row.depth,
                       .placement = row.placement,
                       .hold = row.against == Against::few ? row.hold / 1000 : hold_usual});
    }
    return all;
}

std::vector<Group> groups() {
    return {{.name = "main", .rows = main_rows()},
            {.name = "commit", .rows = commit_rows},
            {.name = "growth", .rows = growth_rows()}};
}

}  // namespace inod::bench
