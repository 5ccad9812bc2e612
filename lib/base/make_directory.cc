#include "lib/base/make_directory.h"

#include <cerrno>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/owned_fd.h"
#include "lib/base/system_failure.h"

namespace inod {
namespace {

// The directory that has the name `path` in it.
std::string above(std::string path) {
    while (path.size() > 1 && path.ends_with('/'))
        path.pop_back();
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::optional<Failure> sync_names_of(const std::string& path) {
    const OwnedFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return system_failure("open", path);
    if (::fsync(directory.get()) != 0) return system_failure("fsync", path);
    return std::nullopt;
}

}  // namespace

Result<void, Failure> make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0) {
        if (errno == EEXIST) return {};
        return system_failure("mkdir", path);
    }
    if (auto failure = sync_names_of(above(path))) {
        ::rmdir(path.c_str());
        return *std::move(failure);
    }
    return {};
}

}  // namespace inod
