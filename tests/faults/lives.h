// A daemon that lives several lives on one state directory, the clients that keep it busy, and the
// comparison of what it remembers with what they were told.
//
//     Lives lives(seed, 4, {});
//     ASSERT_TRUE(lives.daemon().start());
//     lives.load([&] { lives.daemon().kill9(); });
//     lives.restart_and_compare();
//     lives.expect_no_faults();
//
// Thread safety: none. Start the daemon while there is one thread, since that forks.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "tests/e2e/daemon_process.h"
#include "tests/faults/crash_oracle.h"
#include "tests/faults/load_client.h"

namespace inod::faults {

class Lives {
public:
    Lives(std::uint64_t seed, std::size_t client_count, const LoadOptions& options);

    e2e::DaemonProcess& daemon() { return daemon_; }

    // Lets the clients work, each in a thread of its own, until they have lost their connections or
    // made their requests. Calls `meanwhile` when all have connected.
    void load(const std::function<void()>& meanwhile = [] {});
    // One client makes a few requests, in the calling thread.
    void load_a_little();

    // Kills it; its clients have nothing under way.
    void crash();

    // Starts the daemon and compares what it says with what the clients were told: a mismatch is
    // counted in totals() and told by expect_no_faults(). After a crash the leases of a block pool
    // must be forgotten; whether there was one, a daemon that was killed while it stopped says.
    enum class LastStop { crash, whatever_it_says };
    void restart_and_compare(LastStop last_stop = LastStop::crash);

    // Fails the test unless nothing was repeated, lost or undone.
    void expect_no_faults() const;
    [[nodiscard]] const CrashOracle::Totals& totals() const { return oracle_.totals(); }

private:
    void compare(bool crashed);

    e2e::DaemonProcess daemon_{load_config};
    CrashOracle oracle_{{true, true, false}};
    std::vector<LoadClient> clients_;
};

// A number that the environment gives to a test.
std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise);
// INOD_FAULTS_SEED, or a fresh one.
std::uint64_t seed_of_this_run();
// Is INOD_TEST_LONG=1?
bool takes_long_sizes();

}  // namespace inod::faults
