// What the journal keeps of pools: one record for each thing that happened, and those of which a
// snapshot consists.
//
// A record is a type byte, a version byte, then its fields in the order in which the structs below
// list them: integers and IDs as LEB128 varints, a bool as one byte (0 or 1), a text as its size
// and bytes, an optional field as one byte (0 or 1) and, after a 1, the field, a range as its first
// ID and its span (last - first), an array as its elements. A change of fields is a new version, and
// older ones are read; a type or version that a daemon does not know refuses its start.
//
//   type  record            written when
//      1  PoolDefined       a pool is new, or its range was widened; in a snapshot
//      2  HolderDefined     a holder is new; in a snapshot
//      3  Allocated         a lease was handed out
//      4  Claimed           a lease was handed out by its number
//      5  Released          IDs were given back
//      6  MarkMoved         a unique pool's high-water mark is made durable ahead of demand
//      7  UncleanStop       a life began after one that did not end by itself
//      8  SkippedAhead      an old copy was adopted: all pools skip what may have been handed out
//      9  SkippedAbove      likewise one pool, up to what is known to have been handed out
//     10  Passed            numbers were handed out of a pool without tracking
//     11  Reserved          an administrator took IDs out of circulation
//     12  Unreserved        or gave them back
//     13  Advanced          or had a pool go on above an ID
//     14  HolderEnded       a holder came to its end, and all that it held is free
//     15  HolderRenewed     a holder with a time limit goes on
//     16  SequenceSaved     snapshot: where a pool stands
//     17  ClaimsSaved       snapshot: what was claimed above a unique pool's cursor, live or not
//     18  LiveSaved         snapshot: runs of live IDs
//     19  ReservedSaved     snapshot: runs of reserved IDs
//     20  Booted            the machine was started since the life before; in a snapshot
//     21  Rested            IDs were given back, and rest
//     22  RestingSaved      snapshot: runs of IDs that rest
//     23  Tokened           a lease was handed out to a request that carried a token
//     24  EpochBegun        tokens have a new epoch
//     25  EpochsSaved       snapshot: the epochs of tokens, the newest first
//     26  TokenSaved        snapshot: a token that is kept
//     27  NestedAllocated   a lease was handed out at several levels: of a pool, and those above it
//     28  NestedReleased    IDs of such leases were given back at all of them
//     29  LinksSaved        snapshot: which IDs of a pool go with which of its parent
//
// A snapshot has, in this order: Booted; EpochsSaved; the tokens; LinksSaved of all pools that have a
// parent; the holders; then for each pool PoolDefined, SequenceSaved, its
// ClaimsSaved, ReservedSaved, LiveSaved and RestingSaved, each of these covering what comes next up to an
// ID, the last up to the last ID of all; of LinksSaved, ClaimsSaved and RestingSaved there
// are none where there is nothing to say. Their items are all the bytes that are left: lib/pool/runs.h.
//
// PoolDefined is at version 3: version 2 had no `parent`, which was none, and version 1 no `tracking`
// either, which was true. HolderDefined is at version
// 2: version 1 had index, binding, UID and GID; the holder's ID was its index plus 1. SequenceSaved is at
// version 2: version 1 ended with `claims`; `passed` was `highest`.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "lib/base/bytes.h"
#include "lib/base/result.h"
#include "lib/pool/lease.h"
#include "lib/pool/pool_spec.h"
#include "lib/pool/sequence.h"

namespace inod {

struct PoolDefined {
    PoolIndex pool;
    std::string_view name;  // somebody else's text
    Policy policy;
    Durability durability;
    Range range;
    bool tracking = true;
    std::optional<PoolIndex> parent{};  // always a lower index

    friend bool operator==(const PoolDefined&, const PoolDefined&) = default;
};

struct HolderDefined {
    HolderIndex index;
    Holder holder;  // in order: id, binding, uid, gid, name, key, process, ttl_ms, deadline

    friend bool operator==(const HolderDefined&, const HolderDefined&) = default;
};

struct Allocated {
    PoolIndex pool;
    Range range;
    HolderIndex holder;
    bool raised_generation;

    friend bool operator==(const Allocated&, const Allocated&) = default;
};

struct Claimed {
    PoolIndex pool;
    Range range;
    HolderIndex holder;
    bool raised_generation;

    friend bool operator==(const Claimed&, const Claimed&) = default;
};

struct Released {
    PoolIndex pool;
    Range range;

