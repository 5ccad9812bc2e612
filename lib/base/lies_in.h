// Whether one path lies in another, whatever links and dots are in either.
//
// Thread safety: none needed.
#pragma once

#include <string>

#include "lib/base/result.h"

namespace inod {

// Is `path` the directory `directory`, or below it? Symbolic links are followed; what of `path` is
// not there yet counts as it is written. Errors: io_error; `directory` must be there.
Result<bool, Failure> lies_in(const std::string& path, const std::string& directory);

}  // namespace inod
