// All pools and their journal as one machine: it recovers, decides requests, records what they
// change, and says what each answer has to wait for. Given the same storage and the same calls it
// does the same: it has no thread, no socket and no clock, and makes no secrets: what time it is, and
// what nobody can guess, it is told.
//
// Life: construct, recover() once, then requests and flushes in any order, close() at the end. Or,
// for tools that only look: construct, load() once, then what is const.
//
// Snapshots are taken on the way: while one is under way, every group carries a piece of it.
//
// Thread safety: all calls belong under one lock, the caller's, but flush(), which runs without it,
// on one thread at a time, between begin_flush() and end_flush(), and make_space(), on that thread
// between two flushes. Calls with a GuardRef may drop and retake that lock.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/container/static_vector.hpp>

#include "lib/allocator/accounts.h"
#include "lib/allocator/events.h"
#include "lib/allocator/holders.h"
#include "lib/allocator/links.h"
#include "lib/allocator/pending_changes.h"
#include "lib/allocator/snapshot_writer.h"
#include "lib/allocator/store_witness.h"
#include "lib/allocator/tokens.h"
#include "lib/allocator/waits.h"
#include "lib/base/guard.h"
#include "lib/base/memory_budget.h"
#include "lib/base/result.h"
#include "lib/base/sip_hash.h"
#include "lib/journal/journal.h"
#include "lib/pool/marks.h"
#include "lib/pool/pool.h"
#include "lib/pool/record.h"

namespace inod {

struct AllocatorOptions {
    std::vector<PoolSpec> pools;  // each passes validate(), names are unique, at most 65,535
    JournalOptions journal;
    std::uint64_t memory_max = 0;  // bytes, for all that grows with what clients hold
    // Without one, nobody notices that an old copy of the store was put back. With one, what the
    // journal says of machine, vm and has_witness is from here.
    std::optional<WitnessPlace> witness{};
    // Which start of the machine it is, and how long that is ago. Where it is another than the journal
    // tells of, or none, processes and connections of then are gone.
    BootId boot{};
    BootTime now = 0;
    // How long a holder that is bound to a connection waits for its client when the daemon was started
    // again, and one with a time limit at least, milliseconds.
    std::uint32_t restart_grace_ms = 10'000;
    std::uint32_t holders_max = 1'000'000;  // of all users together
    TokenOptions tokens{};                  // count_max 0: there are none
    SipKey hash_key{};                      // a secret, for the table of holders
    // A random number, for the epoch of tokens that a start may have to begin; 0: it begins none.
    std::uint64_t fresh_token_epoch = 0;
    // Called while the journal is read, after each so many records, with how many there were.
    static constexpr std::uint64_t records_per_progress = 65'536;
    std::function<void(std::uint64_t records)> on_progress{};
};

// By which a request that is sent again is known: lib/allocator/tokens.h. It is the asker's alone.
struct RequestToken {
    std::uint64_t epoch;
    std::uint64_t number;

    friend bool operator==(const RequestToken&, const RequestToken&) = default;
};

// On whose behalf something is asked.
struct Asker {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    // The holder that the connection acts as; none: the user's own persistent one that has no name.
    std::optional<HolderRef> acts_as{};
    bool releases_for_others = false;
    bool takes_reserved = false;
    Quota quota{};  // what he may have of the pool
    // And of those above it, by PoolIndex; of those it does not reach as much as there is.
    std::span<const Quota> quotas_above{};
    std::uint32_t holders_max = std::numeric_limits<std::uint32_t>::max();  // and how many holders
    std::uint64_t tokens_max = std::numeric_limits<std::uint64_t>::max();   // and how many tokens
    std::optional<RequestToken> token{};  // of a request that hands out; others have none
};

// What a holder is to be like. Of a user's own that is there already, it is that one.
struct BindRequest {
    Binding binding = Binding::persistent;
    std::string_view name{};    // of a persistent one, or of one with a time limit; may be empty
    HolderKey key{};            // not none: the one that has this key, and no other
    HolderKey secret{};         // for a new one that is known by a key: what nobody can guess
    ProcessIdentity process{};  // of one bound to a process
    std::uint32_t ttl_ms = 0;   // of one with a time limit: 1 and more
};

// What a connection acts as now.
struct Bound {
    HolderRef ref;
    HolderKey key;        // none where the user, or the process, is proof enough
    bool is_new = false;  // it was made for this
};

// What a request came to, and the LSN that must become durable before anybody may hear of it: 0 if
// it can be told at once, and above durable_lsn() otherwise. A refusal can have to wait too, since
// it tells what others have changed.
template <class T>
struct Answer {
    Result<T> result;
    Lsn wait_for = 0;
};

// A run of live IDs and who holds it.
struct Held {
    Range range;
    std::uint64_t generation;
    Holder holder;

