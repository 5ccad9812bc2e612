// What came out of a group, as a table for people and as JSON for programs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/bench/rows.h"
#include "tests/bench/spread.h"

namespace inod::bench {

// What one run of the load told.
struct Sample {
    double requests_per_second;
    double allocations_per_second;
    double p50_us;  // 0: not known, of PostgreSQL
    double p99_us;
};

struct Outcome {
    Row row;
    std::vector<Sample> inod;     // one for each repetition; none if the row could not run
    std::vector<Sample> against;  // likewise
    std::string trouble;          // why it could not run; empty if it did
};

// The samples with the highest median of requests a second. Requires some; any of them without samples
// is passed over, if another has some.
std::vector<Sample> fastest(std::vector<std::vector<Sample>> samples);

// The number that a row compares. Requires at least one sample.
Spread spread_of(const std::vector<Sample>& samples, Quantity quantity);

// The medians of inod's number and the other's, one by the other; none if the row could not run.
std::optional<double> ratio_of(const Outcome& outcome);

// A row that ran and has no goal has nothing to miss; one that could not run has not reached it.
bool reached(const Outcome& outcome);

// "0.95", or for what has to stay below it "at most 1.20"; "-" without a goal.
std::string goal_text(const Row& row);

// A table for each placement.
void print_tables(const std::vector<Outcome>& outcomes);

// The rows as [{"row", "placement", "of", "unit", "inod", "against", "ratio", "goal", "reached",
// "reason"}, ...], where inod and against are {"median", "min", "max"} of the repetitions' unit. What a
// row has not is null; reason is why it could not run.
std::string as_json(const std::vector<Outcome>& outcomes);

}  // namespace inod::bench
