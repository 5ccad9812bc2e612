// The service manager's descriptor store (FileDescriptorStoreMax= in systemd.service(5), FDSTORE=1 in sd_notify(3)):
// what is put there stays open when this process ends, however that comes about, and is handed to the next one.
//
// Thread safety: any thread. Takes no memory once it is there.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "daemon/notify_socket.h"

namespace inod::daemon {

class DescriptorStore {
public:
    using Patience = NotifySocket::Patience;

    // As the environment says: $NOTIFY_SOCKET, and $FDSTORE with how many descriptors may be there. systemd before
    // version 254 does not set that one: then the unit does. None if there is no store.
    static std::optional<DescriptorStore> find();

    // Descriptors that it takes at most.
    [[nodiscard]] std::uint64_t count_max() const noexcept { return count_max_; }

    // The descriptor is to be kept under this name, which nothing else has, of up to 16 characters. The service manager
    // drops a connection by itself when its peer has closed it. False if the message could not be sent now.
    bool put(const char* name, int descriptor, Patience patience) const noexcept;
    // It is to be dropped.
    bool remove(const char* name, Patience patience) const noexcept;
    // Until all that was sent before has been read (BARRIER=1), or 5 s are over.
    void await_read(Patience patience) const noexcept;

private:
    DescriptorStore(NotifySocket socket, std::uint64_t count_max)
        : socket_(std::move(socket)), count_max_(count_max) {}

    NotifySocket socket_;
    std::uint64_t count_max_;
};

}  // namespace inod::daemon
