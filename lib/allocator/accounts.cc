#include "lib/allocator/accounts.h"

namespace inod {

Result<Accounts::Reservation> Accounts::prepare(PoolIndex pool, std::uint32_t uid,
                                                std::uint64_t ids, const Quota& quota) {
    Account* const known = accounts_.find(key(pool, uid));
    const Account present = known != nullptr ? *known : Account();
    const std::uint64_t has = present.has.ids + present.reserved.ids;
    if (ids > quota.ids || has > quota.ids - ids) return Error{Errc::quota_exceeded, quota.ids};
    if (present.has.runs + present.reserved.runs >= quota.leases) {
        return Error{Errc::quota_exceeded, quota.leases};
    }
    const auto account =
        known != nullptr ? Result<Account*>(known) : accounts_.insert(key(pool, uid));
    if (!account) return account.error();
    (*account)->reserved.ids += ids;
    ++(*account)->reserved.runs;
    return Reservation(*this, **account, pool, uid, ids);
}

Accounts::Reservation::~Reservation() {
    if (account_ == nullptr) return;
    account_->reserved.ids -= ids_;
    --account_->reserved.runs;
    accounts_.erase_if_empty(pool_, uid_, *account_);
}

void Accounts::change(PoolIndex pool, std::uint32_t uid, const TagCount& by) noexcept {
    Account* const account = accounts_.find(key(pool, uid));
    if (account == nullptr) return;
    account->has.ids += by.ids;
    account->has.runs += by.runs;
    erase_if_empty(pool, uid, *account);
}

void Accounts::erase_if_empty(PoolIndex pool, std::uint32_t uid, const Account& account) noexcept {
    const bool is_empty = account.has == TagCount{} && account.reserved == TagCount{};
    if (is_empty) accounts_.erase(key(pool, uid));
}

TagCount Accounts::of(PoolIndex pool, std::uint32_t uid) const noexcept {
    const Account* const account = accounts_.find(key(pool, uid));
    return account != nullptr ? account->has : TagCount{};
}

}  // namespace inod
