#include "daemon/access.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>

namespace inod::daemon {
namespace {

Failure failure(const char* option) {
    return {Errc::io_error, std::string("getsockopt ") + option + ": " + std::strerror(errno)};
}

}  // namespace

Result<Peer, Failure> peer_of(int socket) {
    ucred credentials{};
    socklen_t size = sizeof(credentials);
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
        return failure("SO_PEERCRED");
    }
    // Asked with no room first: the kernel then says how much it takes (socket(7), ERANGE).
    std::vector<gid_t> groups;
    size = 0;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, nullptr, &size) != 0 && errno == ERANGE) {
        groups.resize(size / sizeof(gid_t));
        if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) {
            return failure("SO_PEERGROUPS");
        }
    }
    return Peer{
        .uid = credentials.uid, .gid = credentials.gid, .groups = {groups.begin(), groups.end()}};
}

std::span<const std::uint32_t> groups_of(int socket, std::span<std::uint32_t> room) noexcept {
    static_assert(sizeof(gid_t) == sizeof(std::uint32_t));
    auto size = static_cast<socklen_t>(room.size_bytes());
    if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, room.data(), &size) != 0) return {};
    return room.first(size / sizeof(gid_t));
}

namespace {

bool is_for(const Grant& grant, const Peer& peer, std::span<const std::uint32_t> groups) noexcept {
    switch (grant.to) {
        case Grant::To::everyone: return true;
        case Grant::To::uid: return grant.id == peer.uid;
        case Grant::To::gid:
            return grant.id == peer.gid ||
                   std::find(groups.begin(), groups.end(), grant.id) != groups.end();
    }
    return false;
}

}  // namespace

Rights rights_of(const Peer& peer, std::span<const std::uint32_t> groups,
                 const std::vector<Grant>& grants, std::uint32_t own_uid) noexcept {
    if (peer.uid == 0 || peer.uid == own_uid) return Rights::all();
    Rights rights;
    for (const Grant& grant : grants) {
        if (is_for(grant, peer, groups)) rights.add(grant.rights);
    }
    return rights;
}

}  // namespace inod::daemon
