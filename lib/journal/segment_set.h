// All files of a journal while it is written: the segments, the one at the end that is appended to,
// and the spares that it goes on in.
//
// A spare is made a step at a time, so that whoever makes it can do other things in between, and
// has its full size, durably, before it counts. To go on in a spare (open_next) takes nothing that
// could be missing: no block, no inode, no name, no memory. Its order of writes is such that a
// crash leaves either the old end or the new one:
//
//   1. the spare gets its header as a segment, and that is synced;
//   2. the active segment gets a frame that names the new one, and that is synced;
//   3. only then is anything written into the new one.
//
// Thread safety: one thread at a time; the counts and disk_size() at any time, from any thread.
//
// Errors: io_error and no_space of the Storage are passed on. After an error of anything but
// advance_spare() with no_space or out_of_memory the set is not to be used any more.
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

class SegmentSet {
public:
    static constexpr std::uint64_t spare = 0;  // in place of a segment's number

    // A journal file.
    struct Slot {
        std::string name;
        std::unique_ptr<File> file;
        std::uint64_t size = 0;  // bytes
        std::uint64_t number = spare;
        std::uint32_t seed = 0;  // of the segment's frames
    };

    // What was found on the disk.
    struct Found {
        std::vector<Slot> slots;
        std::uint64_t newest = spare;   // number of the segment that is gone on from, if any
        std::uint64_t end = 0;          // offset behind its last frame
        std::uint64_t next_number = 1;  // no segment has this number or a higher one
        std::uint64_t next_digits = 1;  // nor has any file these digits, or higher ones
    };

    // New files will have `segment_size` bytes.
    SegmentSet(Storage& storage, std::uint64_t segment_size);

    void adopt(Found found);

    // Does the next step of making a spare, which writes at most 1 MiB. True if that completed one.
    // Errors: no_space and out_of_memory, all is as before then, but for the step's work; io_error.
    Result<bool, Failure> advance_spare();
    [[nodiscard]] std::size_t spare_count() const noexcept { return spare_count_; }
    // Files that are no spares.
    [[nodiscard]] std::size_t in_use_count() const noexcept { return in_use_count_; }
    // Removes spares until `count` are left.
    Result<void, Failure> keep_spares(std::size_t count);

    // Goes on in a spare, which it makes where there is none. `header` comes without number, size
    // and previous, which are filled in; where its base is 0, it is its own. Requires that all that
    // was written is synced.
    Result<void, Failure> open_next(SegmentHeader header);

    // The active segment: its number, the seed of its frames, how many bytes of frames still fit.
    [[nodiscard]] std::uint64_t active_number() const { return active().number; }
    [[nodiscard]] std::uint32_t seed() const { return active().seed; }
    [[nodiscard]] std::uint64_t offset() const { return offset_; }
    [[nodiscard]] std::uint64_t room() const;
    // Writes `bytes`, of which the first `kept` are to stay; the next write goes behind those.
    // Requires kept <= room(), and of what is not to stay at most frame_header_size bytes.
    Result<void, Failure> append(std::span<const std::byte> bytes, std::size_t kept);
    Result<void, Failure> sync() { return active().file->sync(); }

    // Turns all segments below `number` into spares. Requires that the header of a later one, with
    // this base, is durable, and the frame that names it.
    Result<void, Failure> recycle_before(std::uint64_t number);

    [[nodiscard]] std::uint64_t segment_size() const noexcept { return segment_size_; }
    // Bytes of all files.
    [[nodiscard]] std::uint64_t disk_size() const noexcept { return disk_size_; }

private:
    // A file on its way to becoming a spare.
    struct Making {
        std::string name;
        std::string final_name;  // once it is complete
        std::unique_ptr<File> file;
        std::uint64_t filled = 0;  // bytes
    };

    [[nodiscard]] const Slot& active() const { return slots_[active_]; }
    [[nodiscard]] std::size_t find(std::uint64_t number) const;
    Result<void, Failure> begin_spare();
    Result<void, Failure> fill_with_zeros();
    Result<void, Failure> complete_spare();
    Result<void, Failure> end_active(std::uint64_t next, Lsn lsn);
    Result<void, Failure> remove(std::size_t index);
    void count_files();

    Storage& storage_;
    const std::uint64_t segment_size_;
    std::vector<Slot> slots_;
    std::size_t active_ = 0;    // index of the active segment, if slots_ has one
    std::uint64_t offset_ = 0;  // where its next frame goes; 0: there is none
    std::uint64_t next_number_ = 1;
    std::uint64_t next_digits_ = 1;
    Making making_;
    std::atomic<std::size_t> spare_count_{0};
    std::atomic<std::size_t> in_use_count_{0};
    std::atomic<std::uint64_t> disk_size_{0};
};

}  // namespace inod
