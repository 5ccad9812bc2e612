// The journal: what happened, in order, on stable storage. It knows bytes, not their meaning.
//
// It consists of segments: files of one size, filled with zeros before they are used, recycled
// rather than deleted. A segment starts with its header; then come frames. A frame carries log
// records, or a piece of a snapshot: of the whole state, from which replay starts.
// Formats: segment.h and frame.h; the rules of recovery: recovery.h; the space that is set aside
// for releases: space.h.
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
// Snapshots travel in the same stream, a piece with every group, so that nobody waits for one:
// begin_snapshot(), then before each begin_flush() as many records as add_snapshot_record() has room
// for, in the end end_snapshot(). Each piece is a part of the state as it is after all that was
// appended before it. Whoever replays a log record that comes between pieces applies it to the parts
// that it has been given already; those yet to come have it in them.
//
// Thread safety: all calls belong under one lock, the allocator's, but flush() and make_space():
// those block for the disk and run without the lock, one at a time: flush() between begin_flush()
// and end_flush(), make_space() between two flushes. has_space(), sealed(), seal(), disk_size()
// and log_size() may be called at any time. close() runs under the lock and needs no flush under way.
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

// Which machine it is, or which generation of a virtual one; zeros where nobody can tell.
using MachineId = std::array<std::byte, 16>;

// The longest record, log or snapshot, in bytes.
inline constexpr std::size_t record_size_max = 1024;

struct JournalOptions {
    // Bytes of a segment, a multiple of 4096, 64 KiB to 256 MiB.
    std::uint64_t segment_size = std::uint64_t{4} << 20U;
    // Bytes of records that one group holds, at least 64 KiB; less where a segment has no room for
    // them. append() needs room in it.
    std::size_t group_size_max = std::size_t{1} << 20U;
    // Bytes of records that one group carries of a snapshot, 512 B to 32 KiB. It is gathered under
    // the lock, and whoever waits for the group waits for that: at 100 ns a lease and 5 bytes for each,
    // 8 KiB take a sixth of a millisecond, about as long as a sync. Where space is short it is always
    // 32 KiB.
    std::size_t snapshot_size_per_group = std::size_t{8} * 1024;
    // The identity of a store that is made because there is none.
    StoreId fresh_id{};
    // Written into every segment.
    MachineId machine{};
    MachineId vm{};
    // Something outside remembers how far the store came (witness.h). Likewise.
    bool has_witness = false;
};

// How many bytes of snapshot records, with their prefixes, the state can take.
struct StateSize {
    std::uint64_t kept = 0;   // as it is; releases of whole leases only make it less
    std::uint64_t holes = 0;  // by so much more releases can make it, by holes in wide ranges
};

// What recover() hands the state to: the records of the newest snapshot, if there is one, and those
// of the log, in the order in which they were written, see above. A Failure ends the recovery and is
// passed on, with the place added to its message.
class Replay {
public:
    Replay() = default;
    Replay(const Replay&) = delete;
    Replay& operator=(const Replay&) = delete;
    virtual ~Replay() = default;

    virtual Result<void, Failure> snapshot_begin() = 0;
    virtual Result<void, Failure> snapshot_record(std::span<const std::byte> record) = 0;
    virtual Result<void, Failure> snapshot_end() = 0;
    virtual Result<void, Failure> log_record(Lsn lsn, std::span<const std::byte> record) = 0;

    // Of a snapshot that was begun after the one above, in order. What it tells is known by then; it
    // is for who wants to go on with it, see Recovery::has_cut_snapshot.
    virtual void later_snapshot_begin() {}
    virtual void later_snapshot_record(std::span<const std::byte> /*record*/) {}
};

struct Recovery {
    StoreId id{};
    bool created = false;   // There was no store, and now there is.
    bool clean = false;     // The last life ended with close(); true when created.
    std::uint64_t run = 0;  // The number of this life: 1 when created, above all earlier ones.
    Lsn last_lsn = 0;       // The last that was read, 0 if none.
    Lsn snapshot_lsn = 0;   // Where the snapshot begins from which it was read, 0 if there is none.
    // The last snapshot was cut short. It can be gone on with: can_resume_snapshot().
    bool has_cut_snapshot = false;
    MachineId machine{};  // Of the last life, likewise.
    MachineId vm{};
    bool had_witness = false;

    // Bytes that never were acknowledged, and were cut.
    struct TornTail {
        std::string file;
        std::uint64_t segment;
        std::uint64_t offset;  // where in the file it begins
        Lsn lsn;               // the first LSN that it would have had
    };
    std::optional<TornTail> torn_tail;
};

struct Scan;  // what there is on the disk: recovery.h

