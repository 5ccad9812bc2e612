// One pool, number by number: what a pool of the allocator must do, too simple to be fast.
//
// Of each number that is live, rests, or was left behind by a holder that ended it knows all; of the others
// nothing, since where the pool stands says it. Where the promises leave open what a search sees, it
// allows both: what a holder left behind is free at once and can look occupied until it is swept; a rest
// can last longer than it has to, over a restart and until somebody looks. Everything else is exact.
//
// What is checked comes back as text that says what is wrong; empty: nothing.
//
// Thread safety: none. Copies are independent.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "lib/allocator/holders.h"
#include "lib/pool/pool.h"

namespace inod {

struct ModelNumber {
    enum class Is : std::uint8_t { live, left, resting };

    Is is = Is::live;
    HolderId holder = 0;
    std::uint32_t uid = 0;
    std::uint64_t generation = 0;
    PoolIndex via = no_pool;  // the pool below, through which it was asked for,
    Id below = 0;             // and its number there
    Id above = 0;             // and in the pool's parent, if it has one
    bool is_of_reserved = false;
    bool was_left = false;  // its holder ended; no journal says when it was swept out
    bool is_recorded =
        true;  // not in a pool of durability `block`, claims and leases with tokens aside
    // It is free not before `from` and not after `until`; 0: for sure. What was left behind is never so by
    // itself.
    BootTime from = 0;
    BootTime until = 0;
    BootTime left_from = 0;  // of what was left behind, however late it was swept out
    std::optional<BootTime> begun_from =
        std::nullopt;  // of the same: a claim came by and let its rest begin

    [[nodiscard]] bool is_live() const { return is == Is::live; }
    // Are they a run, where they touch?
    [[nodiscard]] bool is_like(const ModelNumber& than) const {
        return is == than.is && holder == than.holder && generation == than.generation &&
               via == than.via && is_of_reserved == than.is_of_reserved &&
               is_recorded == than.is_recorded;
    }
};

class PoolModel {
public:
    static constexpr BootTime never = std::numeric_limits<BootTime>::max();

    explicit PoolModel(const PoolSpec& spec);

    // Hand-outs. Would the policy hand out `range` next? A level above the one that is asked has align 1.
    struct Wanted {
        std::uint64_t count;
        std::uint64_t align;
    };
    [[nodiscard]] std::string wrong_place(const Wanted& wanted, Range range) const;
    // Can it be refused so, for want of a place?
    [[nodiscard]] bool can_refuse(const Wanted& wanted, const Error& error) const;
    // Need it not be refused?
    [[nodiscard]] bool can_grant(const Wanted& wanted) const;
    // It was not refused here but in a pool below: where the pool yields, rests can have ended for it.
    void may_have_yielded(const Wanted& wanted);
    // Why a claim must be refused; nothing if it must be granted. Where it is open, `said` decides.
    [[nodiscard]] std::optional<Error> claim_refusal(Range range, bool takes_reserved,
                                                     const std::optional<Error>& said) const;
    // A claim or a wish to reserve came as far as to look what is free there: what was left behind begins
    // to rest then.
    void look_for_claim(Range range);
    // What was granted. Returns the generation.
    std::uint64_t take(Range range, bool is_claim);
    // Each number of it is like that. Comes behind take().
    void hold(Range range, const ModelNumber& number, bool is_claim);

    [[nodiscard]] std::optional<Error> release_refusal(Range range, std::uint64_t generation,
                                                       std::optional<HolderId> holder) const;
    void release(Id id);
    void end(HolderId holder);

    [[nodiscard]] std::optional<Error> reserve_refusal(Range range,
                                                       const std::optional<Error>& said) const;
    void reserve(Range range);
    [[nodiscard]] std::optional<Error> unreserve_refusal(Range range) const;
    void unreserve(Range range);
    [[nodiscard]] std::optional<Error> advance_refusal(Id last) const;
    void advance(Id last);