    friend bool operator==(const Held&, const Held&) = default;
};

// The number that a thing has at one level.
struct LevelNumber {
    PoolIndex pool;
    Id id;
    std::uint64_t generation;

    friend bool operator==(const LevelNumber&, const LevelNumber&) = default;
};

class PoolAddition;

class Allocator : private SnapshotSource {
public:
    // The most records that one request leaves: its holder, a high-water mark, the change itself.
    static constexpr std::size_t records_per_request_max = 3;
    // What a lease adds to a snapshot at most, bytes: a claim, an item with a tag, a holder without a
    // name; or an item of a link.
    static constexpr std::uint64_t lease_size_max = 192;

    // `storage` outlives the allocator.
    Allocator(Storage& storage, AllocatorOptions options);
    Allocator(const Allocator&) = delete;
    Allocator& operator=(const Allocator&) = delete;
    ~Allocator() override;

    // Takes the state back from the journal, or makes a new one, and fits the configured pools to
    // it. `accept` is for a store without a witness. Errors: those of Journal::recover() and of
    //   StoreWitness; journal_damaged where records contradict each other; pool_changed where the
    //   configuration contradicts them; out_of_memory. Each for an administrator, as the message
    //   says.
    Result<Recovery, Failure> recover(const Journal::Accept& accept = {});

    // Takes the state back as recover() does, what an unclean stop costs included, and changes
    // nothing on the disk. The options need no pools: all are as the journal has them. Errors:
    // those of scan(); journal_damaged where records contradict each other; out_of_memory.
    Result<Scan, Failure> load();

    // Makes a new store in a storage that has none, in a state that comes from elsewhere: `source`
    // hands it over as the records of a snapshot, and nothing is written before it is through. Each
    // pool skips ahead by `skip_ahead`, if that is given, as in lib/pool/pool.h. Ends this life
    // with the mark of a clean stop. The options need no pools.
    // Errors: those of `source`, which passes on what the Replay refuses: journal_damaged where
    //   records contradict each other, out_of_memory; io_error, no_space.
    using Source = std::function<Result<void, Failure>(Replay& replay)>;
    Result<Recovery, Failure> create(const Source& source,
                                     std::optional<std::uint64_t> skip_ahead = {});

    // Is there room for the records of one more request? If not, flush first. Every request below
    // but lookup() and next() requires it.
    [[nodiscard]] bool has_room() const noexcept;

    // What of the options may change while it runs: how many holders there may be; and of tokens, how many, and
    // for how long each is kept at least.
    void set_holders_max(std::uint32_t holders_max) noexcept { options_.holders_max = holders_max; }
    void set_tokens(std::uint64_t keep_ms, std::uint32_t count_max) noexcept;

    // Requests. All fail with pool_unknown for an index that no configured pool has; the rest as in
    // lib/pool/pool.h. All that change something also fail with journal_sealed; allocate() and
    // allocate_at() with no_space, when the disk is full.
    //
    // allocate() and allocate_at() fail with block_pending where what a hand-out needs on disk is not
    // there yet; nobody else may hear of that, and whoever asks then asks again after the next flush or
    // make_space(). That is the space for the release; or the pool's mark, which has been recorded then:
    // where there is no mark from an earlier run to go on below, and where more is asked for all at once
    // than ever before in this run. It cannot go on for long: what waits counts as demand, and the next
    // move of the mark has room for four times that.
    //
    // allocate(), allocate_at(), reserve() and next() fail with sweep_pending, of which nobody else may hear
    // either, where much of what holders left behind at their end is in the way, or of what has rested enough:
    // whoever asks then asks again after sweep().
    //
    // What acts as a holder that has come to its end fails with holder_ended; and with block_pending as long
    // as that end is still to be recorded.
    //
    // With a token the same request is granted once, and answered as it was the first time whenever it
    // comes again. Errors: token_mismatch, token_expired, token_quota. What was refused is not kept.
    Answer<Lease> allocate(GuardRef guard, PoolIndex index, const Wish& wish, const Asker& asker);
    Answer<Lease> allocate_at(GuardRef guard, PoolIndex index, Range range, const Asker& asker);
    Answer<void> release(PoolIndex index, Range range, std::uint64_t generation,
                         const Asker& asker) noexcept;
    [[nodiscard]] Answer<Held> lookup(PoolIndex index, Id id, std::uint64_t generation) noexcept;
    // Its answer tells of everything from `id` on, so it waits for all that was recorded so far.
    [[nodiscard]] Answer<Held> next(PoolIndex index, Id id) noexcept;

