#include "lib/base/file_lock.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>

#include "lib/base/system_failure.h"

namespace inod {

Result<OwnedFd, Failure> lock_file(const std::string& path, const std::string& in_use) {
    OwnedFd file;
    do {  // a signal may interrupt it on a file system that is far away
        file = OwnedFd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    } while (!file && errno == EINTR);
    if (!file) return system_failure("open", path);
    if (flock(file.get(), LOCK_EX | LOCK_NB) == 0) return file;
    if (errno != EWOULDBLOCK) return system_failure("flock", path);
    return Failure{Errc::state_in_use, in_use};
}

}  // namespace inod
