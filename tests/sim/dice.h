// Where a life's chances come from: all of them follow from one seed.
#pragma once

#include <cstdint>
#include <random>

namespace inod::sim {

class Dice {
public:
    explicit Dice(std::uint64_t seed) : engine_(seed) {}

    // One of 0 to count - 1, each as likely. Requires count > 0.
    std::uint64_t below(std::uint64_t count) { return engine_() % count; }
    // True once in `count` times.
    bool one_in(std::uint64_t count) { return below(count) == 0; }
    std::uint64_t any() { return engine_(); }
    std::mt19937_64& engine() { return engine_; }

private:
    std::mt19937_64 engine_;
};

}  // namespace inod::sim
