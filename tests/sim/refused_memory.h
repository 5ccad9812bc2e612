// Memory that is refused: operator new throws std::bad_alloc when told to. It stands in for the
// system's in every program that links this; nothing else changes then.
//
// Trees take their nodes from elsewhere (lib/tree/node_memory.h): those are refused by the budget.
//
// Thread safety: each thread has its own.
#pragma once

#include <cstdint>

#include "lib/base/memory_budget.h"

namespace inod::sim {

// From its construction to its destruction the first `allowed` allocations succeed, the `count`
// after them are refused, and what comes then succeeds again; but what is taken as OwnMemory always
// succeeds. At most one exists at a time.
class RefusedMemory {
public:
    static constexpr std::uint64_t all = ~std::uint64_t{0};

    explicit RefusedMemory(std::uint64_t allowed = 0, std::uint64_t count = all) noexcept;
    ~RefusedMemory();
    RefusedMemory(const RefusedMemory&) = delete;
    RefusedMemory& operator=(const RefusedMemory&) = delete;

    // How many allocations were refused so far.
    [[nodiscard]] std::uint64_t refused() const noexcept;
};

// While it exists nothing is left of a budget.
class UsedUpBudget {
public:
    explicit UsedUpBudget(MemoryBudget& budget) : budget_(budget) {
        size_ = budget.size_max() - budget.used();
        if (!budget.take(size_)) size_ = 0;
    }
    ~UsedUpBudget() { budget_.give(size_); }
    UsedUpBudget(const UsedUpBudget&) = delete;
    UsedUpBudget& operator=(const UsedUpBudget&) = delete;

private:
    MemoryBudget& budget_;
    std::uint64_t size_;
};

}  // namespace inod::sim
