// What we do wrong ourselves: a broken invariant, a call against its contract. What the world does
// wrong is a Result instead.
//
// INOD_ASSERT stays on in release builds: a number daemon that has lost its own invariants must
// stop before it hands out a number twice. It prints the expression and where it stands, allocates
// nothing, and calls abort(3). INOD_UNREACHABLE says why nobody can come to where it stands.
#pragma once

namespace inod {

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace inod

#define INOD_ASSERT(expression)                           \
    (static_cast<bool>(expression) ? static_cast<void>(0) \
                                   : ::inod::assertion_failed(#expression, __FILE__, __LINE__))

#define INOD_UNREACHABLE(reason) ::inod::assertion_failed(reason, __FILE__, __LINE__)