    // A pool can have a parent, and that another (allocator_levels.cc). What is allocated in it gets as
    // many numbers in a row at every level, each as that pool's policy says and with a generation of its
    // own; or at none. A claim names those of the pool that it asks; above they come as they do. All
    // refusals can come from any level, and count there. It is released where it was asked for, at all
    // levels at once; at the others it is held_below.

    // The numbers at all levels of what has this number in the pool: from the highest one down to where
    // it was asked for. Errors: as lookup().
    [[nodiscard]] Answer<Levels<LevelNumber>> lookup_levels(PoolIndex index, Id id,
                                                            std::uint64_t generation) noexcept;
    // no_pool: it has none.
    [[nodiscard]] PoolIndex parent_of(PoolIndex index) const noexcept {
        return pools_[index]->parent;
    }

    // Requests about holders (allocator_holders.cc).

    // A holder for the asker to act as. Errors: journal_sealed, no_space, block_pending, out_of_memory;
    //   quota_exceeded with the limit, the asker's own or holders_max();
    //   holder_unknown (none of this user has that key); holder_invalid (a name, a time limit or a
    //   binding that no holder can have).
    Answer<Bound> bind(const Asker& asker, const BindRequest& request);
    // A holder with a time limit begins it anew; any other stays as it is. Errors: holder_ended, block_pending.
    Answer<void> renew(const HolderRef& ref) noexcept;
    // A holder is at its end: its connection has closed, its process has ended, or somebody who may says
    // so. All that it held is free, as one record. Of one that is gone already nothing happens. Where the
    // journal has no room for the record it is done after the next flush, and acts as done before.
    void end(const HolderRef& ref) noexcept;
    // The same for somebody who waits for it, with what it held. Requires has_room(). Errors:
    // holder_unknown, block_pending.
    Answer<std::uint64_t> release_all(const HolderRef& ref) noexcept;
    // What must be durable before anybody may hear of all that is so now; 0: nothing.
    [[nodiscard]] Lsn recorded_lsn() const noexcept { return unless_durable(journal_.last_lsn()); }
    // What a user has of a pool, all his holders together.
    [[nodiscard]] TagCount account(PoolIndex pool, std::uint32_t uid) const noexcept {
        return accounts_.of(pool, uid);
    }
    // How many holders there may be, of all users together.
    [[nodiscard]] std::uint32_t holders_max() const noexcept { return options_.holders_max; }
    // What a holder has, all pools together.
    [[nodiscard]] TagCount holdings(HolderIndex index) const noexcept;

    // What time it is: holders whose time is over come to their end, as far as the journal has room for it,
    // and where many are at once by and by in sweep().
    void set_time(BootTime now) noexcept;
    // When set_time() will have something to do.
    [[nodiscard]] std::optional<BootTime> next_deadline() const noexcept {
        return holders_.next_deadline();
    }
    // Holders come to their end of whom many were at once, what they have left behind in the trees is
    // swept out, and what tokens did that are kept no longer, in slices of less than a millisecond.
    [[nodiscard]] bool wants_sweep() const noexcept;
    void sweep() noexcept;
    // Gives back to the memory budget what releases have left behind. An allocation does it for its own pools
    // first.
    void trim() noexcept;

    // Tokens (allocator_tokens.cc).

    // The epoch that clients are to take for new tokens; 0: there are no tokens.
    [[nodiscard]] Answer<std::uint64_t> token_epoch() const noexcept;
    // Is a new one to begin? If so, begin_token_epoch() takes a random number for it, not 0.
    [[nodiscard]] bool is_token_epoch_due() const noexcept;
    void begin_token_epoch(std::uint64_t number) noexcept;
    // When that is, unless something happens before.
    [[nodiscard]] std::optional<BootTime> next_token_epoch_due() const noexcept {
        return tokens_.next_epoch_due();
    }
    // An administrator adopted an old copy, of which it is not known what was granted since: no token of
    // before is taken as new. Where there are none nothing happens. Otherwise as skip_ahead().
    void close_token_epochs(std::uint64_t number) noexcept;

