#include "lib/pool/tags.h"

#include "lib/base/assert.h"

namespace inod {

Tags::~Tags() {
    budget_.give(budgeted_);
}

Result<> Tags::prepare(HolderIndex holder) {
    if (auto chain = prepare_chain_of(holder); !chain) return chain;
    return spare_ != none ? Result<>() : prepare_slot();
}

Result<> Tags::prepare(HolderIndex holder, std::size_t count) {
    if (auto chain = prepare_chain_of(holder); !chain) return chain;
    std::size_t spares = 0;
    for (Index index = spare_; index != none && spares < count; index = slots_[index].next)
        ++spares;
    for (; spares < count; ++spares) {
        if (auto slot = prepare_slot(); !slot) return slot;
    }
    return {};
}

Result<> Tags::prepare_chain_of(HolderIndex holder) {
    while (first_of_holder_.size() <= holder) {
        if (auto room = make_room(first_of_holder_, budget_, budgeted_); !room) return room;
        first_of_holder_.push_back();
        first_of_holder_[first_of_holder_.size() - 1] = none;
    }
    return {};
}

// A slot more, and a chain more for it.
Result<> Tags::prepare_slot() {
    const std::size_t count = slots_.size();
    if (count >= none) return Errc::out_of_memory;
    if (auto room = make_room(slots_, budget_, budgeted_); !room) return room;
    if (auto room = make_room(chains_, budget_, budgeted_); !room) return room;
    chains_.add_chain(hash(), link());
    slots_.push_back();
    slots_[count].next = spare_;
    spare_ = static_cast<Index>(count);
    return {};
}

Value Tags::add(PoolIndex pool, const Tag& tag, std::uint64_t ids) noexcept {
    const std::uint64_t hash = hash_of(pool, tag);
    const Index known = chains_.find(hash, link(), [&](Index index) {
        const Slot& slot = slots_[index];
        return slot.tag == tag && slot.pool == pool && !slot.dead;
    });
    if (known != none) {
        slots_[known].count.ids += ids;
        return Value{known} + 1;
    }
    INOD_ASSERT(spare_ != none);
    const Index index = spare_;
    spare_ = slots_[index].next;
    slots_[index] = {.tag = tag, .count = {.ids = ids, .runs = 0}, .pool = pool};
    chains_.insert(index, hash, link());
    join_holder(index);
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
    const auto index = static_cast<Index>(value - 1);
    if (!changed.dead) leave_holder(index);
    if (changed.in_chain) take_out_of_chain(index);
    changed.next = spare_;
    spare_ = index;
}

void Tags::take_out_of_chain(Index index) noexcept {
    chains_.remove(index, hash()(index), link());
}

void Tags::join_holder(Index index) noexcept {
    INOD_ASSERT(slots_[index].tag.holder < first_of_holder_.size());
    Index& first = first_of_holder_[slots_[index].tag.holder];
    slots_[index].next_of_holder = first;
    slots_[index].previous_of_holder = none;
    if (first != none) slots_[first].previous_of_holder = index;
    first = index;
}

void Tags::leave_holder(Index index) noexcept {
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

std::uint64_t Tags::hash_of(PoolIndex pool, const Tag& tag) noexcept {
    const std::uint64_t who =
        std::uint64_t{tag.holder} << 17U | std::uint64_t{pool} << 1U | (tag.claimed ? 1U : 0U);
    // Where nothing was asked for below it comes out as if there were no such thing.
    const std::uint64_t via = static_cast<PoolIndex>(~tag.via);
    return mixed(tag.generation * 0x9E3779B97F4A7C15 + who + via * 0xD1B54A32D192ED03);
}

}  // namespace inod
