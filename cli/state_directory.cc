#include "cli/state_directory.h"

#include <cstdio>
#include <filesystem>
#include <system_error>

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file_lock.h"
#include "lib/base/posix_storage.h"
#include "lib/base/system_failure.h"

namespace inod::cli {

namespace fs = std::filesystem;

std::string in_use_message(const std::string& state_dir) {
    return "state directory " + state_dir + ": inod runs on it; stop it first";
}

Result<StoreToLook, Failure> open_to_look(const std::string& path) {
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored)) {
        auto backup = open_backup(path);
        if (!backup) return backup.error();
        return StoreToLook{.lock = {}, .storage = *std::move(backup)};
    }
    auto lock = lock_file_to_look(path + "/lock", in_use_message(path));
    if (!lock) return lock.error();
    auto storage = PosixStorage::open_directory(path, PosixStorage::Access::read_only);
    if (!storage) return storage.error();
    return StoreToLook{.lock = *std::move(lock), .storage = *std::move(storage)};
}

std::string called(const std::string& path) {
    std::error_code ignored;
    return (fs::is_regular_file(path, ignored) ? "backup " : "state directory ") + path;
}

Result<std::unique_ptr<BackupFile>, Failure> open_backup(const std::string& file) {
    const auto refused = [&file](const std::string& why, Errc code) {
        return Failure{code, "backup " + file + ": " + why};
    };
    std::error_code error;
    const fs::path path = fs::canonical(file, error);
    if (error) return refused(error.message(), Errc::io_error);
    const auto directory =
        PosixStorage::open_directory(path.parent_path(), PosixStorage::Access::read_only);
    if (!directory) return directory.error();
    auto opened = BackupFile::open(**directory, path.filename());
    if (opened || opened.error().code == Errc::io_error) return opened;
    return refused(opened.error().message, opened.error().code);
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

ExitStatus refuse(const Failure& failure) {
    complain(failure);
    return failure.code == Errc::journal_damaged ? ExitStatus::damaged : ExitStatus::refused;
}

}  // namespace inod::cli
