// Nodes of one size, set aside before they are needed.
//
// A release must succeed with memory exhausted, so a tree never allocates when it changes: it takes
// nodes from here, and they were put here when somebody could still be told out_of_memory. Nodes
// come in slabs of 16, so that the allocator's own overhead is small and a slab that has become
// free altogether can go back to the system.
//
// Thread safety: none of its own; whoever owns the reserve also owns its lock. A Batch belongs to
// one thread and touches the reserve only in add(), so it is filled without that lock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lib/base/memory_budget.h"
#include "lib/base/result.h"
#include "lib/tree/node_memory.h"

namespace inod {

class NodeReserve {
public:
    static constexpr std::size_t cache_line_size = NodeMemory::cache_line_size;
    static constexpr std::size_t nodes_per_slab = 16;

    // `node_size` in bytes: a multiple of cache_line_size.
    NodeReserve(MemoryBudget& budget, NodeMemory& memory, std::size_t node_size) noexcept;
    ~NodeReserve();  // Gives all nodes back, those in use included.
    NodeReserve(const NodeReserve&) = delete;
    NodeReserve& operator=(const NodeReserve&) = delete;

    [[nodiscard]] std::uint64_t size() const noexcept { return free_count_; }  // nodes set aside
    [[nodiscard]] std::uint64_t in_use() const noexcept {                      // nodes taken
        return slab_count_ * nodes_per_slab - free_count_;
    }
    // Everything counted in the budget for this reserve, in bytes: nodes set aside, nodes in use.
    [[nodiscard]] std::uint64_t bytes() const noexcept { return slab_count_ * slab_size(); }

    // A node as it was given back, or zeros the first time. Requires size() > 0: to have seen to
    // that is what the reserve is for.
    struct Taken {
        void* node;
        unsigned place;  // in its slab; give() wants it back
    };
    [[nodiscard]] Taken take() noexcept;
    void give(void* node, unsigned place) noexcept;
    void give_all() noexcept;  // every node in use

    // Gives slabs without a node in use back to the system while more than `keep` nodes stay.
    void trim(std::uint64_t keep) noexcept;

private:
    struct Slab;
    struct Link {  // of a ring with its head in the reserve
        Link* previous;
        Link* next;
    };

public:
    // Slabs on their way into the reserve. What was not added goes back by itself.
    class Batch {
    public:
        explicit Batch(NodeReserve& reserve) noexcept : reserve_(&reserve) {}
        ~Batch();
        Batch(const Batch&) = delete;
        Batch& operator=(const Batch&) = delete;

        // Takes the bytes of at least `count` nodes from the budget. Fails with out_of_memory.
        // Quick, so that a request beyond the budget is refused before anything is touched.
        [[nodiscard]] Result<> claim(std::uint64_t count) noexcept;
        // Gets from the system what was claimed, and touches it. Fails with out_of_memory. May take
        // long, and needs no lock on the reserve.
        [[nodiscard]] Result<> fill() noexcept;
        // Puts it all into the reserve. Needs the lock.
        void add() noexcept;

    private:
        NodeReserve* reserve_;
        Slab* first_ = nullptr;
        std::uint64_t claimed_count_ = 0;  // slabs in the budget
        std::uint64_t filled_count_ = 0;   // slabs in the list
    };

private:
    [[nodiscard]] std::size_t slab_size() const noexcept {
        return cache_line_size + nodes_per_slab * node_size_;
    }
    [[nodiscard]] Slab* new_slab() noexcept;
    void drop_all(Link& ring) noexcept;

    MemoryBudget& budget_;
    NodeMemory& memory_;
    const std::size_t node_size_;
    Link usable_;  // slabs with free nodes; those that are free altogether at the end
    Link full_;    // slabs without
    std::uint64_t slab_count_ = 0;
    std::uint64_t free_count_ = 0;
};

}  // namespace inod
