// What came out of a group, as a table for people and as JSON for programs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/bench/rows.h"

namespace inod::bench {

// What one run of the load told.
struct Sample {
    double requests_per_second;
    double allocations_per_second;
    double p50_us;
    double p99_us;
};

struct Outcome {
    Row row;
    std::vector<Sample> inod;     // one for each repetition; none if the row could not run
    std::vector<Sample> against;  // likewise
    std::string trouble;          // why it could not run; empty if it did
};

// The samples with the highest median of requests a second. Requires some, each with some.
std::vector<Sample> fastest(std::vector<std::vector<Sample>> samples);

// The medians of inod's requests a second and the floor's, one by the other; none if the row could
// not run.
std::optional<double> ratio_of(const Outcome& outcome);

// A row that ran and has no goal has nothing to miss; one that could not run has not reached it.
bool reached(const Outcome& outcome);

void print_table(const std::vector<Outcome>& outcomes);

// The rows as [{"row", "inod", "against", "ratio", "goal", "reached"}, ...], where inod and against
// are {"median", "min", "max"} of the repetitions' requests a second. What a row has not is null.
std::string as_json(const std::vector<Outcome>& outcomes);

}  // namespace inod::bench
