// inoctl check, dump and export: look at a state directory on which no daemon runs, or at a backup, and
// change nothing.
#pragma once

#include <string>

#include "cli/commands.h"
#include "cli/output.h"

namespace inod::cli {

struct OfflineOptions {
    std::string path;  // of the state directory, or the backup
    Format format = Format::off;
};

// Prints what is there and whether it is sound, see lib/offline/check.h; what is wrong also on
// stderr, an error a line. Ends with ExitStatus::damaged if anything is.
ExitStatus check(const OfflineOptions& options);

// Prints what the journal says, a line for each record and what it stands in, see
// lib/offline/dump.h: with --json a JSON object each. Where it cannot go on it says so on stderr,
// and ends with ExitStatus::damaged if that is damage.
ExitStatus dump(const OfflineOptions& options);

// Prints the state as lines of JSON, see lib/offline/state_lines.h, whatever the format.
ExitStatus export_state(const OfflineOptions& options);

}  // namespace inod::cli
