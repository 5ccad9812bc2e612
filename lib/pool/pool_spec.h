// What an administrator says about a pool, and what of it is allowed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/range.h"
#include "lib/base/result.h"

namespace inod {

enum class Policy : std::uint8_t {
    unique = 1,  // Ascending; no number is ever handed out a second time.
    cyclic = 2,  // Ascending; wraps at `max`, skips what is live. Numbers carry a generation.
    lowest = 3,  // The lowest that are free. Numbers carry a generation.
};

// Can numbers return in a pool of this policy? Then they carry a generation.
constexpr bool has_generations(Policy policy) noexcept {
    return policy != Policy::unique;
}

enum class Durability : std::uint8_t {
    lease = 1,  // A reply waits until its record is on stable storage.
    block = 2,  // Only the high-water mark is, ahead of demand. For unique pools.
};

inline constexpr std::uint32_t lease_count_max_default = 65'536;
inline constexpr std::size_t pool_name_size_max = 64;
// The limits of PoolSpec's fields.
inline constexpr std::uint64_t align_limit = std::uint64_t{1} << 32U;  // GapRequest::align_max
inline constexpr std::size_t reserved_bands_max = 64;
inline constexpr std::uint64_t quarantine_limit_ms = std::uint64_t{31'536'000} * 1000;  // a year
// Pools from one that has no parent down to one that is nobody's, at most.
inline constexpr std::size_t levels_max = 8;
// How far any ID of a pool may be from any of its parent's.
inline constexpr std::uint64_t level_distance_max = std::uint64_t{1} << 62U;

struct PoolSpec {
    std::string name;  // 1 to 64 of: a-z A-Z 0-9 . _ -, the first a letter or digit.
    Policy policy = Policy::unique;
    Range range{1, id_max};  // the pool's `min` and `max`
    Durability durability = Durability::lease;
    std::uint32_t lease_count_max = lease_count_max_default;  // IDs in one lease, 1 to 2^32 - 1
    // Does it remember who holds what? If not it is a counter: no holders, no lookups, no releases.
    bool tracking = true;
    // The first ID of each lease is a multiple of this, 1 to align_limit; claims may begin anywhere.
    std::uint64_t align = 1;
    // Where a cyclic pool begins again; none: at `min`. What lies below is handed out once.
    std::optional<Id> wrap_to{};
    // How long a released ID rests before it may be handed out again, 0 to quarantine_limit_ms; and
    // whether, when nothing else is left, those that have rested longest may be all the same.
    std::uint64_t quarantine_ms = 0;
    bool quarantine_yields = false;
    // Kept out of circulation by the configuration: ascending, apart, within `range`, at most
    // reserved_bands_max.
    std::vector<Range> reserved{};
    // The pool above: an allocation gets numbers in it too, and in those above it. Empty: none.
    std::string parent{};

    friend bool operator==(const PoolSpec&, const PoolSpec&) = default;
};

// Can a pool have this name?
bool is_pool_name(std::string_view name) noexcept;

// Can the daemon run this pool? Fails with config_invalid; the message names the key and the reason
// and is meant to stand behind the pool's place in a configuration.
Result<void, Failure> validate(const PoolSpec& spec);

// What is wrong with one of several pools: its place among them, and a message as validate() has it.
struct PoolFailure {
    std::size_t pool;
    std::string message;
};
// Can these pools have the parents that they name? Each of them passes validate(), and their names are
// unique. Nothing, or the first that cannot.
std::optional<PoolFailure> check_parents(std::span<const PoolSpec> pools);

// The words of the configuration, of inoctl and of logs: "unique", "lease".
std::string_view name(Policy policy) noexcept;
std::string_view name(Durability durability) noexcept;
std::optional<Policy> policy_of(std::string_view word) noexcept;
std::optional<Durability> durability_of(std::string_view word) noexcept;

}  // namespace inod
