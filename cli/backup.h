// inoctl backup: a copy of a store in one file, while its daemon runs or not. It needs no daemon.
#pragma once

#include <string>

#include "cli/commands.h"
#include "cli/output.h"

namespace inod::cli {

struct BackupOptions {
    std::string file;
    std::string state_dir;
    bool replaces = false;  // a file that is there already
    Format format = Format::off;
};

// Backs up the store in the state directory (lib/journal/backup.h) into the file, which only its
// owner may read. Prints what is in it, and says on stderr why it was refused. Ends with
// ExitStatus::damaged where the store is, whoever writes to it.
ExitStatus backup(const BackupOptions& options);

}  // namespace inod::cli
