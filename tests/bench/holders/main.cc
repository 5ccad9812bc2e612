// tools/bench holders: what the end of a holder costs, and how much is kept of each. A table for people, and
// the same as JSON.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "tests/bench/figures.h"
#include "tests/bench/holders/held_time.h"
#include "tests/bench/holders/measure.h"
#include "tests/bench/in_a_child.h"

namespace inod::bench {
namespace {

// Limits, in milliseconds: of the time until an end has been heard of, of a slice of a sweep, and of what
// anybody else waits for. And in bytes.
constexpr double free_ms_max = 50;
constexpr double slice_ms_max = 1;
constexpr double held_ms_max = 2;
constexpr double bytes_max_of_one = 2;
constexpr double bytes_max_of_each = 128;

// That make the same requests, so that each request's least time is its own.
constexpr int processes = 3;

struct Options {
    std::string json;
    std::string directory = "/var/tmp";
    std::uint64_t live_count = 10'000'000;
    std::uint64_t ended_count = 1'000'000;
};

void add_end(const Options& options, bool with_generations, std::vector<Figure>& figures) {
    const Folder folder(options.directory);
    // With generations the others' leases have many as well, each a tag: fewer of those will do.
    const std::uint64_t live_count =
        with_generations ? 2 * options.ended_count : options.live_count;
    const Ended ended = end_holder({.directory = folder.store(),
                                    .live_count = live_count,
                                    .ended_count = options.ended_count,
                                    .with_generations = with_generations});
    const std::string which = with_generations ? ", a generation each" : "";
    figures.push_back(
        {"end" + which + ": until lookups say so, ms", ended.until_free_ms, free_ms_max});
    figures.push_back({"- of these under the lock at once, ms", ended.end_ms, held_ms_max});
    figures.push_back({"- until a full pool hands one out, ms", ended.until_lease_ms, {}});
    figures.push_back({"- slices of the sweep before that", ended.slices_before, {}});
    figures.push_back({"- longest slice, ms", ended.slice_longest_ms, slice_ms_max});
    figures.push_back({"- p99 of the slices, ms", ended.slice_p99_ms, {}});
    figures.push_back({"- slices", ended.slices, {}});
    figures.push_back({"- all slices, ms", ended.sweep_ms, {}});
    figures.push_back(
        {"- longest of others' requests meanwhile, ms", ended.others_longest_ms, held_ms_max});
}

struct Books {
    HolderOf holder_of;
    const char* name;
    std::optional<double> at_most;  // bytes
};

// A name is the client's own text, and an account the user's: there is no limit for those.
constexpr std::array books = {
    Books{HolderOf::all, "one holder", bytes_max_of_one},
    Books{HolderOf::connection, "a holder each, of a connection", bytes_max_of_each},
    Books{HolderOf::process, "a holder each, of a process", bytes_max_of_each},
    Books{HolderOf::ttl, "a holder each, with a time limit", bytes_max_of_each},
    Books{HolderOf::name, "a holder each, with a name", {}},
    Books{HolderOf::user, "a holder each, of a user each", {}},
};

void add_books(const Options& options, const Books& one, std::vector<Figure>& figures) {
    LeastTimes times(3 * options.ended_count);
    Bookkeeping kept{};
    for (int i = 0; i < processes; ++i) {
        const Folder folder(options.directory);
        kept = keep_books({.directory = folder.store(),
                           .lease_count = options.ended_count,
                           .holder_of = one.holder_of},
                          times);
    }
    const std::vector<double> ms = times.values();
    figures.push_back(
        {std::string(one.name) + ": budget, B a lease", kept.budget_bytes, one.at_most});
    figures.push_back({"- malloc, B a lease", kept.heap_bytes, one.at_most});
    figures.push_back(
        {"- longest request meanwhile, ms", *std::max_element(ms.begin(), ms.end()), held_ms_max});
    figures.push_back({"- p99, ms", p99_of(ms), {}});
}

std::vector<Figure> measure(const Options& options) {
    std::vector<Figure> figures;
    add_end(options, false, figures);
    add_end(options, true, figures);
    for (const Books& one : books)
        add_books(options, one, figures);
    return figures;
}

}  // namespace
}  // namespace inod::bench

int main(int argc, char** argv) {
    using inod::bench::measure;
    using inod::bench::Options;
    using inod::bench::report;
    Options options;
    CLI::App app{"Measures what holders cost, when they end and while they are there"};
    app.add_option("--json", options.json, "Writes the rows to this file as well");
    app.add_option("--dir", options.directory, "On the disk to measure")->capture_default_str();
    app.add_option("--count", options.live_count, "Live leases")->capture_default_str();
    app.add_option("--ended", options.ended_count, "Of these, those of the holder that ends")
        ->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    return report("holders", options.json, [&] { return measure(options); });
}
