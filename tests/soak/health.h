// What the daemon's process uses, as the kernel and the daemon itself say, and how that changed over a run.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

namespace inod::soak {

struct Descriptors {
    std::size_t sockets = 0;
    std::size_t pidfds = 0;
    std::size_t files = 0;  // in the state directory: as the journal needs them
    std::size_t others = 0;

    friend bool operator==(const Descriptors&, const Descriptors&) = default;
};
std::string text_of(const Descriptors& descriptors);
Descriptors descriptors_of(pid_t pid, const std::string& state_dir);

struct Memory {
    std::uint64_t resident_kb = 0;  // Rss
    std::uint64_t own_kb = 0;       // Anonymous: of no file, which others may map too, or not
    std::uint64_t budget_kb = 0;    // memory_used, as the daemon counts
};
// All but the budget.
Memory memory_of(pid_t pid);
std::uint64_t resident_peak_kb(pid_t pid);

std::size_t thread_count(pid_t pid);

// Samples in windows of equal length. What the daemon has for a snapshot, or for those who just die, comes and
// goes; so windows are compared, and not moments.
class Growth {
public:
    Growth(std::chrono::duration<double> window, std::vector<Memory> samples,
           std::vector<double> seconds);

    struct Figure {
        const char* name;
        std::uint64_t first_kb;
        std::uint64_t last_kb;
        [[nodiscard]] double percent() const;
    };
    // Of each kind of memory its maximum and its median: of the first window after one has passed, and of the
    // last that is whole. None if the run was too short for two windows after one.
    [[nodiscard]] const std::vector<Figure>& figures() const { return figures_; }

private:
    std::vector<Figure> figures_;
};

}  // namespace inod::soak
