// How long each of many requests took at least, of several processes that made the same ones: what the
// machine did meanwhile hits another one each time, and is not counted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include <sys/mman.h>

#include "tests/bench/in_a_child.h"

namespace inod::bench {

// Shared with the children that are forked later.
class LeastTimes {
public:
    explicit LeastTimes(std::size_t count_max) : size_((count_max + 1) * sizeof(double)) {
        void* const at =
            ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED) fail("mmap");
        count_ = static_cast<double*>(at);
        times_ = std::span(count_ + 1, count_max);
        std::fill(times_.begin(), times_.end(), std::numeric_limits<double>::infinity());
    }
    LeastTimes(const LeastTimes&) = delete;
    LeastTimes& operator=(const LeastTimes&) = delete;
    ~LeastTimes() { ::munmap(count_, size_); }

    // The one with this number took so long.
    void add(std::size_t number, double ms) {
        if (number >= times_.size()) fail("more requests than were foreseen");
        times_[number] = std::min(times_[number], ms);
        *count_ = std::max(*count_, static_cast<double>(number + 1));
    }
    // Of each.
    [[nodiscard]] std::vector<double> values() const {
        const auto count = static_cast<std::ptrdiff_t>(*count_);
        return {times_.begin(), times_.begin() + count};
    }

private:
    std::size_t size_;
    double* count_;  // of those that were made
    std::span<double> times_;
};

}  // namespace inod::bench
