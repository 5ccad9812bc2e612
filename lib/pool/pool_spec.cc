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

std::string text(Range range) {
    return std::to_string(range.first) + " to " + std::to_string(range.last);
}

Result<void, Failure> check_durability(const PoolSpec& spec) {
    if (!has_generations(spec.policy) || spec.durability == Durability::lease) return {};
    return invalid(
        "durability: 'block' makes only a high-water mark durable, and a pool whose numbers "
        "return has none: after a crash it could not tell which are held. Use 'lease'");
}

Result<void, Failure> check_search(const PoolSpec& spec) {
    if (spec.align == 0 || spec.align > align_limit) {
        return invalid("align: " + std::to_string(spec.align) + " is not from 1 to " +
                       std::to_string(align_limit));
    }
    const Id last_multiple = spec.range.last - spec.range.last % spec.align;
    if (last_multiple < spec.range.first) {
        return invalid("align: no multiple of " + std::to_string(spec.align) + " lies in " +
                       text(spec.range));
    }
    if (!spec.wrap_to) return {};
    if (spec.policy != Policy::cyclic) {
        return invalid("wrap_to: only a cyclic pool begins again, and this one is " +
                       std::string(name(spec.policy)));
    }
    if (!spec.range.contains(*spec.wrap_to)) {
        return invalid("wrap_to: " + std::to_string(*spec.wrap_to) + " is not within " +
                       text(spec.range));
    }
    if (last_multiple < *spec.wrap_to) {
        return invalid("wrap_to: no multiple of align, " + std::to_string(spec.align) +
                       ", lies in " + text({*spec.wrap_to, spec.range.last}));
    }
    return {};
}

Result<void, Failure> check_quarantine(const PoolSpec& spec) {
    if (spec.quarantine_ms == 0) {
        if (!spec.quarantine_yields) return {};
        return invalid("quarantine_yields: there is no quarantine that could yield");
    }
    if (!has_generations(spec.policy)) {
        return invalid("quarantine: no number of a unique pool is handed out a second time");
    }
    if (!spec.tracking) return invalid("quarantine: without tracking nothing is released");
    if (spec.quarantine_ms > quarantine_limit_ms) {
        return invalid("quarantine: " + std::to_string(spec.quarantine_ms) +
                       " ms is above a year, " + std::to_string(quarantine_limit_ms) + " ms");
    }
    return {};
}

Result<void, Failure> check_tracking(const PoolSpec& spec) {
    if (spec.tracking || spec.policy != Policy::lowest) return {};
    return invalid(
        "tracking: a pool that hands out the lowest free numbers must know which are free");
}

// Names the bands by their numbers: a reader who sorted them knows them by no other place.
Result<void, Failure> check_reserved(const PoolSpec& spec) {
    if (spec.reserved.empty()) return {};
    if (!spec.tracking) {
        return invalid("reserved: a pool without tracking keeps nothing but where it stands");
    }
    if (spec.reserved.size() > reserved_bands_max) {
        return invalid("reserved: " + std::to_string(spec.reserved.size()) +
                       " bands, and at most " + std::to_string(reserved_bands_max) + " can be");
    }
    const Range* before = nullptr;
    for (const Range& band : spec.reserved) {
        if (band.first > band.last) {
            return invalid("reserved: first, " + std::to_string(band.first) + ", is above last, " +
                           std::to_string(band.last));
        }
        if (!spec.range.contains(band)) {
            return invalid("reserved: " + text(band) + " is not within " + text(spec.range));
        }
        if (before != nullptr && band.first <= before->last) {
            return invalid("reserved: " + text(band) + " begins before " + text(*before) + " ends");
        }
        before = &band;
    }
    return {};
}

Result<void, Failure> check_parent(const PoolSpec& spec) {
    if (spec.parent.empty()) return {};
    if (spec.parent == spec.name) return invalid("parent: a pool is not its own parent");
    if (!spec.tracking) {
        return invalid("parent: without tracking nobody knows which numbers go together");
    }
    if (spec.durability == Durability::lease) return {};
    return invalid("parent: numbers of all levels are recorded together, so durability is 'lease'");
}

const PoolSpec* find(std::span<const PoolSpec> pools, std::string_view name) {
    const auto found = std::find_if(pools.begin(), pools.end(),
                                    [&](const PoolSpec& spec) { return spec.name == name; });
    return found != pools.end() ? &*found : nullptr;
}

// Why `above` cannot be the parent of `spec`; empty if it can.
std::string why_not_parent(const PoolSpec& spec, const PoolSpec* above) {
    const std::string name = "'" + spec.parent + "'";
    if (above == nullptr) return "there is no pool " + name;
    if (!above->tracking) return name + " has no tracking, and a parent knows who holds what";
    if (above->durability != Durability::lease) {
        return name + " has durability 'block', and a parent's is 'lease'";
    }
    const Id lowest = std::min(spec.range.first, above->range.first);
    const Id highest = std::max(spec.range.last, above->range.last);
    if (highest - lowest <= level_distance_max) return {};
    return "its numbers, " + text(spec.range) + ", and those of " + name + ", " +
           text(above->range) + ", lie more than 2^62 apart";
}

}  // namespace

std::optional<PoolFailure> check_parents(std::span<const PoolSpec> pools) {
    for (std::size_t i = 0; i < pools.size(); ++i) {
        std::size_t levels = 1;
        for (const PoolSpec* at = &pools[i]; !at->parent.empty(); ++levels) {
            const PoolSpec* const above = find(pools, at->parent);
            if (at == &pools[i]) {
                const std::string why = why_not_parent(*at, above);
                if (!why.empty()) return PoolFailure{i, "parent: " + why};
            }
            if (above == nullptr) break;  // that one's own failure
            if (levels == levels_max) {
                return PoolFailure{i, "parent: above this pool are more than " +
                                          std::to_string(levels_max - 1) +
                                          " others, or it is above itself"};
            }
            at = above;
        }
    }
    return std::nullopt;
}

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
    for (const auto check : {check_durability, check_search, check_quarantine, check_tracking,
                             check_reserved, check_parent}) {
        if (auto checked = check(spec); !checked) return checked;
    }
    return {};
}

std::string_view name(Policy policy) noexcept {
    switch (policy) {
        case Policy::unique: return "unique";
        case Policy::cyclic: return "cyclic";
        case Policy::lowest: return "lowest";
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
    for (const Policy policy : {Policy::unique, Policy::cyclic, Policy::lowest}) {
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
