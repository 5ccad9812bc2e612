#include "lib/allocator/accounts.h"

#include <new>

namespace inod {
namespace {

// An account's part of a hash table that has just doubled and is being copied.
constexpr std::uint64_t bytes_per_account = 96;

}  // namespace

Accounts::~Accounts() {
    budget_.give(budgeted_);
}

Result<> Accounts::prepare(PoolIndex pool, std::uint32_t uid, std::uint64_t ids,
                           const Quota& quota) {
    const TagCount has = of(pool, uid);
    if (ids > quota.ids || has.ids > quota.ids - ids) {
        return Error{Errc::quota_exceeded, quota.ids};
    }
    if (has.runs >= quota.leases) return Error{Errc::quota_exceeded, quota.leases};
    if (accounts_.contains(key(pool, uid))) return {};
    // Those that were prepared and never used stay, as room for the next.
    const std::uint64_t wanted = (accounts_.size() + 1) * bytes_per_account;
    if (wanted > budgeted_) {
        if (!budget_.take(wanted - budgeted_)) return Errc::out_of_memory;
        budgeted_ = wanted;
    }
    try {
        accounts_.try_emplace(key(pool, uid));
    } catch (const std::bad_alloc&) {
        return Errc::out_of_memory;
    }
    return {};
}

void Accounts::change(PoolIndex pool, std::uint32_t uid, const TagCount& by) noexcept {
    const auto account = accounts_.find(key(pool, uid));
    if (account == accounts_.end()) return;
    account->second.ids += by.ids;
    account->second.runs += by.runs;
    if (account->second == TagCount{}) accounts_.erase(account);
}

TagCount Accounts::of(PoolIndex pool, std::uint32_t uid) const noexcept {
    const auto account = accounts_.find(key(pool, uid));
    return account != accounts_.end() ? account->second : TagCount{};
}

}  // namespace inod
