#include "lib/allocator/accounts.h"

namespace inod {

Result<> Accounts::prepare(PoolIndex pool, std::uint32_t uid, std::uint64_t ids,
                           const Quota& quota) {
    const TagCount has = of(pool, uid);
    if (ids > quota.ids || has.ids > quota.ids - ids) {
        return Error{Errc::quota_exceeded, quota.ids};
    }
    if (has.runs >= quota.leases) return Error{Errc::quota_exceeded, quota.leases};
    if (auto account = accounts_.insert(key(pool, uid)); !account) return account.error();
    return {};
}

void Accounts::change(PoolIndex pool, std::uint32_t uid, const TagCount& by) noexcept {
    TagCount* const account = accounts_.find(key(pool, uid));
    if (account == nullptr) return;
    account->ids += by.ids;
    account->runs += by.runs;
    if (*account == TagCount{}) accounts_.erase(key(pool, uid));
}

TagCount Accounts::of(PoolIndex pool, std::uint32_t uid) const noexcept {
    const TagCount* const account = accounts_.find(key(pool, uid));
    return account != nullptr ? *account : TagCount{};
}

}  // namespace inod