    friend bool operator==(const Released&, const Released&) = default;
};

struct MarkMoved {
    PoolIndex pool;
    Id mark;

    friend bool operator==(const MarkMoved&, const MarkMoved&) = default;
};

struct UncleanStop {
    friend bool operator==(const UncleanStop&, const UncleanStop&) = default;
};

struct SkippedAhead {
    std::uint64_t count;

    friend bool operator==(const SkippedAhead&, const SkippedAhead&) = default;
};

struct SkippedAbove {
    PoolIndex pool;
    std::uint64_t floor;  // an ID of a unique pool, a generation of one that wraps

    friend bool operator==(const SkippedAbove&, const SkippedAbove&) = default;
};

struct Passed {
    PoolIndex pool;
    Range range;
    bool raised_generation;

    friend bool operator==(const Passed&, const Passed&) = default;
};

struct Reserved {
    PoolIndex pool;
    Range range;

    friend bool operator==(const Reserved&, const Reserved&) = default;
};

struct Unreserved {
    PoolIndex pool;
    Range range;

    friend bool operator==(const Unreserved&, const Unreserved&) = default;
};

struct Advanced {
    PoolIndex pool;
    Id last;  // the pool goes on above it

    friend bool operator==(const Advanced&, const Advanced&) = default;
};

struct HolderEnded {
    HolderIndex index;

    friend bool operator==(const HolderEnded&, const HolderEnded&) = default;
};

struct HolderRenewed {
    HolderIndex index;
    BootTime deadline;

    friend bool operator==(const HolderRenewed&, const HolderRenewed&) = default;
};

struct SequenceSaved {
    PoolIndex pool;
    SequenceState state;

    friend bool operator==(const SequenceSaved&, const SequenceSaved&) = default;
};

// Items as lib/pool/runs.h has them. The bytes are somebody else's.
struct RunItems {
    std::span<const std::byte> bytes;

    friend bool operator==(const RunItems& a, const RunItems& b) {
        return std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
    }
};

struct ClaimsSaved {
    // In the place of an item's holder: claimed, be it live or not; or reserved and never claimed.
    static constexpr HolderIndex claimed = 0;
    static constexpr HolderIndex reserved_only = 1;

    PoolIndex pool;
    Range covered;
    RunItems items;  // of generation 0

    friend bool operator==(const ClaimsSaved&, const ClaimsSaved&) = default;
};

struct LiveSaved {
    PoolIndex pool;
    Range covered;
    std::uint64_t generation;  // of the pool: those of the items are told by how far they are below
    RunItems items;

    friend bool operator==(const LiveSaved&, const LiveSaved&) = default;
};

struct ReservedSaved {
    PoolIndex pool;
    Range covered;
    RunItems items;  // of no holder and generation 0

    friend bool operator==(const ReservedSaved&, const ReservedSaved&) = default;
};

struct Booted {
    BootId boot;
    HolderId next_holder;  // the next holder's ID is at least this
    BootTime now;          // when that was

    friend bool operator==(const Booted&, const Booted&) = default;
};

struct Rested {
    PoolIndex pool;
    Range range;
    BootTime at;
    std::uint64_t rest_ms;

    friend bool operator==(const Rested&, const Rested&) = default;
};

struct RestingSaved {
    PoolIndex pool;
    Range covered;
    BootTime until;  // when all of these have rested enough
    RunItems items;  // of no holder and generation 0

    friend bool operator==(const RestingSaved&, const RestingSaved&) = default;
};

// By which of the records without a token a lease would be told of.
enum class HandOut : std::uint8_t { passed, allocated, claimed };

// The word for it: "allocated"; "unknown" for a value that is none.
constexpr std::string_view name(HandOut how) noexcept {
    switch (how) {
        case HandOut::passed: return "passed";
        case HandOut::allocated: return "allocated";
        case HandOut::claimed: return "claimed";
    }
    return "unknown";
}

// A token, and what was asked for with it.
struct TokenFields {
    std::uint32_t uid;
    std::uint64_t epoch;
    std::uint64_t number;
    std::uint64_t digest;

    friend bool operator==(const TokenFields&, const TokenFields&) = default;
};

struct Tokened {
    HandOut how;
    PoolIndex pool;
    Range range;
    HolderIndex holder;  // 0 of one that nobody holds
    bool raised_generation;
    std::uint64_t generation;  // that the reply told
    TokenFields token;

