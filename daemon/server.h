// The daemon as a whole: takes the state and the socket, serves until it is told to end, and leaves
// everything on stable storage.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "config/config.h"
#include "daemon/exit_status.h"
#include "daemon/reload.h"
#include "lib/base/result.h"
#include "lib/base/storage.h"

namespace inod::daemon {

// Opens the storage in a directory, which exists.
using OpenStorage =
    std::function<Result<std::unique_ptr<Storage>, Failure>(const std::string& directory)>;

// On the disk.
Result<std::unique_ptr<Storage>, Failure> open_on_disk(const std::string& directory);

// Runs the daemon until SIGTERM or SIGINT, or until the journal fails. Says in the log why it
// ended. At SIGHUP the configuration is what `load` says. State and witness are kept where `open` says; a benchmark
// keeps them nowhere.
ExitStatus serve(const Config& config, const LoadConfig& load,
                 const OpenStorage& open = open_on_disk);

}  // namespace inod::daemon
