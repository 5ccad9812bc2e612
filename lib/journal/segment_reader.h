// The files of a journal as recovery finds them: their headers, and one at a time to be read, a window
// of it in memory.
//
// Thread safety: none of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/base/storage.h"
#include "lib/journal/frame.h"
#include "lib/journal/segment.h"

namespace inod {

class SegmentReader {
public:
    struct Entry {
        std::string name;
        std::unique_ptr<File> file;
        std::uint64_t file_size = 0;
        std::optional<SegmentHeader> header;  // if it is sound
        std::uint32_t seed = 0;
    };

    explicit SegmentReader(Storage& storage) : storage_(storage) {}

    // Opens all journal files and reads their headers. Errors: io_error; record_unknown, for a
    // header of another version; journal_damaged, for one that is of another store than the others
    // or that two files have.
    Result<void, Failure> open_all();

    [[nodiscard]] std::vector<Entry>& entries() { return entries_; }
    [[nodiscard]] const Entry& at(std::size_t index) const { return entries_[index]; }
    // Files that were about to become journal files.
    [[nodiscard]] const std::vector<std::string>& unfinished() const { return unfinished_; }
    // No file has these digits in its name, or higher ones; no header this number, or a higher one.
    [[nodiscard]] std::uint64_t next_digits() const { return next_digits_; }
    [[nodiscard]] std::uint64_t next_number() const;

    // The file that holds segment `number`, as its header says.
    [[nodiscard]] std::optional<std::size_t> find(std::uint64_t number) const;

    // The segment with the highest number that was ever gone on in. One with nothing in it, and
    // which the one before does not name, was about to become the next in a crash: it does not
    // count. Nothing if there is none. Errors: io_error.
    Result<std::optional<std::size_t>, Failure> find_newest();

    // The file that the calls below are about, in place of the one before.
    void open(std::size_t index) noexcept;
    // The frame at `offset`, if it is sound. Its payload is there until the next call.
    [[nodiscard]] std::optional<Frame> frame_at(std::uint64_t offset);
    // What the header of a frame at `offset` says, of a known kind, whether the frame is sound or not.
    [[nodiscard]] std::optional<FrameHeader> unproven_header_at(std::uint64_t offset);
    // True if zeros stand where a frame's header would; if there are but zeros up to the file's end.
    [[nodiscard]] bool is_blank(std::uint64_t offset);
    [[nodiscard]] bool is_blank_from(std::uint64_t offset);
    // Searches from `offset` on, at every place where a frame can stand, for a sound one of a known
    // kind of which `wanted` is true. Returns its offset.
    using Wanted = std::function<bool(const Frame&)>;
    [[nodiscard]] std::optional<std::uint64_t> find_frame(std::uint64_t offset,
                                                          const Wanted& wanted);
    // Why a read failed: ask before anything is concluded from what the five above have not found.
    [[nodiscard]] const Result<void, Failure>& trouble() const noexcept { return trouble_; }

private:
    Result<void, Failure> add(const std::string& name);
    [[nodiscard]] Result<void, Failure> check_one_store() const;
    Result<bool, Failure> was_gone_on_in(std::size_t index);
    [[nodiscard]] std::span<const std::byte> window_at(std::uint64_t offset);
    [[nodiscard]] bool may_be_frame(std::span<const std::byte> bytes) const;

    Storage& storage_;
    std::vector<Entry> entries_;
    std::vector<std::string> unfinished_;
    std::uint64_t next_digits_ = 1;
    std::size_t open_ = 0;  // index of the file that is being read
    std::vector<std::byte> memory_;
    std::uint64_t window_begin_ = 0;  // offset in the file of what is in memory_
    std::size_t window_size_ = 0;     // and how much of memory_ that is
    Result<void, Failure> trouble_;
};

// The number of the segment that a sound `next` frame names; 0 if it is not what the format says.
std::uint64_t named_by(const Frame& frame);

}  // namespace inod
