// A backup of a daemon under load, and the way back: what was acknowledged before it began is
// there, and nothing is told twice.
#include <atomic>
#include <filesystem>
#include <set>
#include <thread>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "tests/e2e/daemon_process.h"
#include "tests/e2e/support.h"

namespace inod::e2e {
namespace {

namespace fs = std::filesystem;

// Small segments, so that the journal goes on in others, and uses them again, all the time.
const std::string busy_pools = R"({
  "pools": [
    {"name": "inode", "policy": "unique", "min": 1, "max": 18446744073709551615},
    {"name": "pid", "policy": "cyclic", "min": 2, "max": 20000}
  ],
  "journal": {"segment_size": 65536}
})";

using Told = std::set<std::tuple<std::string, Id, std::uint64_t>>;

// Clients that take numbers and give back most of them, until it ends.
class Load {
public:
    explicit Load(const DaemonProcess& daemon) {
        for (std::size_t i = 0; i < clients; ++i)
            threads_.emplace_back([this, &daemon, i] { run(daemon, told_.at(i)); });
    }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;
    ~Load() { end(); }

    // All that was told.
    std::vector<Told> end() {
        is_over_ = true;
        for (std::thread& thread : threads_)
            thread.join();
        threads_.clear();
        return told_;
    }
    [[nodiscard]] std::uint64_t rounds() const { return rounds_; }

private:
    static constexpr std::size_t clients = 4;

    void run(const DaemonProcess& daemon, Told& told) {
        Client client = daemon.connect({"inode", "pid"});
        while (!is_over_) {
            for (const char* pool : {"inode", "pid"}) {
                const auto lease = client.allocate(pool);
                ASSERT_TRUE(lease) << name(lease.error().code);
                EXPECT_TRUE(told.emplace(pool, lease->range.first, lease->generation).second);
                const auto released = client.release(pool, lease->range, lease->generation);
                EXPECT_TRUE(released);
            }
            ++rounds_;
        }
    }

    std::atomic<bool> is_over_{false};
    std::atomic<std::uint64_t> rounds_{0};
    std::vector<Told> told_{clients};
    std::vector<std::thread> threads_;
};

class Backup : public testing::Test {
protected:
    void start() { ASSERT_TRUE(daemon_.start()) << daemon_.log(); }
    void run(const std::string& command) { ASSERT_EQ(run_in_shell(command), 0) << command; }

    // Leases that stay, and that nobody was told of before.
    void hand_out(std::uint64_t count) {
        Client client = daemon_.connect({"inode", "pid"});
        for (const char* pool : {"inode", "pid"}) {
            for (std::uint64_t i = 0; i < count; ++i) {
                const auto lease = client.allocate(pool);
                ASSERT_TRUE(lease) << name(lease.error().code);
                EXPECT_TRUE(told_.emplace(pool, lease->range.first, lease->generation).second)
                    << pool << " told of " << lease->range.first << " twice";
            }
        }
    }
    void expect_live(const Told& leases) {
        Client client = daemon_.connect({"inode", "pid"});
        for (const auto& [pool, id, generation] : leases) {
            const auto held = client.lookup_lease(pool, id, generation);
            ASSERT_TRUE(held) << pool << " " << id << ": " << name(held.error().code);
        }
    }
    // With leases that were acknowledged before it began.
    void back_up_under_load() {
        ASSERT_NO_FATAL_FAILURE(hand_out(20));
        Load load(daemon_);
        for (int i = 0; i < 6; ++i) {
            ASSERT_NO_FATAL_FAILURE(hand_out(20));
            acknowledged_ = told_;
            const std::uint64_t rounds = load.rounds();
            ASSERT_NO_FATAL_FAILURE(run("inoctl backup --force " + file_ + " --state-dir " +
                                        daemon_.state_dir() + " >/dev/null"));
            // The next one comes when the daemon has gone on.
            while (load.rounds() < rounds + 20 && !HasFailure())
                std::this_thread::yield();
        }
        for (const Told& told : load.end()) {
            for (const auto& lease : told)
                EXPECT_TRUE(told_.insert(lease).second) << std::get<1>(lease) << " told twice";
        }
    }

    DaemonProcess daemon_{busy_pools};
    const std::string file_ = daemon_.folder() + "/backup";
    Told told_;
    Told acknowledged_;
};

TEST_F(Backup, OfADaemonUnderLoadComesBackWhereTheStateIsLost) {
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(back_up_under_load());
    ASSERT_NO_FATAL_FAILURE(hand_out(300));
    daemon_.kill9();
    fs::remove_all(daemon_.state_dir());
    ASSERT_FALSE(daemon_.start()) << "the witness knows that there was a state";
    ASSERT_TRUE(fs::exists(daemon_.state_dir() + "/lock")) << "what that start has made";
    ASSERT_NO_FATAL_FAILURE(run("inoctl adopt " + daemon_.state_dir() + " --from " + file_ +
                                " --skip-ahead auto >/dev/null"));
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(expect_live(acknowledged_));
    ASSERT_NO_FATAL_FAILURE(hand_out(300));
    ASSERT_EQ(daemon_.terminate(), (Exit{.status = 0})) << daemon_.log();
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(expect_live(acknowledged_));
    ASSERT_NO_FATAL_FAILURE(hand_out(20));
}

// The witness is lost as well, and the directory is another one.
TEST_F(Backup, ComesBackInAnotherPlaceByANumber) {
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(back_up_under_load());
    daemon_.kill9();
    daemon_.use_state_dir(daemon_.folder() + "/elsewhere");
    const std::string adopt = "inoctl adopt " + daemon_.state_dir() + " --from " + file_;
    EXPECT_EQ(run_in_shell(adopt + " --skip-ahead auto 2>/dev/null"), 1);
    ASSERT_NO_FATAL_FAILURE(run(adopt + " --skip-ahead 1000000 >/dev/null"));
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(expect_live(acknowledged_));
    ASSERT_NO_FATAL_FAILURE(hand_out(300));
}

}  // namespace
}  // namespace inod::e2e
