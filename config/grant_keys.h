// The keys of a grant, an element of a pool's "grants".
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "config/decode.h"

namespace inod {

// Replaces `grants` by what the array `value` says.
Done decode_grants(const JsonValue& value, const Place& place, std::vector<Grant>& grants);

// For config_keys().
void add_grant_keys(const std::string& prefix, std::vector<std::string>& paths);

}  // namespace inod
