// inoctl import: makes a new store in a state directory, from the lines that export printed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "cli/output.h"

namespace inod::cli {

struct ImportOptions {
    std::string state_dir;
    std::optional<std::uint64_t> skip_ahead;
    Format format = Format::off;
};

// Reads lines from standard input and makes a store of them, see lib/offline/import.h, in a
// directory that is not there or empty but for its lock. Prints what was made, and says on stderr
// why nothing was. A directory that it made itself is gone again then.
//
// Whoever runs it as root becomes the owner of the state directory first, if that is there.
ExitStatus import_state(const ImportOptions& options);

}  // namespace inod::cli
