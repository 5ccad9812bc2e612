// tools/bench tree: inod's tree beside the structures that one would take otherwise, in one run, in
// turns, as ratios of what JudyL takes.
#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "tests/bench/spread.h"
#include "tests/bench/tree/inod_tree.h"
#include "tests/bench/tree/page_hash.h"
#include "tests/bench/tree/peers.h"
#include "tests/bench/tree/readers.h"
#include "tests/bench/tree/workload.h"

namespace inod::bench {
namespace {

struct Options {
    std::string json;
    std::size_t count = 1'000'000;
    unsigned repetitions = 3;
    bool only_judy = false;
};

struct Measured {
    const char* name;
    Figures (*measure)(const Workload&);
    std::vector<Figures> figures;  // one for each repetition

    [[nodiscard]] Spread spread(double Figures::*field) const {
        std::vector<double> values;
        values.reserve(figures.size());
        for (const Figures& one : figures)
            values.push_back(one.*field);
        return Spread::of(std::move(values));
    }
};

// What one holder's IDs cost, where all have the same value.
struct OneHolder {
    double filled_size;
    double half_released_size;
};

OneHolder measure_one_holder(const Workload& work) {
    const std::size_t left = work.count() - work.count() / 2;
    InodTree structure;
    for (std::size_t i = 0; i < work.count(); ++i)
        structure.allocate_merged(1);
    OneHolder sizes{};
    sizes.filled_size = structure.size() / static_cast<double>(work.count());
    release_half(structure, work);
    sizes.half_released_size = structure.size() / static_cast<double>(left);
    return sizes;
}

// What is set aside for the releases of leases of `width` IDs, in bytes a lease.
double reserve_of_leases(std::uint64_t width, std::size_t count) {
    InodTree structure;
    for (std::size_t i = 0; i < count; ++i)
        structure.allocate_lease(width, i + 1);
    return structure.reserve_size() / static_cast<double>(count);
}

struct Row {
    std::string name;
    std::optional<Spread> inod;
    std::optional<Spread> against;  // none: the goal is for inod's own figure
    double goal;                    // at most

