// Where the witness is kept, see lib/journal/witness.h: a directory of its own, outside the state
// directory, so that whoever copies the one does not copy the other.
#pragma once

#include <memory>
#include <string>

#include "lib/base/posix_storage.h"
#include "lib/base/result.h"

namespace inod {

// Makes `directory` (mode 0700) if it is not there, and opens it. Needs no lock of its own: whoever
// has that of `state_dir`, which must exist, has the witness too, and the witness's record tells
// whose store it is.
//
// Errors, each for an administrator: config_invalid if it is the state directory or lies in it;
// state_in_use if it holds somebody else's files and no witness; io_error; no_space.
Result<std::unique_ptr<PosixStorage>, Failure> open_witness_directory(const std::string& directory,
                                                                      const std::string& state_dir);

}  // namespace inod
