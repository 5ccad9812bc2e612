// tools/bench journal: the journal by itself. A table for people, and the same as JSON.
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "tests/bench/figures.h"
#include "tests/bench/in_a_child.h"
#include "tests/bench/journal/beside_snapshot.h"
#include "tests/bench/journal/measure.h"

namespace inod::bench {
namespace {

struct Options {
    std::string json;
    std::string directory = "/var/tmp";
    std::uint64_t lease_count = 10'000'000;
    std::uint32_t holder_count = 1'000;
    int repetitions = 3;
    double seconds = 6;
    std::string build;  // measure nothing, but make the store in this folder
};

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

// The medians of several recoveries of one store.
Recovered recover_repeatedly(const Work& work, int repetitions) {
    std::vector<double> seconds;
    std::vector<double> cpu;
    Recovered last{};
    for (int i = 0; i < repetitions; ++i) {
        last = recover(work, false);
        seconds.push_back(last.seconds);
        cpu.push_back(last.cpu_seconds);
    }
    last.seconds = median(seconds);
    last.cpu_seconds = median(cpu);
    return last;
}

double median_of(const std::vector<Seen>& all, double Seen::*figure) {
    std::vector<double> values;
    for (const Seen& seen : all)
        values.push_back(seen.*figure);
    return median(std::move(values));
}

// The last measurement on a store, since the daemon that serves it gives it a witness.
void add_beside_snapshot(const Options& options, const std::string& directory,
                         std::vector<Figure>& rows) {
    const auto self = std::filesystem::read_symlink("/proc/self/exe");
    const auto measured = measure_beside_snapshot({.programs = self.parent_path().parent_path(),
                                                   .directory = directory,
                                                   .seconds = options.seconds,
                                                   .repetitions = options.repetitions});
    if (!measured) throw std::runtime_error(measured.error().message);
    for (const Beside& beside : *measured) {
        const std::string of = std::to_string(beside.connections) +
                               (beside.connections == 1 ? " connection" : " connections");
        const double with = median_of(beside.with, &Seen::p999_ms);
        const double without = median_of(beside.without, &Seen::p999_ms);
        rows.push_back({"p99.9 beside a snapshot, of without, " + of, with / without, 1.5});
        rows.push_back({"- with, ms", with, {}});
        rows.push_back({"- without, ms", without, {}});
        rows.push_back({"- p50 with, ms", median_of(beside.with, &Seen::p50_ms), {}});
        rows.push_back({"- p50 without, ms", median_of(beside.without, &Seen::p50_ms), {}});
        rows.push_back({"- requests/s, of without",
                        median_of(beside.with, &Seen::requests_per_second) /
                            median_of(beside.without, &Seen::requests_per_second),
                        {}});
    }
}

std::vector<Figure> measure(const Options& options) {
    const Folder folder(options.directory);
    const Work work{.directory = folder.store(),
                    .lease_count = options.lease_count,
                    .holder_count = options.holder_count};
    std::vector<Figure> rows;
    const Built built = build_log(work);
    rows.push_back({"appended to the log, B a lease, groups of 64", built.log_bytes_per_lease, 24});
    rows.push_back({"handing out and recording all, s", built.seconds, {}});
    const Recovered from_log = recover_repeatedly(work, options.repetitions);
    rows.push_back({"recovery from the log, s", from_log.seconds, 3.0});
    rows.push_back({"- its processor time, s", from_log.cpu_seconds, {}});
    rows.push_back({"- with cold files, s", recover(work, true).seconds, {}});
    rows.push_back(
        {"- its peak of memory, of the live state's", from_log.peak_mib / built.peak_mib, 1.3});
    const Built snapshot = add_snapshot(work);
    rows.push_back({"snapshot: longest hold-up, ms of CPU", snapshot.snapshot_hold_up_ms, 2.0});
    rows.push_back({"- p99, ms of CPU", snapshot.snapshot_hold_up_p99_ms, {}});
    rows.push_back({"- all of it, s", snapshot.snapshot_seconds, {}});
    rows.push_back({"- B a lease", snapshot.snapshot_bytes_per_lease, {}});
    const Recovered from_snapshot = recover_repeatedly(work, options.repetitions);
    rows.push_back({"recovery from the snapshot, s", from_snapshot.seconds, 1.5});
    rows.push_back({"- its processor time, s", from_snapshot.cpu_seconds, {}});
    rows.push_back({"- with cold files, s", recover(work, true).seconds, {}});
    rows.push_back({"- its peak of memory, of the live state's",
                    from_snapshot.peak_mib / built.peak_mib, 1.3});
    rows.push_back({"memory of the state, MiB", from_snapshot.state_mib, {}});
    add_beside_snapshot(options, work.directory, rows);
    return rows;
}

}  // namespace
}  // namespace inod::bench

int main(int argc, char** argv) {
    using inod::bench::Figure;
    using inod::bench::measure;
    using inod::bench::Options;
    using inod::bench::report;
    Options options;
    CLI::App app{"Measures the journal by itself"};
    app.add_option("--json", options.json, "Writes the rows to this file as well");
    app.add_option("--dir", options.directory, "On the disk to measure")->capture_default_str();
    app.add_option("--count", options.lease_count, "Leases")->capture_default_str();
    app.add_option("--repetitions", options.repetitions, "Of each recovery, and load")
        ->capture_default_str();
    app.add_option("--seconds", options.seconds, "Of each load")->capture_default_str();
    app.add_option("--build", options.build, "Makes the store in this empty folder, and ends")
        ->check(CLI::ExistingDirectory);
    CLI11_PARSE(app, argc, argv);
    return report("journal", options.json, [&]() -> std::vector<Figure> {
        if (options.build.empty()) return measure(options);
        inod::bench::build_log({.directory = options.build,
                                .lease_count = options.lease_count,
                                .holder_count = options.holder_count});
        return {};
    });
}