class Journal {
public:
    Journal(Storage& storage, const JournalOptions& options);
    ~Journal();

    // Reads what there is as recover() does, and changes nothing: for whoever only looks. Nothing
    // else may be called afterwards. Errors: those of scan().
    Result<Scan, Failure> load(Replay& replay);

    // Reads what there is and hands it to `replay`, or makes a new store; then opens a fresh
    // segment and writes the start of this life into it, durably, before anything can be appended.
    // In between `accept` is asked, with what was read, whose `run` is that of the last life, 0 if
    // there is no store: this is where whoever knows more than the journal can refuse it. Its answer
    // is a run that this life is to be above, where that is not below the last life's.
    //
    // Errors: journal_damaged, record_unknown (the frame's or segment's format), io_error, no_space,
    //   and those of `replay` and `accept`; the message names file, offset and LSN. Nothing on the
    //   disk was changed then, but for io_error and no_space. Nothing else may be called after an
    //   error.
    using Accept = std::function<Result<std::uint64_t, Failure>(const Recovery& found)>;
    Result<Recovery, Failure> recover(Replay& replay, const Accept& accept = {});

    // True if `count` records of at most `size` bytes each still fit the group being collected.
    // While a snapshot is under way for lack of space, groups are short.
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
    // Writes and syncs the group under way; may open other segments. Without the lock, see above.
    // Errors: io_error, no_space (what was set aside was used up, which has_space_for() prevents).
    // The journal is sealed then.
    Result<void, Failure> flush();
    // Requires that flush() succeeded. Returns durable_lsn().
    Lsn end_flush() noexcept;

    // True once anything failed: nothing can be made durable any more.
    [[nodiscard]] bool sealed() const noexcept;
    // Something failed beside the journal that it is not to go on without. At any time.
    void seal() noexcept;

    // Space. A release must never lack it, so whoever makes the state larger asks first.

    // Is enough set aside for every release of a state of this size?
    [[nodiscard]] bool has_space_for(const StateSize& size) const noexcept;
    // The state has this size, or somebody waits for it to have: so much is to be set aside.
    void set_state_size(const StateSize& size) noexcept;
    // True while less is set aside than is to be: make_space() has something to do.
    [[nodiscard]] bool wants_space() const noexcept;
    // no_space once the storage could not give what is to be set aside, or out_of_memory where there was none for
    // it, or no file descriptor: so is whoever would make the state larger to be refused. ok again when it could.
    [[nodiscard]] Errc lack() const noexcept;
    [[nodiscard]] bool has_space() const noexcept;  // lack() is ok
    // Does a step towards what is to be set aside: writes and syncs at most 1 MiB. Call it between
    // flushes while wants_space(), and about once a second while has_space() is false.
    // Errors: io_error. The journal is sealed then.
    Result<void, Failure> make_space();

    // Snapshots.

    // True once the log since the last one is so long that another is worth its cost, or so long
    // that there is no space for more. False while one is under way.
    [[nodiscard]] bool wants_snapshot() const noexcept;
    [[nodiscard]] bool snapshot_under_way() const noexcept;
    // Are there spares enough for one that nobody needs? False while one is under way.
    [[nodiscard]] bool can_spare_snapshot() const noexcept;
    // Requires that none is under way. What was appended before comes before it.
    void begin_snapshot() noexcept;
    // Are there spares enough for the rest of the one that was cut short? Requires that no flush is
    // under way. False once one was begun or gone on with.
    [[nodiscard]] bool can_resume_snapshot() const noexcept;
    // Goes on with it, with what comes behind its last record that was read: so what it took of the
    // disk is not lost. Requires can_resume_snapshot().
    void resume_snapshot() noexcept;
    // True if the next group has room for another record of the snapshot of at most `size` bytes.
    [[nodiscard]] bool has_snapshot_room(std::size_t size) const noexcept;
    // Requires has_snapshot_room(record.size()), and that begin_flush() comes before any append().
    void add_snapshot_record(std::span<const std::byte> record) noexcept;
    // The snapshot is whole with the next group. Once that is durable, all that came before it is
    // superfluous.
    void end_snapshot() noexcept;

    // Writes the mark of a clean stop. Requires that nothing is collected and no flush is under
    // way. Errors: io_error, no_space.
    Result<void, Failure> close();

    // Sizes for statistics, bytes: all files together; the log since the last snapshot began; that.
    [[nodiscard]] std::uint64_t disk_size() const noexcept;
    [[nodiscard]] std::uint64_t log_size() const noexcept;
    [[nodiscard]] std::uint64_t snapshot_size() const noexcept;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace inod
