// Promises: a write or sync of the journal that fails ends the daemon with status 3, and it says so
// to its clients, to systemd and in the log; nothing is acknowledged after the failure, and what was
// acknowledged before is there after a restart. A short write, or a call that a signal interrupts,
// changes nothing.
//
// Method: a life with one busy client is played again and again, and each time another one of the
// system calls that touch the state directory fails. A sync that fails also loses what it should
// have made durable, as Linux may do; the next one succeeds. So whatever is acknowledged in spite of
// it is missing after the restart.

#include <cerrno>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include "tests/e2e/raw_connection.h"
#include "tests/faults/lives.h"
#include "tests/faults/tracer.h"

namespace inod::faults {
namespace {

using e2e::Exit;

LoadOptions busy() {
    LoadOptions options;
    options.depth = 512;
    options.held_target = 100;
    options.lease_count = 4;
    options.request_count = 8'000;
    options.may_find_nobody = true;
    options.refusals = {Errc::journal_sealed};
    return options;
}

// Positions that a short run tries.
constexpr std::uint64_t short_tries = 16;

class FailingCall : public testing::Test {
protected:
    void SetUp() override {
        if (const std::string missing = Tracer::missing(); !missing.empty())
            GTEST_SKIP() << missing;
    }

    // Calls play(when) for positions from the first call of a life to its last.
    template <class Play>
    void play_all(const std::string& calls, Play play);

    const std::uint64_t seed_ = seed_of_this_run();
};

std::uint64_t count_calls(std::uint64_t seed, const std::string& calls) {
    Lives lives(seed, 1, busy());
    const Tracer tracer(lives.daemon(), {.calls = calls});
    EXPECT_TRUE(lives.daemon().start()) << lives.daemon().log();
    lives.load();
    EXPECT_EQ(lives.daemon().terminate(), (Exit{.status = 0}));
    lives.expect_no_faults();
    return tracer.call_count();
}

template <class Play>
void FailingCall::play_all(const std::string& calls, Play play) {
    SCOPED_TRACE("INOD_FAULTS_SEED=" + std::to_string(seed_));
    const std::uint64_t count = count_calls(seed_, calls);
    const std::uint64_t step = takes_long_sizes() ? 1 : 1 + count / short_tries;
    std::uint64_t tries = 0;
    for (std::uint64_t when = 1 + seed_ % step; when <= count; when += step, ++tries) {
        SCOPED_TRACE("call " + std::to_string(when));
        play(when);
        if (HasFailure()) return;
    }
    EXPECT_GT(tries, 0U);
    std::printf("%s: %lu of %lu calls\n",
                testing::UnitTest::GetInstance()->current_test_info()->name(), tries, count);
}

// A client that just listens, and what the daemon says before it closes the connection: nothing, or
// the error of a frame that answers no request.
class Listener {
public:
    // Fails with std::runtime_error where nobody answers.
    explicit Listener(const std::string& socket) : connection_(socket) { connection_.greet(); }

