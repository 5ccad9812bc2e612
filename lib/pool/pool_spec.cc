#include "lib/pool/pool_spec.h"

#include <algorithm>

namespace inod {
namespace {

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

Failure invalid(std::string message) {
    return {Errc::config_invalid, std::move(message)};
}

}  // namespace

bool is_pool_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= pool_name_size_max && is_letter_or_digit(name.front()) &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-';
           });
}

Result<void, Failure> validate(const PoolSpec& spec) {
    if (!is_pool_name(spec.name)) {
        return invalid("name: '" + spec.name +
                       "' must be 1 to 64 of a-z A-Z 0-9 . _ - and begin with a letter or digit");
    }
    if (spec.range.first > spec.range.last) {
        return invalid("min: " + std::to_string(spec.range.first) + " is above max, " +
                       std::to_string(spec.range.last));
    }
    if (spec.lease_count_max == 0) return invalid("lease_count_max: a lease has at least one ID");
    if (spec.policy != Policy::unique && spec.durability == Durability::block) {
        return invalid(
            "durability: 'block' makes only a high-water mark durable, and a pool whose numbers "
            "return has none: after a crash it could not tell which are held. Use 'lease'");
    }
    return {};
}

std::string_view name(Policy policy) noexcept {
    switch (policy) {
        case Policy::unique: return "unique";
        case Policy::cyclic: return "cyclic";
    }
    return "unknown";
}

std::string_view name(Durability durability) noexcept {
    switch (durability) {
        case Durability::lease: return "lease";
        case Durability::block: return "block";
    }
    return "unknown";
}

std::optional<Policy> policy_of(std::string_view word) noexcept {
    for (const Policy policy : {Policy::unique, Policy::cyclic}) {
        if (name(policy) == word) return policy;
    }
    return std::nullopt;
}

std::optional<Durability> durability_of(std::string_view word) noexcept {
    for (const Durability durability : {Durability::lease, Durability::block}) {
        if (name(durability) == word) return durability;
    }
    return std::nullopt;
}

}  // namespace inod
