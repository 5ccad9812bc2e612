#include "daemon/terms.h"

#include <algorithm>

#include "daemon/access.h"
#include "lib/base/assert.h"

namespace inod::daemon {
namespace {

bool names_groups(const PoolConfig& pool) {
    return std::any_of(pool.grants.begin(), pool.grants.end(),
                       [](const Grant& grant) { return grant.to == Grant::To::gid; });
}

}  // namespace

Terms::Terms(const Config& config, std::size_t pool_count,
             const std::function<PoolIndex(std::string_view pool)>& index_of, std::uint64_t number)
    : number_(number), grants_(pool_count), limits_(pool_count), user_limits_(config.user_limits) {
    bool needs_groups = false;
    for (const PoolConfig& pool : config.pools) {
        const PoolIndex index = index_of(pool.spec.name);
        INOD_ASSERT(index < pool_count);
        grants_[index] = pool.grants;
        limits_[index] = pool.limits;
        needs_groups = needs_groups || names_groups(pool);
    }
    // Nobody is known before the first ones.
    if (needs_groups && number > 0) group_room_ = std::make_unique<std::uint32_t[]>(groups_max);
}

std::span<std::uint32_t> Terms::group_room() const noexcept {
    return group_room_ ? std::span(group_room_.get(), groups_max) : std::span<std::uint32_t>();
}

}  // namespace inod::daemon
