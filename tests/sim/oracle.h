// What the world outside knows of a store, over all its lives, in sets and maps that are too simple
// to be wrong; and what it therefore must see. Every broken promise is thrown as Violated.
//
// It knows each number that was ever handed out, one by one; who holds what, as the answers have
// said; and up to which LSN the world has heard of it. After a crash the state must be just what
// some prefix of the changes gives, one that has all the acknowledged ones in it.
//
// Thread safety: none of its own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include "lib/allocator/allocator.h"
#include "tests/sim/oracle_state.h"
#include "tests/sim/story.h"

namespace inod::sim {

// What may be true of a start.
struct StartConditions {
    // Something on the disk was damaged, and no start has come to terms with it yet.
    bool is_damaged = false;
    // Starts were begun since the last one that succeeded, and may have written something.
    bool was_begun_before = false;
    // The machine was started since the last one that succeeded; then it took so long until a start was
    // begun.
    bool is_rebooted = false;
    BootTime first_start = 0;
    BootTime now = 0;
    std::uint32_t grace_ms = 0;  // as the process was told
};

class Oracle {
public:
    // `pools` are those that are configured; it outlives the oracle and may grow between lives.
    explicit Oracle(const std::vector<PoolSpec>& pools) : pools_(pools) {}

    // A start succeeded: holds what it came to against what was promised. True if the last group
    // was lost, which damage may do.
    bool restarted(const Recovery& recovery, Allocator& allocator, StartConditions conditions);

    // Answers to requests that succeeded.
    // `holder`: who asked, if that is known.
    void leased(PoolIndex pool, std::uint64_t count, std::uint32_t uid, const Answer<Lease>& answer,
                HolderId holder = 0);
    // `settled_mark`: up to here, at least, the pool's high-water mark was durable before.
    // `takes_reserved`: who asked may claim what is reserved.
    void claimed(PoolIndex pool, Range range, std::uint32_t uid, const Answer<Lease>& answer,
                 std::optional<Id> settled_mark = std::nullopt, bool takes_reserved = false,
                 HolderId holder = 0);
    void released(PoolIndex pool, Range range, const Answer<void>& answer);
    void reserved(PoolIndex pool, Range range, const Answer<void>& answer);
    void unreserved(PoolIndex pool, Range range, const Answer<void>& answer);
    void advanced(PoolIndex pool, Id last, const Answer<void>& answer);

    // Before leased(): may `wish` come to this, in the order of the pool?
    void check_place(const Pool& pool, PoolIndex index, const Wish& wish, Range range) const;

    // What a release must be refused with, detail included; ok if it must succeed.
    [[nodiscard]] Error release_error(PoolIndex pool, Range range, std::uint64_t generation,
                                      std::uint32_t uid, HolderId holder = 0) const;
    void check_lookup(PoolIndex pool, Id id, const Answer<Held>& answer) const;
    void check_next(PoolIndex pool, Id id, const Answer<Held>& answer) const;
    void check_refused_lease(PoolIndex pool, const Wish& wish, const Error& error) const;
    void check_refused_claim(PoolIndex pool, Range range, bool takes_reserved,
                             const Error& error) const;
    void check_refused_reserve(PoolIndex pool, Range range, const Error& error) const;
    // What unreserve() must come to.
    [[nodiscard]] Error unreserve_error(PoolIndex pool, Range range) const;

    // Holders (oracle_holders.cc).

    // Who acts for `asker`; nobody, if his holder is not there, or is to end.
    [[nodiscard]] HolderId acting_as(const Asker& asker) const;
    // `asker` got something, which waits for that LSN. Says who he is.
    HolderId served(const Asker& asker, const Allocator& allocator, Lsn lsn);
    void bound(std::uint32_t uid, const BindRequest& request, BootTime now,
               const Answer<Bound>& answer);
    void check_refused_bind(std::uint32_t uid, const BindRequest& request,
                            const Error& error) const;
    // Is its end still to be recorded? Nobody may hear of it then.
    [[nodiscard]] bool is_queued(HolderId id) const;
    // What renew() must come to.
    [[nodiscard]] Error renew_error(HolderId id) const;
    void renewed(HolderId id, BootTime now, const Answer<void>& answer);
    // It must end as soon as it can.
    void is_to_end(HolderId id);
    // Before each search for `wish`: in a pool that yields it may end rests.
    void searched(PoolIndex pool, const Wish& wish);
    // What time it is; and in which pools what ended holders left begins to rest no sooner than now.
    void set_time(BootTime now, const Allocator& allocator);
    // How many of these were given back before, how many of them must rest still, and of how many a search
    // may have ended the rest before its time.
    struct Rests {
        std::size_t count = 0;
        std::size_t early = 0;
        std::size_t yielded = 0;
    };
    [[nodiscard]] Rests rests(PoolIndex pool, Range range) const;
    // How many IDs it has, all pools together.
    [[nodiscard]] std::uint64_t holdings(HolderId id) const;
    // After everything in which holders may end: says how many did. `last_before`: the last LSN before it.
    std::size_t look_for_ends(const Allocator& allocator, BootTime now, Lsn last_before);
    [[nodiscard]] const std::map<HolderId, KnownHolder>& holders() const { return now_.holders; }

