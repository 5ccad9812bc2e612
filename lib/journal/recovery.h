// Reading a journal: what is on the disk, where it ends, and whether that end is honest.
//
// Where to start. The newest segment's header names the base: the segment in which the newest
// snapshot begins that was whole when the header was written, or segment 1. One newer snapshot may
// have been begun in the same life, with the newest segments. It is used if it is whole and if
// something proves that it was synced: a later sound frame, or that a segment before it is missing
// (they go only after that). If it is not whole and one of these proves that it was, it is damaged.
// Otherwise it was under way in the crash: it is left aside, and the base and all after it are
// there.
//
// Tail or damage. Let the frame that should carry LSN n be unsound: its checksum does not fit, it
// is not there, or another LSN stands in it.
//
//   what else is there                                         outcome
//   the next segment, and its first LSN is n                   this segment ends here, rightly
//   the next segment, and its first LSN is above n             damage: all below was durable then
//   behind it in the last segment a sound frame (any type,     damage: n was durable when that
//   the clean mark too) whose `synced` is n or more            frame was written
//   neither, and zeros where its header should be, and no      the log ends here
//   sound frame behind it
//   neither                                                    torn tail: cut from here and
//                                                              reported
//
// Cutting needs no write: the next life starts a new segment, with n as its first LSN, and whatever
// stands from n on in the one before is no longer looked at.
//
// Also damage: a segment from the start on that is missing, has another size than its header says,
// an unsound header, another store's identity, or a run, base or LSN that goes back; a sound frame
// whose payload is not what the format says. Segments below the start, spares and files of other
// names are not read.
//
// Thread safety: none of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/storage.h"
#include "lib/journal/journal.h"
#include "lib/journal/segment_set.h"

namespace inod {

struct Scan {
    Recovery recovery;  // `run` is that of the last life; 0 if there is no store

    std::uint64_t base = 0;                     // number of the segment from which it was read
    std::vector<SegmentSet::Segment> segments;  // all of them in order, those below base too
    std::uint64_t snapshot_size = 0;            // bytes of the snapshot's frames

    // Frames at the end of the last segment which nothing proves to have been synced: they read
    // back, perhaps only from the page cache. Writing and syncing them once more makes them durable
    // even if a failed sync had marked their pages as clean.
    struct Unproven {
        std::uint64_t segment;
        std::uint64_t begin;  // offsets in the file
        std::uint64_t end;
    };
    std::optional<Unproven> unproven;

    std::vector<std::string> spares;      // of whatever size
    std::vector<std::string> unfinished;  // were about to become spares
    std::uint64_t next_name = 1;          // no spare or unfinished file has this number or a higher
};

// Reads all, hands it to `replay`, changes nothing on the disk.
// Errors: journal_damaged, record_unknown, io_error, and those of `replay`.
Result<Scan, Failure> scan(Storage& storage, Replay& replay);

}  // namespace inod