    // Requests of administrators (allocator_admin.cc): as in lib/pool/pool.h, and journal_sealed; reserve()
    // also no_space and block_pending.
    Answer<void> reserve(GuardRef guard, PoolIndex index, Range range);
    Answer<void> unreserve(GuardRef guard, PoolIndex index, Range range);
    Answer<void> advance(PoolIndex index, Id last) noexcept;

    // What happened in the pools since recover(), as far as it is durable and not too long ago. Hand-outs
    // and releases that are in no record (of `block` pools, claims aside) are not among it.
    [[nodiscard]] const EventRing& events() const noexcept { return events_; }
    // Who waits for an ID that lookup() says is live, to look again once it may be so no more: in any
    // pool, and as soon as it is decided.
    [[nodiscard]] Waits& waits() noexcept { return waits_; }

    // An administrator adopted an old copy of the state, see lib/pool/pool.h: all pools, or one. The IDs of
    // holders go on above those that may have been told of since, too.
    // Requires has_room(). Belongs between recover() and the first request, with a flush behind it.
    void skip_ahead(std::uint64_t count) noexcept;
    void skip_above(PoolIndex pool, std::uint64_t floor) noexcept;

    // How far each pool has come, for the witness.
    [[nodiscard]] std::vector<PoolMark> marks() const;

    // Group commit: see lib/journal/journal.h, to which these go through. Where the witness would
    // fall behind by more than a stride, flush() writes it too; what fails there seals the journal.
    // True if begin_flush() would find something.
    [[nodiscard]] bool has_work() const noexcept;
    bool begin_flush() noexcept;
    Result<void, Failure> flush();
    Lsn end_flush() noexcept;
    Result<void, Failure> make_space() { return journal_.make_space(); }

    // A snapshot is begun with the next group even if the log is still short, unless there is nothing
    // in it: for its age, or for somebody who wants to read it. Where the disk has no space for it, once
    // it has.
    void request_snapshot() noexcept { snapshot_requested_ = journal_.log_size() > 0; }

    // Is one under way, or due and there is space for it?
    [[nodiscard]] bool has_snapshot_to_write() const noexcept {
        return journal_.snapshot_under_way() || is_snapshot_due();
    }

    // Ends this life: makes what only memory knows durable and says in the journal that the stop
    // was clean. Requires that no flush is under way. Errors: as flush().
    Result<void, Failure> close();

    // The configured pool with this name or index; null if there is none.
    [[nodiscard]] const Pool* find_pool(std::string_view name) const;
    [[nodiscard]] const Pool* pool(PoolIndex index) const noexcept;
    [[nodiscard]] PoolIndex index_of(const Pool& pool) const;
    // Likewise if it is not configured. Requires index < pool_index_end().
    [[nodiscard]] const Pool& any_pool(PoolIndex index) const noexcept { return pool_at(index); }
    // One more than the highest index of any pool.
    [[nodiscard]] std::size_t pool_index_end() const { return pools_.size(); }
    // The same as recover() left it: any thread, without the lock.
    [[nodiscard]] std::size_t pool_index_end_at_start() const noexcept {
        return pool_index_end_at_start_;
    }
    // All that there are, those included that hold nothing.
    [[nodiscard]] const Holders& holders() const noexcept override { return holders_; }
    [[nodiscard]] const Tokens& tokens() const noexcept override { return tokens_; }
    // Names of pools that the journal has and the configuration does not: kept, not served.
    [[nodiscard]] std::vector<std::string> dormant_pools() const;

    [[nodiscard]] const Journal& journal() const { return journal_; }
    [[nodiscard]] const MemoryBudget& memory() const { return budget_; }
    // For what its owner keeps for clients besides.
    [[nodiscard]] MemoryBudget& memory() { return budget_; }
    [[nodiscard]] std::uint64_t lookups(PoolIndex pool) const { return pools_[pool]->lookups; }
    [[nodiscard]] std::uint64_t refusals(PoolIndex pool) const { return pools_[pool]->refusals; }

    // Checks every invariant of every pool. Says what is broken, or nothing.
    [[nodiscard]] std::optional<std::string> verify() const;

private:
    class Recoverer;
    friend class PoolAddition;

