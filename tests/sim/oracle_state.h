// What a store has in it, as the world outside knows it, and what changes it: sets and maps.
//
// Thread safety: none of its own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/allocator/holders.h"
#include "lib/journal/journal.h"
#include "lib/pool/lease.h"
#include "lib/pool/pool_spec.h"

namespace inod::sim {

inline constexpr BootTime never = ~BootTime{0};
inline constexpr HolderId nobody = ~HolderId{0};

// What is live, as the answers so far have said.
struct Known {
    std::uint64_t generation;
    std::uint32_t uid;
    bool is_recorded;     // Nobody forgets it in a crash.
    Lsn lsn;              // what must be durable before anybody may hear of it
    HolderId holder = 0;  // 0: nobody says
};
using LiveIds = std::map<Id, Known>;

struct Rest {
    BootTime until;            // at least
    bool is_exact = true;      // and not longer
    bool may_be_over = false;  // a search may have ended it before its time
    friend bool operator==(const Rest&, const Rest&) = default;
};

struct PoolState {
    LiveIds live;
    std::map<Id, Rest> resting;  // what was given back; it may have rested enough
    BootTime rest_ms = 0;
    std::set<Id> reserved;          // somebody's claims among them where numbers return
    std::optional<Id> passed = {};  // an administrator had the pool go on above
};

struct KnownHolder {
    HolderRef ref;
    Binding binding = Binding::persistent;
    std::uint32_t uid = 0;
    std::string name = {};
    HolderKey key = {};
    ProcessIdentity process = {};
    std::uint32_t ttl_ms = 0;
    BootTime deadline = never;  // when it ends if nobody comes before
    bool is_ending = false;     // as soon as nobody asks on its behalf
    Lsn lsn = 0;
};

struct State {
    std::vector<PoolState> pools;
    std::map<HolderId, KnownHolder> holders = {};

    PoolState& operator[](std::size_t pool) { return pools[pool]; }
    const PoolState& operator[](std::size_t pool) const { return pools[pool]; }
};

struct Piece {
    PoolIndex pool;
    Range range;
};

// A change that the journal records.
struct Change {
    enum class Kind { leased, released, reserved, unreserved, advanced, bound, ended, yielded };

    Lsn lsn;
    Kind kind;
    PoolIndex pool;
    Range range;
    std::optional<Known> known = {};         // what is leased, unless nobody keeps it
    bool ends_reserve = false;               // a claim takes the place of what was reserved
    std::optional<KnownHolder> holder = {};  // that is bound, or goes on
    // That came to their end at once, each with a record from `first_lsn` to `lsn`, and what they had.
    Lsn first_lsn = 0;
    std::vector<HolderId> ended = {};
    std::vector<Piece> freed = {};
    // When what is given back by this begins to rest; yielded: what was to rest until then may be free.
    BootTime at = 0;

    void apply(State& state) const;
    [[nodiscard]] bool concerns(PoolIndex pool, Id id) const;
};

// Takes the holder away with all that it has, which is the answer.
std::vector<Piece> end_holder(State& state, HolderId holder, BootTime at);
// What was given back then begins to rest, if it does so in this pool; then, or (not `is_exact`) later.
void begin_rest(PoolState& pool, Range range, BootTime at, bool is_exact);
// A search may have ended rests that were to last until then at most.
void may_yield(PoolState& pool, BootTime until);
void end_rest(PoolState& pool, Range range);

void insert(LiveIds& live, Range range, const Known& known);
void erase(LiveIds& live, Range range);
void insert(std::set<Id>& ids, Range range);
void erase(std::set<Id>& ids, Range range);
// Is any of `range` in it?
bool has_any(const std::set<Id>& ids, Range range);
bool has_all(const std::set<Id>& ids, Range range);

// The lowest place for so many IDs of that alignment in `window`, none of them live or reserved; nor, if
// `with_rests`, such as may rest.
std::optional<Range> first_free(const PoolState& pool, Range window, std::uint64_t count,
                                std::uint64_t align, bool with_rests = true);

}  // namespace inod::sim
