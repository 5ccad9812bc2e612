#include "lib/base/posix_storage.h"

#include <cerrno>
#include <optional>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/errc.h"
#include "lib/base/system_failure.h"

namespace inod {
namespace {

template <class Call>
auto retry_interrupted(Call call) {
    auto result = call();
    while (result < 0 && errno == EINTR)
        result = call();
    return result;
}

class PosixFile final : public File {
public:
    PosixFile(std::string path, OwnedFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

    [[nodiscard]] Result<std::size_t, Failure> read(std::uint64_t offset,
                                                    std::span<std::byte> out) const override {
        std::size_t done = 0;
        while (done < out.size()) {
            const ssize_t size = retry_interrupted([&] {
                return ::pread(fd_.get(), out.data() + done, out.size() - done,
                               static_cast<off_t>(offset + done));
            });
            if (size < 0) return system_failure("pread", path_);
            if (size == 0) break;  // the file's end
            done += static_cast<std::size_t>(size);
        }
        return done;
    }

    [[nodiscard]] Result<void, Failure> write(std::uint64_t offset,
                                              std::span<const std::byte> bytes) override {
        while (!bytes.empty()) {
            const ssize_t size = retry_interrupted([&] {
                return ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
            });
            if (size < 0) return system_failure("pwrite", path_);
            if (size == 0) {  // no error, no progress: POSIX does not promise that it ever ends
                errno = EIO;
                return system_failure("pwrite", path_);
            }
            offset += static_cast<std::uint64_t>(size);
            bytes = bytes.subspan(static_cast<std::size_t>(size));
        }
        return {};
    }

    [[nodiscard]] Result<void, Failure> sync() override {
        if (retry_interrupted([&] { return ::fdatasync(fd_.get()); }) != 0) {
            return system_failure("fdatasync", path_);
        }
        return {};
    }

    [[nodiscard]] Result<std::uint64_t, Failure> size() const override {
        struct stat status {};
        if (::fstat(fd_.get(), &status) != 0) return system_failure("fstat", path_);
        return static_cast<std::uint64_t>(status.st_size);
    }

private:
    const std::string path_;
    const OwnedFd fd_;
};

// With errno, of a file that was not opened: for lack of means, which pass, or for good.
Failure open_failure(const std::string& path) {
    const bool is_lack = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
    Failure failure = system_failure("openat", path);
    if (is_lack) failure.code = Errc::out_of_memory;
    return failure;
}

struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

// Some file systems do not tell the type in the directory: those are asked for each file. Nothing
// where that fails, with errno.
std::optional<bool> is_directory(int directory, const dirent& entry) {
    if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
    struct stat status {};
    if (::fstatat(directory, entry.d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
    return S_ISDIR(status.st_mode);
}

}  // namespace

Result<std::unique_ptr<PosixStorage>, Failure> PosixStorage::open_directory(const std::string& path,
                                                                            Access access) {
    const int fd =
        retry_interrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) return system_failure("open", path);
    return std::unique_ptr<PosixStorage>(new PosixStorage(path, OwnedFd(fd), access));
}

Result<std::vector<std::string>, Failure> PosixStorage::list() const {
    // A descriptor of its own: reading moves the position that a dup(2) would share.
    const int fd = retry_interrupted(
        [&] { return ::openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) return system_failure("openat", path_);
    const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(fd));
    if (!directory) {
        const Failure failure = system_failure("fdopendir", path_);
        ::close(fd);
        return failure;
    }
    std::vector<std::string> names;
    for (;;) {
        errno = 0;
        const dirent* const entry = ::readdir(directory.get());
        if (entry == nullptr) break;
        const auto left_out = is_directory(fd, *entry);
        if (!left_out) return system_failure("fstatat", path_ + "/" + entry->d_name);
        if (!*left_out) names.emplace_back(entry->d_name);
    }
    if (errno != 0) return system_failure("readdir", path_);
    return names;
}

Result<std::unique_ptr<File>, Failure> PosixStorage::open_file(const std::string& name, int flags) {
    const std::string path = path_ + "/" + name;
    const int fd = retry_interrupted([&] {
        return ::openat(directory_.get(), name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW,
                        S_IRUSR | S_IWUSR);
    });
    if (fd < 0) return open_failure(path);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(path, OwnedFd(fd)));
}

// As a file system that is mounted read-only would say it.
Result<void, Failure> PosixStorage::check_may_change(const char* call,
                                                     const std::string& name) const {
    if (access_ == Access::read_write) return {};
    errno = EROFS;
    return system_failure(call, path_ + "/" + name);
}

Result<std::unique_ptr<File>, Failure> PosixStorage::create(const std::string& name) {
    if (auto allowed = check_may_change("openat", name); !allowed) return allowed.error();
    return open_file(name, O_RDWR | O_CREAT | O_EXCL);
}

Result<std::unique_ptr<File>, Failure> PosixStorage::open(const std::string& name) {
    return open_file(name, access_ == Access::read_only ? O_RDONLY : O_RDWR);
}

Result<void, Failure> PosixStorage::rename(const std::string& from, const std::string& to) {
    if (auto allowed = check_may_change("renameat", from); !allowed) return allowed;
    if (::renameat(directory_.get(), from.c_str(), directory_.get(), to.c_str()) != 0) {
        return system_failure("renameat", path_ + "/" + from);
    }
    return {};
}

Result<void, Failure> PosixStorage::remove(const std::string& name) {
    if (auto allowed = check_may_change("unlinkat", name); !allowed) return allowed;
    if (::unlinkat(directory_.get(), name.c_str(), 0) != 0) {
        return system_failure("unlinkat", path_ + "/" + name);
    }
    return {};
}

Result<void, Failure> PosixStorage::sync_names() {
    if (retry_interrupted([&] { return ::fsync(directory_.get()); }) != 0) {
        return system_failure("fsync", path_);
    }
    return {};
}

}  // namespace inod
