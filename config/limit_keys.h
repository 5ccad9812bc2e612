// The keys of an entry that limits a user: an element of a pool's "limits" or of "user_limits".
#pragma once

#include <string>
#include <vector>

#include "config/decode.h"
#include "config/limits.h"

namespace inod {

// Each replaces `entries` by what the array `value` says, no two of it for the same.
Done decode_limits(const JsonValue& value, const Place& place,
                   std::vector<LimitsEntry<PoolLimits>>& entries);
Done decode_limits(const JsonValue& value, const Place& place,
                   std::vector<LimitsEntry<UserLimits>>& entries);

// For config_keys().
void add_pool_limits_keys(const std::string& prefix, std::vector<std::string>& paths);
void add_user_limits_keys(const std::string& prefix, std::vector<std::string>& paths);

}  // namespace inod
