// A pool as the files of a configuration describe it, one after the other: the keys of an element
// of "pools", and what they come to once all files are read.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/decode.h"

namespace inod {

// A pool as far as the files read so far describe it.
struct PoolDraft {
    PoolConfig config;  // but for its policy and range, which finish_pool() puts in
    std::optional<Policy> policy;
    std::optional<Id> min;
    std::optional<Id> max;
    std::vector<Place> places;  // of its descriptions, the latest last
    std::size_t file = 0;       // number of the file with the latest; 0: none yet
};

// The name in the pool `value`; none if it has no such thing.
std::optional<std::string> pool_name(const JsonValue& value);

// Reads the keys of the object `value` into `pool`: what it says replaces what was said before.
// After a failure, `pool` may hold some of them.
Done decode_pool(const JsonValue& value, const Place& place, PoolDraft& pool);

// The failure config_invalid of a pool, which names all that describe it: "key: why".
Failure refuse_pool(const PoolDraft& pool, const std::string& key_and_why);

// The whole pool; its places stay. Fails with config_invalid, naming all that describe it, where a key is missing or
// validate() refuses it.
Result<PoolConfig, Failure> finish_pool(PoolDraft&& pool);

// For config_keys().
void add_pool_keys(const std::string& prefix, std::vector<std::string>& paths);

}  // namespace inod
