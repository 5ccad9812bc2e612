// Figures with the most that each may be: a table for people, and the same as JSON.
#pragma once

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

void print_figures(const std::vector<Figure>& figures);

// As [{"row", "value", "goal", "reached"}, ...]; a figure that may be anything has the goal null. False
// if the file cannot be written.
bool write_figures(const std::vector<Figure>& figures, const std::string& path);

}  // namespace inod::bench
