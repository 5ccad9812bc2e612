// A row of values that never move: it grows by a block at a time, and no call copies what is there but for
// a pointer to each block.
//
// Thread safety: none of its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "lib/base/memory_budget.h"
#include "lib/base/result.h"

namespace inod {

template <class T>
class Blocks {
public:
    static constexpr std::size_t block_size = 64;  // values
    static constexpr std::size_t bytes_per_block = block_size * sizeof(T) + sizeof(void*);

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    // Has it to be given a block before the next push_back()?
    [[nodiscard]] bool is_full() const noexcept { return size_ == blocks_.size() * block_size; }
    // Throws std::bad_alloc, and nothing has changed.
    void add_block() { blocks_.push_back(std::make_unique<Block>()); }
    // A value more, as T() makes it. Requires that it is not full.
    void push_back() noexcept { (*this)[size_++] = T(); }

    T& operator[](std::size_t index) noexcept {
        return (*blocks_[index / block_size])[index % block_size];
    }
    const T& operator[](std::size_t index) const noexcept {
        return (*blocks_[index / block_size])[index % block_size];
    }

private:
    using Block = std::array<T, block_size>;

    std::vector<std::unique_ptr<Block>> blocks_;
    std::size_t size_ = 0;
};

// Sees to it that what grows by blocks has room for one more, with memory of the budget that is counted in
// `budgeted` and stays taken. Fails with out_of_memory.
template <class Growing>
Result<> make_room(Growing& growing, MemoryBudget& budget, std::uint64_t& budgeted) {
    if (!growing.is_full()) return {};
    if (!budget.take(Growing::bytes_per_block)) return Errc::out_of_memory;
    try {
        growing.add_block();
    } catch (const std::bad_alloc&) {
        budget.give(Growing::bytes_per_block);
        return Errc::out_of_memory;
    }
    budgeted += Growing::bytes_per_block;
    return {};
}

}  // namespace inod
