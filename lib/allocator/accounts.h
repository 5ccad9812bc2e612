// How much each user has of each pool, for what he may have at most.
//
// Thread safety: none of its own; the allocator's lock guards it.
#pragma once

#include <cstdint>
#include <limits>

#include "lib/base/growing_map.h"
#include "lib/base/memory_budget.h"
#include "lib/base/result.h"
#include "lib/pool/lease.h"
#include "lib/pool/tags.h"

namespace inod {

// What a user may have of one pool at a time.
struct Quota {
    std::uint64_t ids = std::numeric_limits<std::uint64_t>::max();
    // Runs of adjacent IDs of one holder and generation. A release that makes two of one is carried out
    // whatever comes of it.
    std::uint64_t leases = std::numeric_limits<std::uint64_t>::max();
};

class Accounts {
public:
    explicit Accounts(MemoryBudget& budget) : accounts_(budget) {}

    // May the user have `ids` more, in one run more? Then change() for it cannot fail. Errors:
    // quota_exceeded, with the limit that would be passed; out_of_memory.
    Result<> prepare(PoolIndex pool, std::uint32_t uid, std::uint64_t ids, const Quota& quota);
    // By so much his account is more now, modulo 2^64. More than before only behind a prepare().
    void change(PoolIndex pool, std::uint32_t uid, const TagCount& by) noexcept;

    [[nodiscard]] TagCount of(PoolIndex pool, std::uint32_t uid) const noexcept;

private:
    static std::uint64_t key(PoolIndex pool, std::uint32_t uid) {
        return std::uint64_t{pool} << 32U | uid;
    }

    GrowingMap<std::uint64_t, TagCount> accounts_;
};

}  // namespace inod
