// Promise: all of docs/promises.md that a machine without sockets can break.
// Method: the simulated machine, see docs/testing.md; a seed repeats its failure exactly.
#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/sim/seeds.h"

namespace inod::sim {
namespace {

constexpr std::uint64_t share_count = 10;
constexpr std::uint64_t seeds_per_share = 400;

// Ten times as many where the long sizes are asked for; few under a sanitizer, which costs ten
// times as much.
std::uint64_t seed_count() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return seeds_per_share / 10;
#else
    const char* const is_long = std::getenv("INOD_TEST_LONG");
    return is_long != nullptr && *is_long == '1' ? 10 * seeds_per_share : seeds_per_share;
#endif
}

// The lives are worth something only if all of this happens in them: of each so many in a share of
// seeds_per_share, a third or less of what there is.
struct Least {
    Count count;
    std::uint64_t want;
};
constexpr Least least_counts[] = {
    {Count::starts_from_snapshot, 300},
    {Count::starts_compared, 50},
    {Count::torn_tails, 100},
    {Count::client_operations, std::uint64_t{2'000} * 200},
    {Count::leases_lowest, 30'000},
    {Count::leases_aligned, 30'000},
    {Count::leases_untracked, 8'000},
    {Count::leases_rested, 1'000},
    {Count::leases_yielded, 100},
    {Count::wraps, 10'000},
    {Count::claims_of_reserved, 400},
    {Count::claims_of_resting, 100},
    {Count::reserves, 700},
    {Count::unreserves, 400},
    {Count::advances, 600},
    {Count::binds, 4'000},
    {Count::comings_back, 1'500},
    {Count::renewals, 1'200},
    {Count::ends, 2'500},
    {Count::ends_by_time, 1'200},
    {Count::sweeps, 1'000},
    {Count::reboots, 500},
    {Count::holders_over_restarts, 8'000},
    {Count::holders_gone_with_reboot, 800},
    {Count::operations_in_flush, 100'000},
    {Count::operations_between, 3'000},
    {Count::asked_again, 3'000},
    {Count::snapshots, 1'000},
    {Count::operations_in_snapshot, 30'000},
    {Count::segments_recycled, 2'000},
    {Count::crashes_in_snapshot, 400},
    {Count::clean_stops, 50},
    {Count::kills, 500},
    {Count::power_cuts, 500},
    {Count::writes_lost, 80},
    {Count::writes_torn, 80},
    {Count::names_lost, 300},
    {Count::releases_without_memory, 50'000},
    {Count::releases_on_full_disk, 2'000},
    {Count::damage_refused, 35},
    {Count::damage_cut_last_group, 5},
};

// Crashes at every step of writing the journal. Those that are rare in a share are counted in all of
// them by whoever looks at the table of tools/sim.
struct LeastCrashes {
    Step step;
    std::uint64_t want;
};
constexpr LeastCrashes least_crashes[] = {
    {Step::group, 200},        {Step::snapshot_piece, 30},
    {Step::snapshot_end, 10},  {Step::header, 1},
    {Step::name, 3},           {Step::snapshot_header, 3},
    {Step::snapshot_name, 10}, {Step::base_header, 3},
    {Step::base_name, 10},     {Step::spare, 100},
    {Step::recycling, 50},     {Step::removal, 1},
};
static_assert(std::size(least_crashes) + 1 == static_cast<std::size_t>(Step::end),
              "each step but what has no name");

struct LeastMet {
    Fault fault;
    std::uint64_t want;
};
constexpr LeastMet least_met[] = {
    {Fault::crash_in_call, 400},     {Fault::crash_in_start, 100},    {Fault::crash_in_stop, 25},
    {Fault::io_error, 50},           {Fault::io_error_in_start, 30},  {Fault::no_space, 50},
    {Fault::short_write, 200},       {Fault::full_disk, 10},          {Fault::no_memory, 100},
    {Fault::no_memory_in_flush, 25}, {Fault::no_memory_in_start, 10}, {Fault::budget_used_up, 500},
    {Fault::small_budget, 10},       {Fault::bit_flip, 12},           {Fault::stale_sector, 8},
    {Fault::misdirected_write, 12},
};
static_assert(std::size(least_met) == static_cast<std::size_t>(Fault::end), "each kind of fault");

// A ctest test for each share, so that they use all cores.
class Lives : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(Lives, KeepAllPromises) {
    prepare_process();
    Story untold;
    Figures figures;
    const std::uint64_t first = GetParam() * seed_count();
    for (std::uint64_t seed = first; seed < first + seed_count(); ++seed) {
        const auto violation = live_seed(seed, untold, figures);
        ASSERT_FALSE(violation) << *violation << "\n" << failure_report(seed);
    }
    EXPECT_EQ(figures.of(Count::lives), lives_per_seed * seed_count());
    const auto share = [](std::uint64_t want) { return want * seed_count() / seeds_per_share; };
    for (const Least& least : least_counts) {
        EXPECT_GE(figures.of(least.count), share(least.want)) << name(least.count);
    }
    for (const LeastCrashes& least : least_crashes) {
        EXPECT_GE(figures.crashes_at(least.step), share(least.want)) << name(least.step);
    }
    for (const LeastMet& least : least_met) {
        EXPECT_GE(figures.met(least.fault), share(least.want)) << name(least.fault);
    }
}

INSTANTIATE_TEST_SUITE_P(Share, Lives, ::testing::Range<std::uint64_t>(0, share_count));

// The same seed is the same story, word for word.
TEST(LivesStory, IsTheSameEachTime) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        std::vector<std::string> stories[2];
        for (auto& lines : stories) {
            Story story(lines, 1'000'000);
            Figures figures;
            ASSERT_FALSE(live_seed(seed, story, figures));
        }
        ASSERT_GT(stories[0].size(), 2'000U);
        ASSERT_EQ(stories[0], stories[1]) << "seed " << seed;
    }
}

}  // namespace
}  // namespace inod::sim
