// Reading a journal: what is on the disk, where it ends, and whether that end is honest.
//
// Which segment is the newest. Each names the one before it in its header, and ends with a frame
// that names the one after it. A segment counts if something was written into it or if the one before
// names it; otherwise it was about to become the next one in a crash, and is a spare. The newest that
// counts says in its header where to start: at the base, the segment in which the newest snapshot
// begins that was durable then, or at the very first. From there each segment leads to the next.
// Nothing is taken from a snapshot that began later, whole or not: the base and the log behind it say
// the same, and all of them are there. But a whole one is the base from the next life on, and one that
// was cut short can be gone on with.
//
// Tail or damage. Let the frame that should carry LSN n be unsound: its checksum does not fit, it
// is not there, or another LSN stands in it.
//
//   what else is there                                         outcome
//   the segment is not the newest                              damage: all in it was durable before
//                                                              anything was written behind it
//   behind it a sound frame (any type, the clean mark too)     damage: n was durable when that
//   whose `synced` is n or more                                frame was written
//   neither, and zeros where its header should be, and no      the log ends here
//   sound frame behind it
//   neither                                                    torn tail: cut from here and
//                                                              reported
//
// Cutting needs no write of its own: the next life writes the frame there that names its first
// segment, which has n as its first LSN, and whatever stands behind that is no longer looked at.
//
// Also damage: a segment from the base on that is missing, has another size than its header says,
// an unsound header, another store's identity, or whose run, base or LSN does not fit the one
// before; two files that are the same segment; a sound frame whose payload is not what the format
// says; a snapshot that has no end, or begins elsewhere than at the start of a segment; files that
// were written to and of which no header is sound. Segments below the base, spares and files of
// other names are not read. docs/journal.md has all of it as a table.
//
// Thread safety: none of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/storage.h"
#include "lib/journal/frame.h"
#include "lib/journal/journal.h"
#include "lib/journal/segment.h"
#include "lib/journal/segment_set.h"

namespace inod {

struct Scan {
    Recovery recovery;  // `run` is that of the last life; 0 if there is no store

    SegmentSet::Found found;          // all files, those that are not in use as spares of any size
    std::uint64_t base = 0;           // number of the segment from which it was read
    std::uint64_t snapshot_size = 0;  // bytes of the snapshot's frames
    std::uint64_t log_size = 0;       // bytes of all other frames since then

    // The last snapshot that was begun since then.
    struct Later {
        std::uint64_t base;  // number of the segment in which it begins
        bool is_whole = false;
        std::uint64_t snapshot_size = 0;  // likewise, of as much of it as there is
        std::uint64_t log_size = 0;
    };
    std::optional<Later> later;

    // Frames of which nothing proves that they were synced: they read back, perhaps only from the
    // page cache. Writing and syncing them once more makes them durable even if a failed sync had
    // marked their pages as clean.
    struct Unproven {
        std::uint64_t segment;
        std::uint64_t begin;  // offsets in the file
        std::uint64_t end;
    };
    std::vector<Unproven> unproven;

    std::vector<std::string> unfinished;  // were about to become journal files
};

// Where a frame stands.
struct FramePlace {
    const std::string& file;
    std::uint64_t segment;
    std::uint64_t offset;
    bool is_aside;  // of a snapshot that is not in use: nobody replays it
};

// Is shown each segment and each sound frame in the order in which they are read, the frame before
// its records are replayed: for tools that look at the journal itself.
class ScanWatcher {
public:
    ScanWatcher() = default;
    ScanWatcher(const ScanWatcher&) = delete;
    ScanWatcher& operator=(const ScanWatcher&) = delete;
    virtual ~ScanWatcher() = default;

    virtual void on_segment(const std::string& file, const SegmentHeader& header) = 0;
    // The frame's payload is there until the call returns.
    virtual void on_frame(const FramePlace& place, const Frame& frame) = 0;
};

// For whoever wants to know that a journal reads back, or to watch, and not what it says.
class NoReplay final : public Replay {
public:
    Result<void, Failure> snapshot_begin() override { return {}; }
    Result<void, Failure> snapshot_record(std::span<const std::byte> /*record*/) override {
        return {};
    }
    Result<void, Failure> snapshot_end() override { return {}; }
    Result<void, Failure> log_record(Lsn /*lsn*/, std::span<const std::byte> /*record*/) override {
        return {};
    }
};

// Reads all, hands it to `replay`, changes nothing on the disk. Shows it to `watcher`, unless that
// is null.
// Errors: journal_damaged, record_unknown, io_error, and those of `replay`.
Result<Scan, Failure> scan(Storage& storage, Replay& replay, ScanWatcher* watcher = nullptr);

}  // namespace inod
