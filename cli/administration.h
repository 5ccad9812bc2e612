// What administrators of a pool do: IDs out of circulation and back, and a pool further on.
#pragma once

#include "cli/commands.h"
#include "lib/client/client.h"

namespace inod::cli {

ExitStatus reserve(Client& client, const Options& options);
ExitStatus unreserve(Client& client, const Options& options);
ExitStatus advance(Client& client, const Options& options);

}  // namespace inod::cli
