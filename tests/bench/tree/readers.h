// Lookups on one thread beside a writer at full speed on another: what each costs the other, in the
// ways to keep a reader from a torn state. Rates are calls a second.
#pragma once

#include <atomic>
#include <chrono>
#include <limits>
#include <mutex>
#include <random>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "lib/tree/tree_reader.h"
#include "tests/bench/tree/workload.h"

namespace inod::bench {

struct ReaderFigures {
    const char* name;
    double reads_alone;
    double reads_beside;
    double writes_alone;
    double writes_beside;
};

// One tree, with as many live IDs as the workload has, which the writer replaces one by one: it
// allocates one behind all and releases a random one.
template <class Lock>
class ReaderBench {
public:
    explicit ReaderBench(const Workload& work) : live_(work.count()) {
        for (Id& id : live_)
            id = allocate();
    }

    // Reads for `seconds` by `look`, and writes, each if told.
    template <class Look>
    void run(bool reads, bool writes, Look&& look, double& read_rate, double& write_rate) {
        std::atomic<bool> done{false};
        std::uint64_t read_count = 0;
        std::uint64_t write_count = 0;
        const Id first = cursor_ - live_.size();
        std::thread reader([&] {
            std::mt19937_64 random(1);
            while (reads && !done.load(std::memory_order_relaxed)) {
                keep(look(first + random() % live_.size()));
                ++read_count;
            }
        });
        const auto begin = std::chrono::steady_clock::now();
        const auto end = begin + std::chrono::milliseconds(500);
        std::mt19937_64 random(2);
        while (std::chrono::steady_clock::now() < end) {
            for (int i = 0; writes && i < 64; ++i) {
                const std::lock_guard lock(lock_);
                Id& victim = live_[random() % live_.size()];
                const Id fresh = allocate();
                tree_.erase({victim, victim});
                victim = fresh;
                ++write_count;
            }
        }
        done = true;
        reader.join();
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
        if (reads) read_rate = static_cast<double>(read_count) / time.count();
        if (writes) write_rate = static_cast<double>(write_count) / time.count();
    }

    template <class Look>
    ReaderFigures measure(const char* name, Look&& look) {
        ReaderFigures figures{name, 0, 0, 0, 0};
        run(true, false, look, figures.reads_alone, figures.writes_alone);
        run(false, true, look, figures.reads_alone, figures.writes_alone);
        run(true, true, look, figures.reads_beside, figures.writes_beside);
        return figures;
    }

    [[nodiscard]] const RangeTree& tree() const { return tree_; }
    [[nodiscard]] Lock& lock() { return lock_; }

private:
    Id allocate() {
        NoGuard guard;
        if (!tree_.preallocate(guard, {cursor_, cursor_})) throw std::bad_alloc();
        tree_.store({cursor_, cursor_}, cursor_ + 1);
        return cursor_++;
    }

    MemoryBudget budget_{std::numeric_limits<std::uint64_t>::max()};
    RangeTree tree_{budget_};
    Lock lock_;
    std::vector<Id> live_;
    Id cursor_ = 0;
};

inline std::vector<ReaderFigures> measure_readers(const Workload& work) {
    std::vector<ReaderFigures> all;
    {
        ReaderBench<std::mutex> bench(work);
        const TreeReader<std::mutex> reader(bench.tree(), bench.lock());
        all.push_back(
            bench.measure("validated, without a lock", [&](Id id) { return reader.load(id); }));
    }
    {
        ReaderBench<std::mutex> bench(work);
        all.push_back(bench.measure("std::mutex for one descent", [&](Id id) {
            const std::lock_guard lock(bench.lock());
            return bench.tree().load(id);
        }));
    }
    {
        ReaderBench<std::shared_mutex> bench(work);
        all.push_back(bench.measure("std::shared_mutex, shared", [&](Id id) {
            const std::shared_lock lock(bench.lock());
            return bench.tree().load(id);
        }));
    }
    return all;
}

}  // namespace inod::bench
