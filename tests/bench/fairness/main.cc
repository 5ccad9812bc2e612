// tools/bench fairness: how long a user waits for each request while another is at all his limits. A table for
// people, and the same as JSON.
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/client/client.h"
#include "tests/bench/fairness/crowd.h"
#include "tests/bench/figures.h"
#include "tests/bench/histogram.h"
#include "tests/bench/spread.h"
#include "tests/bench/used.h"
#include "tests/e2e/daemon_process.h"

namespace inod::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double ratio_max = 2;
constexpr uid_t crowd_uid = 20'001;
constexpr uid_t neighbour_uid = 20'002;
constexpr unsigned connections_max = 1'024;  // of each user

constexpr const char* config = R"({
  "pools": [
    {"name": "lease", "policy": "unique", "min": 1, "max": 18446744073709551615,
     "grants": [{"everyone": true}], "limits": [{"everyone": true, "ids": 10000}]},
    {"name": "block", "policy": "unique", "min": 1, "max": 18446744073709551615,
     "durability": "block",
     "grants": [{"everyone": true}], "limits": [{"everyone": true, "ids": 10000}]}
  ],
  "user_limits": [{"everyone": true, "connections": 1024, "holders": 1024}],
  "log_level": "warn"
})";

struct Options {
    std::string json;
    int repetitions = 5;
    double seconds = 2;
};

// Where everybody runs, and how often the crowd asks.
struct Placement {
    const char* name;
    std::optional<int> daemon_core;
    std::optional<int> neighbour_core;
    std::optional<int> crowd_core;
    bool is_paced;
    bool reads;
    bool is_neighbour_first =
        false;  // before all else on his core, so that only the daemon is waited for
};

constexpr std::array placements = {
    Placement{"as fast as it can, on any core", {}, {}, {}, false, false},
    Placement{"1,000 times a second each, on any core", {}, {}, {}, true, false},
    Placement{"as fast as it can, on the other core", 0, 0, 1, false, false},
    Placement{"all connections asking, on the other core", 0, 0, 1, false, true},
    Placement{"as fast as it can, the daemon alone on its core", 0, 1, 1, false, false, true},
    Placement{"all connections asking, the daemon alone on its core", 0, 1, 1, false, true, true},
};

// What a neighbour is asked, and what it tells.
struct Order {
    bool is_of_block_pool;
    double seconds;
};
struct Told {
    double p50_us;
    double p99_us;
};

// One who allocates, looks up and releases one number at a time, in a process of its own.
class Neighbour {
public:
    Neighbour(const std::string& socket, std::optional<int> core, bool is_first) {
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
            throw std::runtime_error("socketpair");
        }
        link_ = OwnedFd(ends[0]);
        const OwnedFd other(ends[1]);
        pid_ = ::fork();
        if (pid_ != 0) return;
        const sched_param priority{.sched_priority = 1};
        if (is_first && ::sched_setscheduler(0, SCHED_FIFO, &priority) != 0) ::_exit(1);
        become(neighbour_uid, core);
        auto client = Client::connect({.socket_path = socket,
                                       .pools = {"lease", "block"},
                                       .timeout = std::chrono::minutes(1)});
        if (!client) ::_exit(1);
        Order order{};
        while (::recv(other.get(), &order, sizeof(order), 0) == ssize_t{sizeof(order)}) {
            const Told told = live(*client, order);
            if (::send(other.get(), &told, sizeof(told), 0) != ssize_t{sizeof(told)}) break;
        }
        ::_exit(1);
    }
    Neighbour(const Neighbour&) = delete;
    Neighbour& operator=(const Neighbour&) = delete;
    ~Neighbour() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

    Told ask(const Order& order) {
        Told told{};
        if (::send(link_.get(), &order, sizeof(order), MSG_NOSIGNAL) != ssize_t{sizeof(order)} ||
            ::recv(link_.get(), &told, sizeof(told), 0) != ssize_t{sizeof(told)}) {
            throw std::runtime_error("the neighbour was refused something");
        }
        return told;
    }

