// With which status the daemon ends, for whoever starts it. inod --help lists them too.
#pragma once

namespace inod::daemon {

enum class ExitStatus {
    ok = 0,       // Asked to end by SIGTERM or SIGINT, and everything is on stable storage.
    refused = 1,  // The configuration, the state or the socket was refused; stderr says why.
    usage = 2,    // The command line makes no sense.
    failed = 3,   // It served, and then the journal could not be written or memory ran out.
};

}  // namespace inod::daemon
