// The daemon as a whole: takes the state and the socket, serves until it is told to end, and leaves
// everything on stable storage.
#pragma once

#include "config/config.h"
#include "daemon/exit_status.h"

namespace inod::daemon {

// Runs the daemon until SIGTERM or SIGINT, or until the journal fails. Says in the log why it
// ended.
ExitStatus serve(const Config& config);

}  // namespace inod::daemon
