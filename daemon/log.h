// The daemon's log: lines on stderr, through spdlog.
//
// When systemd's journal reads stderr (JOURNAL_STREAM names it: systemd.exec(5)), a line begins
// with its priority as in sd-daemon(3) and has no time stamp, since the journal adds its own.
#pragma once

#include "config/config.h"

namespace inod::daemon {

// Sets spdlog's default logger up. Call once, before other threads exist.
void set_up_log(LogLevel level);
// From here on. Any thread.
void set_log_level(LogLevel level);

}  // namespace inod::daemon
