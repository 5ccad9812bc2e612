// How much memory the daemon may have for what it keeps.
//
// With overcommit malloc does not fail: the first touch of a page kills the process. So whatever
// grows with what clients hold (tree nodes, holders, sessions) is counted here first, and is
// refused with out_of_memory well before the kernel's limit is met.
//
// Thread safety: all calls from any thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace inod {

class MemoryBudget {
public:
    explicit MemoryBudget(std::uint64_t size_max) : size_max_(size_max) {}
    MemoryBudget(const MemoryBudget&) = delete;
    MemoryBudget& operator=(const MemoryBudget&) = delete;

    // Counts `size` bytes as used. False, and nothing is counted, if that would pass the limit.
    [[nodiscard]] bool take(std::uint64_t size) noexcept {
        std::uint64_t used = used_.load(std::memory_order_relaxed);
        do {
            if (used > size_max_ || size > size_max_ - used) return false;
        } while (!used_.compare_exchange_weak(used, used + size, std::memory_order_relaxed));
        return true;
    }

    // Gives back what take() counted.
    void give(std::uint64_t size) noexcept { used_.fetch_sub(size, std::memory_order_relaxed); }

    [[nodiscard]] std::uint64_t used() const noexcept {
        return used_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t size_max() const noexcept { return size_max_; }

    class Overdraft;

private:
    std::uint64_t size_max_;  // bytes
    std::atomic<std::uint64_t> used_{0};
};

// While there is one, an eighth more may be taken. For a start: it has to bring back all that a life with
// the same limit had, and may pack it less well. When it goes, more may be used than the limit; then
// nothing is to be had until enough was given back.
//
// Nobody else may use the budget while it is made or goes.
class MemoryBudget::Overdraft {
public:
    explicit Overdraft(MemoryBudget& budget) noexcept
        : budget_(budget), size_max_(budget.size_max_) {
        budget.size_max_ += std::min(size_max_ / 8, UINT64_MAX - size_max_);
    }
    Overdraft(const Overdraft&) = delete;
    Overdraft& operator=(const Overdraft&) = delete;
    ~Overdraft() { budget_.size_max_ = size_max_; }

private:
    MemoryBudget& budget_;
    const std::uint64_t size_max_;
};

}  // namespace inod
