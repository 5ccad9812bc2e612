// An identity that no other one equals.
//
// Thread safety: any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "lib/base/result.h"

namespace inod {

// 16 random bytes, from the kernel. Errors: io_error.
Result<std::array<std::byte, 16>, Failure> random_id();

// A random number that nobody can guess, never 0. A read of so few random bytes neither fails nor is cut
// short once the system is up: getrandom(2).
std::uint64_t random_word();

}  // namespace inod
