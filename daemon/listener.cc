#include "daemon/listener.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/file_lock.h"
#include "lib/base/make_directory.h"
#include "lib/base/system_failure.h"
#include "lib/journal/segment.h"

namespace inod::daemon {
namespace {

// May be there before the first journal file is: what a crash leaves of a first start, what a file system
// of its own has at its root, and a socket with its lock.
bool is_expected(const std::filesystem::directory_entry& entry) {
    const std::filesystem::path name = entry.path().filename();
    const auto parsed = parse_file_name(name);
    std::error_code ignored;
    return name == "lock" || name == "lost+found" || name.extension() == ".lock" ||
           (parsed && parsed->kind == FileKind::fresh) || entry.is_socket(ignored);
}

// A directory with files of which none is ours belongs to something else: a mistyped path. Or somebody
// is not done with it: an import that was cut off must not be taken for a store that begins.
Result<void, Failure> check_ours(const std::string& directory) {
    std::error_code error;
    std::string foreign;
    std::filesystem::directory_iterator entry(directory, error);
    while (error == std::errc::interrupted)
        entry = std::filesystem::directory_iterator(directory, error);
    for (const std::filesystem::directory_iterator end; !error && entry != end;
         entry.increment(error)) {
        const std::string file_name = entry->path().filename().string();
        if (file_name.starts_with("journal-")) return {};
        if (!is_expected(*entry)) foreign = file_name;
    }
    if (error) {
        return Failure{Errc::io_error, "state directory " + directory + ": " + error.message()};
    }
    if (foreign.empty()) return {};
    const bool is_imports = foreign.starts_with("import-");
    return Failure{Errc::state_in_use,
                   "state directory " + directory + ": holds " + foreign + " and no journal; " +
                       (is_imports ? "an import was cut off: remove what it left, and import again"
                                   : "use one that is empty or inod's own")};
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

// Errors: state_in_use if the path is or may be somebody's, although nobody holds its lock: only a
// socket that refuses to be connected to has no process behind it. Does not wait.
Result<void, Failure> check_unserved(const sockaddr_un& address, const std::string& path) {
    const OwnedFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe) return system_failure("socket", path);
    const auto* const raw_address = reinterpret_cast<const sockaddr*>(&address);
    // EAGAIN: its queue is full (connect(2)).
    if (connect(probe.get(), raw_address, sizeof(address)) == 0 || errno == EAGAIN) {
        return Failure{Errc::state_in_use, "socket " + path + ": somebody else serves it"};
    }
    if (errno == ECONNREFUSED || errno == ENOENT) return {};
    return Failure{Errc::state_in_use, "socket " + path + ": is somebody else's (connect: " +
                                           std::strerror(errno) + "); remove it if it is not"};
}

Result<void, Failure> bind_to(int socket, const std::string& path, std::uint32_t mode) {
    const auto address = address_of(path);
    if (!address) return address.error();
    struct stat status {};
    if (lstat(path.c_str(), &status) == 0) {
        if (!S_ISSOCK(status.st_mode)) {
            return Failure{Errc::state_in_use,
                           "socket " + path + ": a file that is no socket is there"};
        }
        if (auto free = check_unserved(*address, path); !free) return free.error();
        if (unlink(path.c_str()) != 0) return system_failure("unlink", path);
    }
    if (bind(socket, reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0) {
        return system_failure("bind", path);
    }
    // Nobody can connect before listen(2), so nobody sees the permissions that bind(2) gave.
    if (chmod(path.c_str(), mode) != 0) return system_failure("chmod", path);
    if (listen(socket, SOMAXCONN) != 0) return system_failure("listen", path);
    return {};
}

}  // namespace

Listener::Listener(OwnedFd socket, OwnedFd lock, std::string path)
    : socket_(std::move(socket)), lock_(std::move(lock)), path_(std::move(path)) {}

Listener::~Listener() {
    if (lock_) unlink(path_.c_str());
}

Result<OwnedFd, Failure> lock_state(const std::string& directory) {
    if (auto made = make_directory(directory); !made) {
        Failure no_directory = made.error();
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

Result<Listener, Failure> listen_at(OwnedFd passed, const std::string& path, std::uint32_t mode) {
    // Whoever passed it says by it where to listen.
    if (passed) return Listener(std::move(passed), OwnedFd(), {});
    if (const auto address = address_of(path); !address) return address.error();
    auto lock = lock_file(path + ".lock", "socket " + path + ": another inod serves it");
    if (!lock) return lock.error();
    OwnedFd made(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!made) return system_failure("socket", path);
    if (auto bound = bind_to(made.get(), path, mode); !bound) return bound.error();
    return Listener(std::move(made), std::move(*lock), path);
}

}  // namespace inod::daemon
