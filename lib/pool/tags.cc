#include "lib/pool/tags.h"

#include <new>
#include <utility>

#include <boost/container_hash/hash.hpp>

#include "lib/base/assert.h"

namespace inod {
namespace {

// Bytes that a tag may cost: its slot, its place among the spare ones and its part of a hash table
// that is at worst seven sixteenths full, each in a container that has just doubled.
constexpr std::uint64_t bytes_per_tag = 256;

}  // namespace

Tags::~Tags() {
    budget_.give(budgeted_);
}

Result<> Tags::prepare() {
    if (!spare_.empty()) return {};
    const std::uint64_t wanted = (slots_.size() + 1) * bytes_per_tag;
    if (wanted > budgeted_) {
        if (!budget_.take(wanted - budgeted_)) return Errc::out_of_memory;
        budgeted_ = wanted;
    }
    try {
        slots_.push_back({});
        spare_.reserve(slots_.capacity());
        values_.reserve(slots_.size());
        spare_.push_back(slots_.size() - 1);
    } catch (const std::bad_alloc&) {
        if (slots_.size() > values_.size()) slots_.pop_back();
        return Errc::out_of_memory;
    }
    return {};
}

Value Tags::add(const Tag& tag, std::uint64_t count) noexcept {
    if (const auto found = values_.find(tag); found != values_.end()) {
        slots_[found->second - 1].id_count += count;
        return found->second;
    }
    INOD_ASSERT(!spare_.empty());
    const std::size_t index = spare_.back();
    spare_.pop_back();
    slots_[index] = {tag, count};
    const Value value = index + 1;
    values_.emplace(tag, value);
    return value;
}

void Tags::remove(Value value, std::uint64_t count) noexcept {
    Slot& slot = slots_[value - 1];
    INOD_ASSERT(slot.id_count >= count);
    slot.id_count -= count;
    if (slot.id_count > 0) return;
    values_.erase(slot.tag);
    spare_.push_back(value - 1);
}

const Tag& Tags::operator[](Value value) const noexcept {
    INOD_ASSERT(value > 0 && value <= slots_.size());
    return slots_[value - 1].tag;
}

std::uint64_t Tags::id_count(Value value) const noexcept {
    INOD_ASSERT(value > 0 && value <= slots_.size());
    return slots_[value - 1].id_count;
}

std::size_t Tags::Hash::operator()(const Tag& tag) const noexcept {
    std::size_t seed = tag.holder;
    boost::hash_combine(seed, tag.generation);
    boost::hash_combine(seed, tag.claimed);
    return seed;
}

}  // namespace inod
