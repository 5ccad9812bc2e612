// One segment: what its file is called, and its header.
//
// Thread safety: none of its own.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "lib/base/storage.h"
#include "lib/journal/journal.h"

namespace inod {

// A segment lives in a file that had its full size before it got its name:
//
//   journal-0123456789abcdef   holds a segment, or is a spare: its header says which. The 16
//                              lower-case hexadecimal digits only keep the names apart
//   new-0123456789abcdef       about to become a journal file
//
// A file keeps its name as long as it lives: to go on in a spare takes no block, inode or name that
// is not there already. All other files of the directory belong to somebody else and are not
// looked at.
//
// Its first 512 bytes are the header. Integers are little-endian.
//
//   offset  size  field
//        0     8  magic         "inodjrnl"
//        8     4  crc           CRC-32C of bytes 12 to 511
//       12     2  version       segment_version
//       14     2  flags         bit 0: first segment of a life; bit 1: a snapshot begins in it;
//                               bit 2: the store has a witness
//       16    16  store         the store's identity
//       32     8  number        from 1, ascending, with gaps: no two headers of a store have one
//       40     8  size          bytes of the file
//       48     8  first_lsn     one more than the last LSN before this segment. All up to that was
//                               durable before this header was written
//       56     8  run           the life that wrote it; the first is 1, each has a higher one
//       64     8  base          number of the segment from which recovery starts: where the newest
//                               snapshot begins that was durable when this was written, or 1
//       72     8  previous      number of the segment that this one follows; 0 for the very first
//       80    16  machine       the machine that the life ran on, as it was told; or zeros
//       96    16  vm            the virtual machine's generation, likewise
//      112   400  zeros
//
// Frames start at offset 4096, so that no write of frames touches the header's block.
inline constexpr std::size_t segment_header_size = 512;
inline constexpr std::uint64_t frames_offset = 4096;
inline constexpr std::uint16_t segment_version = 2;
inline constexpr std::uint64_t segment_size_min = std::uint64_t{64} << 10U;
// Recovery reads a segment in one piece.
inline constexpr std::uint64_t segment_size_max = std::uint64_t{256} << 20U;

struct SegmentHeader {
    bool begins_life = false;
    bool begins_snapshot = false;
    bool has_witness = false;
    StoreId store{};
    std::uint64_t number = 0;
    std::uint64_t size = 0;
    Lsn first_lsn = 0;
    std::uint64_t run = 0;
    std::uint64_t base = 0;
    std::uint64_t previous = 0;
    MachineId machine{};
    MachineId vm{};
};

// There are always some above it, for the life and for the adoption that come next.
inline constexpr std::uint64_t run_max = UINT64_MAX - 4;

// Can a segment have this size?
constexpr bool is_segment_size(std::uint64_t size) {
    return size >= segment_size_min && size <= segment_size_max && size % frames_offset == 0;
}

using SegmentHeaderBytes = std::array<std::byte, segment_header_size>;

SegmentHeaderBytes encode_segment_header(const SegmentHeader& header);

// The crc of an encoded header: what the checksums of its frames go on from.
std::uint32_t frame_seed(const SegmentHeaderBytes& bytes);

// Errors: journal_damaged, record_unknown. The message does not name the file.
Result<SegmentHeader, Failure> decode_segment_header(const SegmentHeaderBytes& bytes);

// "segment 7", for messages.
std::string segment_name(std::uint64_t number);

enum class FileKind { journal, fresh };

struct FileName {
    FileKind kind;
    std::uint64_t digits;
};

std::string file_name(FileKind kind, std::uint64_t digits);
// Nothing if the name is not one of ours.
std::optional<FileName> parse_file_name(const std::string& name);

}  // namespace inod
