// What the configuration says of who may do what, and have how much: the terms that connections are served on. A reload
// brings others, for all connections at once; each looks what that makes of its own rights when it asks next.
//
// Thread safety: a plain value, that nobody changes once it is made; but group_room(), under the flusher's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "lib/pool/lease.h"

namespace inod::daemon {

class Terms {
public:
    // Of so many pools; `index_of` knows each that the configuration names. `number`: one more than that of the terms
    // before, 0 at the start. Throws std::bad_alloc.
    Terms(const Config& config, std::size_t pool_count,
          const std::function<PoolIndex(std::string_view pool)>& index_of, std::uint64_t number);

    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    [[nodiscard]] std::size_t pool_count() const noexcept { return grants_.size(); }
    [[nodiscard]] const std::vector<Grant>& grants(std::size_t pool) const noexcept {
        return grants_[pool];
    }
    [[nodiscard]] const std::vector<LimitsEntry<PoolLimits>>& limits(
        std::size_t pool) const noexcept {
        return limits_[pool];
    }
    [[nodiscard]] const std::vector<LimitsEntry<UserLimits>>& user_limits() const noexcept {
        return user_limits_;
    }
    // For the groups of a client that is known already, so that to read them once more takes no memory; empty where
    // they make no difference.
    [[nodiscard]] std::span<std::uint32_t> group_room() const noexcept;

private:
    const std::uint64_t number_;
    std::vector<std::vector<Grant>> grants_;                    // by PoolIndex
    std::vector<std::vector<LimitsEntry<PoolLimits>>> limits_;  // likewise
    std::vector<LimitsEntry<UserLimits>> user_limits_;
    std::unique_ptr<std::uint32_t[]> group_room_;
};

}  // namespace inod::daemon
