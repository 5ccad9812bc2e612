// What the allocator answered to requests that carried a token, so that the same request, sent
// again after its reply was lost, gets the first reply again and is not executed anew.
//
// A token is 64 bits that the daemon gave out, its epoch, and 64 that the client chose, within one
// UID. An epoch is
//
//   current    given out in hellos
//   previous   given out no more; tokens of both are taken as new
//   closed     tokens that are known are answered, all others are refused as expired
//   forgotten  as if it had never been: every token of it is refused as expired
//
// and moves on when the next one begins, which is never sooner than `keep_ms` after the last began.
// So a token is kept for at least `keep_ms` after it came first, and an epoch that was just given
// out is good for as long. A fresh epoch is a random number: a state that was put back from a copy
// cannot give one out a second time. Forgotten epochs are not remembered, so whatever epoch is not
// kept is refused.
//
// Room: a request takes a place before it is decided and fills it in when it was granted, which
// cannot fail. Until then the same token is under way to everybody else: whoever decides a request
// may drop its lock. Tokens lie in slots which they never leave, in blocks that are taken one at a
// time, and the hash table has as many chains as there are slots: each slot more splits one chain.
// So no call moves more than a few tokens, and nothing is ever copied as a whole.
//
// Time: milliseconds of a clock that only rises, read by the caller under the lock.
//
// Thread safety: none of its own; the allocator's lock guards it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <boost/container/static_vector.hpp>

#include "lib/base/growing_map.h"
#include "lib/base/memory_budget.h"
#include "lib/base/result.h"
#include "lib/pool/lease.h"
#include "lib/pool/record.h"

namespace inod {

struct TokenOptions {
    std::uint64_t keep_ms = 3'600'000;        // how long a token is kept at least
    std::uint32_t count_max = 1'000'000;      // tokens at once, below 2^31
    std::array<std::uint64_t, 2> hash_key{};  // a secret, or clients could put all into one chain
};

// Which token. The epoch is never 0, the number can be any.
struct TokenKey {
    std::uint32_t uid;
    std::uint64_t epoch;
    std::uint64_t number;

    friend bool operator==(const TokenKey&, const TokenKey&) = default;
};

inline TokenKey key_of(const TokenFields& token) {
    return {.uid = token.uid, .epoch = token.epoch, .number = token.number};
}

// What was asked for, enough to tell that a token comes with another request than the first time.
struct TokenRequest {
    PoolIndex pool;
    std::uint64_t digest;  // request_digest() of all else

    friend bool operator==(const TokenRequest&, const TokenRequest&) = default;
};

// 64 bits for what was asked for: the operation, counts, ranges, the holder, in an order that never
// changes, since it stands in the journal. SipHash-1-3 of these words under the key 0.
[[nodiscard]] std::uint64_t request_digest(std::span<const std::uint64_t> asked) noexcept;

// A token that is kept, as the journal has it.
struct Token {
    TokenKey key;
    TokenRequest request;
    Lease reply;

    friend bool operator==(const Token&, const Token&) = default;
};

struct TokenEpoch {
    std::uint64_t number;           // never 0
    bool is_open;                   // takes tokens as new
    std::uint32_t token_count = 0;  // tokens kept; nothing that is saved

    friend bool operator==(const TokenEpoch&, const TokenEpoch&) = default;
};

enum class TokenVerdict : std::uint8_t {
    fresh,      // It was never here: the request is executed, and prepare() comes first.
    known,      // The first reply goes out again, when it is durable.
    under_way,  // Somebody is executing it right now. The session asks again later.
    mismatch,   // It came with another request before. The client mends itself.
    expired,    // Its epoch takes no new ones, or is none. The client takes the current epoch.
};

enum class TokenRefusal : std::uint8_t {
    quota,          // The UID, or all together, have as many as they may. Time makes room.
    out_of_memory,  // The memory budget is used up. The client asks again later.
};

struct TokenAnswer {
    TokenVerdict verdict;
    Lease reply{};  // if it is known

    friend bool operator==(const TokenAnswer&, const TokenAnswer&) = default;
};

// How far somebody has come who reads all tokens.
struct TokenPosition {
    std::uint32_t next_slot = 0;
    std::uint32_t end = 0;
    bool skips_marked = false;  // those that mark() named

    [[nodiscard]] bool is_at_end() const noexcept { return next_slot >= end; }
};

class Tokens {
public:
    class Place;

    // As many epochs at once: three, and one more for each time that an old copy was adopted since
    // the last one began. When there are more, the oldest is forgotten early.
    static constexpr std::size_t epoch_count_max = std::tuple_size_v<decltype(EpochsSaved::epochs)>;