private:
    static Told live(Client& client, const Order& order) {
        const PoolRef pool(order.is_of_block_pool ? "block" : "lease");
        Histogram waits;
        const auto timed = [&](auto request) {
            const auto begin = Clock::now();
            auto answer = request();
            waits.add(
                static_cast<std::uint64_t>(std::chrono::nanoseconds(Clock::now() - begin).count()));
            if (!answer) ::_exit(1);
            return answer;
        };
        const auto end = Clock::now() + std::chrono::duration<double>(order.seconds);
        while (Clock::now() < end) {
            const auto lease = timed([&] { return client.allocate(pool); });
            timed([&] { return client.lookup(pool, lease->range.first); });
            timed([&] { return client.release(pool, lease->range, lease->generation); });
        }
        return {.p50_us = static_cast<double>(waits.quantile(0.5)) / 1e3,
                .p99_us = static_cast<double>(waits.quantile(0.99)) / 1e3};
    }

    OwnedFd link_;
    pid_t pid_ = 0;
};

// What came of all repetitions.
struct Seen {
    std::vector<double> p50_us;
    std::vector<double> p99_us;

    void add(const Told& told) {
        p50_us.push_back(told.p50_us);
        p99_us.push_back(told.p99_us);
    }
};

void add_figures(const std::string& name, const Seen& alone, const Seen& beside, double daemon_cpu,
                 std::vector<Figure>& figures) {
    const auto median = [](const std::vector<double>& values) { return Spread::of(values).median; };
    figures.push_back(
        {name + ": p50, of alone", median(beside.p50_us) / median(alone.p50_us), ratio_max});
    figures.push_back({"- p99, of alone", median(beside.p99_us) / median(alone.p99_us), ratio_max});
    figures.push_back({"- p50 alone, us", median(alone.p50_us), {}});
    figures.push_back({"- p50 beside, us", median(beside.p50_us), {}});
    figures.push_back({"- p99 alone, us", median(alone.p99_us), {}});
    figures.push_back({"- p99 beside, us", median(beside.p99_us), {}});
    figures.push_back({"- cores that the daemon uses beside", daemon_cpu, {}});
}

void measure(const Options& options, const Placement& placement, std::vector<Figure>& figures) {
    e2e::Launch launch;
    if (placement.daemon_core) {
        launch.wrapper = {"taskset", "-c", std::to_string(*placement.daemon_core)};
    }
    e2e::DaemonProcess daemon(config, launch);
    if (!daemon.start()) throw std::runtime_error("the daemon does not start: " + daemon.log());
    Neighbour neighbour(daemon.socket(), placement.neighbour_core, placement.is_neighbour_first);
    const Crowd crowd({.socket = daemon.socket(),
                       .uid = crowd_uid,
                       .connections_max = connections_max,
                       .core = placement.crowd_core,
                       .is_paced = placement.is_paced,
                       .reads = placement.reads});
    for (const bool is_block : {false, true}) {
        Seen alone;
        Seen beside;
        double cpu_ms = 0;
        const Order order{.is_of_block_pool = is_block, .seconds = options.seconds};
        for (int i = 0; i < options.repetitions; ++i) {
            crowd.rest();
            alone.add(neighbour.ask(order));
            crowd.go_on();
            const Used before = used_by(daemon.pid());
            beside.add(neighbour.ask(order));
            cpu_ms += (used_by(daemon.pid()) - before).cpu_ms;
        }
        add_figures(std::string(is_block ? "block, " : "lease, ") + placement.name, alone, beside,
                    cpu_ms / 1e3 / (options.seconds * options.repetitions), figures);
    }
}

}  // namespace
}  // namespace inod::bench

int main(int argc, char** argv) {
    using inod::bench::Figure;
    using inod::bench::measure;
    using inod::bench::Options;
    using inod::bench::Placement;
    using inod::bench::placements;
    using inod::bench::report;
    Options options;
    CLI::App app{"Measures what a user waits while another is at all his limits; takes root"};
    app.add_option("--json", options.json, "Writes the rows to this file as well");
    app.add_option("--repetitions", options.repetitions, "Of each, alone and beside in turns")
        ->capture_default_str();
    app.add_option("--seconds", options.seconds, "Of each")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    if (::geteuid() != 0) {
        std::fprintf(stderr, "fairness: only root can ask as two users\n");
        return 1;
    }
    return report("fairness", options.json, [&] {
        std::vector<Figure> figures;
        for (const Placement& placement : placements)
            measure(options, placement, figures);
        return figures;
    });
}
