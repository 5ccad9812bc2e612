#include "tests/bench/figures.h"

#include <algorithm>
#include <cstdio>
#include <fstream>

#include <nlohmann/json.hpp>

namespace inod::bench {

bool all_reached(const std::vector<Figure>& figures) {
    return std::all_of(figures.begin(), figures.end(),
                       [](const Figure& figure) { return figure.reached(); });
}

void print_figures(const std::vector<Figure>& figures) {
    std::printf("| %-60s | %10s | %8s | %7s |\n| --- | --- | --- | --- |\n", "what", "figure",
                "at most", "reached");
    for (const Figure& figure : figures) {
        char goal[32] = "-";
        if (figure.at_most) std::snprintf(goal, sizeof(goal), "%.2f", *figure.at_most);
        std::printf("| %-60s | %10.3f | %8s | %7s |\n", figure.name.c_str(), figure.value, goal,
                    !figure.at_most ? "-" : (figure.reached() ? "yes" : "NO"));
    }
}

bool write_figures(const std::vector<Figure>& figures, const std::string& path) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Figure& figure : figures) {
        nlohmann::ordered_json goal;
        if (figure.at_most) goal = *figure.at_most;
        list.push_back({{"row", figure.name},
                        {"value", figure.value},
                        {"goal", goal},
                        {"reached", figure.reached()}});
    }
    return static_cast<bool>((std::ofstream(path) << list.dump(2) << '\n').flush());
}

}  // namespace inod::bench
