// Copying a store into a backup file, while a daemon may be writing to it. Nobody is asked and
// nothing is locked: files are read, and checksums say whether what was read fits together. So it
// works beside a daemon that hangs, and who may do it is a matter of file permissions.
//
// What is copied. The newest segment, H, as recovery finds it (segment_reader.h), when the copying
// begins; and the chain that leads to it from its base. A copy of H that ends in `next` has that
// frame taken out again: what comes later is left to the next backup, so that the copying ends
// however fast is written. But what it names must be there, or something newer: the header of a segment
// is durable before the one in front of it names it, so one that is not there was lost.
//
// Why it has all that was acknowledged before the copying began. Each such frame had been written
// and synced before the first read, so every read finds it, in H or in a segment that leads to H,
// unless its file has been used again. A file that is used again gets its new header before
// anything else of it changes, and no two headers of a store are equal. So the header is read last:
// if it is still the one that was found, everything behind it was read in time. Otherwise, or if a
// segment of the chain is not there any more, the copying starts over: a snapshot has come to its
// end meanwhile, and there is a new base. That nothing of it is in a segment above H: of a segment
// A that was the newest when the headers began to be read, either the header is found, and then A
// counts, since H is unchanged to the last and leads to it; or that of a later use of its file,
// which says that it follows another segment than H, and the copying starts over. A snapshot that
// ends without its older segments being used again does no harm: the chain from the older base says
// the same.
//
// Why it has no holes. A segment is only appended to, in the order of its bytes. It is read
// backwards, a block of 4 KiB at a time. If a block has anything of a write, all writes before it
// were complete when the blocks in front of it were read, and so was the part of this write that
// belongs there: the system copies a write upwards, too. So the copy is what the file was at some
// moment, but for its end:
//
//   a write that is half there     a torn group, which nobody was told of yet
//   a read beside two writes       a block of which the front is older than the back. It takes two
//                                  groups, a sync between them, while 4 KiB are copied in memory
//   zeros behind a group           overwritten by the next group, or not yet: 24 zeros, or a piece
//                                  of a frame; both are no frame
//   old bytes in a used file       frames of an earlier use, never sound under the new header
//
// All of these are a torn tail, or damage, to the rules of recovery.h, as after a power cut. A
// frame that is missing had not been written when the copying began. If a later group was read,
// that says that the frame was durable, and it is damage; otherwise what is cut with it is of the
// same group. So the copy is scanned as a start would do it before it counts, and damage means to
// start over. The order of reading makes that rare; the scan makes it sure.
//
// What comes in between otherwise:
//
//   a header that `next` does not name yet   that segment does not count as the newest, by the rule
//                                            of recovery; its base, which may be a later one, is
//                                            not gone by
//   a file read as a spare, used by then     if a segment of the chain: it counts as not there, so
//                                            the copying starts over
//   a header read while it is written        unsound, and sound when it is read again: start over
//   a file that is removed                   only spares are; it is not there at the next attempt
//   a file's size                            is what it will always be before it gets its name
//   the end of a life, a start, an adoption  append as everything does
//
// What was written and not yet synced may be in the copy: it says more than was acknowledged, as
// any crash may leave it.
//
// Thread safety: none needed; blocks for as long as it takes.
#pragma once

#include <cstdint>
#include <string>

#include "lib/base/storage.h"
#include "lib/journal/journal.h"

namespace inod {

// The file in its directory.
struct BackupName {
    std::string name;       // replaced, if there is one
    std::string temporary;  // what it is called until it is whole; must not be there
};

struct BackupMade {
    std::uint64_t size = 0;  // bytes of the file
    std::size_t segments = 0;
    std::uint64_t run = 0;  // of the store's last life
    Lsn last_lsn = 0;       // the last in the backup
    int attempts = 0;       // how often segments began to be copied
};

inline constexpr int backup_attempts_max = 8;

// Copies the store in `state`, of which it changes nothing, into a file in `directory`. The file
// has its name only when it is whole, scanned and durable. After an error nothing is left of it,
// but for one of the last step, where nobody knows whether a power cut would take the name away.
// Errors: state_in_use, if segments were used again during each of backup_attempts_max attempts:
//   whoever runs it tries again later; journal_damaged, likewise if no copy read back as a journal;
//   record_unknown; io_error, also if there is no store; no_space, of `directory`.
Result<BackupMade, Failure> back_up(Storage& state, Storage& directory, const BackupName& as);

}  // namespace inod