    struct ServedPool {
        ServedPool(const PoolSpec& spec, PoolIndex own_index, Allocator& of, bool is_configured)
            : pool(spec, own_index, of.tags_, of.budget_, of.now_),
              index(own_index),
              configured(is_configured) {
            pool.set_links(of.links_);
        }

        [[nodiscard]] bool wants_sweep() const noexcept;

        Pool pool;
        const PoolIndex index;
        PoolIndex parent = no_pool;
        bool configured;
        // The high-water mark as it was recorded last, and that record.
        std::optional<Id> moved_mark;
        Lsn moved_mark_lsn = 0;
        SavedSize saved_size;  // of the pool, as it is part of saved_size_
        std::uint64_t spared =
            0;  // bytes that Pool::saved_size() says too much, see resize_shrunk()
        // How far it may come before the witness is to be written; none: not at all.
        std::optional<std::uint64_t> mark_limit = ~std::uint64_t{0};   // marks, or generations
        std::optional<std::uint64_t> claim_limit = ~std::uint64_t{0};  // claims
        bool awaits_sweep = false;  // somebody was told sweep_pending
        // While a holder ends: what it had here, and the next one where it had something.
        TagCount ended{};
        ServedPool* next_shrunk = nullptr;
        std::uint64_t lookups = 0;
        std::uint64_t refusals = 0;
    };
    // What a request asks for, in a form that stands in the journal: the operation and its operands.
    using Asked = std::array<std::uint64_t, 3>;
    // The token that a request came with, as its record is to have it.
    using Ticket = std::optional<TokenFields>;
    // What was handed out, and how.
    struct HandedOut {
        HandOut how;
        PoolIndex pool;
        HolderIndex holder;
        Granted granted;
    };
    // Who is to get something, and that it counts to what his user has.
    struct Admitted {
        HolderIndex holder;
        Accounts::Reservation reservation;
    };
    // A holder that is to get something: pinned meanwhile. One that was made for it and got nothing goes
    // again.
    class Admission {
    public:
        Admission(Allocator& allocator, HolderIndex index) : allocator_(allocator), index_(index) {
            allocator.holders_.pin(index);
        }
        Admission(const Admission&) = delete;
        Admission& operator=(const Admission&) = delete;
        ~Admission();
        [[nodiscard]] HolderIndex holder() const { return index_; }

    private:
        Allocator& allocator_;
        const HolderIndex index_;
    };

    [[nodiscard]] Booted booted() const noexcept override {
        return {.boot = boot_, .next_holder = holders_.next_id(), .now = now_};
    }
    [[nodiscard]] std::size_t pool_count() const noexcept override { return pools_.size(); }
    [[nodiscard]] const Pool& pool_at(std::size_t index) const noexcept override {
        return pools_[index]->pool;
    }

    [[nodiscard]] const Links& links() const noexcept override { return links_; }

    // What is asked of the lowest of several levels, and what was planned for each: the highest first.
    struct NestedWish {
        Wish wish{};
        std::optional<Range> claim{};
    };
    using LevelPlans = std::array<Pool::Plan, levels_max>;
    using LevelReservations = boost::container::static_vector<Accounts::Reservation, levels_max>;
    // What a release gave back at one level, which may be in many pieces there.
    struct GivenBack {
        bool is_empty = true;
        bool is_in_a_row = false;  // and of one generation; otherwise `lease` spans it
        Lease lease{};
        std::optional<HolderIndex> holder{};  // none: several

        void add(const LiveRun& run, Range range) noexcept;
    };
    struct LevelRefusal {
        PoolIndex pool;
        Error error;
    };

