// Verbs that wait for something to happen.
#pragma once

#include "cli/commands.h"
#include "lib/client/client.h"

namespace inod::cli {

// Ends once the number is not live any more.
ExitStatus wait(Client& client, const Options& options);
// Prints what happens in a pool as it does, until there is no daemon or nobody who reads it.
ExitStatus watch(Client& client, const Options& options);

}  // namespace inod::cli
