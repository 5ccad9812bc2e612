// Where the slabs of node reserves come from.
//
// The process's own memory cuts them out of arenas of the size of a huge page, since the way to a
// random leaf costs a miss in the translation of its address otherwise. The first arena is of small
// pages, so that a small process stays small; from the second on the kernel is asked for huge pages,
// and where it has none, small ones do. So up to an arena may be resident that nobody has asked for yet.
// The pages of a slab that is given back go back to the system at once, and with the last slab the
// arena's addresses, but for one empty arena that stays.
//
// Thread safety: all calls from any thread.
#pragma once

#include <cstddef>

namespace inod {

class NodeMemory {
public:
    static constexpr std::size_t cache_line_size = 64;              // bytes
    static constexpr std::size_t size_max = std::size_t{1} << 17U;  // bytes of a slab

    virtual ~NodeMemory() = default;
    // `size` bytes aligned for a cache line, or nullptr. `size` is a multiple of cache_line_size, not
    // 0 and at most size_max.
    virtual void* take(std::size_t size) noexcept = 0;
    // What take() of the same size returned.
    virtual void give(void* memory, std::size_t size) noexcept = 0;

    // The process's own.
    static NodeMemory& system() noexcept;
};

}  // namespace inod
