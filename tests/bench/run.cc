// tools/bench: measures inod beside its floors, the two in turns, and says whether the goals are
// reached.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
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

#include "tests/bench/report.h"
#include "tests/bench/rows.h"
#include "tests/bench/servers.h"

namespace inod::bench {
namespace {

namespace fs = std::filesystem;

enum class ExitStatus : std::uint8_t { reached = 0, missed = 1, usage = 2 };

struct Options {
    std::string group = "main";
    std::string json;
    std::string folder = "/var/tmp";
    unsigned repetitions = 5;
    double seconds = 1;
    bool first_of_all = false;
};

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

void print_machine(const Options& options, std::size_t cores) {
    utsname system{};
    ::uname(&system);
    const std::string type = file_system_of(options.folder);
    std::printf("machine: %s, %zu cores, Linux %s; state on %s (%s)\n",
                value_in("/proc/cpuinfo", "model name").c_str(), cores, system.release,
                type.c_str(), options.folder.c_str());
    if (type == "tmpfs") std::printf("A sync costs nothing on tmpfs: give --dir on a disk.\n");
    std::printf("work: allocate one ID; release the oldest where a connection holds 1,000\n");
    std::printf("each side %u times %.3g s, in turns%s\n\n", options.repetitions, options.seconds,
                options.first_of_all ? ", before all else that runs (SCHED_FIFO)" : "");
}

Result<Sample, Failure> sample(Servers& servers, const Row& row, Peer peer, double seconds,
                               std::optional<int> core) {
    const auto text = servers.measure(row, peer, seconds, core);
    if (!text) return text.error();
    const auto json = nlohmann::json::parse(*text, nullptr, false);
    if (!json.is_object()) return Failure{Errc::io_error, "the load printed no JSON: " + *text};
    return Sample{.requests_per_second = json.value("requests_per_second", 0.0),
                  .allocations_per_second = json.value("allocations_per_second", 0.0),
                  .p50_us = json.value("p50_us", 0.0),
                  .p99_us = json.value("p99_us", 0.0)};
}

Outcome run_row(Servers& servers, const Row& row, const Options& options,
                const std::vector<int>& cores) {
    Outcome outcome{.row = row, .inod = {}, .against = {}, .trouble = {}};
    const std::size_t load_core = row.placement == Placement::one_core ? 0 : 1;
    if (load_core >= cores.size()) {
        outcome.trouble = "it takes two cores";
        return outcome;
    }
    // Its floors, and inod last.
    const auto floors = peers_of(row.floor);
    std::vector<Peer> peers(floors.begin(), floors.end());
    peers.push_back(Peer::inod);
    std::vector<std::vector<Sample>> samples(peers.size());
    for (unsigned repetition = 0; repetition < options.repetitions; ++repetition) {
        for (std::size_t i = 0; i < peers.size(); ++i) {
            const auto got = sample(servers, row, peers[i], options.seconds, cores[load_core]);
            if (!got) {
                outcome.trouble =
                    (peers[i] == Peer::inod ? "inod: " : "floor: ") + got.error().message;
                return outcome;
            }
            samples[i].push_back(*got);
        }
    }
    outcome.inod = std::move(samples.back());
    samples.pop_back();
    outcome.against = fastest(std::move(samples));
    return outcome;
}

ExitStatus run(const Options& options, const Group& group) {
    if (options.first_of_all && !go_before_all()) {
        std::fprintf(stderr, "bench: --first is refused: %s\n", std::strerror(errno));
        return ExitStatus::missed;
    }
    const std::vector<int> cores = usable_cores();
    const fs::path self = fs::read_symlink("/proc/self/exe");
    auto servers = Servers::start(Programs::in(self.parent_path()), options.folder,
                                  cores.empty() ? std::nullopt : std::optional(cores.front()));
    if (!servers) {
        std::fprintf(stderr, "bench: %s\n", servers.error().message.c_str());
        return ExitStatus::missed;
    }
    print_machine(options, cores.size());
    std::vector<Outcome> outcomes;
    bool all_reached = true;
    for (const Row& row : group.rows) {
        if (::isatty(STDERR_FILENO) != 0) {
            std::fprintf(stderr, "\r\033[K%s ...", std::string(row.name).c_str());
        }
        outcomes.push_back(run_row(*servers, row, options, cores));
        all_reached = all_reached && reached(outcomes.back());
    }
    if (::isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\033[K");
    print_table(outcomes);
    if (!options.json.empty() && !(std::ofstream(options.json) << as_json(outcomes)).flush()) {
        std::fprintf(stderr, "bench: cannot write %s\n", options.json.c_str());
        return ExitStatus::missed;
    }
    return all_reached ? ExitStatus::reached : ExitStatus::missed;
}

}  // namespace
}  // namespace inod::bench

int main(int argc, char** argv) {
    using inod::bench::ExitStatus;
    inod::bench::Options options;
    CLI::App app{"Measures inod beside a bare epoll echo server, as ratios", "tools/bench"};
    std::map<std::string, const inod::bench::Group*> groups;
    for (const auto& group : inod::bench::groups())
        groups[std::string(group.name)] = &group;
    app.add_option("group", options.group, "What to measure")
        ->check(CLI::IsMember(&groups))
        ->capture_default_str();
    app.add_option("--json", options.json, "Write the rows to this file as well");
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
