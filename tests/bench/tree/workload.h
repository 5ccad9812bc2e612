// The work of tools/bench tree, the same for every structure.
//
//   allocate   `count` single IDs, each with a value of its own, into an empty structure
//   lookup     each live ID once, in random order
//   release    a random half, in random order
//   gap n      the lowest n free IDs in a row are found and taken, with that half released, again
//              and again: `gap_count` times each
//   steady     at `count` live, `steps` times: one allocation, one release of a random live ID
//
// Times are nanoseconds an operation; sizes are bytes that the heap has given out, per live ID, or, of
// a structure that says itself what it uses, that: inod's tree keeps nodes set aside, which have rows
// of their own, and nodes that it has no use for, as malloc() does.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <numeric>
#include <random>
#include <vector>

#include <malloc.h>

#include "tests/bench/tree/structure.h"

namespace inod::bench {

struct Figures {
    double allocate_ns = 0;
    double lookup_ns = 0;
    double release_ns = 0;
    double steady_ns = 0;
    double gap_1_ns = 0;  // 0: it has none
    double gap_8_ns = 0;
    double gap_16_ns = 0;
    double filled_size = 0;
    double half_released_size = 0;
    double steady_size = 0;
};

// Random choices, made before any clock runs and the same for all.
class Workload {
public:
    Workload(std::size_t count, std::size_t steps) : order_(count), victims_(steps) {
        std::mt19937_64 random(20'231'104);
        std::iota(order_.begin(), order_.end(), Id{0});
        std::shuffle(order_.begin(), order_.end(), random);
        for (std::size_t& victim : victims_)
            victim = random() % count;
    }

    [[nodiscard]] std::size_t count() const { return order_.size(); }
    // All IDs from 0 to count - 1 in random order.
    [[nodiscard]] const std::vector<Id>& order() const { return order_; }
    // For each step of `steady`, which of the live ones is released.
    [[nodiscard]] const std::vector<std::size_t>& victims() const { return victims_; }

private:
    std::vector<Id> order_;
    std::vector<std::size_t> victims_;
};

// What malloc has given out and not got back.
inline double heap_size() {
    const auto info = mallinfo2();
    return static_cast<double>(info.uordblks + info.hblkhd);
}

// What a structure uses, which had `before` on the heap.
template <class Structure>
double size_of(const Structure& structure, double before) {
    if constexpr (requires { structure.size(); }) {
        return structure.size();
    } else {
        return heap_size() - before;
    }
}

// Nanoseconds a call of what `work` does `count` times.
template <class Work>
double time_of(std::size_t count, Work&& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - begin;
    return time.count() / static_cast<double>(count);
}

// So that the compiler keeps a lookup whose result nobody wants.
inline void keep(Value value) {
    asm volatile("" : : "r"(value));
}

template <class Structure>
void fill(Structure& structure, std::size_t count) {
    for (Value value = 1; value <= count; ++value)
        structure.allocate(value);
}

template <class Structure>
void release_half(Structure& structure, const Workload& work) {
    for (std::size_t i = 0; i < work.count() / 2; ++i)
        structure.release(work.order()[i]);
}

template <class Structure>
void measure_life(const Workload& work, Figures& figures) {
    const double before = heap_size();
    const std::size_t count = work.count();
    Structure structure;
    figures.allocate_ns = time_of(count, [&] { fill(structure, count); });
    figures.filled_size = size_of(structure, before) / static_cast<double>(count);
    figures.lookup_ns = time_of(count, [&] {
        for (const Id id : work.order())
            keep(structure.lookup(id));
    });
    figures.release_ns = time_of(count / 2, [&] { release_half(structure, work); });
    const std::size_t left = count - count / 2;
    figures.half_released_size = size_of(structure, before) / static_cast<double>(left);
}

template <class Structure>
double measure_gap(const Workload& work, unsigned n) {
    if constexpr (requires { Structure::gap_max; }) {
        if (n > Structure::gap_max) return 0;
        Structure structure;
        fill(structure, work.count());
        release_half(structure, work);
        return time_of(Structure::gap_count, [&] {
            for (unsigned i = 0; i < Structure::gap_count; ++i)
                structure.allocate_lowest(n, work.count() + i + 1);
        });
    }
    return 0;
}

template <class Structure>
void measure_steady(const Workload& work, Figures& figures) {
    std::vector<Id> live(work.count());
    const double before = heap_size();
    Structure structure;
    Value value = 0;
    for (Id& id : live)
        id = structure.allocate(++value);
    figures.steady_ns = time_of(work.victims().size(), [&] {
        const std::vector<std::size_t>& victims = work.victims();
        for (std::size_t i = 0; i < victims.size(); ++i) {
            // What is measured is the structure, not the way to the list of what is live.
            constexpr std::size_t ahead = 16;
            if (i + ahead < victims.size()) __builtin_prefetch(&live[victims[i + ahead]], 1);
            const Id fresh = structure.allocate(++value);
            structure.release(live[victims[i]]);
            live[victims[i]] = fresh;
        }
    });
    figures.steady_size = size_of(structure, before) / static_cast<double>(work.count());
}

template <class Structure>
Figures measure(const Workload& work) {
    Figures figures;
    measure_life<Structure>(work, figures);
    figures.gap_1_ns = measure_gap<Structure>(work, 1);
    figures.gap_8_ns = measure_gap<Structure>(work, 8);
    figures.gap_16_ns = measure_gap<Structure>(work, 16);
    measure_steady<Structure>(work, figures);
    return figures;
}

}  // namespace inod::bench
