// A backup's segments back into a state directory, as files.
//
// Thread safety: none needed; blocks for as long as it takes.
#pragma once

#include "lib/base/storage.h"
#include "lib/journal/backup_file.h"

namespace inod {

// May a backup be brought into this directory? It may hold the daemon's lock, and what an earlier
// attempt left unfinished. Error: state_in_use, if there is anything else.
Result<void, Failure> check_restorable(const Storage& state);

// Brings the segments of `backup` into `state`, durably. Each has its whole size and is synced
// before any gets the name of a journal file, so that one that was cut off leaves files that the
// next attempt removes; or, in its last moment, some of the files under their names: a journal with
// a hole, which no start takes, and which check_restorable() refuses.
//
// Requires check_restorable(). Errors: io_error; no_space, and what was made is gone again then.
Result<void, Failure> restore(BackupFile& backup, Storage& state);

}  // namespace inod
