#include "daemon/listener.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

namespace inod::daemon {
namespace {

Failure failure(const std::string& call, const std::string& path) {
    return {Errc::io_error, call + " " + path + ": " + std::strerror(errno)};
}

// Opens and locks a file that exists for no other purpose.
Result<OwnedFd, Failure> lock_file(const std::string& path, const std::string& in_use) {
    OwnedFd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file) return failure("open", path);
    if (flock(file.get(), LOCK_EX | LOCK_NB) == 0) return file;
    if (errno != EWOULDBLOCK) return failure("flock", path);
    return Failure{Errc::state_in_use, in_use};
}

// A directory with files of which none is ours belongs to something else: a mistyped path.
Result<void, Failure> check_ours(const std::string& directory) {
    std::error_code error;
    std::string foreign;
    for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string file_name = entry->path().filename().string();
        if (file_name == "lock" || file_name.starts_with("segment-")) return {};
        foreign = file_name;
    }
    if (error) {
        return Failure{Errc::io_error, "state directory " + directory + ": " + error.message()};
    }
    if (foreign.empty()) return {};
    return Failure{Errc::state_in_use, "state directory " + directory + ": holds " + foreign +
                                           " and no journal; use one that is empty or inod's own"};
}

Result<sockaddr_un, Failure> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) {
        return Failure{Errc::io_error, "socket path " + path + ": longer than " +
                                           std::to_string(sizeof(address.sun_path) - 1) + " bytes"};
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

// Does somebody answer at the path, although nobody holds its lock? Without waiting: a queue that
// is full (EAGAIN: connect(2)) is somebody's.
bool is_served(const sockaddr_un& address) {
    const OwnedFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe) return false;
    return connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) ==
               0 ||
           errno == EAGAIN;
}

Result<void, Failure> bind_to(int socket, const std::string& path, std::uint32_t mode) {
    const auto address = address_of(path);
    if (!address) return address.error();
    if (is_served(*address)) {
        return Failure{Errc::state_in_use, "socket " + path + ": somebody else serves it"};
    }
    struct stat status {};
    if (lstat(path.c_str(), &status) == 0) {
        if (!S_ISSOCK(status.st_mode)) {
            return Failure{Errc::state_in_use,
                           "socket " + path + ": a file that is no socket is there"};
        }
        if (unlink(path.c_str()) != 0) return failure("unlink", path);
    }
    if (bind(socket, reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0) {
        return failure("bind", path);
    }
    // Nobody can connect before listen(2), so nobody sees the permissions that bind(2) gave.
    if (chmod(path.c_str(), mode) != 0) return failure("chmod", path);
    if (listen(socket, SOMAXCONN) != 0) return failure("listen", path);
    return {};
}

}  // namespace

Listener::Listener(OwnedFd socket, OwnedFd lock, std::string path)
    : socket_(std::move(socket)), lock_(std::move(lock)), path_(std::move(path)) {}

Listener::~Listener() {
    if (lock_) unlink(path_.c_str());
}

Result<OwnedFd, Failure> lock_state(const std::string& directory) {
    if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
        Failure no_directory = failure("mkdir", directory);
        no_directory.message += "; the directory above the state directory must be there";
        return no_directory;
    }
    if (auto ours = check_ours(directory); !ours) return ours.error();
    auto lock = lock_file(directory + "/lock",
                          "state directory " + directory + ": another inod runs on it");
    if (!lock && lock.error().code == Errc::io_error) {
        return Failure{Errc::io_error, lock.error().message + "; the state directory must be " +
                                           "writable by UID " + std::to_string(geteuid())};
    }
    return lock;
}

Result<Listener, Failure> listen_at(const std::string& path, std::uint32_t mode) {
    if (sd_listen_fds(1) > 0) {
        return Listener(OwnedFd(SD_LISTEN_FDS_START), OwnedFd(), {});
    }
    if (const auto address = address_of(path); !address) return address.error();
    auto lock = lock_file(path + ".lock", "socket " + path + ": another inod serves it");
    if (!lock) return lock.error();
    OwnedFd made(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!made) return failure("socket", path);
    if (auto bound = bind_to(made.get(), path, mode); !bound) return bound.error();
    return Listener(std::move(made), std::move(*lock), path);
}

}  // namespace inod::daemon
