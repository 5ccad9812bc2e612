#include "tests/bench/plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace inod::bench {
namespace {

// Pixels.
constexpr int width = 1080;
constexpr int row_height = 17;
constexpr int names_end = 370;  // they end there
constexpr int scale_start = 380;
constexpr int scale_end = 860;
constexpr int values_start = 870;

// Ratios at the two ends of the scale; what is beyond goes to the end.
constexpr double ratio_min = 0.05;
constexpr double ratio_max = 100;
constexpr std::array marks = {0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0};

constexpr std::size_t reason_size_max = 90;  // of it the start is shown

constexpr const char* style =
    "text{font:12px sans-serif;fill:#1f2328}.p{fill:#fff}.n{text-anchor:end}.t{text-anchor:middle;"
    "font-size:10px}.h{font-weight:bold}.y{fill:#2da44e}.m{fill:#cf4b2e}.o{fill:#8b949e}"
    ".g{stroke:#1f2328;stroke-width:2}.l{stroke:#d0d7de}.u{stroke:#6e7781}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.p{fill:#0d1117}.y{fill:#2ea043}"
    ".m{fill:#e5684a}.o{fill:#6e7681}.g{stroke:#f0f6fc}.l{stroke:#30363d}.u{stroke:#8b949e}}";

std::string text_of(std::string_view text) {
    return std::string(text);
}

std::string text_of(int number) {
    return std::to_string(number);
}

std::string with_decimals(double number, int decimals) {
    char text[64];
    std::snprintf(text, sizeof(text), "%.*f", decimals, number);
    return text;
}

// Pixels.
std::string text_of(double number) {
    return with_decimals(number, 1);
}

template <class... Parts>
void add(std::string& out, const Parts&... parts) {
    (out.append(text_of(parts)), ...);
}

double position_of(double ratio) {
    const double part = std::log(std::clamp(ratio, ratio_min, ratio_max) / ratio_min) /
                        std::log(ratio_max / ratio_min);
    return scale_start + part * (scale_end - scale_start);
}

// "0.972, goal 0.95: reached"
std::string verdict_of(const Outcome& outcome) {
    const auto ratio = ratio_of(outcome);
    std::string number = ratio ? with_decimals(*ratio, 3) : "-";
    if (!outcome.row.goal) return number;
    return number + ", goal " + goal_text(outcome.row) +
           (reached(outcome) ? ": reached" : ": MISSED");
}

// Its middle is at y.
void add_row(std::string& out, const Outcome& outcome, int y) {
    add(out, "<text class='n' x='", names_end, "' y='", y + 4, "'>", escaped(outcome.row.name),
        "</text>");
    const auto& goal = outcome.row.goal;
    const auto ratio = ratio_of(outcome);
    if (ratio) {
        const char* const kind = !goal ? "o" : reached(outcome) ? "y" : "m";
        add(out, "<rect class='", kind, "' x='", scale_start, "' y='", y - 5, "' width='",
            position_of(*ratio) - scale_start, "' height='11'/>");
    } else {
        add(out, "<text x='", scale_start + 4, "' y='", y + 4, "'>could not run: ",
            escaped(std::string_view(outcome.trouble).substr(0, reason_size_max)), "</text>");
    }
    if (goal && ratio) {
        add(out, "<path class='g' d='M", position_of(*goal), " ", y - 7, "v15'/>");
    }
    add(out, "<text x='", values_start, "' y='", y + 4, "'>", verdict_of(outcome), "</text>\n");
}

// The scale's lines from y on for so many pixels, with their numbers above.
void add_scale(std::string& out, int y, int height) {
    for (const double mark : marks) {
        const char* const kind = mark == 1 ? "u" : "l";
        const int decimals = mark < 1 ? 1 : 0;
        add(out, "<path class='", kind, "' d='M", position_of(mark), " ", y, "v", height, "'/>");
        add(out, "<text class='t' x='", position_of(mark), "' y='", y - 3, "'>",
            with_decimals(mark, decimals), "</text>\n");
    }
}

// Adds the rows with that placement and returns where it ends.
int add_table(std::string& out, const std::vector<Outcome>& outcomes, Placement placement, int y) {
    const auto is_here = [&](const Outcome& outcome) { return outcome.row.placement == placement; };
    const auto count = static_cast<int>(std::count_if(outcomes.begin(), outcomes.end(), is_here));
    if (count == 0) return y;
    y += 34;
    add(out, "<text class='h' x='10' y='", y - 16, "'>server and load on ", name_of(placement),
        ": inod by the other</text>\n");
    add_scale(out, y, count * row_height);
    for (const Outcome& outcome : outcomes) {
        if (!is_here(outcome)) continue;
        add_row(out, outcome, y + row_height / 2);
        y += row_height;
    }
    return y;
}

void add_caption(std::string& out, std::string_view caption, int& y) {
    while (!caption.empty()) {
        const auto end = std::min(caption.find('\n'), caption.size());
        y += row_height;
        add(out, "<text x='10' y='", y, "'>", escaped(caption.substr(0, end)), "</text>\n");
        caption.remove_prefix(std::min(end + 1, caption.size()));
    }
}

}  // namespace

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '&': out += "&amp;"; break;
            case '"': out += "&quot;"; break;
            default: out += c >= ' ' && c <= '~' ? c : '?';
        }
    }
    return out;
}

std::string as_svg(const std::vector<Outcome>& outcomes, const std::string& caption) {
    std::string body;
    int y = 4;
    add_caption(body, caption, y);
    add_caption(
        body,
        "A bar is the median of inod's number by that of the other; the stroke is the goal. "
        "Longer is better, but for p99.",
        y);
    for (const Placement placement : {Placement::two_cores, Placement::one_core})
        y = add_table(body, outcomes, placement, y);
    const int height = y + 10;
    std::string out;
    add(out, "<svg xmlns='http://www.w3.org/2000/svg' width='", width, "' height='", height,
        "' viewBox='0 0 ", width, " ", height,
        "' role='img' aria-label='inod beside others, as ratios'>\n<style>", style,
        "</style>\n<rect class='p' width='100%' height='100%'/>\n");
    return out + body + "</svg>\n";
}

}  // namespace inod::bench
