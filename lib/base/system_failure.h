// What a system call that failed is reported as.
//
// Thread safety: none needed.
#pragma once

#include <string>

#include "lib/base/result.h"

namespace inod {

// The Failure of `call`, which was about `path`: no_space for ENOSPC and EDQUOT, io_error for all
// other reasons; the message is "call(path): the system's reason". The reason is in errno, so
// nothing may come between the call that failed and this one.
Failure system_failure(const char* call, const std::string& path);

}  // namespace inod