    // allocator_levels.cc
    [[nodiscard]] Levels<PoolIndex> levels_of(PoolIndex index) const noexcept;
    Answer<Lease> allocate_nested(GuardRef guard, PoolIndex index, const NestedWish& wanted,
                                  const Asker& asker, const Ticket& ticket);
    std::optional<LevelRefusal> reserve_above(const Levels<PoolIndex>& levels, std::uint64_t count,
                                              const Asker& asker, LevelReservations& reservations);
    Result<> set_space_aside_for_levels(std::size_t levels, std::uint64_t count) noexcept;
    Result<Pool::Plan> plan_level(GuardRef guard, PoolIndex index, const NestedWish& wanted,
                                  bool is_asked, HolderIndex holder, const Asker& asker);
    std::optional<LevelRefusal> plan_levels(GuardRef guard, const Levels<PoolIndex>& levels,
                                            const NestedWish& wanted, HolderIndex holder,
                                            const Asker& asker, LevelPlans& plans);
    Answer<Lease> commit_levels(const Levels<PoolIndex>& levels, const LevelPlans& plans,
                                HolderIndex holder, const Asker& asker,
                                const Ticket& ticket) noexcept;
    Answer<void> release_nested(ServedPool& served, Range range, std::uint64_t generation,
                                std::optional<HolderIndex> whose) noexcept;
    void release_level(const Levels<PoolIndex>& levels, std::size_t level, Range range, Lsn lsn,
                       std::array<GivenBack, levels_max>& given_back) noexcept;
    [[nodiscard]] std::optional<std::string> verify_levels() const;
    [[nodiscard]] std::optional<std::string> verify_live_links(const ServedPool& served) const;
    [[nodiscard]] bool is_linked(PoolIndex child, const Link& link) const;

    Answer<void> change_reserved(GuardRef guard, PoolIndex index, Range range,
                                 Result<> (Pool::*change_pool)(GuardRef, Range), EventKind kind,
                                 const Record& record);

    // As has_room(), for so many records more.
    [[nodiscard]] bool has_room_for(std::size_t records) const noexcept;
    ServedPool* served(PoolIndex index) noexcept;
    [[nodiscard]] Lsn unless_durable(Lsn lsn) const noexcept;
    Result<> check_means(std::uint64_t count) noexcept;
    Result<Admitted> admit(const Asker& asker, PoolIndex pool, std::uint64_t count);
    // The change that something made to a pool is one of this holder's account.
    void charge(ServedPool& served_pool, PoolIndex index, HolderIndex holder,
                const TagCount& before) noexcept;
    struct ReleasedParts {
        bool is_recorded;
        std::optional<HolderIndex> holder;  // whose all of it was; none: of several
    };
    Result<ReleasedParts> release_parts(ServedPool& served_pool, PoolIndex index, Range range,
                                        std::uint64_t generation,
                                        std::optional<HolderIndex> whose) noexcept;
    [[nodiscard]] std::optional<HolderIndex> find_holder(const Asker& asker) noexcept;
    [[nodiscard]] Errc unless_queued(const HolderRef& ref, Errc ended) const noexcept;
    Result<HolderIndex> make_holder(std::uint32_t holders_max, const Holder& holder);
    void record_holder(HolderIndex index) noexcept;
    Answer<Lease> allocate_tracked(GuardRef guard, ServedPool& served, PoolIndex index,
                                   const Wish& wish, const Asker& asker, const Ticket& ticket);
    Answer<Lease> allocate_untracked(GuardRef guard, ServedPool& served, PoolIndex index,
                                     const Wish& wish, const Ticket& ticket);
    Answer<Lease> claim(GuardRef guard, ServedPool& served, PoolIndex index, Range range,
                        const Asker& asker, const Ticket& ticket);
    // Executes a request that carries a token at most once.
    template <class Execute>
    Answer<Lease> once(ServedPool& served, PoolIndex index, const Asker& asker, const Asked& asked,
                       Execute execute);
    static TokenFields token_of(const Asker& asker, const Asked& asked) noexcept;
    std::optional<Answer<Lease>> find_answer(ServedPool& served, PoolIndex index,
                                             const TokenFields& token) noexcept;
    Result<Tokens::Place> prepare_token(PoolIndex index, const TokenFields& token,
                                        std::uint64_t tokens_max);
    Result<HolderIndex> find_or_make_bound(const Asker& asker, const BindRequest& request);
    [[nodiscard]] Result<HolderIndex> find_keyed(const Asker& asker,
                                                 const BindRequest& request) const;
    std::size_t end_now(HolderIndex index) noexcept;
    void leave_behind(ServedPool& served, HolderIndex index) noexcept;
    void end_pending() noexcept;
    void end_overdue() noexcept;
    [[nodiscard]] bool can_end_some() const noexcept;
    [[nodiscard]] bool is_ending_some() const noexcept;
    Result<> set_space_aside_for(const StateSize& wanted) noexcept;
    [[nodiscard]] SavedSize size_of(const ServedPool& served) const noexcept;
    void resize_grown(ServedPool& served) noexcept;
    void resize_shrunk(ServedPool& served) noexcept;
    void set_saved_size(ServedPool& served, const SavedSize& size) noexcept;
    void resize_all() noexcept;
    [[nodiscard]] StateSize state_size() const noexcept;
    void settle_mark(ServedPool& served) noexcept;
    void prove_marks(Lsn durable) noexcept;
    void record_mark(ServedPool& served, PoolIndex index, Id mark) noexcept;
    Answer<Lease> await_mark(ServedPool& served, PoolIndex index, const Error& pending) noexcept;
    Answer<Lease> recorded(ServedPool& served, const HandedOut& what,
                           const Ticket& ticket) noexcept;
    static Record record_of(const ServedPool& served, const HandedOut& what,
                            const Ticket& ticket) noexcept;
    void note_reached(const ServedPool& served, const Lease& lease, bool is_claim) noexcept;
    // What must be durable before anybody may hear that a holder is at its end.
    [[nodiscard]] Lsn last_end() const noexcept { return unless_durable(last_end_lsn_); }
    [[nodiscard]] Lsn mark_lsn(ServedPool& served, Id id) const noexcept;
    [[nodiscard]] Lsn last_change(ServedPool& served, PoolIndex index, Id id) const noexcept;
    [[nodiscard]] Lsn last_change_of_free(ServedPool& served, PoolIndex index,
                                          Id id) const noexcept;
    void tell(EventKind kind, PoolIndex pool, const Lease& lease, std::optional<HolderIndex> holder,
              Lsn lsn) noexcept;
    Lsn append(const Record& record) noexcept;
    Lsn change(PoolIndex pool, Range range, const Record& record) noexcept;
    // Counts a refusal. Returns what it has to wait for.
    Lsn count_refusal(ServedPool& served, PoolIndex index, const Error& error) noexcept;
    template <class T>
    Answer<T> refuse(ServedPool& served, PoolIndex index, const Error& error) noexcept {
        // Nothing is left, but for what those have who are at their end.
        const bool is_early = error.code == Errc::pool_exhausted && is_ending_some();
        const Error told = is_early ? Error(Errc::sweep_pending) : error;
        return {told, count_refusal(served, index, told)};
    }
    [[nodiscard]] Held held(const LiveRun& run) const;
    Result<std::uint64_t, Failure> ask_witness(const Recovery& found);
    Result<void, Failure> begin_witness(const Recovery& recovery);
    void gather_witness() noexcept;
    [[nodiscard]] std::size_t new_pool_count() const;
    void gather_marks() noexcept;
    [[nodiscard]] bool is_snapshot_due() const noexcept;
    void begin_snapshot(bool all) noexcept;
    void resume_snapshot() noexcept;
    bool gather_group() noexcept;
    void say_state_size() noexcept;
    Result<void, Failure> flush_all();

