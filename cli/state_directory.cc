#include "cli/state_directory.h"

#include <cstdio>

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file_lock.h"
#include "lib/base/posix_storage.h"
#include "lib/base/system_failure.h"

namespace inod::cli {
std::string in_use_message(const std::string& state_dir) {
    return "state directory " + state_dir + ": inod runs on it; stop it first";
}

Result<StoreToLook, Failure> open_to_look(const std::string& state_dir) {
    auto lock = lock_file_to_look(state_dir + "/lock", in_use_message(state_dir));
    if (!lock) return lock.error();
    auto storage = PosixStorage::open_directory(state_dir, PosixStorage::Access::read_only);
    if (!storage) return storage.error();
    return StoreToLook{.lock = *std::move(lock), .storage = *std::move(storage)};
}

Result<void, Failure> become_owner_of(const std::string& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) return system_failure("stat", path);
    if (geteuid() != 0 || status.st_uid == 0) return {};
    if (setgroups(0, nullptr) != 0) return system_failure("setgroups", path);
    if (setresgid(status.st_gid, status.st_gid, status.st_gid) != 0)
        return system_failure("setgid", path);
    if (setresuid(status.st_uid, status.st_uid, status.st_uid) != 0)
        return system_failure("setuid", path);
    return {};
}

void complain(const Failure& failure) {
    std::fprintf(stderr, "inoctl: %s: %s\n", std::string(name(failure.code)).c_str(),
                 failure.message.c_str());
}

}  // namespace inod::cli
