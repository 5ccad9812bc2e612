#include "tests/bench/figures.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace inod::bench {

bool all_reached(const std::vector<Figure>& figures) {
    return std::all_of(figures.begin(), figures.end(),
                       [](const Figure& figure) { return figure.reached(); });
}

namespace {

// Nothing where there are none.
void print(const std::vector<Figure>& figures) {
    if (figures.empty()) return;
    std::printf("| %-60s | %10s | %8s | %7s |\n| --- | --- | --- | --- |\n", "what", "figure",
                "at most", "reached");
    for (const Figure& figure : figures) {
        char goal[32] = "-";
        if (figure.at_most) std::snprintf(goal, sizeof(goal), "%.2f", *figure.at_most);
        std::printf("| %-60s | %10.3f | %8s | %7s |\n", figure.name.c_str(), figure.value, goal,
                    !figure.at_most ? "-" : (figure.reached() ? "yes" : "NO"));
    }
}

bool write(const std::vector<Figure>& figures, const std::string& path) {
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

}  // namespace

int report(const char* program, const std::string& json,
           const std::function<std::vector<Figure>()>& measure) {
    try {
        const auto figures = measure();
        print(figures);
        if (!json.empty() && !write(figures, json))
            throw std::runtime_error("cannot write " + json);
        return all_reached(figures) ? 0 : 1;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", program, error.what());
        return 1;
    }
}

}  // namespace inod::bench
