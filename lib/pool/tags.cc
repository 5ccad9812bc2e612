#include "lib/pool/tags.h"

#include <algorithm>
#include <new>

#include "lib/base/assert.h"

namespace inod {
namespace {

// Bytes that a tag may cost: its slot, its place among the spare ones and its chain, each in a
// vector that has just doubled and is being copied.
constexpr std::uint64_t bytes_per_tag = 256;

constexpr std::size_t chain_count_min = 8;

}  // namespace

Tags::~Tags() {
    budget_.give(budgeted_);
}

Result<> Tags::prepare() {
    if (!spare_.empty()) return {};
    const std::size_t count = slots_.size();
    const std::uint64_t wanted = (count + 1) * bytes_per_tag;
    if (wanted > budgeted_) {
        if (!budget_.take(wanted - budgeted_)) return Errc::out_of_memory;
        budgeted_ = wanted;
    }
    try {
        slots_.push_back({});
        spare_.reserve(slots_.capacity());
        if (chains_.size() < slots_.size()) grow_chains();
    } catch (const std::bad_alloc&) {
        slots_.resize(count);
        return Errc::out_of_memory;
    }
    spare_.push_back(slots_.size());
    return {};
}

// Doubles the hash table. Called when no slot is spare but the one that was just made.
void Tags::grow_chains() {
    std::vector<Value> chains(std::max(chain_count_min, 2 * chains_.size()), 0);
    chains_.swap(chains);
    for (Value value = 1; value < slots_.size(); ++value) {
        Slot& slot = slots_[value - 1];
        Value& first = chains_[chain_of(slot.tag)];
        slot.next = first;
        first = value;
    }
}

Value Tags::add(const Tag& tag, std::uint64_t count) noexcept {
    INOD_ASSERT(!chains_.empty());
    Value& first = chains_[chain_of(tag)];
    for (Value value = first; value != 0; value = slots_[value - 1].next) {
        if (slots_[value - 1].tag != tag) continue;
        slots_[value - 1].id_count += count;
        return value;
    }
    INOD_ASSERT(!spare_.empty());
    const Value value = spare_.back();
    spare_.pop_back();
    slots_[value - 1] = {.tag = tag, .id_count = count, .next = first};
    first = value;
    return value;
}

void Tags::remove(Value value, std::uint64_t count) noexcept {
    Slot& slot = slots_[value - 1];
    INOD_ASSERT(slot.id_count >= count);
    slot.id_count -= count;
    if (slot.id_count > 0) return;
    Value* link = &chains_[chain_of(slot.tag)];
    while (*link != value)
        link = &slots_[*link - 1].next;
    *link = slot.next;
    spare_.push_back(value);
}

const Tag& Tags::operator[](Value value) const noexcept {
    INOD_ASSERT(value > 0 && value <= slots_.size());
    return slots_[value - 1].tag;
}

std::uint64_t Tags::id_count(Value value) const noexcept {
    INOD_ASSERT(value > 0 && value <= slots_.size());
    return slots_[value - 1].id_count;
}

std::size_t Tags::chain_of(const Tag& tag) const noexcept {
    // The finalizer of SplitMix64. Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number
    // Generators", OOPSLA 2014. There are as many chains as a power of two says.
    std::uint64_t hash =
        tag.generation * 0x9E3779B97F4A7C15 + tag.holder * std::uint64_t{2} + (tag.claimed ? 1 : 0);
    hash = (hash ^ (hash >> 30U)) * 0xBF58476D1CE4E5B9;
    hash = (hash ^ (hash >> 27U)) * 0x94D049BB133111EB;
    return (hash ^ (hash >> 31U)) & (chains_.size() - 1);
}

}  // namespace inod
