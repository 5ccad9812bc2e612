// How long the lock was held, by the clock of the thread's own work: what others wait for is counted, and
// what the machine did meanwhile is not.
#pragma once

#include <algorithm>
#include <vector>

#include "tests/bench/in_a_child.h"

namespace inod::bench {

// A guard that takes the time of each stretch for which it is held.
class HeldTime {
public:
    void lock() { begun_ms_ = thread_cpu_ms(); }
    void unlock() {
        last_ms_ = thread_cpu_ms() - begun_ms_;
        longest_ms_ = std::max(longest_ms_, last_ms_);
        sum_ms_ += last_ms_;
    }

    // Runs `work` under the lock.
    template <class Work>
    void during(Work work) {
        lock();
        work();
        unlock();
    }

    [[nodiscard]] double last_ms() const { return last_ms_; }
    [[nodiscard]] double longest_ms() const { return longest_ms_; }
    [[nodiscard]] double sum_ms() const { return sum_ms_; }

private:
    double begun_ms_ = 0;
    double last_ms_ = 0;
    double longest_ms_ = 0;
    double sum_ms_ = 0;
};

// The value that 99 of 100 do not pass. Requires some.
inline double p99_of(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() * 99 / 100];
}

}  // namespace inod::bench
