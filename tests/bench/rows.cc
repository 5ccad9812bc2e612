#include "tests/bench/rows.h"

#include <array>

namespace inod::bench {
namespace {

constexpr auto one_core = Placement::one_core;
constexpr auto two_cores = Placement::two_cores;
constexpr auto echo = Floor::echo;
constexpr auto commit = Floor::group_commit;
constexpr auto no_disk = Floor::no_disk;
constexpr std::string_view block = "bench_block";
constexpr std::string_view lease = "bench_lease";
constexpr std::optional<double> none;

// clang-format off
constexpr std::array main_rows = {
    //  name                               pool   floor   conn. deep placement  goal
    Row{"block, 1 client",                 block, echo,    1,   1,   one_core,  0.5},
    Row{"block, 64 clients",               block, echo,   64,   1,   two_cores, 0.5},
    Row{"block, 1 client 64 deep",         block, echo,    1,  64,   two_cores, 0.5},
    Row{"lease, 1 client",                 lease, echo,    1,   1,   one_core,  none},
    Row{"lease, 64 clients",               lease, echo,   64,   1,   two_cores, none},
    Row{"lease, 1 client 64 deep",         lease, echo,    1,  64,   two_cores, none},
};
constexpr std::array commit_rows = {
    //  name                               pool   floor   conn. deep placement  goal
    Row{"lease/commit, 1 client",          lease, commit,  1,   1,   one_core,  0.95},
    Row{"lease/commit, 64 clients",        lease, commit, 64,   1,   two_cores, 1.1},
    Row{"lease/commit, 1 client 64 deep",  lease, commit,  1,  64,   two_cores, 1.0},
    Row{"block/no disk, 1 client",         block, no_disk, 1,   1,   one_core,  0.97},
    Row{"block/no disk, 64 clients",       block, no_disk, 64,  1,   two_cores, 0.97},
    Row{"block/no disk, 1 client 64 deep", block, no_disk, 1,  64,   two_cores, 0.97},
};
// clang-format on

constexpr std::array all_groups = {
    Group{.name = "main", .rows = main_rows},
    Group{.name = "commit", .rows = commit_rows},
};

}  // namespace

std::span<const Peer> peers_of(Floor floor) {
    static constexpr std::array all = {Peer::echo, Peer::commit_in_loop, Peer::commit_in_thread,
                                       Peer::inod_without_disk};
    switch (floor) {
        case Floor::echo: return std::span(all).first(1);
        case Floor::group_commit: return std::span(all).subspan(1, 2);
        case Floor::no_disk: break;
    }
    return std::span(all).last(1);
}

std::span<const Group> groups() {
    return all_groups;
}

}  // namespace inod::bench
