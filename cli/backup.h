// inoctl backup: a copy of a store in one file, while its daemon runs or not. It needs no daemon.
#pragma once

#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/output.h"
#include "lib/journal/backup_file.h"

namespace inod::cli {

struct BackupOptions {
    std::string file;
    std::string state_dir;
    bool replaces = false;  // a file that is there already
    Format format = Format::off;
};

// Backs up the store in the state directory (lib/journal/backup.h) into the file, which only its
// owner may read. Prints what is in it, and says on stderr why it was refused.
ExitStatus backup(const BackupOptions& options);

// Opens a backup for reading, and checks that it is whole; a link to it is followed. Errors: those
// of BackupFile::open(). The message names the file.
Result<std::unique_ptr<BackupFile>, Failure> open_backup(const std::string& file);

}  // namespace inod::cli
