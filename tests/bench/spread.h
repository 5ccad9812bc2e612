// Median, minimum and maximum of what was measured several times.
#pragma once

#include <algorithm>
#include <vector>

#include <nlohmann/json.hpp>

namespace inod::bench {

struct Spread {
    double median;
    double min;
    double max;

    // Requires at least one value.
    static Spread of(std::vector<double> values) {
        std::sort(values.begin(), values.end());
        const std::size_t middle = values.size() / 2;
        const double median =
            values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
        return {.median = median, .min = values.front(), .max = values.back()};
    }

    [[nodiscard]] nlohmann::ordered_json json() const {
        return {{"median", median}, {"min", min}, {"max", max}};
    }
};

}  // namespace inod::bench
