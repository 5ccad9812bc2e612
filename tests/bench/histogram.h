// How often which latency was seen, in memory of one size and within 3 % of each value: 32 buckets
// for each power of two. The idea is HdrHistogram's.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace inod::bench {

class Histogram {
public:
    void add(std::uint64_t nanoseconds) {
        ++buckets_[index_of(nanoseconds)];
        ++count_;
    }

    [[nodiscard]] std::uint64_t count() const { return count_; }

    // The least value that at least this part of all does not exceed, rounded up to its bucket's
    // end; 0 if there is none. Requires 0 < part <= 1.
    [[nodiscard]] std::uint64_t quantile(double part) const {
        auto left = static_cast<std::uint64_t>(std::ceil(part * static_cast<double>(count_)));
        for (std::size_t i = 0; left > 0 && i < buckets_.size(); ++i) {
            if (buckets_[i] >= left) return last_in(i);
            left -= buckets_[i];
        }
        return 0;
    }

private:
    static constexpr unsigned bits = 5;  // of a value that tell the buckets of one power apart
    static constexpr std::size_t per_power = std::size_t{1} << bits;

    // Values below 2 * per_power have a bucket each.
    static std::size_t index_of(std::uint64_t value) {
        const auto shift = static_cast<unsigned>(std::bit_width(value | per_power)) - (bits + 1);
        return shift * per_power + static_cast<std::size_t>(value >> shift);
    }

    static std::uint64_t last_in(std::size_t index) {
        if (index < 2 * per_power) return index;
        const std::size_t shift = index / per_power - 1;
        const std::uint64_t first = std::uint64_t{index - shift * per_power} << shift;
        return first + ((std::uint64_t{1} << shift) - 1);
    }

    std::array<std::uint64_t, (64 - bits + 1) * per_power> buckets_{};
    std::uint64_t count_ = 0;
};

}  // namespace inod::bench
