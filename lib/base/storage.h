// The door to the disk: one directory of files, as the journal needs it.
//
// The daemon opens a PosixStorage; tests pass one in memory that loses, reorders and tears what was
// not synced, and fails when told to.
//
// Thread safety: calls on one Storage from one thread at a time; so for one File. Different Files
// may be used by different threads at once.
//
// Errors: every call fails with io_error (or no_space, where the disk or quota is full), the
// message naming the call, the path and the system's reason. After a failed write or sync() nobody
// knows what is on the disk: the caller stops using the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lib/base/result.h"

namespace inod {

class File {
public:
    File() = default;
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    virtual ~File() = default;

    // Fills `out` from `offset`. Returns how many bytes there were: fewer only at the file's end.
    [[nodiscard]] virtual Result<std::size_t, Failure> read(std::uint64_t offset,
                                                            std::span<std::byte> out) const = 0;

    // Writes all of `bytes` at `offset`, growing the file if it ends before. A short write by the
    // system is gone on with, not reported.
    [[nodiscard]] virtual Result<void, Failure> write(std::uint64_t offset,
                                                      std::span<const std::byte> bytes) = 0;

    // Makes what was written durable, and the size where it grew: fdatasync(2).
    [[nodiscard]] virtual Result<void, Failure> sync() = 0;

    [[nodiscard]] virtual Result<std::uint64_t, Failure> size() const = 0;
};

class Storage {
public:
    Storage() = default;
    Storage(const Storage&) = delete;
    Storage& operator=(const Storage&) = delete;
    virtual ~Storage() = default;

    // The names of all but directories, in no particular order.
    [[nodiscard]] virtual Result<std::vector<std::string>, Failure> list() const = 0;

    // Makes an empty file. Fails if there is one of that name, and with out_of_memory where as many are open as
    // can be.
    [[nodiscard]] virtual Result<std::unique_ptr<File>, Failure> create(
        const std::string& name) = 0;

    // Opens an existing file for reading and writing. Errors: as of create().
    [[nodiscard]] virtual Result<std::unique_ptr<File>, Failure> open(const std::string& name) = 0;

    // Renames a file in one step, replacing a file of the new name. Open Files stay open.
    [[nodiscard]] virtual Result<void, Failure> rename(const std::string& from,
                                                       const std::string& to) = 0;

    [[nodiscard]] virtual Result<void, Failure> remove(const std::string& name) = 0;

    // Makes all that create(), rename() and remove() did durable: fsync(2) of the directory.
    [[nodiscard]] virtual Result<void, Failure> sync_names() = 0;
};

}  // namespace inod
