// What a daemon that runs may take over of another configuration than the one that it runs with, and what takes a
// restart: where the two differ in anything of the latter, nothing is taken over.
//
// Who may do what, and have how much, can change, and pools can come. What a pool is, its numbers and how they are
// handed out, and where the daemon keeps its state and serves, cannot; nor can a pool go.
//
// Thread safety: the function shares nothing.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "lib/base/result.h"
#include "lib/pool/pool_spec.h"

namespace inod {

struct ConfigChanges {
    std::vector<PoolSpec> new_pools;  // in the order in which they stand
    // What is another, each in a few words: "holders_max 10 -> 20", "grants of pool 'a'".
    std::vector<std::string> said;
};

// Both come from parse_config(). The order of pools says nothing.
//
// Errors: config_invalid. The message names each setting that takes a restart, what it is and what it would be.
Result<ConfigChanges, Failure> changes_between(const Config& running, const Config& wanted);

}  // namespace inod
