// Figures with the most that each may be: a table for people, and the same as JSON.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace inod::bench {

struct Figure {
    std::string name;
    double value;
    std::optional<double> at_most;

    [[nodiscard]] bool reached() const { return !at_most || value <= *at_most; }
};

[[nodiscard]] bool all_reached(const std::vector<Figure>& figures);

// Measures, prints the table, and writes it to `json` as well unless that is empty, as
// [{"row", "value", "goal", "reached"}, ...]; a figure that may be anything has the goal null. Returns the
// program's exit status: 0 if all are reached; 1 if not, or if something could not be measured or written,
// which it says on standard error in the program's name.
int report(const char* program, const std::string& json,
           const std::function<std::vector<Figure>()>& measure);

}  // namespace inod::bench