    // Slots for a call of forget_some() that others wait for: each can take a few misses of the
    // cache of up to 100 ns, so that all of them stay below a millisecond.
    static constexpr std::size_t visits_per_slice = 2'000;

    Tokens(const TokenOptions& options, MemoryBudget& budget);
    Tokens(const Tokens&) = delete;
    Tokens& operator=(const Tokens&) = delete;
    ~Tokens();

    // From here on so many are kept, and each for so long at least. Those that there are stay.
    void set_limits(std::uint64_t keep_ms, std::uint32_t count_max) noexcept;

    // What is to be done with a request that carries this token?
    [[nodiscard]] TokenAnswer find(const TokenKey& key, const TokenRequest& request) const noexcept;

    // Takes a place for a token that is fresh. `uid_count_max`: tokens that its UID may have at
    // once. Those that are forgotten count until forget_some() has come to them.
    [[nodiscard]] Result<Place, TokenRefusal> prepare(const TokenKey& key,
                                                      const TokenRequest& request,
                                                      std::uint32_t uid_count_max);

    // The request was granted: from here on its token is known.
    void add(Place place, const Lease& reply) noexcept;

    // Is a new epoch to begin? When there is none yet, and when the last one is old enough; not
    // while nothing is kept that could be forgotten some day, and not while a place is taken.
    [[nodiscard]] bool is_epoch_due(std::uint64_t now_ms) const noexcept;
    // When it is, unless something happens before; none: not by itself.
    [[nodiscard]] std::optional<std::uint64_t> next_epoch_due() const noexcept;
    // Begins one. Requires that it is due, and a random number, not 0 and never used before. It may
    // be given out when its record is durable.
    void begin_epoch(std::uint64_t number, std::uint64_t now_ms) noexcept;
    // An old copy of the state was adopted, and what was executed since it was taken is not in it:
    // closes all epochs and begins one. Requires such a number and that no place is taken.
    void begin_epoch_alone(std::uint64_t number, std::uint64_t now_ms) noexcept;

    // The one that hellos give out; 0 if there is none.
    [[nodiscard]] std::uint64_t current_epoch() const noexcept {
        return epochs_.empty() ? 0 : epochs_.front().number;
    }
    // Those that are kept, the newest first, and when that one began.
    [[nodiscard]] std::span<const TokenEpoch> epochs() const noexcept { return epochs_; }
    [[nodiscard]] std::uint64_t epoch_began_ms() const noexcept { return epoch_began_ms_; }

    // Gives back the places of forgotten tokens: looks at that many slots and no more.
    void forget_some(std::size_t visits_max) noexcept;
    // Is there something for it?
    [[nodiscard]] bool is_forgetting() const noexcept {
        return forgotten_count_ > 0 || has_idle_blocks();
    }

    // For a snapshot: reads all tokens that are kept from now on until they are read, whatever
    // comes and goes meanwhile. Those that come meanwhile may be among them or not. Positions are
    // of this life: restored tokens lie in other slots.
    [[nodiscard]] TokenPosition first_position() const noexcept { return {.end = slot_end_}; }
    // The same of all but those that were marked in recovery: a snapshot that was cut short has them.
    [[nodiscard]] TokenPosition first_unmarked() const noexcept {
        return {.end = slot_end_, .skips_marked = true};
    }
    void mark(const TokenKey& key) noexcept;
    void unmark_all() noexcept;
    // The next one; none at the end, or when `visits_left` slots were looked at, which is counted
    // down. Moves the position behind it: who then has no room for it goes back to a copy.
    [[nodiscard]] std::optional<Token> next(TokenPosition& position,
                                            std::size_t& visits_left) const noexcept;

    // Recovery. First the epochs, as a snapshot has them; before that no token is restored. Then
    // tokens in any order, from the snapshot and the log: the same one twice is one. Quotas and
    // count_max are not asked. Errors: journal_damaged, when it contradicts what came before;
    // out_of_memory.
    Result<> restore_epochs(std::span<const TokenEpoch> epochs, std::uint64_t began_ms);
    Result<> restore(const Token& token);
    // begin_epoch() or begin_epoch_alone(), as the log tells of it.
    Result<> replay_epoch(std::uint64_t number, std::uint64_t began_ms, bool alone);
    // All is restored. Ages begin anew, since nobody knows how long the daemon was gone; unless
    // what was restored last of when an epoch began is by the clock that goes on now, of the same
    // boot. (Then they go on, so that a daemon that starts often forgets as well.)
    void begin_run(std::uint64_t now_ms, bool same_clock) noexcept;

