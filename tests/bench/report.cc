#include "tests/bench/report.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <nlohmann/json.hpp>

#include "tests/bench/spread.h"

namespace inod::bench {
namespace {

// Of one number of the samples. Requires at least one.
Spread spread_of(const std::vector<Sample>& samples, double Sample::*number) {
    std::vector<double> values;
    values.reserve(samples.size());
    for (const Sample& sample : samples)
        values.push_back(sample.*number);
    return Spread::of(std::move(values));
}

nlohmann::ordered_json json_of(const std::vector<Sample>& samples) {
    if (samples.empty()) return nullptr;
    return spread_of(samples, &Sample::requests_per_second).json();
}

std::string rate_text(const std::vector<Sample>& samples) {
    const Spread rate = spread_of(samples, &Sample::requests_per_second);
    char text[64];
    std::snprintf(text, sizeof(text), "%.0f (%.0f-%.0f)", rate.median, rate.min, rate.max);
    return text;
}

std::string latency_text(const std::vector<Sample>& samples) {
    char text[64];
    std::snprintf(text, sizeof(text), "%.0f/%.0f", spread_of(samples, &Sample::p50_us).median,
                  spread_of(samples, &Sample::p99_us).median);
    return text;
}

std::string goal_text(const Outcome& outcome) {
    if (!outcome.row.goal) return "-";
    char text[32];
    std::snprintf(text, sizeof(text), "%.2f %s", *outcome.row.goal,
                  reached(outcome) ? "reached" : "MISSED");
    return text;
}

}  // namespace

std::vector<Sample> fastest(std::vector<std::vector<Sample>> samples) {
    const auto median = [](const std::vector<Sample>& of) {
        return spread_of(of, &Sample::requests_per_second).median;
    };
    return std::move(
        *std::max_element(samples.begin(), samples.end(),
                          [&](const auto& a, const auto& b) { return median(a) < median(b); }));
}

std::optional<double> ratio_of(const Outcome& outcome) {
    if (outcome.inod.empty() || outcome.against.empty()) return std::nullopt;
    return spread_of(outcome.inod, &Sample::requests_per_second).median /
           spread_of(outcome.against, &Sample::requests_per_second).median;
}

bool reached(const Outcome& outcome) {
    const auto ratio = ratio_of(outcome);
    return ratio && (!outcome.row.goal || *ratio >= *outcome.row.goal);
}

void print_table(const std::vector<Outcome>& outcomes) {
    std::printf("%-30s %7s  %-13s %-24s %11s  %-26s %13s %13s\n", "", "of the", "", "inod,",
                "of these", "floor,", "inod p50/p99,", "floor's,");
    std::printf("%-30s %7s  %-13s %-24s %11s  %-26s %13s %13s\n", "row", "floor", "goal",
                "requests/s (min-max)", "allocations", "messages/s (min-max)", "us", "us");
    for (const Outcome& outcome : outcomes) {
        const std::string name(outcome.row.name);
        const auto ratio = ratio_of(outcome);
        if (!ratio) {
            std::printf("%-30s could not run: %s\n", name.c_str(), outcome.trouble.c_str());
            continue;
        }
        const double allocations = spread_of(outcome.inod, &Sample::allocations_per_second).median;
        std::printf("%-30s %7.3f  %-13s %-24s %11.0f  %-26s %13s %13s\n", name.c_str(), *ratio,
                    goal_text(outcome).c_str(), rate_text(outcome.inod).c_str(), allocations,
                    rate_text(outcome.against).c_str(), latency_text(outcome.inod).c_str(),
                    latency_text(outcome.against).c_str());
    }
}

std::string as_json(const std::vector<Outcome>& outcomes) {
    auto rows = nlohmann::ordered_json::array();
    for (const Outcome& outcome : outcomes) {
        nlohmann::ordered_json row;
        row["row"] = outcome.row.name;
        row["inod"] = json_of(outcome.inod);
        row["against"] = json_of(outcome.against);
        row["ratio"] = nullptr;
        if (const auto ratio = ratio_of(outcome)) row["ratio"] = *ratio;
        row["goal"] = nullptr;
        if (outcome.row.goal) row["goal"] = *outcome.row.goal;
        row["reached"] = reached(outcome);
        rows.push_back(std::move(row));
    }
    return rows.dump(2) + "\n";
}

}  // namespace inod::bench
