// tools/bench idle: what connections cost the daemon on which nothing happens, in memory and in the time of one
// that is busy. A table for people, and the same as JSON.
#include <chrono>
#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "tests/bench/figures.h"
#include "tests/bench/file_limit.h"
#include "tests/bench/spread.h"
#include "tests/bench/used.h"
#include "tests/e2e/daemon_process.h"
#include "tests/e2e/raw_connection.h"
#include "tests/e2e/support.h"

namespace inod::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double bytes_max = 4'096;
constexpr double slower_max = 1.05;

struct Options {
    std::string json;
    std::size_t connection_count = 10'000;
    int repetitions = 5;
    double seconds = 1;
};

struct Memory {
    double resident;
    double budget;
};

Memory memory_of(const e2e::DaemonProcess& daemon, Client& client) {
    std::uint64_t pages_of_all = 0;
    std::uint64_t pages = 0;
    std::ifstream("/proc/" + std::to_string(daemon.pid()) + "/statm") >> pages_of_all >> pages;
    const auto stats = client.daemon_stats();
    if (!stats) throw std::runtime_error(client.error_text());
    return {.resident = static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE)),
            .budget = static_cast<double>(e2e::value_of(*stats, proto::StatId::memory_used))};
}

// Each has had a number, so that it has been through all that a connection goes through.
std::vector<e2e::RawConnection> connect_all(const e2e::DaemonProcess& daemon, std::size_t count) {
    const proto::Request allocate{.tag = 7, .body = proto::AllocateRequest{.count = 1}};
    std::vector<e2e::RawConnection> idle;
    for (std::size_t i = 0; i < count; ++i) {
        idle.emplace_back(daemon.socket()).greet();
        if (idle.back().ask(allocate).code() != Errc::ok) throw std::runtime_error("no number");
    }
    return idle;
}

// Allocates and releases one number at a time. The daemon's processor time a request, us.
double time_of_request(const e2e::DaemonProcess& daemon, Client& client, double seconds) {
    const Used before = used_by(daemon.pid());
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    std::uint64_t pairs = 0;
    for (; Clock::now() < end; ++pairs) {
        const auto lease = client.allocate("bench");
        if (!lease || !client.release("bench", lease->range)) {
            throw std::runtime_error(client.error_text());
        }
    }
    return (used_by(daemon.pid()) - before).cpu_ms * 1e3 / (2.0 * static_cast<double>(pairs));
}

std::vector<Figure> measure(const Options& options) {
    // Of the daemon's open files (daemon/descriptor_limit.cc) 4,096 are its own, and of the others three in
    // eight are connections.
    raise_file_limit(4'096 + options.connection_count * 8 / 3 + 32);
    e2e::DaemonProcess daemon(
        R"({"pools": [{"name": "bench", "policy": "unique", "min": 1, "max": 18446744073709551615,
                       "durability": "block"}], "connections_max": 60000})");
    if (!daemon.start()) throw std::runtime_error("the daemon does not start: " + daemon.log());
    Client client = daemon.connect({"bench"});
    std::vector<double> alone;
    std::vector<double> beside;
    Memory each{};
    for (int i = 0; i < options.repetitions; ++i) {
        alone.push_back(time_of_request(daemon, client, options.seconds));
        const Memory before = memory_of(daemon, client);
        const auto idle = connect_all(daemon, options.connection_count);
        const Memory with = memory_of(daemon, client);
        const auto count = static_cast<double>(options.connection_count);
        // The first time: afterwards there is memory from before.
        if (i == 0) {
            each = {.resident = (with.resident - before.resident) / count,
                    .budget = (with.budget - before.budget) / count};
        }
        beside.push_back(time_of_request(daemon, client, options.seconds));
    }
    const double median_alone = Spread::of(alone).median;
    const double median_beside = Spread::of(beside).median;
    const std::string beside_all = std::to_string(options.connection_count) + " idle connections";
    return {{beside_all + ": resident memory of each, B", each.resident, bytes_max},
            {"- of the memory budget, B", each.budget, bytes_max},
            {"- the daemon's time for a request of a busy one, of alone",
             median_beside / median_alone, slower_max},
            {"- alone, us", median_alone, {}},
            {"- beside them, us", median_beside, {}}};
}

}  // namespace
}  // namespace inod::bench

int main(int argc, char** argv) {
    using inod::bench::measure;
    using inod::bench::Options;
    using inod::bench::report;
    Options options;
    CLI::App app{"Measures what connections cost on which nothing happens"};
    app.add_option("--json", options.json, "Writes the rows to this file as well");
    app.add_option("--connections", options.connection_count, "How many")->capture_default_str();
    app.add_option("--repetitions", options.repetitions, "Alone and beside them, in turns")
        ->capture_default_str();
    app.add_option("--seconds", options.seconds, "Of each")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    return report("idle", options.json, [&] { return measure(options); });
}
