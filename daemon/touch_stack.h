// The stack of a thread: memory that nobody asked for, and that is not there before it is touched.
//
// Thread safety: each call is about its own thread.
#pragma once

namespace inod::daemon {

// Touches what the calling thread's stack will ever grow into, so that no release finds that there is none left.
void touch_stack() noexcept;

}  // namespace inod::daemon
