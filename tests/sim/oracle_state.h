// What a store has in it, as the world outside knows it, and what changes it: sets and maps.
//
// Thread safety: none of its own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "lib/journal/journal.h"
#include "lib/pool/lease.h"
#include "lib/pool/pool_spec.h"

namespace inod::sim {

// What is live, as the answers so far have said.
struct Known {
    std::uint64_t generation;
    std::uint32_t uid;
    bool is_recorded;  // Nobody forgets it in a crash.
    Lsn lsn;           // what must be durable before anybody may hear of it
};
using LiveIds = std::map<Id, Known>;

struct PoolState {
    LiveIds live;
    std::set<Id> reserved;          // somebody's claims among them where numbers return
    std::optional<Id> passed = {};  // an administrator had the pool go on above
};
using State = std::vector<PoolState>;

// A change that the journal records.
struct Change {
    enum class Kind { leased, released, reserved, unreserved, advanced };

    Lsn lsn;
    Kind kind;
    PoolIndex pool;
    Range range;
    std::optional<Known> known = {};  // what is leased, unless nobody keeps it
    bool ends_reserve = false;        // a claim takes the place of what was reserved

    void apply(State& state) const;
};

void insert(LiveIds& live, Range range, const Known& known);
void erase(LiveIds& live, Range range);
void insert(std::set<Id>& ids, Range range);
void erase(std::set<Id>& ids, Range range);
// Is any of `range` in it?
bool has_any(const std::set<Id>& ids, Range range);
bool has_all(const std::set<Id>& ids, Range range);

// The lowest place for so many IDs of that alignment in `window`, none of them live or reserved.
std::optional<Range> first_free(const PoolState& pool, Range window, std::uint64_t count,
                                std::uint64_t align);

}  // namespace inod::sim
