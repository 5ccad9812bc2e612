#include "lib/journal/backup_file.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "lib/base/bytes.h"
#include "lib/base/crc32c.h"
#include "lib/journal/segment.h"

namespace inod {
namespace {

constexpr std::string_view magic = "inodbkup";
constexpr std::size_t crc_size = 4;
constexpr std::size_t chunk_size = std::size_t{1} << 20U;

using TrailerBytes = std::array<std::byte, backup_trailer_size>;

struct Trailer {
    std::uint32_t count = 0;
    std::uint64_t size = 0;
    Lsn last_lsn = 0;
};

Failure damaged(const std::string& what) {
    return {Errc::journal_damaged, what};
}

Failure read_only(const char* call, const std::string& name) {
    return {Errc::io_error, std::string(call) + "(" + name + "): a backup is not written to"};
}

// All of `out` or a failure.
Result<void, Failure> read_all(const File& file, std::uint64_t offset, std::span<std::byte> out) {
    const auto size = file.read(offset, out);
    if (!size) return size.error();
    if (*size != out.size()) return damaged("it was cut short while it was read");
    return {};
}

// CRC-32C of the first `size` bytes.
Result<std::uint32_t, Failure> checksum(const File& file, std::uint64_t size) {
    std::vector<std::byte> memory(std::min<std::uint64_t>(chunk_size, size));
    std::uint32_t crc = 0;
    for (std::uint64_t at = 0; at < size; at += memory.size()) {
        const auto chunk =
            std::span(memory).first(std::min<std::uint64_t>(memory.size(), size - at));
        if (auto read = read_all(file, at, chunk); !read) return read.error();
        crc = crc32c(chunk, crc);
    }
    return crc;
}

Result<Trailer, Failure> decode(const TrailerBytes& bytes) {
    ByteReader reader{std::span(bytes).subspan(magic.size())};
    const auto version = reader.get<std::uint16_t>();
    if (version != backup_version) {
        return Failure{Errc::record_unknown,
                       "backup format version " + std::to_string(version) + " is unknown here"};
    }
    static_cast<void>(reader.get<std::uint16_t>());
    Trailer trailer;
    trailer.count = reader.get<std::uint32_t>();
    trailer.size = reader.get<std::uint64_t>();
    trailer.last_lsn = reader.get<std::uint64_t>();
    return trailer;
}

// The trailer of a file that is whole.
Result<Trailer, Failure> read_trailer(const File& file) {
    const auto size = file.size();
    if (!size) return size.error();
    if (*size < backup_trailer_size) return damaged("it is too short to be a backup");
    TrailerBytes bytes{};
    const std::uint64_t begin = *size - bytes.size();
    if (auto read = read_all(file, begin, bytes); !read) return read.error();
    ByteReader reader(bytes);
    if (reader.get_text(magic.size()) != magic) {
        return damaged("it does not end as a backup does: it is none, or was cut short");
    }
    ByteReader crc{std::span(bytes).last(crc_size)};
    const auto is = checksum(file, *size - crc_size);
    if (!is) return is.error();
    if (*is != crc.get<std::uint32_t>()) return damaged("its checksum is wrong");
    auto trailer = decode(bytes);
    if (trailer && trailer->size != begin) return damaged("its trailer is of another size");
    return trailer;
}

Result<std::vector<BackupPart>, Failure> find_parts(const File& file, const Trailer& trailer) {
    std::vector<BackupPart> parts;
    std::uint64_t offset = 0;
    while (offset < trailer.size) {
        SegmentHeaderBytes bytes{};
        if (auto read = read_all(file, offset, bytes); !read) return read.error();
        const auto header = decode_segment_header(bytes);
        if (!header) return header.error();
        if (header->size < segment_size_min || header->size > trailer.size - offset) {
            return damaged(segment_name(header->number) + " has an impossible size");
        }
        parts.push_back({.offset = offset,
                         .size = header->size,
                         .name = file_name(FileKind::journal, parts.size() + 1)});
        offset += header->size;
    }
    if (parts.empty() || parts.size() != trailer.count) return damaged("segments are missing");
    return parts;
}

// A segment of the backup.
class PartFile final : public File {
public:
    PartFile(std::shared_ptr<File> file, BackupPart part)
        : file_(std::move(file)), part_(std::move(part)) {}

    [[nodiscard]] Result<std::size_t, Failure> read(std::uint64_t offset,
                                                    std::span<std::byte> out) const override {
        const std::uint64_t left = part_.size - std::min(offset, part_.size);
        return file_->read(part_.offset + offset,
                           out.first(std::min<std::uint64_t>(out.size(), left)));
    }
    [[nodiscard]] Result<void, Failure> write(std::uint64_t /*offset*/,
                                              std::span<const std::byte> /*bytes*/) override {
        return read_only("write", part_.name);
    }
    [[nodiscard]] Result<void, Failure> sync() override { return read_only("sync", part_.name); }
    [[nodiscard]] Result<std::uint64_t, Failure> size() const override { return part_.size; }

private:
    const std::shared_ptr<File> file_;
    const BackupPart part_;
};

}  // namespace

Result<std::unique_ptr<BackupFile>, Failure> BackupFile::open(Storage& directory,
                                                              const std::string& name) {
    auto opened = directory.open(name);
    if (!opened) return opened.error();
    std::shared_ptr<File> file = *std::move(opened);
    const auto trailer = read_trailer(*file);
    if (!trailer) return trailer.error();
    auto parts = find_parts(*file, *trailer);
    if (!parts) return parts.error();
    auto backup = std::make_unique<BackupFile>(std::move(file), *std::move(parts));
    backup->last_lsn_ = trailer->last_lsn;
    return backup;
}

Result<std::vector<std::string>, Failure> BackupFile::list() const {
    std::vector<std::string> names;
    for (const BackupPart& part : parts_)
        names.push_back(part.name);
    return names;
}

Result<std::unique_ptr<File>, Failure> BackupFile::open(const std::string& name) {
    const auto part = std::find_if(parts_.begin(), parts_.end(),
                                   [&name](const BackupPart& p) { return p.name == name; });
    if (part == parts_.end()) {
        return Failure{Errc::io_error, "open(" + name + "): not in the backup"};
    }
    return std::unique_ptr<File>(std::make_unique<PartFile>(file_, *part));
}

Result<std::unique_ptr<File>, Failure> BackupFile::create(const std::string& name) {
    return read_only("create", name);
}
Result<void, Failure> BackupFile::rename(const std::string& from, const std::string& /*to*/) {
    return read_only("rename", from);
}
Result<void, Failure> BackupFile::remove(const std::string& name) {
    return read_only("remove", name);
}
Result<void, Failure> BackupFile::sync_names() {
    return read_only("sync_names", "backup");
}

Result<void, Failure> seal_backup(File& file, const std::vector<BackupPart>& parts, Lsn last_lsn) {
    const std::uint64_t size = parts.back().offset + parts.back().size;
    TrailerBytes bytes{};
    ByteWriter writer(bytes);
    writer.put_text(magic);
    writer.put(backup_version);
    writer.put(std::uint16_t{0});
    writer.put(static_cast<std::uint32_t>(parts.size()));
    writer.put(size);
    writer.put(last_lsn);
    const auto segments = checksum(file, size);
    if (!segments) return segments.error();
    writer.put(crc32c(writer.written(), *segments));
    if (auto written = file.write(size, bytes); !written) return written;
    return file.sync();
}

}  // namespace inod
