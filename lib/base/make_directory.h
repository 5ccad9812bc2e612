// Making a directory that is still there after a power cut.
//
// Thread safety: none needed.
#pragma once

#include <string>

#include "lib/base/result.h"

namespace inod {

// Makes the directory `path` for its owner alone (mode 0700) if it is not there, and makes its name
// durable; one that is there is left as it is, and so is anything else of that name. The directory
// above must be there, and be readable if `path` is to be made.
// Errors: io_error, no_space. Nothing was made then.
Result<void, Failure> make_directory(const std::string& path);

}  // namespace inod
