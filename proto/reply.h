// What the daemon answers: one struct per form of reply. The byte tables are in PROTOCOL.md.
//
// No call here allocates. Thread safety: plain functions and values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "lib/base/bytes.h"
#include "lib/base/range.h"
#include "lib/base/result.h"
#include "proto/frame.h"
#include "proto/packed.h"
#include "proto/request.h"
#include "proto/stats.h"

namespace inod::proto {

// The values that PoolSpec has; the daemon's code checks that they are the same.
enum class PoolPolicy : std::uint8_t { unique = 1, cyclic = 2, lowest = 3 };
enum class PoolDurability : std::uint8_t { lease = 1, block = 2 };

// The words of the configuration and of inoctl; "unknown" for a value that the enum lacks.
std::string_view name(Binding binding) noexcept;
std::string_view name(PoolPolicy policy) noexcept;
std::string_view name(PoolDurability durability) noexcept;

// The longest pool name, bytes.
inline constexpr std::size_t pool_name_size_max = 64;

// The answer to ping and release: it was done.
struct DoneReply {
    friend bool operator==(const DoneReply&, const DoneReply&) = default;
};

// The answer to allocate and allocate_at.
struct LeaseReply {
    Range range{};
    std::uint64_t generation = 0;  // 0 in a unique pool.

    friend bool operator==(const LeaseReply&, const LeaseReply&) = default;
};

// The answer to lookup's short form.
struct LookupReply {
    std::uint64_t generation = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    // How many IDs directly below and above are of the same holder and generation; 2^32 - 1 stands
    // for that many or more.
    std::uint32_t below = 0;
    std::uint32_t above = 0;

    friend bool operator==(const LookupReply&, const LookupReply&) = default;
};

// The longest run of IDs with one holder and one generation: the answer to lookup's long form and
// to next, and the item of list.
struct LeaseRecord {
    Range range{};
    std::uint64_t generation = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    Binding binding = Binding::persistent;
    std::uint64_t holder = 0;  // Its number, below 2^56; 0 from a daemon that does not tell.

    friend bool operator==(const LeaseRecord&, const LeaseRecord&) = default;
};

inline constexpr std::size_t lease_record_size = 40;
void get_item(ByteReader& in, LeaseRecord& lease);
void put_item(ByteWriter& out, const LeaseRecord& lease);

// The number that something has in one pool of several levels: an item of lookup_levels.
struct LevelRecord {
    std::uint16_t pool = 0;  // its index
    Id id = 0;
    std::uint64_t generation = 0;

    friend bool operator==(const LevelRecord&, const LevelRecord&) = default;
};

inline constexpr std::size_t level_record_size = 24;
inline constexpr std::size_t levels_max = 8;  // of pools, each the parent of the next
void get_item(ByteReader& in, LevelRecord& level);
void put_item(ByteWriter& out, const LevelRecord& level);

// The answer to lookup_levels: from the pool that has no parent down to where it was asked for.
struct LevelsReply {
    Packed<LevelRecord> levels;

    friend bool operator==(const LevelsReply&, const LevelsReply&) = default;
};

struct ListReply {
    bool more = false;  // There are further leases above the last one here.
    Packed<LeaseRecord> leases;

    friend bool operator==(const ListReply&, const ListReply&) = default;
};

// A pool as a client needs to know it.
struct PoolEntry {
    std::uint16_t index = 0;  // What stands for the pool in requests: the same after a restart.
    PoolPolicy policy = PoolPolicy::unique;
    PoolDurability durability = PoolDurability::lease;
    std::uint32_t lease_count_max = 0;
    Range range{};  // the pool's `min` and `max`
    std::string_view name;

    friend bool operator==(const PoolEntry&, const PoolEntry&) = default;
};

inline constexpr std::size_t pool_entry_size_max = 26 + pool_name_size_max;
void get_item(ByteReader& in, PoolEntry& pool);
void put_item(ByteWriter& out, const PoolEntry& pool);

struct PoolsReply {
    bool more = false;        // There are further pools above the last index here.
    Packed<PoolEntry> pools;  // by ascending index

    friend bool operator==(const PoolsReply&, const PoolsReply&) = default;
};

struct StatsReply {
    Packed<Stat> stats;

    friend bool operator==(const StatsReply&, const StatsReply&) = default;
};

// The answer to bind.
struct BindReply {
    std::uint64_t holder = 0;
    HolderKey key{};  // All zero: none is needed.

