#include "tests/bench/rows.h"

#include <array>

namespace inod::bench {
namespace {

constexpr auto one_core = Placement::one_core;
constexpr auto two_cores = Placement::two_cores;
constexpr auto echo = Floor::echo;
constexpr auto commit = Floor::group_commit;
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
    Row{"lease/commit, 1 client",          lease, commit,  1,   1,   one_core,  none},
    Row{"lease/commit, 64 clients",        lease, commit, 64,   1,   two_cores, none},
    Row{"lease/commit, 1 client 64 deep",  lease, commit,  1,  64,   two_cores, none},
};
// clang-format on

constexpr std::array all_groups = {
    Group{.name = "main", .rows = main_rows},
};

}  // namespace

std::span<const Group> groups() {
    return all_groups;
}

}  // namespace inod::bench
