// A run: a daemon, those who keep it busy, a quiet point every few seconds at which all is compared, and at the
// end a daemon that has nothing left.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/e2e/daemon_process.h"
#include "tests/soak/follower.h"
#include "tests/soak/health.h"
#include "tests/soak/load.h"
#include "tests/soak/mayfly.h"
#include "tests/soak/worker.h"

namespace inod::soak {

struct SoakOptions {
    std::chrono::seconds duration{3600};
    std::chrono::seconds quiet_every{10};
    std::chrono::seconds window{300};  // in which memory is compared
    std::size_t lease_count = 100'000;
    std::size_t burst = 10;  // requests of a worker in one round
    std::uint64_t seed = 1;
    double growth_max_percent = 1;
};

// How many workers of a kind there are, and what they have of all leases.
struct Share {
    Kind kind;
    unsigned workers;
    unsigned percent;
};

class Soak {
public:
    explicit Soak(const SoakOptions& options);

    // Throws Broken, or what a machine that refuses something throws.
    void run();
    // Whatever happened: what was counted, and the daemon's last words.
    void print_summary() const;

private:
    void start();
    void add_workers(const std::vector<Share>& shares, std::size_t lease_count);
    void fill();
    void load_until(Clock::time_point end);
    void round();
    void end_some();
    void hatch();
    void kill_mayflies();
    void quiet_point();
    void compare_counts();
    void compare_descriptors();
    [[nodiscard]] std::optional<std::string> wrong_count();
    [[nodiscard]] std::optional<std::string> wrong_count_of_pools();
    [[nodiscard]] std::size_t process_count() const;
    void sample();
    void print_line();
    void give_up_all();
    void stop_and_check();
    void restart_with_a_few();
    void compare_lists();
    void check_growth() const;
    [[nodiscard]] double seconds() const;

    SoakOptions options_;
    e2e::DaemonProcess daemon_;
    std::optional<Client> control_;
    std::optional<Load> load_;
    std::optional<Follower> follower_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<std::unique_ptr<Mayfly>> mayflies_;
    std::size_t other_connections_ = 3;  // of control_, the observer and the follower
    Descriptors at_first_;
    std::size_t threads_at_first_ = 0;
    Clock::time_point begin_{};
    std::uint64_t quiet_points_ = 0;
    std::uint64_t exact_points_ = 0;  // of them, at which no time ran out
    std::vector<Memory> samples_;
    std::vector<double> sampled_at_;  // seconds
    std::size_t files_max_ = 0;
    double cpu_ms_ = 0;  // of the daemon, under load
    std::uint64_t peak_kb_ = 0;
};

}  // namespace inod::soak