    [[nodiscard]] double ratio() const {
        return against ? inod->median / against->median : inod->median;
    }
    [[nodiscard]] bool reached() const { return ratio() <= goal; }
};

Spread once(double value) {
    return {.median = value, .min = value, .max = value};
}

std::vector<Row> time_rows(const Measured& inod, const Measured& judy) {
    struct Goal {
        const char* name;
        double Figures::*of_inod;
        double Figures::*of_judy;
        double at_most;
    };
    const Goal goals[] = {
        {"allocate", &Figures::allocate_ns, &Figures::allocate_ns, 0.3},
        {"lookup", &Figures::lookup_ns, &Figures::lookup_ns, 1.0},
        {"release", &Figures::release_ns, &Figures::release_ns, 0.6},
        {"steady", &Figures::steady_ns, &Figures::steady_ns, 0.5},
        {"lowest gap of 1", &Figures::gap_1_ns, &Figures::gap_1_ns, 0.5},
        {"lowest gap of 8", &Figures::gap_8_ns, &Figures::gap_1_ns, 1.0},
        {"lowest gap of 16", &Figures::gap_16_ns, &Figures::gap_1_ns, 1.0},
    };
    std::vector<Row> rows;
    for (const Goal& goal : goals) {
        rows.push_back({.name = goal.name,
                        .inod = inod.spread(goal.of_inod),
                        .against = judy.spread(goal.of_judy),
                        .goal = goal.at_most});
    }
    return rows;
}

std::vector<Row> size_rows(const Measured& inod, const OneHolder& one_holder) {
    const auto row = [](const char* name, const Spread& spread, double goal) {
        return Row{.name = name, .inod = spread, .against = std::nullopt, .goal = goal};
    };
    return {
        row("B an ID, filled", inod.spread(&Figures::filled_size), 9.0),
        row("B an ID, half released", inod.spread(&Figures::half_released_size), 12.0),
        row("B an ID, steady", inod.spread(&Figures::steady_size), 20.0),
        row("B an ID, one holder, filled", once(one_holder.filled_size), 0.01),
        row("B an ID, one holder, half released", once(one_holder.half_released_size), 0.3),
    };
}

// What is set aside for releases.
std::vector<Row> reserve_rows(const Workload& work) {
    const auto row = [](const std::string& name, double figure, double goal) {
        return Row{.name = name, .inod = once(figure), .against = std::nullopt, .goal = goal};
    };
    InodTree singles;
    fill(singles, work.count());
    std::vector<Row> rows{
        row("reserve, of the tree, single IDs", singles.reserve_size() / singles.size(), 0.05)};
    for (const std::uint64_t width : {2U, 10U, 100U, 1'000U}) {
        rows.push_back(row("reserve, B a lease of " + std::to_string(width),
                           reserve_of_leases(width, 10'000), 64));
    }
    for (const std::uint64_t width : {20'000U, 100'000U, 1'000'000U}) {
        rows.push_back(row("reserve, B an ID in leases of " + std::to_string(width),
                           reserve_of_leases(width, 200) / static_cast<double>(width), 0.3));
    }
    return rows;
}

// inod with ten times as many IDs beside inod.
std::vector<Row> growth_rows(const Measured& inod, const Measured& large) {
    const auto row = [&](const char* name, double Figures::*field, double goal) {
        return Row{.name = std::string(name) + ", ten times as many",
                   .inod = large.spread(field),
                   .against = inod.spread(field),
                   .goal = goal};
    };
    return {row("allocate", &Figures::allocate_ns, 1.6), row("steady", &Figures::steady_ns, 1.6),
            row("lookup", &Figures::lookup_ns, 4), row("release", &Figures::release_ns, 4)};
}

void print_structures(const std::vector<Measured>& all) {
    std::printf("%-16s %9s %9s %9s %9s  %9s %9s %9s  %7s %7s %7s\n", "ns an operation", "allocate",
                "lookup", "release", "steady", "gap of 1", "of 8", "of 16", "B: full", "half",
                "steady");
    constexpr std::array times{&Figures::allocate_ns, &Figures::lookup_ns, &Figures::release_ns,
                               &Figures::steady_ns,   &Figures::gap_1_ns,  &Figures::gap_8_ns,
                               &Figures::gap_16_ns};
    constexpr std::array sizes{&Figures::filled_size, &Figures::half_released_size,
                               &Figures::steady_size};
    for (const Measured& one : all) {
        std::printf("%-16s", one.name);
        for (const auto field : times) {
            const double time = one.spread(field).median;
            const char* const gap = field == &Figures::gap_1_ns ? "  " : " ";
            if (time == 0) {
                std::printf("%s%9s", gap, "-");
            } else {
                std::printf("%s%9.0f", gap, time);
            }
        }
        std::printf(" ");
        for (const auto field : sizes)
            std::printf(" %7.2f", one.spread(field).median);
        std::printf("\n");
    }
}

void print_rows(const std::vector<Row>& rows) {
    std::printf("\n%-36s %9s %9s %8s  %s\n", "row", "inod", "against", "ratio", "goal, at most");
    for (const Row& row : rows) {
        std::printf("%-36s %9.3f ", row.name.c_str(), row.inod->median);
        if (row.against) {
            std::printf("%9.2f %8.2f", row.against->median, row.ratio());
        } else {
            std::printf("%9s %8s", "-", "-");
        }
        std::printf("  %.2f %s\n", row.goal, row.reached() ? "reached" : "MISSED");
    }
}

void print_readers(const std::vector<ReaderFigures>& ways) {
    std::printf("\n%-28s %12s %12s %12s %12s\n", "a reader beside a writer", "reads alone",
                "beside", "writes alone", "beside");
    for (const ReaderFigures& way : ways) {
        std::printf("%-28s %12.0f %12.0f %12.0f %12.0f\n", way.name, way.reads_alone,
                    way.reads_beside, way.writes_alone, way.writes_beside);
    }
}

std::string as_json(const std::vector<Row>& rows) {
    auto list = nlohmann::ordered_json::array();
    for (const Row& row : rows) {
        nlohmann::ordered_json against = nullptr;
        if (row.against) against = row.against->json();
        list.push_back({{"row", row.name},
                        {"inod", row.inod->json()},
                        {"against", against},
                        {"ratio", row.ratio()},
                        {"goal", row.goal},
                        {"reached", row.reached()}});
    }
    return list.dump(2) + "\n";
}

int run(const Options& options) {
    std::vector<Measured> all{{"inod", measure<InodTree>, {}}, {"JudyL", measure<Judy>, {}}};
    if (!options.only_judy) {
        all.push_back({"absl::btree_map", measure<AbslBtree>, {}});
        all.push_back({"std::map", measure<StdMap>, {}});
        all.push_back({"page hash", measure<PageHash>, {}});
        all.push_back({"Roaring64", measure<RoaringBitmap>, {}});
    }
    Measured large{"inod, 10 times", measure<InodTree>, {}};
    std::printf("%zu IDs, %u times in turns\n\n", options.count, options.repetitions);
    const Workload work(options.count, 4 * options.count);
    // As often as there are IDs: enough for a time, if not for the size that it would come to.
    const Workload large_work(10 * options.count, 10 * options.count);
    for (unsigned i = 0; i < options.repetitions; ++i) {
        for (Measured& one : all)
            one.figures.push_back(one.measure(work));
        large.figures.push_back(large.measure(large_work));
    }
    std::vector<Row> rows = time_rows(all[0], all[1]);
    for (const auto& more : {size_rows(all[0], measure_one_holder(work)), reserve_rows(work),
                             growth_rows(all[0], large)}) {
        rows.insert(rows.end(), more.begin(), more.end());
    }
    all.push_back(std::move(large));
    print_structures(all);
    print_rows(rows);
    print_readers(measure_readers(work));
    if (!options.json.empty() && !(std::ofstream(options.json) << as_json(rows)).flush()) {
        std::fprintf(stderr, "bench: cannot write %s\n", options.json.c_str());
        return 1;
    }
    return std::all_of(rows.begin(), rows.end(), [](const Row& row) { return row.reached(); }) ? 0
                                                                                               : 1;
}

}  // namespace
}  // namespace inod::bench

int main(int argc, char** argv) {
    inod::bench::Options options;
    CLI::App app{"Measures inod's tree beside other structures", "tools/bench tree"};
    app.add_option("--json", options.json, "Write the rows to this file as well");
    app.add_option("--count", options.count, "How many IDs")
        ->check(CLI::Range(1000, 1'000'000'000))
        ->capture_default_str();
    app.add_option("--repetitions", options.repetitions, "How often each is measured, in turns")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_flag("--only-judy", options.only_judy, "Leave out all peers but JudyL");
    app.footer("Exit status: 0 if every goal is reached, 1 if not, 2 for a wrong command line.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    return inod::bench::run(options);
}
