// Where the service manager listens: messages of sd_notify(3), with or without a descriptor.
//
// libsystemd's sd_notify() and sd_pid_notify_with_fds() wait for as long as the service manager is busy, on the thread that
// serves connections; this does so only where it is asked to, and not for longer than it says.
//
// Thread safety: any thread. Takes no memory once it is there.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include <sys/socket.h>
#include <sys/un.h>

#include "lib/base/owned_fd.h"

namespace inod::daemon {

class NotifySocket {
public:
    // As $NOTIFY_SOCKET says; none where there is no service manager, or the system has no descriptor.
    static std::optional<NotifySocket> find();

    // How long to wait for a service manager that is busy: not at all, or for 5 s, for what must not be lost.
    enum class Patience : std::uint8_t { none, some };

    // False if it could not be sent now. `descriptor` goes along, if it is not negative.
    bool send(const char* message, Patience patience, int descriptor = -1) const noexcept;

private:
    NotifySocket(const sockaddr_un& address, socklen_t address_size, OwnedFd socket)
        : address_(address), address_size_(address_size), socket_(std::move(socket)) {}

    sockaddr_un address_;
    socklen_t address_size_;
    OwnedFd socket_;
};

}  // namespace inod::daemon
