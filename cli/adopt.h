// inoctl adopt: goes on with an old copy of a state directory, or with a backup. It needs no
// daemon, and none may run on the directory.
#pragma once

#include <string>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"

namespace inod::cli {

struct AdoptOptions {
    std::string state_dir;
    std::string from;         // the backup; empty: the copy is in the state directory
    std::string witness_dir;  // empty: beside the state directory
    SkipAheadArgument skip_ahead;
    bool may_stay_below_witness = false;  // see lib/allocator/adopt.h
    Format format = Format::off;
};

// Locks the state directory and adopts the store in it, see lib/allocator/adopt.h. Prints each pool
// with what it skipped, and says on stderr why it was refused.
//
// Whoever runs it as root becomes the owner of the state directory first, since what it writes
// there has to be the daemon's; the backup is opened before. If there is a backup and the state
// directory is not there, it is made, for whoever runs it.
ExitStatus adopt(const AdoptOptions& options);

}  // namespace inod::cli
