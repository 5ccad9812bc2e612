// tools/bench threads: what a second thread that serves connections is good for. Where there are cores for both
// they do twice what one does, unless each has more to do for a request: so that is what is measured, the
// processor time of a request with two threads and with one, in turns. The load's own time is not in it, but on
// a machine with two cores it takes them from the threads, which are interrupted and find less at a time.
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "tests/bench/figures.h"
#include "tests/bench/process.h"
#include "tests/bench/programs.h"
#include "tests/bench/spread.h"
#include "tests/bench/used.h"
#include "tests/e2e/daemon_process.h"

namespace inod::bench {
namespace {

// Of a request of one thread: then two do 1.6 times as much.
constexpr double cost_max = 2 / 1.6;

struct Options {
    std::string json;
    int repetitions = 9;
    double seconds = 1;
};

struct Load {
    const char* name;
    const char* pool;
    int connections;
    int depth;
};

constexpr Load loads[] = {{"block, 64 clients", "block", 64, 1},
                          {"block, 64 clients 16 deep", "block", 64, 16},
                          {"block, 50 clients 64 deep", "block", 50, 64},
                          {"lease, 64 clients", "lease", 64, 1}};

std::string config(int threads) {
    return R"({"threads": )" + std::to_string(threads) + R"(, "log_level": "warn", "pools": [
        {"name": "block", "policy": "unique", "min": 1, "max": 18446744073709551615, "durability": "block"},
        {"name": "lease", "policy": "unique", "min": 1, "max": 18446744073709551615}]})";
}

// Runs the load, and says how many requests it made.
double run(const std::string& program, const Load& load, const std::string& socket,
           double seconds) {
    auto process = Process::start(
        {program, "--mode", "inod", "--socket", socket, "--pool", load.pool, "--connections",
         std::to_string(load.connections), "--depth", std::to_string(load.depth), "--seconds",
         std::to_string(seconds), "--warm-up", "0.05"},
        {});
    if (!process) throw std::runtime_error(process.error().message);
    const auto text = process->output();
    if (!text) throw std::runtime_error(text.error().message);
    return nlohmann::json::parse(*text).at("requests").get<double>();
}

// The daemon's processor time for a request, us.
double time_of_request(const std::string& program, const Load& load, int threads, double seconds) {
    e2e::DaemonProcess daemon(config(threads));
    if (!daemon.start()) throw std::runtime_error("the daemon does not start: " + daemon.log());
    const Used before = used_by(daemon.pid());
    const double requests = run(program, load, daemon.socket(), seconds);
    return (used_by(daemon.pid()) - before).cpu_ms * 1e3 / requests;
}

std::vector<Figure> measure(const Options& options, const std::string& program) {
    std::vector<Figure> figures;
    for (const Load& load : loads) {
        std::vector<double> one;
        std::vector<double> two;
        for (int i = 0; i < options.repetitions; ++i) {
            one.push_back(time_of_request(program, load, 1, options.seconds));
            two.push_back(time_of_request(program, load, 2, options.seconds));
        }
        const double of_one = Spread::of(one).median;
        const double of_two = Spread::of(two).median;
        figures.push_back({load.name + std::string(": a request with two threads, of with one"),
                           of_two / of_one, cost_max});
        figures.push_back({"- with one, us", of_one, {}});
        figures.push_back({"- with two, us", of_two, {}});
        figures.push_back({"- so two do so many times as much as one", 2 * of_one / of_two, {}});
    }
    return figures;
}

}  // namespace
}  // namespace inod::bench

int main(int argc, char** argv) {
    using inod::bench::measure;
    using inod::bench::Options;
    using inod::bench::Programs;
    using inod::bench::report;
    Options options;
    CLI::App app{"Measures what a second thread that serves connections is good for"};
    app.add_option("--json", options.json, "Writes the rows to this file as well");
    app.add_option("--repetitions", options.repetitions, "With one and with two, in turns")
        ->capture_default_str();
    app.add_option("--seconds", options.seconds, "Of each")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    const auto folder = std::filesystem::canonical("/proc/self/exe").parent_path().parent_path();
    const std::string program = Programs::in(folder).load;
    return report("threads", options.json, [&] { return measure(options, program); });
}
