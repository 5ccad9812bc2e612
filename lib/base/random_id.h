// An identity that no other one equals.
//
// Thread safety: any thread.
#pragma once

#include <array>
#include <cstddef>

#include "lib/base/result.h"

namespace inod {

// 16 random bytes, from the kernel. Errors: io_error.
Result<std::array<std::byte, 16>, Failure> random_id();

}  // namespace inod
