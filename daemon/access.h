// Who is at the other end of a connection, and which pools are open to them.
//
// Thread safety: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <sys/types.h>

#include "config/config.h"
#include "config/rights.h"
#include "lib/base/result.h"

namespace inod::daemon {

// What the kernel vouches for: SO_PEERCRED and SO_PEERGROUPS, as of connect(2).
struct Peer {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::vector<std::uint32_t> groups;  // supplementary
};

// What a request takes: of the daemon as a whole nothing, of the pool that its header names a right; none:
// any will do.
struct Needed {
    bool of_pool = false;
    std::optional<Right> right;
};

// Fails with io_error.
Result<Peer, Failure> peer_of(int socket);

// The supplementary groups alone, in `room`, which is for groups_max; they stay as of connect(2). Takes no memory.
// Where the kernel does not say, none.
std::span<const std::uint32_t> groups_of(int socket, std::span<std::uint32_t> room) noexcept;
inline constexpr std::size_t groups_max = 65'536;  // Linux's NGROUPS_MAX

// What the peer may do with a pool: root and the daemon's own UID everything, others what grants give
// them together. `groups`: his supplementary ones.
Rights rights_of(const Peer& peer, std::span<const std::uint32_t> groups,
                 const std::vector<Grant>& grants, std::uint32_t own_uid) noexcept;

}  // namespace inod::daemon
