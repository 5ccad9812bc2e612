// Promises: no number is handed out twice, no acknowledged lease is lost, no acknowledged release
// is undone, wherever the daemon is killed.
//
// Method: four clients with many requests under way allocate, release and look up; the daemon is
// killed at a random moment; what it recovers is compared with what the clients were told. Round
// after round on one state directory, so that segments switch and snapshots are taken, too.

#include <chrono>
#include <cstdio>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "tests/e2e/support.h"
#include "tests/faults/lives.h"

namespace inod::faults {
namespace {

using e2e::Exit;
using e2e::value_of;

constexpr std::size_t client_count = 4;
constexpr int moment_us_min = 1'000;
constexpr int moment_us_max = 60'000;

// The daemon runs. One life: load, kill, restart, compare.
void play_round(Lives& lives, std::mt19937_64& random) {
    const std::chrono::microseconds moment(
        std::uniform_int_distribution(moment_us_min, moment_us_max)(random));
    lives.load([&] {
        // The random moment is the point here, not a wait for something.
        std::this_thread::sleep_for(moment);
        lives.daemon().kill9();
    });
    lives.restart_and_compare();
}

// The log is kept short: more was recorded than it has since the last snapshot.
void expect_snapshots(const std::vector<proto::Stat>& stats) {
    constexpr std::uint64_t record_size_min = 5;
    EXPECT_GT(value_of(stats, proto::StatId::journal_last_lsn) * record_size_min,
              value_of(stats, proto::StatId::log_size))
        << "no snapshot has made old segments superfluous";
}

TEST(Kill, NoRepeatNoLossNothingUndone) {
    const std::uint64_t rounds =
        number_from_environment("INOD_CRASH_ROUNDS", takes_long_sizes() ? 2'000 : 100);
    const std::uint64_t seed = seed_of_this_run();
    SCOPED_TRACE("INOD_FAULTS_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    Lives lives(random(), client_count, {});
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(lives.daemon().start()) << lives.daemon().log();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        play_round(lives, random);
        lives.expect_no_faults();
        if (testing::Test::HasFailure()) return;
    }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const CrashOracle::Totals& totals = lives.totals();
    std::printf(
        "kill: rounds %lu in %.1f s, acknowledged allocations %lu, releases %lu, in doubt %lu, "
        "repeats %lu, lost %lu, undone %lu\n",
        rounds, seconds, totals.allocated, totals.released, totals.in_doubt, totals.repeats,
        totals.lost, totals.undone);
    EXPECT_GT(totals.allocated, rounds);
    EXPECT_GT(totals.released, 0U);
    EXPECT_GT(totals.in_doubt, 0U);
    Client client = lives.daemon().connect();
    const auto stats = client.daemon_stats().value();
    EXPECT_EQ(value_of(stats, proto::StatId::run), rounds + 1);
    if (rounds >= 100) expect_snapshots(stats);
    EXPECT_EQ(lives.daemon().terminate(), (Exit{.status = 0}));
}

}  // namespace
}  // namespace inod::faults
