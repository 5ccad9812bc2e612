// How much one user, which is one UID, may take: of a pool, and of the daemon as a whole. The
// configuration lists entries for single users and for everyone else; limits_of() picks.
//
// Thread safety: plain values.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace inod {

// What a user may hold of one pool at a time. 0: nothing; the type's max: as much as there is.
struct PoolLimits {
    std::uint64_t ids = 1'048'576;
    // Runs of adjacent IDs of one holder and generation: what memory is taken for.
    std::uint64_t leases = 65'536;

    static constexpr PoolLimits unlimited() {
        return {.ids = std::numeric_limits<std::uint64_t>::max(),
                .leases = std::numeric_limits<std::uint64_t>::max()};
    }
    friend bool operator==(const PoolLimits&, const PoolLimits&) = default;
};

// What a user may have of the daemon at a time, over all pools. 0 and the type's max as above.
struct UserLimits {
    std::uint32_t connections = 1'024;  // Config::connections_max bounds all users together
    std::uint32_t holders = 1'024;
    std::uint64_t tokens = 65'536;

    static constexpr UserLimits unlimited() {
        return {.connections = std::numeric_limits<std::uint32_t>::max(),
                .holders = std::numeric_limits<std::uint32_t>::max(),
                .tokens = std::numeric_limits<std::uint64_t>::max()};
    }
    friend bool operator==(const UserLimits&, const UserLimits&) = default;
};

// An entry of a list of limits. What it leaves out has the default, whomever it is for.
template <class Limits>
struct LimitsEntry {
    std::optional<std::uint32_t> uid{};  // none: for everyone whom no other entry names
    Limits limits{};

    friend bool operator==(const LimitsEntry&, const LimitsEntry&) = default;
};

// The limits of `uid`: of the entry that names it; else none for root and for `own_uid`, that of
// the daemon; else of the entry for everyone; else the default. An entry counts whole: a figure
// that it leaves out is not looked for in another. Requires that no two entries are for the same.
template <class Limits>
Limits limits_of(std::uint32_t uid, std::uint32_t own_uid,
                 const std::vector<LimitsEntry<Limits>>& entries) {
    const LimitsEntry<Limits>* everyone = nullptr;
    for (const LimitsEntry<Limits>& entry : entries) {
        if (entry.uid == uid) return entry.limits;
        if (!entry.uid) everyone = &entry;
    }
    if (uid == 0 || uid == own_uid) return Limits::unlimited();
    return everyone != nullptr ? everyone->limits : Limits{};
}

}  // namespace inod
