// What the service manager hands over to a daemon that it starts (sd_listen_fds(3)): the socket to listen on, and what an
// earlier daemon has put into the descriptor store.
//
// Thread safety: none needed: it is taken once, before there is another thread.
#pragma once

#include <cstdint>
#include <vector>

#include "lib/base/owned_fd.h"
#include "lib/base/result.h"

namespace inod::daemon {

struct HandedOver {
    OwnedFd listening;  // none: the daemon makes one
    OwnedFd table;      // of KeptConnections
    struct Connection {
        std::uint32_t slot = 0;
        OwnedFd socket;
    };
    std::vector<Connection> connections;
};

// Takes it. What is nothing of this is closed, and said in the log.
// Errors: io_error if there are several sockets that listen, or what came is something else altogether.
Result<HandedOver, Failure> take_handed_over();

}  // namespace inod::daemon
