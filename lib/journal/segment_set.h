// All files of a journal while it is written: the segments, the one at the end that is appended to,
// and the spares that become segments.
//
// The next segment is always at hand beforehand, so that opening it needs no space. How a file
// becomes a segment (make_spare, open_next) and how a segment becomes a spare (recycle_before) is
// ordered by syncs such that a crash leaves a file under a final name only with its full size and
// its right header.
//
// Thread safety: one thread at a time; spare_count() and disk_size() at any time, from any thread.
//
// Errors: io_error and no_space of the Storage are passed on. After an error of anything but
// make_spare() the set is not to be used any more.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lib/base/storage.h"
#include "lib/journal/segment.h"

namespace inod {

// More than this many spares are not kept when segments become superfluous.
inline constexpr std::size_t spare_count_max = 4;

class SegmentSet {
public:
    struct Segment {
        std::uint64_t number;
        std::uint64_t size;  // bytes of the file
    };

    // New files will have `segment_size` bytes.
    SegmentSet(Storage& storage, std::uint64_t segment_size);

    // Takes over what was found on the disk. Nothing is active yet.
    // `segments` in order; `spares` are known to be of segment_size; file names that it makes are
    // numbered from `next_name`.
    void adopt(std::vector<Segment> segments, std::vector<std::string> spares,
               std::uint64_t next_name);

    // Makes a spare. Errors: no_space, io_error; all is as before then, but for the sealing that
    // an io_error asks for.
    Result<void, Failure> make_spare();
    [[nodiscard]] std::size_t spare_count() const noexcept { return spare_count_; }

    // Makes a spare, which it makes where there is none, the active segment. `header` comes without
    // number and size, which are filled in. Requires that all that was written is synced.
    Result<void, Failure> open_next(SegmentHeader header);

    // The active segment: its number, the seed of its frames, how many bytes are left, what to do.
    [[nodiscard]] std::uint64_t active_number() const { return segments_.back().number; }
    [[nodiscard]] std::uint32_t seed() const { return seed_; }
    [[nodiscard]] std::uint64_t offset() const { return offset_; }
    [[nodiscard]] std::uint64_t room() const { return segment_size_ - offset_; }
    // Writes `bytes`, of which the first `kept` are to stay; the next write goes behind those.
    // Requires kept <= bytes.size() <= room().
    Result<void, Failure> append(std::span<const std::byte> bytes, std::size_t kept);
    Result<void, Failure> sync() { return active_->sync(); }

    // Turns all segments below `number` into spares, or removes them where there are enough, and
    // makes that durable: a file may be overwritten only once it has lost its name for good.
    Result<void, Failure> recycle_before(std::uint64_t number);

    [[nodiscard]] std::uint64_t segment_size() const noexcept { return segment_size_; }
    // Bytes of all segments and spares.
    [[nodiscard]] std::uint64_t disk_size() const noexcept { return disk_size_; }

private:
    Result<void, Failure> fill_with_zeros(File& file);
    Result<void, Failure> retire(const Segment& segment);
    std::string next_name(SegmentKind kind) { return segment_file_name(kind, next_name_++); }
    void count_files();

    Storage& storage_;
    const std::uint64_t segment_size_;
    std::vector<Segment> segments_;    // in order; the last is the active one, if one was opened
    std::vector<std::string> spares_;  // their names
    std::uint64_t next_name_ = 1;
    std::unique_ptr<File> active_;
    std::uint32_t seed_ = 0;
    std::uint64_t offset_ = 0;  // where the active segment's next frame goes
    std::atomic<std::size_t> spare_count_{0};
    std::atomic<std::uint64_t> disk_size_{0};
};

}  // namespace inod
