// How much each user has of each pool, for what he may have at most.
//
// Thread safety: none of its own; the allocator's lock guards it.
#pragma once

#include <cstdint>
#include <limits>
#include <utility>

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

    class Reservation;

    // May the user have `ids` more, in one run more? As long as the reservation lives they count to
    // what he has for others who ask, and change() for them cannot fail. Errors: quota_exceeded, with the
    // limit that would be passed; out_of_memory.
    Result<Reservation> prepare(PoolIndex pool, std::uint32_t uid, std::uint64_t ids,
                                const Quota& quota);
    // By so much his account is more now, modulo 2^64. More than before only within a reservation.
    void change(PoolIndex pool, std::uint32_t uid, const TagCount& by) noexcept;

    [[nodiscard]] TagCount of(PoolIndex pool, std::uint32_t uid) const noexcept;

private:
    struct Account {
        TagCount has;
        TagCount reserved;
    };

    void erase_if_empty(PoolIndex pool, std::uint32_t uid, const Account& account) noexcept;
    static std::uint64_t key(PoolIndex pool, std::uint32_t uid) {
        return std::uint64_t{pool} << 32U | uid;
    }

    GrowingMap<std::uint64_t, Account> accounts_;
};

// What a user is about to get. Does not outlive the Accounts, and what it is moved from is empty.
class Accounts::Reservation {
public:
    Reservation(Reservation&& other) noexcept
        : accounts_(other.accounts_),
          account_(std::exchange(other.account_, nullptr)),
          pool_(other.pool_),
          uid_(other.uid_),
          ids_(other.ids_) {}
    Reservation& operator=(Reservation&&) = delete;
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;
    ~Reservation();

    // By so much what he has is more now.
    void change(const TagCount& by) noexcept {
        account_->has.ids += by.ids;
        account_->has.runs += by.runs;
    }

private:
    friend class Accounts;
    Reservation(Accounts& accounts, Account& account, PoolIndex pool, std::uint32_t uid,
                std::uint64_t ids)
        : accounts_(accounts), account_(&account), pool_(pool), uid_(uid), ids_(ids) {}

    Accounts& accounts_;
    Account*
        account_;  // which stays where it is as long as something is reserved; null: moved from
    PoolIndex pool_;
    std::uint32_t uid_;
    std::uint64_t ids_;
};

}  // namespace inod
