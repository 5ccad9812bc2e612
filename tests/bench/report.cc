#include "tests/bench/report.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <nlohmann/json.hpp>

namespace inod::bench {
namespace {

// Of one number of the samples. Requires at least one.
Spread spread_of_number(const std::vector<Sample>& samples, double Sample::*number) {
    std::vector<double> values;
    values.reserve(samples.size());
    for (const Sample& sample : samples)
        values.push_back(sample.*number);
    return Spread::of(std::move(values));
}

nlohmann::ordered_json json_of(const std::vector<Sample>& samples, Quantity quantity) {
    if (samples.empty()) return nullptr;
    return spread_of(samples, quantity).json();
}

std::string rate_text(const std::vector<Sample>& samples) {
    const Spread rate = spread_of(samples, Quantity::requests_per_second);
    char text[64];
    std::snprintf(text, sizeof(text), "%.0f (%.0f-%.0f)", rate.median, rate.min, rate.max);
    return text;
}

// Their spread only where it is what counts.
std::string latency_text(const std::vector<Sample>& samples, Quantity quantity) {
    const double p50 = spread_of_number(samples, &Sample::p50_us).median;
    if (p50 == 0) return "-";
    const Spread p99 = spread_of(samples, Quantity::p99_us);
    char text[96];
    const int size = std::snprintf(text, sizeof(text), "%.0f/%.0f", p50, p99.median);
    if (quantity == Quantity::p99_us) {
        std::snprintf(text + size, sizeof(text) - static_cast<std::size_t>(size), " (%.0f-%.0f)",
                      p99.min, p99.max);
    }
    return text;
}

std::string verdict_of(const Outcome& outcome) {
    if (!outcome.row.goal) return "-";
    return goal_text(outcome.row) + (reached(outcome) ? " reached" : " MISSED");
}

constexpr const char* columns = "%-60s %7s  %-20s %-28s %10s  %-28s %-20s %-20s %s\n";

void print_row(const Outcome& outcome) {
    const auto ratio = ratio_of(outcome);
    if (!ratio) {
        std::printf("%-60s %7s  %-20s could not run: %s\n", outcome.row.name.c_str(), "-",
                    verdict_of(outcome).c_str(), outcome.trouble.c_str());
        return;
    }
    char number[32];
    std::snprintf(number, sizeof(number), "%.3f", *ratio);
    char allocations[32];
    std::snprintf(allocations, sizeof(allocations), "%.0f",
                  spread_of_number(outcome.inod, &Sample::allocations_per_second).median);
    std::printf(columns, outcome.row.name.c_str(), number, verdict_of(outcome).c_str(),
                rate_text(outcome.inod).c_str(), allocations, rate_text(outcome.against).c_str(),
                latency_text(outcome.inod, outcome.row.quantity).c_str(),
                latency_text(outcome.against, outcome.row.quantity).c_str(),
                std::string(name_of(outcome.row.against)).c_str());
}

std::string heading_of(Placement placement) {
    return placement == Placement::one_core ? "Server and load on one core:"
                                            : "Server on the first core, load on the second:";
}

}  // namespace

Spread spread_of(const std::vector<Sample>& samples, Quantity quantity) {
    return spread_of_number(
        samples, quantity == Quantity::p99_us ? &Sample::p99_us : &Sample::requests_per_second);
}

std::vector<Sample> fastest(std::vector<std::vector<Sample>> samples) {
    const auto median = [](const std::vector<Sample>& of) {
        return of.empty() ? 0 : spread_of(of, Quantity::requests_per_second).median;
    };
    return std::move(
        *std::max_element(samples.begin(), samples.end(),
                          [&](const auto& a, const auto& b) { return median(a) < median(b); }));
}

std::optional<double> ratio_of(const Outcome& outcome) {
    if (outcome.inod.empty() || outcome.against.empty()) return std::nullopt;
    return spread_of(outcome.inod, outcome.row.quantity).median /
           spread_of(outcome.against, outcome.row.quantity).median;
}

bool reached(const Outcome& outcome) {
    const auto ratio = ratio_of(outcome);
    if (!ratio) return false;
    if (!outcome.row.goal) return true;
    return outcome.row.quantity == Quantity::p99_us ? *ratio <= *outcome.row.goal
                                                    : *ratio >= *outcome.row.goal;
}

std::string goal_text(const Row& row) {
    if (!row.goal) return "-";
    char text[32];
    std::snprintf(text, sizeof(text), "%s%.2f", row.quantity == Quantity::p99_us ? "at most " : "",
                  *row.goal);
    return text;
}

void print_tables(const std::vector<Outcome>& outcomes) {
    for (const Placement placement : {Placement::two_cores, Placement::one_core}) {
        bool is_first = true;
        for (const Outcome& outcome : outcomes) {
            if (outcome.row.placement != placement) continue;
            if (std::exchange(is_first, false)) {
                std::printf("%s\n", heading_of(placement).c_str());
                std::printf(columns, "row", "ratio", "goal", "inod, requests/s (min-max)",
                            "allocating", "the other (min-max)", "inod p50/p99, us", "the other's",
                            "the other");
            }
            print_row(outcome);
        }
        if (!is_first) std::printf("\n");
    }
}

std::string as_json(const std::vector<Outcome>& outcomes) {
    auto rows = nlohmann::ordered_json::array();
    for (const Outcome& outcome : outcomes) {
        const Quantity quantity = outcome.row.quantity;
        nlohmann::ordered_json row;
        row["row"] = outcome.row.name;
        row["placement"] = name_of(outcome.row.placement);
        row["of"] = name_of(outcome.row.against);
        row["unit"] = quantity == Quantity::p99_us ? "p99, us" : "requests a second";
        row["inod"] = json_of(outcome.inod, quantity);
        row["against"] = json_of(outcome.against, quantity);
        row["ratio"] = nullptr;
        if (const auto ratio = ratio_of(outcome)) row["ratio"] = *ratio;
        row["goal"] = nullptr;
        if (outcome.row.goal) row["goal"] = *outcome.row.goal;
        row["reached"] = reached(outcome);
        row["reason"] = nullptr;
        if (!outcome.trouble.empty()) row["reason"] = outcome.trouble;
        rows.push_back(std::move(row));
    }
    // What a server has said may be in any encoding.
    return rows.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace inod::bench
