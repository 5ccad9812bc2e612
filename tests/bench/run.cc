// tools/bench: measures inod beside its floors and peers, in turns, and says whether the goals are
// reached.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <sched.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tests/bench/plot.h"
#include "tests/bench/report.h"
#include "tests/bench/rounds.h"
#include "tests/bench/rows.h"
#include "tests/bench/servers.h"

namespace inod::bench {
namespace {

namespace fs = std::filesystem;

enum class ExitStatus : std::uint8_t { reached = 0, missed = 1, usage = 2 };

struct Options {
    std::string group = "main";
    std::string json;
    std::string plot;
    std::string folder = "/var/tmp";
    unsigned repetitions = 5;
    double seconds = 1;
    bool first_of_all = false;
};

// Set by SIGINT and SIGTERM. What is being measured comes to its end, and the servers and their folders go.
volatile std::sig_atomic_t is_interrupted = 0;

void end_on_signals() {
    struct sigaction action {};
    action.sa_handler = [](int) { is_interrupted = 1; };
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
}

// Puts us, and all that we start, before everything else that wants to run. Both sides of a row get
// the same.
bool go_before_all() {
    sched_param lowest{};
    lowest.sched_priority = ::sched_get_priority_min(SCHED_FIFO);
    return ::sched_setscheduler(0, SCHED_FIFO, &lowest) == 0;
}

// The cores that we may use, the first first.
std::vector<int> usable_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<int> cores;
    if (::sched_getaffinity(0, sizeof(set), &set) != 0) return cores;
    for (int core = 0; core < CPU_SETSIZE; ++core) {
        if (CPU_ISSET(static_cast<std::size_t>(core), &set)) cores.push_back(core);
    }
    return cores;
}

// What stands behind `key` in the first line of the file that starts with it.
std::string value_in(const char* file, const std::string& key) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
        const auto colon = line.find(": ");
        if (line.starts_with(key) && colon != line.npos) return line.substr(colon + 2);
    }
    return "unknown";
}

// The type of the file system that a folder is on: the last mount of its device.
std::string file_system_of(const std::string& folder) {
    struct stat status {};
    if (::stat(folder.c_str(), &status) != 0) return "unknown";
    const std::string device =
        std::to_string(major(status.st_dev)) + ":" + std::to_string(minor(status.st_dev));
    std::ifstream mounts("/proc/self/mountinfo");
    std::string type = "unknown";
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words(line);
        std::string id;
        std::string parent;
        std::string number;
        words >> id >> parent >> number;
        const auto dash = line.find(" - ");
        if (number != device || dash == line.npos) continue;
        type = line.substr(dash + 3, line.find(' ', dash + 3) - dash - 3);
    }
    return type;
}

// What was measured where, in a few lines.
std::string describe(const Options& options, const Programs& programs, std::size_t cores) {
    utsname system{};
    ::uname(&system);
    const std::string versions = versions_of(programs);
    char seconds[32];
    std::snprintf(seconds, sizeof(seconds), "%.3g", options.seconds);
    return value_in("/proc/cpuinfo", "model name") + ", " + std::to_string(cores) +
           " cores, Linux " + system.release + "; state on " + file_system_of(options.folder) +
           "\neach side " + std::to_string(options.repetitions) + " times " + seconds +
           " s, in turns" +
           (options.first_of_all ? ", before all else that runs (SCHED_FIFO)" : "") +
           "\ninstalled beside inod: " +
           (versions.empty() ? "neither Redis nor PostgreSQL" : versions);
}

void print_machine(const Options& options, const std::string& description) {
    std::printf("%s\n", description.c_str());
    if (file_system_of(options.folder) == "tmpfs") {
        std::printf("A sync costs nothing on tmpfs: give --dir on a disk.\n");
    }
    std::printf(
        "work, if a row names no other: allocate one ID; release the oldest where a "
        "connection holds 1,000\n\n");
}

Result<Sample, Failure> sample_of(const std::string& text) {
    const auto json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_object()) return Failure{Errc::io_error, "the load printed no JSON: " + text};
    const Sample sample{.requests_per_second = json.value("requests_per_second", 0.0),
                        .allocations_per_second = json.value("allocations_per_second", 0.0),
                        .p50_us = json.value("p50_us", 0.0),
                        .p99_us = json.value("p99_us", 0.0)};
    if (sample.requests_per_second <= 0) return Failure{Errc::io_error, "nothing was answered"};
    return sample;
}