    friend bool operator==(const Tokened&, const Tokened&) = default;
};

struct EpochBegun {
    std::uint64_t number;
    BootTime at;
    bool alone;  // all before it take no more tokens

    friend bool operator==(const EpochBegun&, const EpochBegun&) = default;
};

struct EpochsSaved {
    struct Epoch {
        std::uint64_t number;  // 0: none, and none behind it
        bool is_open;

        friend bool operator==(const Epoch&, const Epoch&) = default;
    };
    BootTime began;  // the newest
    std::array<Epoch, 8> epochs;

    friend bool operator==(const EpochsSaved&, const EpochsSaved&) = default;
};

struct TokenSaved {
    PoolIndex pool;
    Range range;
    std::uint64_t generation;
    TokenFields token;

    friend bool operator==(const TokenSaved&, const TokenSaved&) = default;
};

// What a record says of each level, the highest pool first: at most levels_max.
template <class Level>
class Levels {
public:
    void push_back(const Level& level) noexcept { levels_[count_++] = level; }
    [[nodiscard]] std::size_t size() const noexcept { return count_; }
    const Level& operator[](std::size_t index) const noexcept { return levels_[index]; }
    [[nodiscard]] const Level& back() const noexcept { return levels_[count_ - 1]; }
    [[nodiscard]] const Level* begin() const noexcept { return levels_.data(); }
    [[nodiscard]] const Level* end() const noexcept { return levels_.data() + count_; }

    friend bool operator==(const Levels& a, const Levels& b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end());
    }

private:
    std::array<Level, levels_max> levels_{};
    std::uint8_t count_ = 0;
};

struct LevelAllocated {
    PoolIndex pool;
    Id first;
    bool raised_generation;

    friend bool operator==(const LevelAllocated&, const LevelAllocated&) = default;
};

// The token that it was asked for with, and the generation that the reply told.
struct NestedToken {
    std::uint64_t generation;
    TokenFields token;

    friend bool operator==(const NestedToken&, const NestedToken&) = default;
};

struct NestedAllocated {
    HolderIndex holder;
    bool is_claim;                  // at the lowest level; above it never
    std::uint64_t span;             // at each level: last - first
    Levels<LevelAllocated> levels;  // as their number and they; each the parent of the next
    std::optional<NestedToken> token{};

    friend bool operator==(const NestedAllocated&, const NestedAllocated&) = default;
};

struct LevelReleased {
    PoolIndex pool;
    std::uint64_t rest_ms;  // for so long they rest there; 0: not

    friend bool operator==(const LevelReleased&, const LevelReleased&) = default;
};

struct NestedReleased {
    Range range;  // at the lowest level: what goes with it above is known by then
    BootTime at;
    Levels<LevelReleased> levels;

    friend bool operator==(const NestedReleased&, const NestedReleased&) = default;
};

struct LinksSaved {
    PoolIndex pool;
    PoolIndex parent;
    Range covered;  // of the pool
    RunItems
        items;  // of no holder; the generation says which IDs of the parent: lib/allocator/links.h

    friend bool operator==(const LinksSaved&, const LinksSaved&) = default;
};

using Record =
    std::variant<PoolDefined, HolderDefined, Allocated, Claimed, Released, MarkMoved, UncleanStop,
                 SkippedAhead, SkippedAbove, Passed, Reserved, Unreserved, Advanced, HolderEnded,
                 HolderRenewed, SequenceSaved, ClaimsSaved, LiveSaved, ReservedSaved, Booted,
                 Rested, RestingSaved, Tokened, EpochBegun, EpochsSaved, TokenSaved,
                 NestedAllocated, NestedReleased, LinksSaved>;

// The longest that encode() makes of a record, bytes, but for its items.
inline constexpr std::size_t encoded_record_size_max = 192;

// The shortest that encode() makes of a record that can raise a generation, Allocated or Claimed:
// type, version, pool, both numbers of the range, holder and the flag.
inline constexpr std::size_t encoded_lease_size_min = 7;

// Writes the record. Requires that encoded_record_size_max bytes, and those of its items, are left in
// `out`.
void encode(const Record& record, ByteWriter& out) noexcept;

// Errors: record_unknown (detail: type and 256 times version), journal_damaged.
Result<Record> decode_record(std::span<const std::byte> bytes);

}  // namespace inod
