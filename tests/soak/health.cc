#include "tests/soak/health.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace inod::soak {
namespace {

namespace fs = std::filesystem;

std::string in_proc(pid_t pid, const char* file) {
    return "/proc/" + std::to_string(pid) + "/" + file;
}

// The number behind this word, in files of lines like "Rss:   1234 kB".
std::uint64_t number_behind(const std::string& file, const std::string& word) {
    std::ifstream in(file);
    for (std::string next; in >> next;) {
        std::uint64_t number = 0;
        if (next == word && in >> number) return number;
    }
    throw std::runtime_error("no " + word + " in " + file);
}

std::uint64_t median(std::vector<std::uint64_t> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

}  // namespace

std::string text_of(const Descriptors& descriptors) {
    std::ostringstream text;
    text << descriptors.sockets << " sockets, " << descriptors.pidfds << " pidfds, "
         << descriptors.files << " files of the journal, " << descriptors.others << " others";
    return text.str();
}

Descriptors descriptors_of(pid_t pid, const std::string& state_dir) {
    Descriptors found;
    for (const auto& entry : fs::directory_iterator(in_proc(pid, "fd"))) {
        std::error_code is_gone;
        const std::string target = fs::read_symlink(entry.path(), is_gone).string();
        if (is_gone) continue;
        if (target.starts_with("socket:")) {
            ++found.sockets;
        } else if (target.find("pidfd") != std::string::npos) {
            ++found.pidfds;
        } else if (target.starts_with(state_dir)) {
            ++found.files;
        } else {
            ++found.others;
        }
    }
    return found;
}

Memory memory_of(pid_t pid) {
    const std::string file = in_proc(pid, "smaps_rollup");
    return {.resident_kb = number_behind(file, "Rss:"),
            .own_kb = number_behind(file, "Anonymous:")};
}

std::uint64_t resident_peak_kb(pid_t pid) {
    return number_behind(in_proc(pid, "status"), "VmHWM:");
}

std::size_t thread_count(pid_t pid) {
    return number_behind(in_proc(pid, "status"), "Threads:");
}

double Growth::Figure::percent() const {
    return (static_cast<double>(last_kb) / static_cast<double>(first_kb) - 1) * 100;
}

Growth::Growth(std::chrono::duration<double> window, std::vector<Memory> samples,
               std::vector<double> seconds) {
    const auto index = [&](double second) {
        return static_cast<std::size_t>(second / window.count());
    };
    // The window that the last sample lies in is cut off by the end of the run.
    const std::size_t last = seconds.empty() ? 0 : index(seconds.back() + 0.5 * window.count()) - 1;
    if (seconds.empty() || last < 2) return;
    const auto of = [&](std::size_t wanted, std::uint64_t Memory::*part) {
        std::vector<std::uint64_t> values;
        for (std::size_t i = 0; i < samples.size(); ++i) {
            if (index(seconds[i]) == wanted) values.push_back(samples[i].*part);
        }
        return values;
    };
    const auto add = [&](const char* most, const char* middle, std::uint64_t Memory::*part) {
        const auto first_values = of(1, part);
        const auto last_values = of(last, part);
        if (first_values.empty() || last_values.empty()) return;
        figures_.push_back({most, *std::max_element(first_values.begin(), first_values.end()),
                            *std::max_element(last_values.begin(), last_values.end())});
        figures_.push_back({middle, median(first_values), median(last_values)});
    };
    add("resident memory, maximum", "resident memory, median", &Memory::resident_kb);
    add("its own memory, maximum", "its own memory, median", &Memory::own_kb);
    add("memory budget, maximum", "memory budget, median", &Memory::budget_kb);
}

}  // namespace inod::soak
