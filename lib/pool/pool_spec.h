// What an administrator says about a pool, and what of it is allowed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/range.h"
#include "lib/base/result.h"

namespace inod {

enum class Policy : std::uint8_t {
    unique = 1,  // Ascending; no number is ever handed out a second time.
    cyclic = 2,  // Ascending; wraps at `max`, skips what is live. Numbers carry a generation.
};

enum class Durability : std::uint8_t {
    lease = 1,  // A reply waits until its record is on stable storage.
    block = 2,  // Only the high-water mark is, ahead of demand. For unique pools.
};

inline constexpr std::uint32_t lease_count_max_default = 65'536;
inline constexpr std::size_t pool_name_size_max = 64;

struct PoolSpec {
    std::string name;  // 1 to 64 of: a-z A-Z 0-9 . _ -, the first a letter or digit.
    Policy policy = Policy::unique;
    Range range{1, id_max};  // the pool's `min` and `max`
    Durability durability = Durability::lease;
    std::uint32_t lease_count_max = lease_count_max_default;  // IDs in one lease, 1 to 2^32 - 1

    friend bool operator==(const PoolSpec&, const PoolSpec&) = default;
};

// Can a pool have this name?
bool is_pool_name(std::string_view name) noexcept;

// Can the daemon run this pool? Fails with config_invalid; the message names the key and the reason
// and is meant to stand behind the pool's place in a configuration.
Result<void, Failure> validate(const PoolSpec& spec);

// The words of the configuration, of inoctl and of logs: "unique", "lease".
std::string_view name(Policy policy) noexcept;
std::string_view name(Durability durability) noexcept;
std::optional<Policy> policy_of(std::string_view word) noexcept;
std::optional<Durability> durability_of(std::string_view word) noexcept;

}  // namespace inod