    // What was recorded so far is the group under way; is durable, and the world hears of it.
    void group_begun();
    void group_durable(Lsn lsn);
    // A clean stop is tried; has succeeded.
    void closing() { closing_ = true; }
    void closed() { closed_ = true; }
    [[nodiscard]] bool is_closed() const { return closed_; }

    // Was anything ever handed out, heard of or not, that can be released?
    [[nodiscard]] bool has_seen_leases() const { return has_seen_leases_; }
    [[nodiscard]] const LiveIds& live(PoolIndex pool) const { return now_[pool].live; }
    [[nodiscard]] const std::set<Id>& reserved(PoolIndex pool) const { return now_[pool].reserved; }

private:
    struct Number {
        PoolIndex pool;
        Id id;
        std::uint64_t generation;
        friend bool operator==(const Number&, const Number&) = default;
    };
    struct NumberHash {
        std::size_t operator()(const Number& number) const noexcept;
    };
    struct HandedOut {
        Number number;
        Lsn lsn;
        std::uint64_t group;
        bool is_claim_above_mark;
    };

    [[nodiscard]] bool records_leases(PoolIndex pool) const {
        return pools_[pool].durability == Durability::lease;
    }
    [[nodiscard]] bool has_returning(PoolIndex pool) const {
        return has_generations(pools_[pool].policy);
    }
    [[nodiscard]] Error inside_error(PoolIndex pool, Range range) const;
    [[nodiscard]] std::optional<Error> wish_error(PoolIndex pool, const Wish& wish) const;
    static void check_not_tracked(const Answer<Held>& answer);
    void change(Change change);
    void hand_out(PoolIndex pool, const Lease& lease, const Known& known);
    [[nodiscard]] bool was_handed_out(PoolIndex pool, Id id) const;
    void forget_number(const Number& number);
    void forget_id(const Number& number);
    void remember_number(const Number& number);
    [[nodiscard]] Lsn last_change(PoolIndex pool, Id id) const;
    [[nodiscard]] Error not_live(PoolIndex pool, Id id) const;

    // oracle_rests.cc
    void check_rests(PoolIndex pool, Range range) const;
    [[nodiscard]] bool may_rest(PoolIndex pool, Id id) const;
    // Something may begin to rest, now or before.
    void rests_begin(PoolIndex pool, BootTime now);
    void yield(PoolIndex pool, BootTime until);
    void take_over_rests(State& state, const StartConditions& conditions);

    // oracle_holders.cc
    [[nodiscard]] const KnownHolder* find_default(std::uint32_t uid) const;
    [[nodiscard]] const KnownHolder* find_bound(std::uint32_t uid,
                                                const BindRequest& request) const;
    void check_new(const KnownHolder& holder);
    static std::vector<HolderId> ended_before(const Change& change, Lsn lsn,
                                              const Allocator& allocator, const State& state);
    void reboot(State& state, BootTime first_start) const;
    static std::optional<std::string> difference_of_holders(const State& expected,
                                                            const Allocator& allocator);
    void take_over_holders(State& state, const Allocator& allocator,
                           const StartConditions& conditions);
    static void check_deadline(const KnownHolder& holder, BootTime got,
                               const StartConditions& conditions);

    // The parts of restarted().
    void check_end(const Recovery& recovery, StartConditions conditions) const;
    [[nodiscard]] bool may_be_forgotten(StartConditions conditions) const;
    [[nodiscard]] State state_after(Lsn lsn, bool clean, const Allocator& allocator) const;
    [[nodiscard]] std::optional<std::string> difference(const State& expected,
                                                        Allocator& allocator) const;
    [[nodiscard]] std::optional<std::string> difference(PoolIndex pool, const LiveIds& expected,
                                                        Allocator& allocator) const;
    [[nodiscard]] std::optional<std::string> difference_of_reserved(
        PoolIndex pool, const PoolState& expected, const Allocator& allocator) const;
    void reserve_bands(State& state, const Allocator& allocator) const;
    [[nodiscard]] bool may_return(const HandedOut& one) const;
    void take_over(State state, Lsn durable, bool lost_last_group);

    const std::vector<PoolSpec>& pools_;
    boost::unordered_flat_set<Number, NumberHash> numbers_;  // ever handed out, as far as known
    // How many of them an ID has; generation 0.
    boost::unordered_flat_map<Number, std::uint64_t, NumberHash> ids_;
    std::vector<HandedOut> this_life_;

    State now_;                    // as the answers have said
    State settled_;                // without `changes_`
    std::vector<Change> changes_;  // of the last durable group and after it

    // Those that were ever told of, each from when that was durable on.
    boost::unordered_flat_map<HolderId, Lsn> holder_ids_;
    BootTime time_ = 0;
    std::vector<BootTime>
        rests_over_;    // by pool: when nothing rests any more, unless something is given back
    Lsn last_end_ = 0;  // the last record that a holder ended

    Lsn durable_ = 0;
    Lsn durable_before_ = 0;        // before the last durable group
    std::uint64_t collecting_ = 0;  // number of the group that is being collected
    std::uint64_t last_durable_group_ = 0;
    bool has_seen_leases_ = false;
    bool has_heard_ = false;  // of something in this life
    bool closing_ = false;
    bool closed_ = false;
};

}  // namespace inod::sim
