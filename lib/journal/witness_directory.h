// Where the witness is kept, see lib/journal/witness.h: a directory of its own, outside the state
// directory, so that whoever copies the one does not copy the other.
#pragma once

#include <memory>
#include <string>

#include "lib/base/owned_fd.h"
#include "lib/base/posix_storage.h"
#include "lib/base/result.h"

namespace inod {

struct WitnessDirectory {
    OwnedFd lock;  // held as long as the witness is used
    std::unique_ptr<PosixStorage> storage;
};

// Makes `directory` (mode 0700) if it is not there, locks it and opens it. The lock of `state_dir`,
// which must exist, is not enough: a copy of a store that runs could be adopted elsewhere, by the witness
// of the one that runs, and the two would hand out the same numbers.
//
// Errors, each for an administrator: config_invalid if it is the state directory or lies in it;
// state_in_use if it holds somebody else's files and no witness, or if it is locked; io_error; no_space.
Result<WitnessDirectory, Failure> open_witness_directory(const std::string& directory,
                                                         const std::string& state_dir);

}  // namespace inod