    friend bool operator==(const BindReply&, const BindReply&) = default;
};

// The answer to release_all: how many IDs are free now.
struct CountReply {
    std::uint64_t count = 0;

    friend bool operator==(const CountReply&, const CountReply&) = default;
};

// The answer to token_epoch: the one that new tokens are to be of. 0: the daemon keeps no tokens.
struct EpochReply {
    std::uint64_t epoch = 0;

    friend bool operator==(const EpochReply&, const EpochReply&) = default;
};

// A holder, as holders lists it.
struct HolderRecord {
    std::uint64_t holder = 0;  // its number
    std::uint64_t ids = 0;     // that it has now, in all pools
    std::uint32_t index = 0;   // for paging, and for nothing else: later it may be another's
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    Binding binding = Binding::persistent;
    std::uint32_t pid = 0;  // of one bound to a process, as the daemon sees it
    // Until it ends if nobody comes: of one with a time limit, and of one that waits for its client.
    std::uint64_t left_ms = 0;
    std::string_view name{};

    friend bool operator==(const HolderRecord&, const HolderRecord&) = default;
};

inline constexpr std::size_t holder_record_size_max = 46 + holder_name_size_max;
void get_item(ByteReader& in, HolderRecord& holder);
void put_item(ByteWriter& out, const HolderRecord& holder);

struct HoldersReply {
    bool more = false;  // There are further holders above the last index here.
    Packed<HolderRecord> holders;

    friend bool operator==(const HoldersReply&, const HoldersReply&) = default;
};

// The answer to wait.
struct WaitReply {
    bool is_over = false;  // false: it is live still, and the time that was to be waited has passed

    friend bool operator==(const WaitReply&, const WaitReply&) = default;
};

// What happened. A client may meet values of later versions.
enum class EventKind : std::uint8_t {
    allocated = 1,
    claimed = 2,
    released = 3,
    reserved_ids = 4,
    unreserved_ids = 5,
    holder_ended = 6,   // All that the holder had of the pool is free.
    released_some = 7,  // Some of these IDs, with those of a pool below that they go with.
};

struct Event {
    std::uint64_t lsn = 0;
    Range range{};                 // 0 to 0 where a holder ended.
    std::uint64_t generation = 0;  // Of a lease; 0 in a unique pool.
    std::uint32_t uid = 0;         // The holder's.
    EventKind kind = EventKind::allocated;
    std::uint64_t holder = 0;  // Its number, below 2^56; 0: several holders, or none.

    friend bool operator==(const Event&, const Event&) = default;
};

inline constexpr std::size_t event_size = 48;
void get_item(ByteReader& in, Event& event);
void put_item(ByteWriter& out, const Event& event);
std::string_view name(EventKind kind) noexcept;

// The answer to watch.
struct WatchReply {
    std::uint64_t next = 0;    // The LSN to go on from.
    std::uint64_t missed = 0;  // Events up to this LSN are missing, before those here; 0: none.
    bool more = false;         // There are further events already.
    Packed<Event> events;      // by ascending LSN

    friend bool operator==(const WatchReply&, const WatchReply&) = default;
};

// What the daemon says of itself.
struct HelloReply {
    std::uint16_t version = proto::version;
    std::uint32_t request_size_max = proto::request_size_max;
    std::uint64_t features = 0;     // Those wished for that the daemon has.
    std::uint64_t token_epoch = 0;  // 0 for none.
    HolderKey holder_key{};
    std::uint32_t tags_max = 0;  // Requests that may be under way at once; 0 for no limit.
    PoolsReply table;

    friend bool operator==(const HelloReply&, const HelloReply&) = default;
};

// Why a request was refused, or with tag 0 why the connection is about to be closed.
struct ErrorReply {
    Error error{Errc::ok};  // May be a code of a later version.
    std::string_view text;  // UTF-8, for people; often empty.

    friend bool operator==(const ErrorReply&, const ErrorReply&) = default;
};

// The longest text of an error reply, bytes; what is longer is cut.
inline constexpr std::size_t error_text_size_max = 1024;

struct Reply {
    using Body = std::variant<DoneReply, LeaseReply, LookupReply, LeaseRecord, ListReply,
                              PoolsReply, StatsReply, HelloReply, ErrorReply, BindReply, CountReply,
                              HoldersReply, WaitReply, WatchReply, LevelsReply, EpochReply>;

    Operation operation = Operation::none;  // that of the request
    std::uint16_t tag = 0;                  // likewise
    Body body;

