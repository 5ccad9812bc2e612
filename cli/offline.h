// inoctl check: looks at a state directory on which no daemon runs, and changes nothing in it.
#pragma once

#include <string>

#include "cli/commands.h"
#include "cli/output.h"

namespace inod::cli {

struct OfflineOptions {
    std::string state_dir;
    Format format = Format::off;
};

// Prints what is there and whether it is sound, see lib/offline/check.h; what is wrong also on
// stderr, an error a line. Ends with ExitStatus::damaged if anything is.
ExitStatus check(const OfflineOptions& options);

}  // namespace inod::cli
