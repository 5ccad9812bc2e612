// A state directory in the hands of inoctl, with no daemon on it; or a backup of one.
//
// Thread safety: none needed.
#pragma once

#include <memory>
#include <string>

#include "cli/commands.h"
#include "lib/base/owned_fd.h"
#include "lib/base/result.h"
#include "lib/base/storage.h"
#include "lib/journal/backup_file.h"

namespace inod::cli {

// A store that is there to be looked at, and kept from daemons as long as this lives.
struct StoreToLook {
    OwnedFd lock;  // none where the directory has no lock: then no daemon ever ran on it
    std::unique_ptr<Storage> storage;
};

// Of the state directory, or the backup, at `path`. Changes nothing, and needs no right but to read.
// Errors: state_in_use, if a daemon runs on it; those of open_backup().
Result<StoreToLook, Failure> open_to_look(const std::string& path);

// "state directory PATH", or "backup PATH" of a file.
std::string called(const std::string& path);

// Opens a backup for reading, and checks that it is whole; a link to it is followed. Errors: those
// of BackupFile::open(). The message names the file.
Result<std::unique_ptr<BackupFile>, Failure> open_backup(const std::string& file);

// What whoever finds a daemon there is told.
std::string in_use_message(const std::string& state_dir);

// Gives up root for whoever owns `path`, for good: what is written there has to be the daemon's.
// Errors: io_error.
Result<void, Failure> become_owner_of(const std::string& path);

// "inoctl: journal_damaged: what it says" on stderr.
void complain(const Failure& failure);

// The same, and the status to end with: damaged, if that is what it says, or refused.
ExitStatus refuse(const Failure& failure);

}  // namespace inod::cli
