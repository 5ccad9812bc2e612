// Memory for the one asynchronous operation of its kind that its owner has under way, so that
// starting an operation never allocates: a session that must pass on a release cannot run out.
//
//     socket.async_read_some(buffer, asio::bind_allocator(HandlerAllocator<void>(memory),
//     handler));
//
// Thread safety: one operation at a time; it may be started and ended by different threads.
#pragma once

#include <array>
#include <cstddef>
#include <new>

#include "lib/base/assert.h"

namespace inod::daemon {

class HandlerMemory {
public:
    HandlerMemory() = default;
    HandlerMemory(const HandlerMemory&) = delete;
    HandlerMemory& operator=(const HandlerMemory&) = delete;

    void* take(std::size_t size) noexcept {
        INOD_ASSERT(!in_use_ && size <= sizeof(memory_));
        in_use_ = true;
        return memory_.data();
    }
    void give(void* memory) noexcept {
        INOD_ASSERT(in_use_ && memory == memory_.data());
        in_use_ = false;
    }

private:
    // More than Boost.Asio 1.81 asks for with the handlers here; take() checks it.
    alignas(std::max_align_t) std::array<std::byte, 384> memory_;
    bool in_use_ = false;
};

template <class T>
class HandlerAllocator {
public:
    using value_type = T;  // NOLINT(readability-identifier-naming): the standard's name

    explicit HandlerAllocator(HandlerMemory& memory) noexcept : memory_(&memory) {}
    template <class U>
    // NOLINTNEXTLINE(google-explicit-constructor): allocators of all types convert
    HandlerAllocator(const HandlerAllocator<U>& other) noexcept : memory_(other.memory_) {}

    T* allocate(std::size_t count) { return static_cast<T*>(memory_->take(count * sizeof(T))); }
    void deallocate(T* memory, std::size_t /*count*/) noexcept { memory_->give(memory); }

    template <class U>
    friend bool operator==(const HandlerAllocator& a, const HandlerAllocator<U>& b) noexcept {
        return a.memory_ == b.memory_;
    }

private:
    template <class U>
    friend class HandlerAllocator;
    HandlerMemory* memory_;
};

}  // namespace inod::daemon