// Says on a terminal what is being measured.
void show(const Series& series) {
    if (::isatty(STDERR_FILENO) == 0) return;
    std::fprintf(stderr, "\r\033[K%s, %s, %u clients %u deep, %s ...",
                 std::string(name_of(series.peer)).c_str(),
                 std::string(name_of(series.work)).c_str(), series.connections, series.depth,
                 std::string(name_of(series.placement)).c_str());
}

std::vector<Outcome> measure(Servers& servers, const Group& group, const Options& options,
                             const std::vector<int>& cores) {
    auto outcomes = measure_all(
        group.rows, options.repetitions, [&](const Series& series) -> Result<Sample, Failure> {
            const std::size_t load_core = series.placement == Placement::one_core ? 0 : 1;
            if (is_interrupted != 0) return Failure{Errc::io_error, "it was interrupted"};
            if (load_core >= cores.size()) return Failure{Errc::io_error, "it takes two cores"};
            show(series);
            const auto text = servers.measure(series, options.seconds, cores[load_core]);
            if (!text) return text.error();
            return sample_of(*text);
        });
    if (::isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\033[K");
    return outcomes;
}

std::set<Peer> peers_of(const Group& group) {
    std::set<Peer> peers;
    for (const Row& row : group.rows) {
        peers.insert(inod_of(row).peer);
        for (const Series& series : against_of(row))
            peers.insert(series.peer);
    }
    return peers;
}

// Writes nothing where no file is named.
bool write(const std::string& file, const std::string& text) {
    if (file.empty() || (std::ofstream(file) << text).flush()) return true;
    std::fprintf(stderr, "bench: cannot write %s\n", file.c_str());
    return false;
}

ExitStatus run(const Options& options, const Group& group) {
    if (options.first_of_all && !go_before_all()) {
        std::fprintf(stderr, "bench: --first is refused: %s\n", std::strerror(errno));
        return ExitStatus::missed;
    }
    end_on_signals();
    const std::vector<int> cores = usable_cores();
    const fs::path self = fs::read_symlink("/proc/self/exe");
    const Programs programs = Programs::in(self.parent_path());
    auto servers = Servers::start(programs, options.folder,
                                  cores.empty() ? std::nullopt : std::optional(cores.front()),
                                  peers_of(group));
    if (!servers) {
        std::fprintf(stderr, "bench: %s\n", servers.error().message.c_str());
        return ExitStatus::missed;
    }
    const std::string description = describe(options, programs, cores.size());
    print_machine(options, description);
    const auto outcomes = measure(*servers, group, options, cores);
    if (is_interrupted != 0) {
        std::fprintf(stderr, "bench: interrupted; nothing is written\n");
        return ExitStatus::missed;
    }
    print_tables(outcomes);
    const bool is_written = write(options.json, as_json(outcomes)) &&
                            write(options.plot, as_svg(outcomes, description));
    const bool is_reached = std::all_of(outcomes.begin(), outcomes.end(), reached);
    return is_written && is_reached ? ExitStatus::reached : ExitStatus::missed;
}

}  // namespace
}  // namespace inod::bench

int main(int argc, char** argv) {
    using inod::bench::ExitStatus;
    inod::bench::Options options;
    CLI::App app{"Measures inod beside a bare epoll echo server and others, as ratios",
                 "tools/bench"};
    const auto all_groups = inod::bench::groups();
    std::map<std::string, const inod::bench::Group*> groups;
    for (const auto& group : all_groups)
        groups[std::string(group.name)] = &group;
    app.add_option("group", options.group, "What to measure")
        ->check(CLI::IsMember(&groups))
        ->capture_default_str();
    app.add_option("--json", options.json, "Write the rows to this file as well");
    app.add_option("--plot", options.plot, "Draw the rows into this file, as SVG");
    app.add_option("--dir", options.folder, "On the disk to measure: a folder is made there")
        ->check(CLI::ExistingDirectory)
        ->capture_default_str();
    app.add_option("--repetitions", options.repetitions, "How often each is measured, in turns")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option("--seconds", options.seconds, "Seconds of each measurement")
        ->check(CLI::Range(0.01, 3600.0))
        ->capture_default_str();
    app.add_flag("--first", options.first_of_all,
                 "Run before all else (SCHED_FIFO), for a machine that is busy; as root");
    app.footer(
        "Exit status: 0 if every goal is reached, 1 if not or if a row could not run, 2 for a\n"
        "wrong command line.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : static_cast<int>(ExitStatus::usage);
    }
    return static_cast<int>(inod::bench::run(options, *groups.at(options.group)));
}