    friend bool operator==(const Reply&, const Reply&) = default;
};

// The most that the reply to a request of these operations takes, error replies without text
// included: reply_size_max where it depends on how much there is to say.
std::size_t reply_size_limit(Operation operation) noexcept;

// Appends the reply's frame to `out`. False, and nothing written, if it does not fit there or is
// longer than reply_size_max. Requires that the body is one that the operation can have.
[[nodiscard]] bool encode_reply(ByteWriter& out, const Reply& reply) noexcept;
// The same for who knows which of the alternatives of Reply::Body it is.
template <class Body>
[[nodiscard]] bool encode_reply_of(ByteWriter& out, Operation operation, std::uint16_t tag,
                                   const Body& body) noexcept;

// Reads one whole frame, as FrameSplitter gives it. Any bytes are safe. Lists and texts point into
// `frame`.
//
// Errors: operation_unknown, for a success of an operation that version 1 lacks: with tag 0 a
//   client passes over it. protocol_violation for all else that no daemon sends: the client closes.
Result<Reply> decode_reply(std::span<const std::byte> frame) noexcept;

// Room for the text that an error needs so that its reader can act; most need none.
class ErrorText {
public:
    // extension_unknown, operation_unknown and version_unsupported name their number; other errors
    // of the frame get their explanation; those of the hot path are empty.
    explicit ErrorText(const Error& error) noexcept;

    [[nodiscard]] std::string_view view() const { return {text_.data(), size_}; }

private:
    std::array<char, 160> text_{};
    std::size_t size_ = 0;
};

// Writes a reply with a list item by item into the memory that it is to be sent from, since the
// daemon does not know beforehand how many items fit.
//
// Life: construct, add() until it says no or all is said, finish(). Requires memory of at least
// table_head_size_max bytes; uses no more than reply_size_max of it.
inline constexpr std::size_t table_head_size_max = 60;

class TableWriter {
public:
    [[nodiscard]] std::uint32_t count() const { return count_; }

protected:
    // Before the items stands the table's own head, or something else.
    explicit TableWriter(std::span<std::byte> memory) noexcept;
    TableWriter(std::span<std::byte> memory, std::size_t head_size) noexcept;

    std::size_t finish(Operation operation, std::uint16_t tag, bool more) noexcept;
    // False, and nothing written, when the frame is full.
    template <class Item>
    bool add(const Item& item) noexcept {
        ByteWriter out(memory_.subspan(size_));
        put_item(out, item);
        if (out.overflowed()) return false;
        size_ += out.size();
        ++count_;
        return true;
    }

    std::span<std::byte> memory_;
    std::size_t size_;
    std::uint32_t count_ = 0;
};

// Of a reply that is a table and nothing besides. As everywhere below, finish() writes what stands before
// the items and returns the size of the whole frame.
template <Operation operation, class Item>
class PlainTableWriter : public TableWriter {
public:
    explicit PlainTableWriter(std::span<std::byte> memory) noexcept : TableWriter(memory) {}
    bool add(const Item& item) noexcept { return TableWriter::add(item); }
    // `more`: there is more than the frame has room for, or than was asked for.
    std::size_t finish(std::uint16_t tag, bool more) noexcept {
        return TableWriter::finish(operation, tag, more);
    }
};
using ListReplyWriter = PlainTableWriter<Operation::list, LeaseRecord>;
using PoolsReplyWriter = PlainTableWriter<Operation::pools, PoolEntry>;
using StatsReplyWriter = PlainTableWriter<Operation::stats, Stat>;
using HoldersReplyWriter = PlainTableWriter<Operation::holders, HolderRecord>;

// The events in `watch` are not looked at: they are what was added.
class WatchReplyWriter : public TableWriter {
public:
    explicit WatchReplyWriter(std::span<std::byte> memory) noexcept;
    bool add(const Event& event) noexcept { return TableWriter::add(event); }
    std::size_t finish(std::uint16_t tag, const WatchReply& watch) noexcept;
};

// The table in `hello` is not looked at: it is what was added.
class HelloReplyWriter : public TableWriter {
public:
    explicit HelloReplyWriter(std::span<std::byte> memory) noexcept;
    bool add(const PoolEntry& pool) noexcept { return TableWriter::add(pool); }
    std::size_t finish(std::uint16_t tag, const HelloReply& hello, bool more) noexcept;
};

}  // namespace inod::proto
