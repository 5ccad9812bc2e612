// One segment: its names, its header, and the file that is written to.
//
// Thread safety: none of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "lib/base/storage.h"
#include "lib/journal/journal.h"

namespace inod {

// A segment is a file that has its full size before it gets its name:
//
//   segment-0123456789abcdef   its number in 16 lower-case hexadecimal digits, from 1 without gaps
//   spare-0123456789abcdef     of full size and synced, waiting to become a segment; the digits
//                              only keep the names apart
//   new-0123456789abcdef       about to become a spare
//
// All other files of the directory belong to somebody else and are not looked at.
//
// Its first 512 bytes are its header. Integers are little-endian.
//
//   offset  size  field
//        0     8  magic         "inodjrnl"
//        8     4  crc           CRC-32C of bytes 12 to 511
//       12     2  version       segment_version
//       14     2  flags         bit 0: first segment of a life; bit 1: a snapshot begins in it;
//                               bit 2: it goes on with the snapshot of the segment before
//       16    16  store         the store's identity
//       32     8  number        as in its name
//       40     8  size          bytes of the file
//       48     8  first_lsn     one more than the last LSN before this segment. All up to that was
//                               durable before this header was written
//       56     8  run           the life that wrote it; the first is 1
//       64     8  base          number of the segment from which recovery starts: where the newest
//                               snapshot begins that was whole when this was written, or 1
//       72     8  opening       how many segments this life opened, with this one. So no two
//                               headers are equal, nor are the seeds of their frames
//       80   432  zeros
//
// Frames start at offset 4096: no write of a frame touches the header's page.
inline constexpr std::size_t segment_header_size = 512;
inline constexpr std::uint64_t frames_offset = 4096;
inline constexpr std::uint16_t segment_version = 1;
inline constexpr std::uint64_t segment_size_min = std::uint64_t{64} * 1024;
// Recovery reads a segment in one piece.
inline constexpr std::uint64_t segment_size_max = std::uint64_t{256} << 20U;

struct SegmentHeader {
    bool begins_life = false;
    bool begins_snapshot = false;
    bool continues_snapshot = false;
    StoreId store{};
    std::uint64_t number = 0;
    std::uint64_t size = 0;
    Lsn first_lsn = 0;
    std::uint64_t run = 0;
    std::uint64_t base = 0;
    std::uint64_t opening = 0;
};

using SegmentHeaderBytes = std::array<std::byte, segment_header_size>;

SegmentHeaderBytes encode_segment_header(const SegmentHeader& header);

// The crc of an encoded header: what the checksums of its frames go on from.
std::uint32_t frame_seed(const SegmentHeaderBytes& bytes);

// Errors: journal_damaged, record_unknown. The message does not name the file.
Result<SegmentHeader, Failure> decode_segment_header(const SegmentHeaderBytes& bytes);

enum class SegmentKind { segment, spare, fresh };

struct SegmentName {
    SegmentKind kind;
    std::uint64_t number;
};

std::string segment_file_name(SegmentKind kind, std::uint64_t number);
// Nothing if the name is not one of ours.
std::optional<SegmentName> parse_segment_name(const std::string& name);

}  // namespace inod