    // Tokens that are kept.
    [[nodiscard]] std::uint32_t count() const noexcept;
    // What they and those under way can take in a snapshot, bytes, with the records' prefixes and the
    // epochs.
    [[nodiscard]] std::uint64_t saved_size() const noexcept {
        return epochs_.empty()
                   ? 0
                   : epochs_saved_size + (count() + under_way_count_) * token_saved_size;
    }
    // Tokens of a UID: kept, under way, and forgotten but still in their place.
    [[nodiscard]] std::uint32_t count_of(std::uint32_t uid) const noexcept;

    // Checks every invariant. Says what is broken, or nothing.
    [[nodiscard]] std::optional<std::string> verify() const;

private:
    static constexpr std::uint64_t epochs_saved_size = 128;
    static constexpr std::uint64_t token_saved_size = 80;

    using Link = std::uint32_t;  // a slot's index and one; 0 for none

    enum class State : std::uint8_t { spare, under_way, kept };

    struct Slot {
        std::uint64_t epoch;
        std::uint64_t number;
        std::uint64_t digest;
        Lease reply;
        std::uint32_t uid;
        std::uint32_t hash;
        Link next;  // in its chain, or the next spare one
        PoolIndex pool;
        State state;
        bool marked = false;
    };
    static_assert(sizeof(Slot) == 64);

    // As many slots as chains, so that one more of each is the same block.
    struct Block {
        static constexpr std::uint32_t size = 1'024;
        std::array<Slot, size> slots;
        std::array<Link, size> chains;  // the first slot of each
    };

    [[nodiscard]] Slot& slot(Link link) noexcept {
        return blocks_[(link - 1) / Block::size]->slots[(link - 1) % Block::size];
    }
    [[nodiscard]] const Slot& slot(Link link) const noexcept {
        return blocks_[(link - 1) / Block::size]->slots[(link - 1) % Block::size];
    }
    [[nodiscard]] Link& chain(std::uint32_t index) noexcept {
        return blocks_[index / Block::size]->chains[index % Block::size];
    }
    [[nodiscard]] const Link& chain(std::uint32_t index) const noexcept {
        return blocks_[index / Block::size]->chains[index % Block::size];
    }

    [[nodiscard]] std::uint32_t hash_of(const TokenKey& key) const noexcept;
    [[nodiscard]] std::uint32_t chain_of(std::uint32_t hash) const noexcept;
    [[nodiscard]] Link search(const TokenKey& key) const noexcept;
    [[nodiscard]] const TokenEpoch* find_epoch(std::uint64_t number) const noexcept;
    [[nodiscard]] TokenEpoch* find_epoch(std::uint64_t number) noexcept;
    [[nodiscard]] bool has_idle_blocks() const noexcept {
        return used_count_ == 0 && blocks_.size() > 1;
    }

    Result<> make_room(std::uint32_t uid);
    Link take_slot(const TokenKey& key, const TokenRequest& request) noexcept;
    void split_chain() noexcept;
    void remove(Link link) noexcept;
    void push_epoch(std::uint64_t number, std::uint64_t began_ms, bool alone) noexcept;
    void forget_oldest_epoch() noexcept;
    void drop_idle_block() noexcept;
    [[nodiscard]] std::optional<std::string> verify_chains() const;
    [[nodiscard]] std::optional<std::string> verify_counts() const;

    TokenOptions options_;
    MemoryBudget& budget_;
    std::uint64_t budgeted_ = 0;  // bytes, but for the UIDs

    boost::container::static_vector<TokenEpoch, epoch_count_max> epochs_;  // the newest first
    std::uint64_t epoch_began_ms_ = 0;                                     // the newest

    std::vector<std::unique_ptr<Block>> blocks_;
    std::uint32_t slot_end_ = 0;  // slots that were ever used, and so many chains
    Link spare_ = 0;              // those below that are free
    std::uint32_t used_count_ = 0;
    std::uint32_t under_way_count_ = 0;
    std::uint32_t forgotten_count_ = 0;  // of those used
    std::uint32_t forget_next_ = 0;      // the slot at which forget_some() goes on
    GrowingMap<std::uint32_t, std::uint32_t> uid_counts_;  // of those used
};

// Room for one token that is under way. Given back when it goes without add(). Does not outlive the
// Tokens, and what it is moved from is empty.
class Tokens::Place {
public:
    Place(Place&& other) noexcept
        : tokens_(std::exchange(other.tokens_, nullptr)), link_(other.link_) {}
    Place& operator=(Place&&) = delete;
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place();

private:
    friend class Tokens;
    Place(Tokens& tokens, Link link) noexcept : tokens_(&tokens), link_(link) {}

    Tokens* tokens_;
    Link link_;
};

}  // namespace inod
