#include "lib/pool/tags.h"

#include <algorithm>
#include <new>

#include "lib/base/assert.h"

namespace inod {
namespace {

// Bytes that a tag may cost: its slot and its part of a hash table that has just doubled and is being
// copied.
constexpr std::uint64_t bytes_per_tag = 48 + 12;

// Likewise the first link of a holder's chain.
constexpr std::uint64_t bytes_per_holder = 4;

constexpr std::size_t chain_count_min = 8;

}  // namespace

Tags::~Tags() {
    budget_.give(budgeted_);
}

Result<> Tags::prepare(HolderIndex holder) {
    if (auto chain = prepare_chain_of(holder); !chain) return chain;
    return spare_ != none ? Result<>() : prepare_slot();
}

Result<> Tags::prepare_chain_of(HolderIndex holder) {
    while (first_of_holder_.size() <= holder) {
        auto grown = grow(bytes_per_holder, [this] { first_of_holder_.push_back(none); });
        if (!grown) return grown;
    }
    return {};
}

Result<> Tags::prepare_slot() {
    const std::size_t count = slots_.size();
    if (count >= none) return Errc::out_of_memory;
    return grow(bytes_per_tag, [this, count] {
        if (chains_.size() <= count) grow_chains();
        slots_.emplace_back();
        spare_ = static_cast<Index>(count);
    });
}

// Takes `size` bytes of the budget for what `grow` makes, which changes nothing if it throws.
template <class Grow>
Result<> Tags::grow(std::uint64_t size, Grow grow) {
    if (!budget_.take(size)) return Errc::out_of_memory;
    try {
        grow();
    } catch (const std::bad_alloc&) {
        budget_.give(size);
        return Errc::out_of_memory;
    }
    budgeted_ += size;
    return {};
}

// Doubles the hash table. Called when no slot is spare.
void Tags::grow_chains() {
    std::vector<Index> chains(std::max(chain_count_min, 2 * chains_.size()), none);
    chains_.swap(chains);
    for (std::size_t index = 0; index < slots_.size(); ++index) {
        Slot& slot = slots_[index];
        if (slot.dead) continue;
        Index& first = chains_[chain_of(slot.pool, slot.tag)];
        slot.next = first;
        first = static_cast<Index>(index);
    }
}

Value Tags::add(PoolIndex pool, const Tag& tag, std::uint64_t ids) noexcept {
    INOD_ASSERT(!chains_.empty());
    Index& first = chains_[chain_of(pool, tag)];
    for (Index index = first; index != none; index = slots_[index].next) {
        if (slots_[index].tag != tag || slots_[index].pool != pool) continue;
        slots_[index].count.ids += ids;
        return Value{index} + 1;
    }
    INOD_ASSERT(spare_ != none);
    const Index index = spare_;
    spare_ = slots_[index].next;
    slots_[index] = {.tag = tag, .count = {.ids = ids, .runs = 0}, .pool = pool, .next = first};
    first = index;
    link(index);
    return Value{index} + 1;
}

void Tags::change_runs(Value value, std::uint64_t by) noexcept {
    slot(value).count.runs += by;
}

void Tags::remove(Value value, std::uint64_t ids) noexcept {
    Slot& changed = slot(value);
    INOD_ASSERT(changed.count.ids >= ids);
    changed.count.ids -= ids;
    if (changed.count.ids > 0) return;
    if (!changed.dead) kill(value);
    changed.dead = false;
    changed.next = spare_;
    spare_ = static_cast<Index>(value - 1);
}

// Nobody finds it by its tag any more, and its holder has it no longer.
void Tags::kill(Value value) noexcept {
    Slot& killed = slot(value);
    const auto index = static_cast<Index>(value - 1);
    Index* at = &chains_[chain_of(killed.pool, killed.tag)];
    while (*at != index)
        at = &slots_[*at].next;
    *at = killed.next;
    unlink(index);
    killed.dead = true;
}

void Tags::link(Index index) noexcept {
    INOD_ASSERT(slots_[index].tag.holder < first_of_holder_.size());
    Index& first = first_of_holder_[slots_[index].tag.holder];
    slots_[index].next_of_holder = first;
    slots_[index].previous_of_holder = none;
    if (first != none) slots_[first].previous_of_holder = index;
    first = index;
}

void Tags::unlink(Index index) noexcept {
    const Slot& slot = slots_[index];
    const Index next = slot.next_of_holder;
    const Index previous = slot.previous_of_holder;
    (previous != none ? slots_[previous].next_of_holder : first_of_holder_[slot.tag.holder]) = next;
    if (next != none) slots_[next].previous_of_holder = previous;
}

const Tags::Slot& Tags::slot(Value value) const noexcept {
    INOD_ASSERT(value > 0 && value <= slots_.size());
    return slots_[value - 1];
}

Tags::Slot& Tags::slot(Value value) noexcept {
    INOD_ASSERT(value > 0 && value <= slots_.size());
    return slots_[value - 1];
}

std::size_t Tags::chain_of(PoolIndex pool, const Tag& tag) const noexcept {
    // The finalizer of SplitMix64. Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number
    // Generators", OOPSLA 2014. There are as many chains as a power of two says.
    const std::uint64_t who =
        std::uint64_t{tag.holder} << 17U | std::uint64_t{pool} << 1U | (tag.claimed ? 1U : 0U);
    std::uint64_t hash = tag.generation * 0x9E3779B97F4A7C15 + who;
    hash = (hash ^ (hash >> 30U)) * 0xBF58476D1CE4E5B9;
    hash = (hash ^ (hash >> 27U)) * 0x94D049BB133111EB;
    return (hash ^ (hash >> 31U)) & (chains_.size() - 1);
}

}  // namespace inod