    AllocatorOptions options_;
    MemoryBudget budget_;
    Journal journal_;
    Holders holders_;
    Tags tags_;
    Accounts accounts_;
    Tokens tokens_;
    PendingChanges pending_;
    EventRing events_;
    Waits waits_;
    Links links_;
    std::vector<std::unique_ptr<ServedPool>> pools_;  // by PoolIndex
    std::size_t pool_index_end_at_start_ = 0;
    SavedSize saved_size_;  // of all pools
    // All up to here was durable before the last group was: a damaged end of the journal, which can
    // hide that group, does not hide what came before.
    Lsn proven_lsn_ = 0;
    // The last mark of a pool that records no leases, as it was recorded.
    MarkMoved unproven_mark_{};
    Lsn unproven_mark_lsn_ = 0;
    StateSize demand_;     // what somebody who was told block_pending waits for
    StateSize size_told_;  // state_size() at the last begin_flush()
    StateSize growth_;     // and by how much a group makes it grow
    SnapshotWriter snapshot_writer_;
    bool snapshot_requested_ = false;
    std::optional<SnapshotPosition> cut_snapshot_;  // where the life before stopped in one
    BootId boot_{};                                 // that the journal tells of
    BootTime now_ = 0;
    Lsn last_end_lsn_ = 0;     // of the last record that a holder ended
    Lsn token_epoch_lsn_ = 0;  // of the last record that an epoch of tokens began
    bool sweep_due_ = false;   // of some pool
    std::optional<StoreWitness> witness_;
    std::vector<PoolMark> marks_;    // as the witness was told last; has room for all pools
    bool is_witness_begun_ = false;  // it knows of this run
    bool is_witness_due_ = false;    // a pool came above a limit of its
};

}  // namespace inod
