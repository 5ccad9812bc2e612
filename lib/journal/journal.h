// The journal: what happened, in order, on stable storage. It knows bytes, not their meaning.
//
// It consists of segments: files of one size, filled with zeros before they are used, recycled
// rather than deleted. A segment starts with its header; then come frames. A frame carries either
// log records or a piece of a snapshot (the whole state at one LSN, from which replay starts).
// Formats: segment.h and frame.h; the rules of recovery: recovery.h.
//
// Life: construct, recover() once, then append and flush until the end; close() writes the mark of
// a clean stop. Anything that fails after recover() seals the journal for good, because Linux may
// drop dirty pages after a failed sync, so that trying again would succeed with the data gone.
// (Source: PostgreSQL 11.2 release notes, data_sync_retry.)
//
// Group commit: append() collects records in memory. begin_flush() takes all that was collected as
// the group under way, flush() writes and syncs it, end_flush() says up to which LSN all is durable
// now; whatever is appended meanwhile belongs to the next group.
//
// Thread safety: all calls belong under one lock, the allocator's, but flush(): that one blocks for
// a write(2) and an fdatasync(2) and runs without the lock, on one thread at a time, between
// begin_flush() and end_flush(), or make_space() between two flushes. has_space(), sealed(),
// disk_size(), log_size() and wants_snapshot() may be called at any time. snapshot() and close()
// run under the lock and need no flush under way.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "lib/base/result.h"
#include "lib/base/storage.h"

namespace inod {

// Log sequence number: the place of a record in the order of all. The first has 1; 0 is before all.
using Lsn = std::uint64_t;

// Who a store is: 16 random bytes, made when it is created.
using StoreId = std::array<std::byte, 16>;

// The longest record, log or snapshot, in bytes.
inline constexpr std::size_t record_size_max = 1024;

struct JournalOptions {
    // Bytes of a segment, a multiple of 4096, 64 KiB to 256 MiB.
    std::uint64_t segment_size = std::uint64_t{16} << 20U;
    // Bytes of records that one group holds, at least 64 KiB; less where a segment has no room for
    // them. append() needs room in it.
    std::size_t group_size_max = std::size_t{1} << 20U;
    // The identity of a store that is made because there is none.
    StoreId fresh_id{};
};

// What recover() hands the state to: first the records of the newest whole snapshot, if there is
// one, then the log's records after it. A Failure ends the recovery and is passed on, with the
// place added to its message.
class Replay {
public:
    Replay() = default;
    Replay(const Replay&) = delete;
    Replay& operator=(const Replay&) = delete;
    virtual ~Replay() = default;

    virtual Result<void, Failure> snapshot_record(std::span<const std::byte> record) = 0;
    virtual Result<void, Failure> log_record(Lsn lsn, std::span<const std::byte> record) = 0;
};

struct Recovery {
    StoreId id{};
    bool created = false;   // There was no store, and now there is.
    bool clean = false;     // The last life ended with close(); true when created.
    std::uint64_t run = 0;  // How many lives before and with this one: 1 when created.
    Lsn last_lsn = 0;       // The last record that was replayed, 0 if none.
    Lsn snapshot_lsn = 0;   // All up to here came from the snapshot, 0 if there was none.

    // Bytes that never were acknowledged, and were cut.
    struct TornTail {
        std::uint64_t segment;
        std::uint64_t offset;  // where in the segment's file it begins
        Lsn lsn;               // the first LSN that it would have had
    };
    std::optional<TornTail> torn_tail;
};

class Journal {
public:
    Journal(Storage& storage, const JournalOptions& options);
    ~Journal();

    // Reads what there is and hands it to `replay`, or makes a new store; then opens a fresh
    // segment and writes the start of this life into it, durably, before anything can be appended.
    //
    // Errors: journal_damaged, record_unknown (the frame's or segment's format), io_error, no_space,
    //   and those of `replay`; the message names file, offset and LSN. Nothing on the disk was
    //   changed then, but for io_error and no_space. Nothing else may be called after an error.
    Result<Recovery, Failure> recover(Replay& replay);

    // True if `count` records of at most `size` bytes each still fit the group being collected.
    [[nodiscard]] bool has_room(std::size_t count, std::size_t size) const noexcept;

    // Adds a record to the group being collected. Returns its LSN. Cannot fail, allocates nothing.
    // Requires has_room(1, record.size()), and 1 <= record.size() <= record_size_max.
    Lsn append(std::span<const std::byte> record) noexcept;

    // The last record appended, and the last one known to be on stable storage.
    [[nodiscard]] Lsn last_lsn() const noexcept;
    [[nodiscard]] Lsn durable_lsn() const noexcept;

    // Makes what was collected the group under way. Requires that none is. False if there is
    // nothing.
    bool begin_flush() noexcept;
    // Writes and syncs the group under way; may open another segment. Without the lock, see above.
    // Errors: io_error, no_space. The journal is sealed then.
    Result<void, Failure> flush();
    // Requires that flush() succeeded. Returns durable_lsn().
    Lsn end_flush() noexcept;

    // True once anything failed: nothing can be made durable any more.
    [[nodiscard]] bool sealed() const noexcept;

    // False once the storage could not give the next spare segment: whoever would only make the
    // journal grow is to be refused with no_space. True again when space came back: flush() tries
    // now and then, make_space() at once.
    [[nodiscard]] bool has_space() const noexcept;

    // Tries again to make the next spare, if there is none; has_space() says whether it worked.
    // Belongs on the thread that flushes, without the lock, between flushes, about once a second
    // while has_space() is false: where nobody may append, no flush would notice the new space.
    // Errors: io_error. The journal is sealed then.
    Result<void, Failure> make_space();

    // True once the log since the last snapshot is so long that a snapshot is worth its cost.
    [[nodiscard]] bool wants_snapshot() const noexcept;

    // Writes the whole state, as it is at last_lsn(), into fresh segments and recycles those that
    // it makes superfluous: `write` calls its argument for each record in turn, and is called
    // twice, once to learn how much space that takes. Requires that nothing is collected and no
    // flush is under way. Blocks for several syncs. Errors: io_error, no_space, or what the
    // argument returned. The journal is sealed then, unless the space was missing before anything
    // was begun: ask sealed().
    using Emit = std::function<Result<void, Failure>(std::span<const std::byte> record)>;
    Result<void, Failure> snapshot(const std::function<Result<void, Failure>(const Emit&)>& write);

    // Writes the mark of a clean stop. Requires that nothing is collected and no flush is under
    // way. Errors: io_error, no_space.
    Result<void, Failure> close();

    // Sizes for statistics, bytes: all segments together; the log since the last snapshot.
    [[nodiscard]] std::uint64_t disk_size() const noexcept;
    [[nodiscard]] std::uint64_t log_size() const noexcept;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace inod
