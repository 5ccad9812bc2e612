// Storage in a directory of a POSIX file system: what the daemon runs on.
//
// Files are made with mode 0600: what the journal says about holders is nobody else's business.
// System calls that a signal interrupted or that wrote less than asked are gone on with.
//
// Thread safety and errors: as lib/base/storage.h says. ENOSPC and EDQUOT become no_space, all
// other failures io_error; the message is "call(path): the system's reason".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lib/base/owned_fd.h"
#include "lib/base/storage.h"

namespace inod {

class PosixStorage final : public Storage {
public:
    // To read and write, or to read alone, which is all that some may: then whatever would change
    // something fails with io_error.
    enum class Access { read_write, read_only };

    // Opens an existing directory. Errors: io_error.
    static Result<std::unique_ptr<PosixStorage>, Failure> open_directory(
        const std::string& path, Access access = Access::read_write);

    // Regular files alone: neither directories nor sockets.
    [[nodiscard]] Result<std::vector<std::string>, Failure> list() const override;
    [[nodiscard]] Result<std::unique_ptr<File>, Failure> create(const std::string& name) override;
    [[nodiscard]] Result<std::unique_ptr<File>, Failure> open(const std::string& name) override;
    [[nodiscard]] Result<void, Failure> rename(const std::string& from,
                                               const std::string& to) override;
    [[nodiscard]] Result<void, Failure> remove(const std::string& name) override;
    [[nodiscard]] Result<void, Failure> sync_names() override;

private:
    PosixStorage(std::string path, OwnedFd directory, Access access)
        : path_(std::move(path)), directory_(std::move(directory)), access_(access) {}
    [[nodiscard]] Result<void, Failure> check_may_change(const char* call,
                                                         const std::string& name) const;

    Result<std::unique_ptr<File>, Failure> open_file(const std::string& name, int flags);

    const std::string path_;  // for messages; files are found through directory_
    const OwnedFd directory_;
    const Access access_;
};

}  // namespace inod
