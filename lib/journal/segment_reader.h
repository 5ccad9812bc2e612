// The segments of a journal as recovery reads them: their headers, and one at a time in memory.
//
// Thread safety: none of its own.
#pragma once

#include <cstdint>
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
        std::uint64_t number = 0;
        std::uint64_t file_size = 0;
        SegmentHeader header;  // meaningful from first() on, after read_headers()
        std::uint32_t seed = 0;
    };

    // `numbers` in ascending order, not empty.
    SegmentReader(Storage& storage, const std::vector<std::uint64_t>& numbers);

    // Reads all files' sizes and the headers from the newest one's base on, and checks each by
    // itself and against the one before. Errors: journal_damaged, record_unknown, io_error.
    Result<void, Failure> read_headers();

    [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
    [[nodiscard]] const Entry& at(std::size_t index) const { return entries_[index]; }
    [[nodiscard]] std::size_t count() const { return entries_.size(); }
    [[nodiscard]] const SegmentHeader& newest() const { return entries_.back().header; }
    // Index of the first segment that is not below the newest one's base.
    [[nodiscard]] std::size_t first() const { return first_; }
    // True if segment `number` up to the newest are all there.
    [[nodiscard]] bool is_complete_from(std::uint64_t number) const;
    [[nodiscard]] std::uint64_t first_missing_from(std::uint64_t number) const;

    // Takes a segment into memory, in place of the one before. Errors: io_error, journal_damaged.
    Result<void, Failure> load(std::size_t index);
    // The frame at `offset` of the loaded segment, if it is sound.
    [[nodiscard]] std::optional<Frame> frame_at(std::uint64_t offset) const;
    // True if zeros stand where a frame's header would.
    [[nodiscard]] bool is_blank(std::uint64_t offset) const;

    // Searches the loaded segment from `offset` on, at every place where a frame can stand, for a
    // sound one of which `wanted` is true. Returns its offset.
    template <class Wanted>
    [[nodiscard]] std::optional<std::uint64_t> find(std::uint64_t offset, Wanted wanted) const {
        for (; offset + frame_header_size <= bytes_.size(); offset += frame_alignment) {
            // Most of a segment is zeros, and no frame has type 0: a quick look spares the
            // decoding.
            if (bytes_[offset + frame_type_offset] == std::byte{0}) continue;
            const auto frame = frame_at(offset);
            if (frame && wanted(frame->header)) return offset;
        }
        return std::nullopt;
    }

private:
    Result<void, Failure> read_header(Entry& entry);
    [[nodiscard]] Result<void, Failure> check(const Entry& entry, const Entry* before) const;

    Storage& storage_;
    std::vector<Entry> entries_;
    std::size_t first_ = 0;
    std::optional<std::size_t> loaded_;  // index of the segment in bytes_
    std::vector<std::byte> bytes_;
};

// "segment-0000000000000001", for messages.
std::string segment_name(std::uint64_t number);

}  // namespace inod
