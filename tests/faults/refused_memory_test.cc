// Promises: where memory is refused the daemon answers out_of_memory, closes a connection or ends
// with a status of its own and a line in the log; it never crashes, never refuses a release, and
// nothing is lost, repeated or undone.
//
// Method: a short life is played again and again, and each time another one of its allocations is
// refused; or some in a row from there on, or all.

#include <cstdio>
#include <string>

#include <gtest/gtest.h>

#include "tests/faults/lives.h"
#include "tests/faults/shared_counters.h"

namespace inod::faults {
namespace {

using e2e::Exit;

// Positions that a short run tries before the daemon is ready; after that, every which one.
constexpr std::uint64_t short_tries = 15;
constexpr std::uint64_t short_step = 3;
constexpr std::uint64_t for_good = 1'000'000'000;
// Who has lost a connection connects anew, this often.
constexpr int connections_max = 4;

LoadOptions short_load() {
    LoadOptions options;
    options.request_count = 300;
    options.held_target = 30;
    options.may_find_nobody = true;
    options.refusals = {Errc::out_of_memory};
    return options;
}

struct Way {
    const char* name;
    std::uint64_t refused_count;
};

class RefusedMemory : public testing::TestWithParam<Way> {
protected:
    void SetUp() override {
        if (is_sanitized) GTEST_SKIP() << "a sanitizer has its own malloc";
    }

    // How often memory was asked for.
    struct Asked {
        std::uint64_t until_ready = 0;
        std::uint64_t in_all = 0;
    };
    // One life under the refusal of `count` from the one at `from` on, and the next one without.
    Asked play(std::uint64_t from, std::uint64_t count);

    const std::uint64_t seed_ = seed_of_this_run();
};

RefusedMemory::Asked RefusedMemory::play(std::uint64_t from, std::uint64_t count) {
    Lives lives(seed_ + from, 2, short_load());
    const SharedCounters seen(lives.daemon().folder() + "/allocations");
    lives.daemon().launch().environment = {{"LD_PRELOAD", INOD_REFUSE_MEMORY},
                                           {"INOD_REFUSE_SHARED", seen.file()},
                                           {"INOD_REFUSE_FROM", std::to_string(from)},
                                           {"INOD_REFUSE_COUNT", std::to_string(count)}};
    Asked asked;
    if (lives.daemon().start()) {
        asked.until_ready = seen->count;
        for (int i = 0; i < connections_max && !lives.daemon().has_ended(); ++i)
            lives.load();
        const Exit exit = lives.daemon().terminate();
        EXPECT_TRUE(exit == Exit{.status = 0} || exit == Exit{.status = 3}) << exit;
    } else {
        EXPECT_EQ(lives.daemon().wait_for_end(), (Exit{.status = 1}));
        EXPECT_NE(lives.daemon().log(), "") << "it does not say why it does not start";
    }
    lives.daemon().launch() = {};
    asked.in_all = seen->count;
    EXPECT_TRUE(seen->chosen > 0 || asked.in_all < from);
    SCOPED_TRACE("log: " + lives.daemon().log());
    if (testing::Test::HasFailure()) return asked;
    lives.restart_and_compare(Lives::LastStop::whatever_it_says);
    lives.load_a_little();
    EXPECT_EQ(lives.daemon().terminate(), (Exit{.status = 0}));
    lives.expect_no_faults();
    return asked;
}

TEST_P(RefusedMemory, NeverCrashesLosesOrRepeats) {
    SCOPED_TRACE("INOD_FAULTS_SEED=" + std::to_string(seed_));
    const Asked asked = play(for_good, 1);
    ASSERT_GT(asked.until_ready, 0U) << "the library is not loaded";
    const bool all = takes_long_sizes();
    const std::uint64_t step_until_ready = all ? 1 : 1 + asked.until_ready / short_tries;
    const std::uint64_t step = all ? 1 : short_step;
    std::uint64_t tries = 0;
    for (std::uint64_t from = 1 + seed_ % step_until_ready; from <= asked.in_all; ++tries) {
        SCOPED_TRACE("allocation " + std::to_string(from));
        play(from, GetParam().refused_count);
        if (HasFailure()) return;
        from += from < asked.until_ready ? step_until_ready : step;
    }
    std::printf("%s: %lu of %lu allocations, %lu of them before it was ready\n", GetParam().name,
                tries, asked.in_all, asked.until_ready);
}

INSTANTIATE_TEST_SUITE_P(, RefusedMemory,
                         testing::Values(Way{"one", 1}, Way{"ten", 10}, Way{"all", for_good}),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace inod::faults