    // The pool says that nothing is left behind any more, or that nothing has rested enough and is not free.
    // `for_good`: and did so at its start, so that none will come back.
    void swept(bool for_good);
    void rested();

    // A new life, with the same clock. What was told before, of a store that is whole, stays.
    void restart(bool was_clean);
    // The machine was started, and its clock anew.
    void reboot(BootTime now_there);
    // What the configuration keeps out of circulation is so from a start on, as far as nobody holds it.
    void keep_bands();
    // The pool goes on here: after a crash a unique pool skips up to a stride.
    [[nodiscard]] std::string skip_to(std::optional<Id> cursor);

    [[nodiscard]] std::optional<Error> lookup_refusal(Id id, std::uint64_t generation) const;
    [[nodiscard]] Range run_around(Id id) const;  // requires that it is live
    [[nodiscard]] std::optional<Id> next_live(Id id) const;
    [[nodiscard]] Error not_live(Id id) const;
    [[nodiscard]] TagCount account(std::uint32_t uid) const;

    [[nodiscard]] bool has_left() const { return left_count_ > 0; }
    [[nodiscard]] std::uint64_t surely_resting() const;
    [[nodiscard]] std::uint64_t perhaps_resting() const;
    [[nodiscard]] std::uint64_t generation() const { return generation_; }
    [[nodiscard]] std::uint64_t next_align(std::uint64_t wished) const;
    // Would a hand-out of `range` begin anew at the pool's other end? Is a number of it at rest?
    [[nodiscard]] bool wraps(Range range) const;
    [[nodiscard]] bool yields(Range range) const;

    PoolSpec spec;
    BootTime now = 0;
    std::map<Id, ModelNumber> numbers;
    std::set<Id> reserved;
    // A life before has left behind what this one may have swept.
    bool is_left_open = false;

private:
    // Where a search comes to: on the first way up or on the second, and at which number.
    struct Place {
        bool is_second;
        Id first;
        friend auto operator<=>(const Place&, const Place&) = default;
    };
    using IsTaken = std::function<bool(const ModelNumber&)>;

    [[nodiscard]] bool is_unique() const { return spec.policy == Policy::unique; }
    [[nodiscard]] std::optional<Place> search(const Wanted& wanted, const IsTaken& is_taken) const;
    [[nodiscard]] std::optional<Id> gap(const Wanted& wanted, Id from,
                                        const IsTaken& is_taken) const;
    [[nodiscard]] Place place_of(Range range) const;
    [[nodiscard]] std::string wrong_bounds(const Wanted& wanted, Range range) const;
    [[nodiscard]] std::string wrong_yield(const Wanted& wanted, Range range) const;
    [[nodiscard]] bool is_right_time(std::uint64_t told) const;
    [[nodiscard]] std::optional<Error> not_free(Range range,
                                                const std::optional<Error>& said) const;
    [[nodiscard]] std::optional<Error> burned(Range range) const;
    [[nodiscard]] std::optional<Error> outside(Range range) const;
    [[nodiscard]] const ModelNumber* live(Id id) const;
    [[nodiscard]] bool was_swept_over(Range range) const;
    void forget(Id id);
    void raise(std::uint64_t by);
    [[nodiscard]] bool may_yield(Range range) const;
    void end_older_rests(Range range);
    void pass(Range range);
    void span_claims(Range range);

    // Where the search goes on; none: behind the last number.
    std::optional<Id> cursor_;
    std::set<Id> claimed_;  // unique: above the cursor
    // Numbers that return.
    std::uint64_t generation_ = 0;
    std::optional<Id> swept_;    // cyclic: from here to the cursor this generation was handed out
    std::optional<Range> span_;  // of what was claimed in it; lowest: of all that was handed out
    std::optional<Id> passed_;   // the highest ever handed out by the policy,
    std::optional<Id> highest_;  // or at all,
    std::optional<Id> claimed_from_;  // and the lowest that was ever claimed above the former
    std::uint64_t left_count_ = 0;
};

}  // namespace inod
