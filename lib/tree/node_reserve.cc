#include "lib/tree/node_reserve.h"

#include <bit>
#include <cstring>
#include <limits>
#include <new>

#include "lib/base/assert.h"

namespace inod {
namespace {

constexpr std::uint32_t all_free = (std::uint32_t{1} << NodeReserve::nodes_per_slab) - 1;
static_assert(NodeReserve::nodes_per_slab < 32, "free_nodes has a bit for each");

}  // namespace

// The first cache line of a slab; its nodes follow.
struct NodeReserve::Slab : Link {
    std::uint32_t free_nodes = all_free;  // bit i: node i is free

    [[nodiscard]] std::byte* nodes() {
        return reinterpret_cast<std::byte*>(this) + cache_line_size;  // NOLINT
    }
    void unlink() {
        previous->next = next;
        next->previous = previous;
    }
    void link_before(Link& other) {
        previous = other.previous;
        next = &other;
        previous->next = this;
        other.previous = this;
    }
};

NodeReserve::NodeReserve(MemoryBudget& budget, NodeMemory& memory, std::size_t node_size) noexcept
    : budget_(budget),
      memory_(memory),
      node_size_(node_size),
      usable_{&usable_, &usable_},
      full_{&full_, &full_} {
    static_assert(sizeof(Slab) <= cache_line_size);
    INOD_ASSERT(node_size % cache_line_size == 0);
}

NodeReserve::~NodeReserve() {
    drop_all(usable_);
    drop_all(full_);
}

void NodeReserve::drop_all(Link& ring) noexcept {
    while (ring.next != &ring) {
        Slab* slab = static_cast<Slab*>(ring.next);
        slab->unlink();
        memory_.give(slab, slab_size());
        budget_.give(slab_size());
        --slab_count_;
    }
}

NodeReserve::Taken NodeReserve::take() noexcept {
    INOD_ASSERT(free_count_ > 0);
    Slab* slab = static_cast<Slab*>(usable_.next);
    const int index = std::countr_zero(slab->free_nodes);
    slab->free_nodes &= slab->free_nodes - 1;
    --free_count_;
    if (slab->free_nodes == 0) {
        slab->unlink();
        slab->link_before(full_);
    }
    return {slab->nodes() + static_cast<std::size_t>(index) * node_size_,
            static_cast<unsigned>(index)};
}

void NodeReserve::give(void* node, unsigned place) noexcept {
    std::byte* start = static_cast<std::byte*>(node) - place * node_size_ - cache_line_size;
    Slab* slab = reinterpret_cast<Slab*>(start);  // NOLINT
    const std::uint32_t bit = std::uint32_t{1} << place;
    INOD_ASSERT((slab->free_nodes & bit) == 0);
    const bool was_full = slab->free_nodes == 0;
    slab->free_nodes |= bit;
    ++free_count_;
    // Slabs with nodes in use come first, so that the others empty and can go back.
    if (was_full || slab->free_nodes == all_free) {
        slab->unlink();
        slab->link_before(slab->free_nodes == all_free ? usable_ : *usable_.next);
    }
}

void NodeReserve::give_all() noexcept {
    while (full_.next != &full_) {
        Slab* slab = static_cast<Slab*>(full_.next);
        slab->unlink();
        slab->link_before(usable_);
    }
    for (Link* link = usable_.next; link != &usable_; link = link->next) {
        static_cast<Slab*>(link)->free_nodes = all_free;
    }
    free_count_ = slab_count_ * nodes_per_slab;
}

void NodeReserve::trim(std::uint64_t keep) noexcept {
    while (free_count_ >= keep + nodes_per_slab && usable_.previous != &usable_) {
        Slab* slab = static_cast<Slab*>(usable_.previous);
        if (slab->free_nodes != all_free) return;
        slab->unlink();
        memory_.give(slab, slab_size());
        budget_.give(slab_size());
        --slab_count_;
        free_count_ -= nodes_per_slab;
    }
}

// Writes to all of it: a page that was only promised could still kill the process later.
NodeReserve::Slab* NodeReserve::new_slab() noexcept {
    void* memory = memory_.take(slab_size());
    if (memory == nullptr) return nullptr;
    std::memset(memory, 0, slab_size());
    return new (memory) Slab;
}

NodeReserve::Batch::~Batch() {
    while (first_ != nullptr) {
        Slab* slab = first_;
        first_ = static_cast<Slab*>(slab->next);
        reserve_->memory_.give(slab, reserve_->slab_size());
    }
    reserve_->budget_.give(claimed_count_ * reserve_->slab_size());
}

Result<> NodeReserve::Batch::claim(std::uint64_t count) noexcept {
    const std::uint64_t slabs = count / nodes_per_slab + (count % nodes_per_slab != 0 ? 1 : 0);
    if (slabs > std::numeric_limits<std::uint64_t>::max() / reserve_->slab_size()) {
        return Errc::out_of_memory;
    }
    if (!reserve_->budget_.take(slabs * reserve_->slab_size())) return Errc::out_of_memory;
    claimed_count_ += slabs;
    return {};
}

Result<> NodeReserve::Batch::fill() noexcept {
    for (; filled_count_ < claimed_count_; ++filled_count_) {
        Slab* slab = reserve_->new_slab();
        if (slab == nullptr) return Errc::out_of_memory;
        slab->next = first_;
        first_ = slab;
    }
    return {};
}

void NodeReserve::Batch::add() noexcept {
    INOD_ASSERT(filled_count_ == claimed_count_);
    reserve_->slab_count_ += filled_count_;
    reserve_->free_count_ += filled_count_ * nodes_per_slab;
    while (first_ != nullptr) {
        Slab* slab = first_;
        first_ = static_cast<Slab*>(slab->next);
        slab->link_before(reserve_->usable_);
    }
    claimed_count_ = 0;
    filled_count_ = 0;
}

}  // namespace inod
