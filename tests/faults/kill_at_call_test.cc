// Promises: no repeat, no loss, nothing undone, at whichever call the daemon is killed.
//
// Method: a life in which the daemon starts, serves one busy client through several segments, and
// stops. It is played again and again, and each time the daemon ends at another one of the system
// calls with which it changes its state directory: killed, which keeps what was written, or by a
// power cut, which takes back what was not synced. What it recovers is compared with what the client
// was told.

#include <cstdio>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "tests/e2e/support.h"
#include "tests/faults/lives.h"
#include "tests/faults/tracer.h"

namespace inod::faults {
namespace {

using e2e::Exit;

// Many requests in a group: a segment is full after a few dozen calls.
LoadOptions busy(std::uint64_t request_count) {
    LoadOptions options;
    options.depth = 512;
    options.held_target = 100;
    options.lease_count = 4;
    options.request_count = request_count;
    options.may_find_nobody = true;
    return options;
}

constexpr std::uint64_t request_count = 13'000;
// Positions that a short run tries.
constexpr std::uint64_t short_tries = 20;

struct Way {
    const char* name;
    const char* fault;
    bool after_crash;  // the life begins with what a kill left behind
};

class KillAtCall : public testing::TestWithParam<Way> {
protected:
    void SetUp() override {
        if (const std::string missing = Tracer::missing(); !missing.empty())
            GTEST_SKIP() << missing;
    }

    // The number of calls in a life.
    std::uint64_t count_calls();
    void play(std::uint64_t when);

    std::uint64_t seed_ = seed_of_this_run();
};

// A life that leaves behind what a kill does.
void live_and_crash(Lives& lives) {
    ASSERT_TRUE(lives.daemon().start()) << lives.daemon().log();
    lives.load();
    lives.crash();
}

std::uint64_t KillAtCall::count_calls() {
    Lives lives(seed_, 1, busy(request_count));
    if (GetParam().after_crash) live_and_crash(lives);
    const Tracer tracer(lives.daemon(), {});
    EXPECT_TRUE(lives.daemon().start()) << lives.daemon().log();
    lives.load();
    Client client = lives.daemon().connect();
    const auto stats = client.daemon_stats().value();
    constexpr std::uint64_t record_size_min = 8;
    EXPECT_GT(e2e::value_of(stats, proto::StatId::journal_last_lsn) * record_size_min, 65'536U)
        << "the life is too short to fill a segment";
    EXPECT_EQ(lives.daemon().terminate(), (Exit{.status = 0})) << lives.daemon().log();
    EXPECT_FALSE(tracer.happened());
    return tracer.call_count();
}

void KillAtCall::play(std::uint64_t when) {
    Lives lives(seed_ + when, 1, busy(request_count));
    if (GetParam().after_crash) live_and_crash(lives);
    {
        const Tracer tracer(lives.daemon(), {.fault = GetParam().fault, .when = when});
        if (lives.daemon().start()) lives.load();
        const Exit exit = lives.daemon().terminate();
        // How requests fall into groups is not the same each time, so a life may have fewer calls.
        EXPECT_EQ(exit, (tracer.happened() ? Exit{.signal = SIGKILL} : Exit{.status = 0}))
            << lives.daemon().log();
        if (!tracer.happened()) return;
    }
    lives.restart_and_compare(Lives::LastStop::whatever_it_says);
    lives.load_a_little();
    EXPECT_EQ(lives.daemon().terminate(), (Exit{.status = 0}));
    lives.expect_no_faults();
}

TEST_P(KillAtCall, NothingIsLostOrRepeated) {
    SCOPED_TRACE("INOD_FAULTS_SEED=" + std::to_string(seed_));
    const std::uint64_t count = count_calls();
    const std::uint64_t step = takes_long_sizes() ? 1 : 1 + count / short_tries;
    std::uint64_t tries = 0;
    for (std::uint64_t when = 1 + seed_ % step; when <= count; when += step, ++tries) {
        SCOPED_TRACE("call " + std::to_string(when));
        play(when);
        if (HasFailure()) return;
    }
    std::printf("%s: %lu of %lu calls\n", GetParam().name, tries, count);
}

INSTANTIATE_TEST_SUITE_P(, KillAtCall,
                         testing::Values(Way{"killed_in_its_first_life", "kill", false},
                                         Way{"killed_after_a_crash", "kill", true},
                                         Way{"power_cut_in_its_first_life", "power_cut", false},
                                         Way{"power_cut_after_a_crash", "power_cut", true}),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace inod::faults
