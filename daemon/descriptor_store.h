// The service manager's descriptor store (FileDescriptorStoreMax= in systemd.service(5), FDSTORE=1 in sd_notify(3)):
// what is put there stays open when this process ends, however that comes about, and is handed to the next one.
//
// libsystemd's sd_pid_notify_with_fds() waits for as long as the service manager is busy; this does so only where it is
// asked to, since connections are served meanwhile.
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

class DescriptorStore {
public:
    // As the environment says: $NOTIFY_SOCKET, and $FDSTORE with how many descriptors may be there. systemd before
    // version 254 does not set that one: then the unit does. None if there is no store.
    static std::optional<DescriptorStore> find();

    // Descriptors that it takes at most.
    [[nodiscard]] std::uint64_t count_max() const noexcept { return count_max_; }

    // How long to wait for a service manager that is busy: not at all, or for 5 s, as where a daemon starts or ends.
    enum class Patience : std::uint8_t { none, as_at_a_stop };

    // The descriptor is to be kept under this name, which nothing else has, of up to 16 characters. The service manager drops a connection
    // by itself when its peer has closed it. False if the message could not be sent now.
    bool put(const char* name, int descriptor, Patience patience) const noexcept;
    // It is to be dropped.
    bool remove(const char* name, Patience patience) const noexcept;
    // Until all that was sent before has been read, or 5 s are over.
    static void await_read() noexcept;

private:
    DescriptorStore(const sockaddr_un& address, socklen_t address_size, OwnedFd socket,
                    std::uint64_t count_max)
        : address_(address),
          address_size_(address_size),
          socket_(std::move(socket)),
          count_max_(count_max) {}

    bool send(const char* message, int descriptor, int flags) const noexcept;

    sockaddr_un address_;
    socklen_t address_size_;
    OwnedFd socket_;
    std::uint64_t count_max_;
};

}  // namespace inod::daemon