    std::optional<Errc> last_word() {
        const auto farewell = connection_.receive();
        if (!farewell) return std::nullopt;
        EXPECT_EQ(farewell->header.tag, 0);
        EXPECT_TRUE(connection_.closed());
        return farewell->code();
    }

private:
    e2e::RawConnection connection_;
};

// Nothing if the daemon has ended already: it also works for itself once it is ready, setting space
// aside, and that may be what fails.
std::optional<Listener> listen_to(const std::string& socket, const Tracer& tracer) {
    std::optional<Listener> listener;
    try {
        listener.emplace(socket);
    } catch (const std::runtime_error& error) {
        EXPECT_TRUE(tracer.happened()) << error.what();
    }
    return listener;
}

// The daemon ended because of a call that failed while it served.
void expect_said(Lives& lives, Listener& listener) {
    EXPECT_EQ(listener.last_word(), Errc::journal_sealed);
    const std::string notices = lives.daemon().notices();
    EXPECT_NE(notices.find("STATUS=journal failed: io_error"), std::string::npos) << notices;
    EXPECT_NE(notices.find("ERRNO=5"), std::string::npos) << notices;
    const std::string log = lives.daemon().log();
    EXPECT_NE(log.find(lives.daemon().state_dir()), std::string::npos) << log;
    EXPECT_NE(log.find("Input/output error"), std::string::npos) << log;
}

// One life whose call fails, and the next, which recovers.
void play_failure(std::uint64_t seed, const ChosenCall& chosen) {
    Lives lives(seed, 1, busy());
    {
        const Tracer tracer(lives.daemon(), chosen);
        const bool started = lives.daemon().start();
        bool served_when_it_failed = false;
        std::optional<Listener> listener;
        if (started) {
            listener = listen_to(lives.daemon().socket(), tracer);
            lives.load();
            served_when_it_failed = tracer.happened();
        }
        const bool ends_by_itself = !started || (served_when_it_failed && tracer.hit_data());
        const Exit exit =
            ends_by_itself ? lives.daemon().wait_for_end() : lives.daemon().terminate();
        SCOPED_TRACE(tracer.happened() ? tracer.where() : "no call");
        if (!tracer.happened()) return;
        if (!started) {
            EXPECT_EQ(exit, (Exit{.status = 1})) << lives.daemon().log();
        }
        // A call that opens, renames or removes may be one that the daemon can do without.
        if (started && tracer.hit_data()) {
            EXPECT_EQ(exit, (Exit{.status = 3})) << lives.daemon().log();
        }
        if (exit.status == 3 && served_when_it_failed && listener) expect_said(lives, *listener);
        EXPECT_EQ(exit.signal, 0) << lives.daemon().log();
    }
    lives.restart_and_compare(Lives::LastStop::whatever_it_says);
    lives.load_a_little();
    EXPECT_EQ(lives.daemon().terminate(), (Exit{.status = 0}));
    lives.expect_no_faults();
}

TEST_F(FailingCall, OnceEndsTheDaemonAndLosesNothing) {
    play_all("all", [this](std::uint64_t when) {
        play_failure(seed_ + when, {.fault = "error=" + std::to_string(EIO), .when = when});
    });
}

TEST_F(FailingCall, FromThenOnEndsTheDaemonAndLosesNothing) {
    play_all("all", [this](std::uint64_t when) {
        play_failure(seed_ + when,
                     {.fault = "error=" + std::to_string(EIO), .when = when, .and_later = true});
    });
}

// One life in which a call goes another way, which nobody notices.
void play_unnoticed(std::uint64_t seed, const ChosenCall& chosen) {
    LoadOptions options = busy();
    options.refusals = {};
    options.may_find_nobody = false;
    Lives lives(seed, 1, options);
    {
        const Tracer tracer(lives.daemon(), chosen);
        ASSERT_TRUE(lives.daemon().start()) << lives.daemon().log();
        lives.load();
        EXPECT_EQ(lives.daemon().terminate(), (Exit{.status = 0})) << lives.daemon().log();
    }
    EXPECT_EQ(lives.totals().in_doubt, 0U);
    lives.restart_and_compare(Lives::LastStop::whatever_it_says);
    EXPECT_NE(lives.daemon().log().find("last_stop=clean"), std::string::npos);
    lives.expect_no_faults();
}

TEST_F(FailingCall, AShortWriteChangesNothing) {
    play_all("pwrite64", [this](std::uint64_t when) {
        play_unnoticed(seed_ + when, {.calls = "pwrite64", .fault = "shorten", .when = when});
    });
}

TEST_F(FailingCall, AnInterruptedCallChangesNothing) {
    // Those that may say so: open(2), fallocate(2), fsync(2), pwrite(2), ftruncate(2).
    const std::string calls = "openat,pwrite64,fdatasync,fsync,ftruncate,fallocate";
    play_all(calls, [this, &calls](std::uint64_t when) {
        play_unnoticed(seed_ + when,
                       {.calls = calls, .fault = "error=" + std::to_string(EINTR), .when = when});
    });
}

}  // namespace
}  // namespace inod::faults
