#include "tests/sim/refused_memory.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "lib/base/assert.h"
#include "tests/sim/own_memory.h"

namespace inod::sim {
namespace {

struct Refusal {
    bool is_on = false;
    std::uint64_t allowed = 0;
    std::uint64_t count = 0;
    std::uint64_t refused = 0;
};

thread_local Refusal refusal;

// Is this allocation to be refused?
bool is_refused() noexcept {
    if (!refusal.is_on || OwnMemory::is_used()) return false;
    if (refusal.allowed > 0) {
        --refusal.allowed;
        return false;
    }
    if (refusal.refused >= refusal.count) return false;
    ++refusal.refused;
    return true;
}

void* take(std::size_t size, std::size_t alignment) noexcept {
    if (is_refused()) return nullptr;
    if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__)
        return std::malloc(std::max<std::size_t>(size, 1));
    const std::size_t rounded = (std::max<std::size_t>(size, 1) + alignment - 1) & ~(alignment - 1);
    return std::aligned_alloc(alignment, rounded);
}

void* take_or_throw(std::size_t size, std::size_t alignment) {
    void* const memory = take(size, alignment);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

RefusedMemory::RefusedMemory(std::uint64_t allowed, std::uint64_t count) noexcept {
    INOD_ASSERT(!refusal.is_on);
    refusal = {.is_on = true, .allowed = allowed, .count = count};
}

RefusedMemory::~RefusedMemory() {
    refusal.is_on = false;
}

std::uint64_t RefusedMemory::refused() const noexcept {
    return refusal.refused;
}

}  // namespace inod::sim

// The forms for arrays, and those that do not throw without an alignment, call these.
[[gnu::noinline]] void* operator new(std::size_t size) {
    return inod::sim::take_or_throw(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
    return inod::sim::take_or_throw(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment,
                                     const std::nothrow_t&) noexcept {
    return inod::sim::take(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}
