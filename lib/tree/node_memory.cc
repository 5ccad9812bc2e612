#include "lib/tree/node_memory.h"

#include <cstdint>
#include <new>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/assert.h"
#include "lib/base/mutex.h"

namespace inod {
namespace {

// Of a huge page on x86-64, and on arm64 with pages of 4 KiB; elsewhere arenas are of small pages.
constexpr std::size_t arena_size = std::size_t{2} << 20U;

// Places of one size. This is its first cache line; they follow. Those that were given back are a
// list; those that were never taken are not touched.
class Arena {
public:
    // A neighbour in the ring of arenas with room.
    struct Link {
        Link* previous;
        Link* next;
    };

    // nullptr if the system has no memory.
    static Arena* make(std::size_t size, bool of_huge_pages) noexcept {
        void* const memory = map();
        if (memory == nullptr) return nullptr;
        // Without huge pages it works as well, only slower.
        if (of_huge_pages) (void)::madvise(memory, arena_size, MADV_HUGEPAGE);
        return new (memory) Arena(size);
    }
    // If the system cannot (it may have to cut a mapping in two), addresses are lost, and no memory.
    void unmap() noexcept { ::munmap(this, arena_size); }

    // The one that a place lies in.
    static Arena& of(void* place) noexcept {
        const auto address = reinterpret_cast<std::uintptr_t>(place);
        // An arena begins at a multiple of its size. NOLINTNEXTLINE(performance-no-int-to-ptr)
        return *reinterpret_cast<Arena*>(address & ~std::uintptr_t{arena_size - 1});
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool is_empty() const noexcept { return taken_ == 0; }
    [[nodiscard]] bool has_room() const noexcept {
        return given_ != nullptr || end_ + size_ <= arena_size;
    }

    // Requires room.
    void* take() noexcept {
        ++taken_;
        if (given_ != nullptr) return std::exchange(given_, given_->next);
        void* const place = reinterpret_cast<std::byte*>(this) + end_;  // NOLINT: of its own memory
        end_ += size_;
        return place;
    }
    void give(void* place) noexcept {
        --taken_;
        given_ = new (place) Given{given_};
        give_pages(static_cast<std::byte*>(place) + sizeof(Given),
                   static_cast<std::byte*>(place) + size_);
    }

    Link ring{nullptr, nullptr};

private:
    struct Given {
        Given* next;
    };

    explicit Arena(std::size_t size) noexcept : size_(size) {}

    // Gives whole pages between the two back to the system, which gives zeros for them later.
    static void give_pages(std::byte* begin, std::byte* end) noexcept {
        static const auto page_size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        begin += -reinterpret_cast<std::uintptr_t>(begin) % page_size;
        end -= reinterpret_cast<std::uintptr_t>(end) % page_size;
        if (begin < end) {
            (void)::madvise(begin, static_cast<std::size_t>(end - begin), MADV_DONTNEED);
        }
    }

    // Twice as much, without what is too much on both sides.
    static void* map() noexcept {
        void* const memory = ::mmap(nullptr, 2 * arena_size, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return nullptr;
        auto* const begin = static_cast<std::byte*>(memory);
        const std::size_t before = -reinterpret_cast<std::uintptr_t>(begin) % arena_size;
        if (before > 0) ::munmap(begin, before);
        ::munmap(begin + before + arena_size, arena_size - before);
        return begin + before;
    }

    std::size_t size_;
    std::size_t taken_ = 0;
    std::size_t end_ = NodeMemory::cache_line_size;  // of the places that were taken so far
    Given* given_ = nullptr;
};
static_assert(sizeof(Arena) <= NodeMemory::cache_line_size);

class SystemMemory final : public NodeMemory {
public:
    void* take(std::size_t size) noexcept override {
        INOD_ASSERT(size > 0 && size <= size_max && size % cache_line_size == 0);
        const MutexGuard guard(mutex_);
        Arena* const arena = with_room_for(size);
        if (arena == nullptr) return nullptr;
        if (arena == empty_) empty_ = nullptr;
        void* const place = arena->take();
        if (!arena->has_room()) unlink(*arena);
        return place;
    }

    void give(void* memory, std::size_t size) noexcept override {
        const MutexGuard guard(mutex_);
        Arena& arena = Arena::of(memory);
        INOD_ASSERT(arena.size() == size);
        if (!arena.has_room()) link(arena);
        arena.give(memory);
        if (!arena.is_empty()) return;
        if (empty_ == nullptr) {
            empty_ = &arena;
            return;
        }
        unlink(arena);
        arena.unmap();
        --arena_count_;
    }

private:
    using Link = Arena::Link;

    Arena* with_room_for(std::size_t size) noexcept INOD_REQUIRES(mutex_) {
        for (Link* link = with_room_.next; link != &with_room_; link = link->next) {
            Arena& arena = Arena::of(link);
            if (arena.size() == size) return &arena;
        }
        Arena* const arena = Arena::make(size, arena_count_ > 0);
        if (arena == nullptr) return nullptr;
        ++arena_count_;
        link(*arena);
        return arena;
    }
    void link(Arena& arena) noexcept INOD_REQUIRES(mutex_) {
        arena.ring = {&with_room_, with_room_.next};
        arena.ring.next->previous = &arena.ring;
        with_room_.next = &arena.ring;
    }
    static void unlink(Arena& arena) noexcept {
        arena.ring.previous->next = arena.ring.next;
        arena.ring.next->previous = arena.ring.previous;
    }

    Mutex mutex_;
    Link with_room_ INOD_GUARDED_BY(mutex_){&with_room_, &with_room_};
    Arena* empty_ INOD_GUARDED_BY(mutex_) = nullptr;  // the one without a slab, if there is one
    std::size_t arena_count_ INOD_GUARDED_BY(mutex_) = 0;
};

}  // namespace

NodeMemory& NodeMemory::system() noexcept {
    // Never destroyed: trees that live as long as the process give their slabs back after it.
    alignas(SystemMemory) static std::byte storage[sizeof(SystemMemory)];
    static auto* const memory = new (storage) SystemMemory;
    return *memory;
}

}  // namespace inod
