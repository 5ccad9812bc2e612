#include "lib/base/make_directory.h"

#include <cerrno>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/owned_fd.h"

namespace inod {
namespace {

// From errno, so nothing may come between the call that failed and this one.
Failure failed(const char* call, const std::string& path) {
    const int reason = errno;
    const bool full = reason == ENOSPC || reason == EDQUOT;
    return {full ? Errc::no_space : Errc::io_error,
            std::string(call) + " " + path + ": " + std::strerror(reason)};
}

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
    if (!directory) return failed("open", path);
    if (::fsync(directory.get()) != 0) return failed("fsync", path);
    return std::nullopt;
}

}  // namespace

Result<void, Failure> make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0) {
        if (errno == EEXIST) return {};
        return failed("mkdir", path);
    }
    if (auto failure = sync_names_of(above(path))) {
        ::rmdir(path.c_str());
        return *std::move(failure);
    }
    return {};
}

}  // namespace inod
