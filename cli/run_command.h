// inoctl run: a number for as long as a command lives.
#pragma once

#include "cli/commands.h"
#include "lib/client/client.h"

namespace inod::cli {

// Binds this process, leases, and becomes the command: it returns only where that failed. What was
// leased then ends with the process.
ExitStatus run_command(Client& client, const Options& options);

}  // namespace inod::cli
