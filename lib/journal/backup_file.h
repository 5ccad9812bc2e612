// A backup: a store in one file, from which a journal is read as from its directory.
//
// Thread safety: as lib/base/storage.h asks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/storage.h"
#include "lib/journal/journal.h"

namespace inod {

// The file has the segments that are in use, from the base to the newest, one behind the other,
// each whole and of the size that its header says (segment.h). Then the trailer, which is the end
// of the file. Integers are little-endian.
//
//   offset  size  field
//        0     8  magic     "inodbkup"
//        8     2  version   backup_version
//       10     2  zero
//       12     4  count     of segments, at least 1
//       16     8  size      bytes of all segments
//       24     8  last_lsn  the last LSN in them
//       32     4  crc       CRC-32C of all before it, segments and trailer
//
// The checksums of frames find damage, but not that the last group is gone: it looks like a torn
// tail. That is what the trailer's is for: a backup that was cut or damaged anywhere is refused.
inline constexpr std::size_t backup_trailer_size = 36;
inline constexpr std::uint16_t backup_version = 1;

// Where a segment stands in the file.
struct BackupPart {
    std::uint64_t offset;  // bytes
    std::uint64_t size;
    std::string name;  // the journal file that it is read as
};

// The segments of a backup as the journal files that they were, for scan() and whoever reads a
// store: of a backup that was opened, under names of their own, journal-0000000000000001 and on.
// Whatever would change something fails with io_error.
class BackupFile final : public Storage {
public:
    // Opens the file `name` in `directory` and reads it once, to its end.
    // Errors: journal_damaged, if it is no backup, was cut short or does not read back as it was
    // written; record_unknown, if a newer version wrote it; io_error. But for io_error the message
    // does not name the file.
    static Result<std::unique_ptr<BackupFile>, Failure> open(Storage& directory,
                                                             const std::string& name);

    // These parts of a file that is about to become a backup.
    BackupFile(std::shared_ptr<File> file, std::vector<BackupPart> parts)
        : file_(std::move(file)), parts_(std::move(parts)) {}

    [[nodiscard]] const std::vector<BackupPart>& parts() const { return parts_; }
    // As the trailer says.
    [[nodiscard]] Lsn last_lsn() const { return last_lsn_; }

    [[nodiscard]] Result<std::vector<std::string>, Failure> list() const override;
    [[nodiscard]] Result<std::unique_ptr<File>, Failure> create(const std::string& name) override;
    [[nodiscard]] Result<std::unique_ptr<File>, Failure> open(const std::string& name) override;
    [[nodiscard]] Result<void, Failure> rename(const std::string& from,
                                               const std::string& to) override;
    [[nodiscard]] Result<void, Failure> remove(const std::string& name) override;
    [[nodiscard]] Result<void, Failure> sync_names() override;

private:
    std::shared_ptr<File> file_;
    std::vector<BackupPart> parts_;
    Lsn last_lsn_ = 0;
};

// Completes a file that consists of these parts, one behind the other from its start on and
// without anything behind them: writes the trailer and syncs. Errors: io_error, no_space.
Result<void, Failure> seal_backup(File& file, const std::vector<BackupPart>& parts, Lsn last_lsn);

}  // namespace inod
