// Promises: no repeat, nothing lost, nothing undone of what was acknowledged before the power went.
//
// Method: four busy clients; the daemon's state is on a file system of its own in a loop device,
// which is shut down at a random moment without flushing its log, mounted again and recovered from.
// What a client was told after the cut began is in doubt: the shutdown is not as sudden as a power
// cut, and a sync that is under way may still say that it succeeded.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <random>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "tests/faults/lives.h"
#include "tests/faults/small_disk.h"

namespace inod::faults {
namespace {

using e2e::Exit;

constexpr std::uint64_t disk_size = std::uint64_t{320} << 20;
constexpr std::size_t client_count = 4;
constexpr int moment_us_min = 1'000;
constexpr int moment_us_max = 60'000;
// Rounds on one state directory. So the first cut of each falls into a first life.
constexpr std::uint64_t rounds_of_a_state = 5;

class PowerCut : public testing::TestWithParam<SmallDisk::Kind> {
protected:
    void SetUp() override {
        if (const std::string missing = SmallDisk::missing(GetParam()); !missing.empty()) {
            GTEST_SKIP() << missing;
        }
    }

    // Rounds on a fresh state directory, each with a cut after so many microseconds at most.
    void play(SmallDisk& disk, const std::string& folder, std::uint64_t rounds, int moment_us);

    const std::uint64_t seed_ = seed_of_this_run();
    std::mt19937_64 random_{seed_};
    CrashOracle::Totals totals_;
};

void PowerCut::play(SmallDisk& disk, const std::string& folder, std::uint64_t rounds,
                    int moment_us) {
    std::atomic<bool> cut{false};
    LoadOptions options;
    options.too_late = &cut;
    Lives lives(random_(), client_count, options);
    lives.daemon().use_state_dir(disk.path() + "/" + folder);
    ASSERT_TRUE(lives.daemon().start()) << lives.daemon().log();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        SCOPED_TRACE(folder + ", round " + std::to_string(round));
        const std::chrono::microseconds moment(
            std::uniform_int_distribution(moment_us_min, moment_us)(random_));
        cut = false;
        lives.load([&] {
            // The random moment is the point here, not a wait for something.
            std::this_thread::sleep_for(moment);
            cut = true;
            disk.cut_power();
        });
        EXPECT_EQ(lives.daemon().wait_for_end(), (Exit{.status = 3})) << lives.daemon().log();
        disk.unmount();
        disk.mount();
        lives.restart_and_compare();
        lives.expect_no_faults();
        if (HasFailure()) return;
    }
    EXPECT_EQ(lives.daemon().terminate(), (Exit{.status = 0}));
    totals_.allocated += lives.totals().allocated;
    totals_.released += lives.totals().released;
    totals_.in_doubt += lives.totals().in_doubt;
}

TEST_P(PowerCut, NothingAcknowledgedIsLost) {
    SCOPED_TRACE("INOD_FAULTS_SEED=" + std::to_string(seed_));
    const std::uint64_t rounds =
        number_from_environment("INOD_POWER_CUTS", takes_long_sizes() ? 100 : 6);
    SmallDisk disk(GetParam(), disk_size);
    const auto begin = std::chrono::steady_clock::now();
    // On a busy machine all moments can come before the first acknowledgement: then there are more
    // rounds, with later ones.
    const std::uint64_t rounds_max = 10 * rounds;
    const auto is_enough = [&](std::uint64_t done) {
        return done >= rounds && (totals_.allocated > 0 || done >= rounds_max);
    };
    for (std::uint64_t done = 0; !is_enough(done); done += rounds_of_a_state) {
        const bool is_over = done >= rounds;
        play(disk, "state-" + std::to_string(done),
             is_over ? rounds_of_a_state : std::min(rounds - done, rounds_of_a_state),
             is_over ? 10 * moment_us_max : moment_us_max);
        if (HasFailure()) return;
    }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::printf(
        "power cuts: %lu in %.1f s, acknowledged allocations %lu, releases %lu, in doubt %lu\n",
        rounds, seconds, totals_.allocated, totals_.released, totals_.in_doubt);
    EXPECT_GT(totals_.allocated, 0U);
    EXPECT_GT(totals_.in_doubt, 0U);
}

INSTANTIATE_TEST_SUITE_P(, PowerCut, testing::Values(SmallDisk::Kind::ext4, SmallDisk::Kind::xfs),
                         [](const auto& param) {
                             return param.param == SmallDisk::Kind::ext4 ? "ext4" : "xfs";
                         });

}  // namespace
}  // namespace inod::faults
