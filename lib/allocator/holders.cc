#include "lib/allocator/holders.h"

#include <limits>
#include <new>

namespace inod {
namespace {

// Bytes that a holder may cost: its entry and its part of a hash table, each in a container that
// has just doubled.
constexpr std::uint64_t bytes_per_holder = 128;

std::uint64_t key_of(const Holder& holder) {
    return std::uint64_t{static_cast<std::uint8_t>(holder.binding)} << 32U | holder.uid;
}

}  // namespace

Holders::~Holders() {
    budget_.give(budgeted_);
}

std::optional<HolderIndex> Holders::find(const Holder& holder) const noexcept {
    const auto found = indexes_.find(key_of(holder));
    return found != indexes_.end() ? std::optional(found->second) : std::nullopt;
}

Result<HolderIndex> Holders::add(const Holder& holder) {
    if (holders_.size() >= std::numeric_limits<HolderIndex>::max()) return Errc::out_of_memory;
    if (!budget_.take(bytes_per_holder)) return Errc::out_of_memory;
    const auto index = static_cast<HolderIndex>(holders_.size());
    try {
        holders_.push_back(holder);
        indexes_.emplace(key_of(holder), index);
    } catch (const std::bad_alloc&) {
        holders_.resize(index);
        budget_.give(bytes_per_holder);
        return Errc::out_of_memory;
    }
    budgeted_ += bytes_per_holder;
    return index;
}

}  // namespace inod
