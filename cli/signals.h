// Signals that inoctl rather hears of as a failed write, and that a command it becomes does not.
//
// Thread safety: none; while there is one thread.
#pragma once

namespace inod::cli {

// A pipe that nobody reads (SIGPIPE), and a file that may not grow (SIGXFSZ).
void ignore_write_signals() noexcept;

// As they were before.
void restore_write_signals() noexcept;

}  // namespace inod::cli
