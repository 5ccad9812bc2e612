#include "lib/base/file_lock.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>

#include "lib/base/system_failure.h"

namespace inod {
namespace {

// A signal may interrupt it on a file system that is far away.
OwnedFd open_file(const std::string& path, int flags) {
    OwnedFd file;
    do {
        file = OwnedFd(open(path.c_str(), flags | O_CLOEXEC, 0600));
    } while (!file && errno == EINTR);
    return file;
}

Result<OwnedFd, Failure> lock(OwnedFd file, int how, const std::string& path,
                              const std::string& in_use) {
    if (!file) return system_failure("open", path);
    if (flock(file.get(), how | LOCK_NB) == 0) return file;
    if (errno != EWOULDBLOCK) return system_failure("flock", path);
    return Failure{Errc::state_in_use, in_use};
}

}  // namespace

Result<OwnedFd, Failure> lock_file(const std::string& path, const std::string& in_use) {
    return lock(open_file(path, O_RDWR | O_CREAT), LOCK_EX, path, in_use);
}

Result<OwnedFd, Failure> lock_file_to_look(const std::string& path, const std::string& in_use) {
    OwnedFd file = open_file(path, O_RDONLY);
    if (!file && errno == ENOENT) return file;
    return lock(std::move(file), LOCK_SH, path, in_use);
}

}  // namespace inod
