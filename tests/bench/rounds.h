// Who is measured when: all that share a load in turns, so that what disturbs the machine disturbs all
// of them.
#pragma once

#include <functional>
#include <vector>

#include "lib/base/result.h"
#include "tests/bench/report.h"
#include "tests/bench/rows.h"

namespace inod::bench {

using Measure = std::function<Result<Sample, Failure>(const Series&)>;

// Measures both sides of every row, `repetitions` times each. What several rows have in common is
// measured once for all of them. What fails is not asked again, and its rows alone come without
// samples, with the reason. The outcomes are in the order of the rows.
std::vector<Outcome> measure_all(const std::vector<Row>& rows, unsigned repetitions,
                                 const Measure& measure);

}  // namespace inod::bench
