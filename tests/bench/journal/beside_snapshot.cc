#include "tests/bench/journal/beside_snapshot.h"

#include <array>
#include <fstream>
#include <iterator>

#include <nlohmann/json.hpp>

#include "tests/bench/process.h"
#include "tests/bench/store.h"

namespace inod::bench {
namespace {

namespace fs = std::filesystem;

constexpr int daemon_core = 0;
constexpr int load_core = 1;

// Seconds that anything may be in the log without a snapshot: as few as possible, or more than any load
// lasts.
constexpr int age_max_with = 1;
constexpr int age_max_without = 86'400;

std::string content_of(const fs::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

// Segments as large as the store's, so that age alone brings a snapshot about.
bool write_config(const fs::path& file, int age_max) {
    const nlohmann::json config = {
        {"pools", {{{"name", "bench"}, {"policy", "unique"}, {"min", 1}, {"max", UINT64_MAX}}}},
        {"journal", {{"segment_size", bench_segment_size}, {"snapshot_age_max", age_max}}},
        {"log_level", "warn"}};
    return static_cast<bool>((std::ofstream(file) << config).flush());
}

// A daemon on the store, for one side.
class Side {
public:
    Side(const BesideWork& work, int age_max)
        : work_(work), age_max_(age_max), folder_(work.directory) {}

    Result<void, Failure> start() {
        const std::string config = folder_.string() + ".json";
        if (!write_config(config, age_max_)) return failed("cannot write " + config);
        const fs::path program = work_.programs.parent_path().parent_path() / "daemon" / "inod";
        auto process = Process::start({program, "--config", config, "--state-dir", work_.directory,
                                       "--socket", socket(), "--witness-dir", witness()},
                                      daemon_core, errors());
        if (!process) return process.error();
        process_.push_back(std::move(*process));
        if (auto listens = process_.front().await_listener(socket()); !listens)
            return failed(listens.error().message);
        return {};
    }

    Result<Seen, Failure> load(unsigned connections) {
        auto load = Process::start({work_.programs / "load", "--mode", "inod", "--socket", socket(),
                                    "--pool", "bench", "--connections", std::to_string(connections),
                                    "--depth", "1", "--seconds", std::to_string(work_.seconds)},
                                   load_core, errors());
        if (!load) return load.error();
        const auto output = load->output();
        if (!output) return output.error();
        if (load->wait() != 0) return failed("the load failed");
        const auto json = nlohmann::json::parse(*output, nullptr, false);
        if (!json.is_object()) return failed("the load printed no JSON");
        return Seen{.requests_per_second = json.at("requests_per_second"),
                    .p50_ms = json.at("p50_us").get<double>() / 1e3,
                    .p999_ms = json.at("p999_us").get<double>() / 1e3};
    }

    Result<void, Failure> stop() {
        if (process_.front().terminate() != 0) return failed("the daemon failed");
        return {};
    }

private:
    [[nodiscard]] std::string socket() const { return folder_.string() + ".sock"; }
    [[nodiscard]] std::string witness() const { return folder_.string() + ".witness"; }
    [[nodiscard]] std::string errors() const { return folder_.string() + ".err"; }
    [[nodiscard]] Failure failed(const std::string& what) const {
        return {Errc::io_error, what + ": " + content_of(errors())};
    }

    const BesideWork& work_;
    const int age_max_;
    const fs::path folder_;
    std::vector<Process> process_;  // one, once it was started
};

}  // namespace

Result<std::vector<Beside>, Failure> measure_beside_snapshot(const BesideWork& work) {
    std::vector<Beside> all = {{.connections = 1, .without = {}, .with = {}},
                               {.connections = 64, .without = {}, .with = {}}};
    for (int repetition = 0; repetition < work.repetitions; ++repetition) {
        for (const bool with : {false, true}) {
            Side side(work, with ? age_max_with : age_max_without);
            if (auto started = side.start(); !started) return started.error();
            for (Beside& beside : all) {
                const auto seen = side.load(beside.connections);
                if (!seen) return seen.error();
                (with ? beside.with : beside.without).push_back(*seen);
            }
            if (auto stopped = side.stop(); !stopped) return stopped.error();
        }
    }
    return all;
}

}  // namespace inod::bench
