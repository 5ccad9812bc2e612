// The frames of a segment: their format, how they are checked, how they are put together.
//
// Thread safety: none of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "lib/journal/journal.h"

namespace inod {

// Behind its header a segment is a sequence of frames, each at a multiple of 8 bytes from the
// file's start. Integers are little-endian.
//
//   offset  size  field
//        0     4  crc      CRC-32C of bytes 4 to the end of the payload, continued from the crc of
//                          the segment's own header, which covers the store's identity, the
//                          segment's number and its place in the log. So an old frame in a recycled
//                          segment, or one from another store, is never sound
//        4     2  size     bytes of payload, 0 to frame_payload_max
//        6     2  count    records in the payload
//        8     8  lsn      of the first that it holds: log frames have an LSN for each record,
//                          snapshot frames one for the frame. clean and next hold none: there it is
//                          the one that comes next
//       16     4  behind   lsn - behind - 1 is the last LSN that was known to be durable when the
//                          frame was written
//       20     1  type     a FrameType
//       21     1  version  of the frame's format: frame_version
//       22     2  zero
//       24  size  payload  and zeros up to the next multiple of 8
//
// Payload of log and snapshot_piece: for each record its size, 2 bytes, 1 to record_size_max, then
// the record. Of next: 8 bytes, the number of the segment that goes on. Of the others: nothing.
//
// Behind the last frame of each group stands a header of zeros, overwritten by the next group. It
// lets recovery tell "nothing was begun here" from a torn frame; what counts is the rule of tail
// and damage, see recovery.h.
inline constexpr std::size_t frame_header_size = 4 + 2 + 2 + 8 + 4 + 1 + 1 + 2;
inline constexpr std::size_t frame_type_offset = 20;
inline constexpr std::size_t frame_alignment = 8;
inline constexpr std::uint8_t frame_version = 2;
inline constexpr std::size_t record_prefix_size = 2;
// Small, so that little stays unused at the end of a segment; large beside a frame's header.
inline constexpr std::size_t frame_payload_max = 4096;
// What the size field can say: a damaged frame may.
inline constexpr std::size_t frame_payload_limit = 65'535;
inline constexpr std::size_t next_payload_size = 8;
// The whole frame that ends a segment which another one follows.
inline constexpr std::size_t next_frame_size = frame_header_size + next_payload_size;

enum class FrameType : std::uint8_t {
    log = 1,
    snapshot_begin = 2,  // the first frame of its segment
    snapshot_piece = 3,  // a part of the state as it is at this LSN
    snapshot_end = 4,
    clean = 5,  // the mark of a clean stop
    next = 6,   // the last frame of its segment: another one goes on
};

struct FrameHeader {
    std::uint16_t size = 0;
    std::uint16_t count = 0;
    Lsn lsn = 0;
    Lsn synced = 0;
    FrameType type{};  // may be a value that this version does not know
    std::uint8_t version = frame_version;

    // How many LSNs it holds.
    [[nodiscard]] Lsn lsn_count() const;
};

struct Frame {
    FrameHeader header;
    std::span<const std::byte> payload;

    // From the start of this frame to that of the next.
    [[nodiscard]] std::size_t size_on_disk() const;
};

std::size_t frame_size_on_disk(std::size_t payload_size);

[[nodiscard]] bool is_snapshot(FrameType type);
// As docs/format.md calls it; "unknown" for a type that this version does not know.
[[nodiscard]] std::string_view name(FrameType type);
// True if this version knows the frame's type and version.
[[nodiscard]] bool is_known(const FrameHeader& header);

// The frame at the start of `bytes`, if it is sound: it ends within `bytes` and its checksum fits.
// `seed` is the crc of the segment's header.
std::optional<Frame> decode_frame(std::span<const std::byte> bytes, std::uint32_t seed);

// The records of a sound log or snapshot_piece frame, one a call.
class RecordReader {
public:
    explicit RecordReader(const Frame& frame) : left_(frame.payload), count_(frame.header.count) {}

    // The next record; none at the end, or where the payload is not what the format says.
    std::optional<std::span<const std::byte>> next();

    // True if all records were read and nothing is left over.
    [[nodiscard]] bool complete() const { return count_ == 0 && left_.empty(); }

private:
    std::span<const std::byte> left_;
    std::uint32_t count_;
};

// Collects records and puts them into frames, in a buffer that never grows.
class FrameBatch {
public:
    // Room for frames with `records_size_max` bytes of records and their prefixes. All of it is
    // written to once, so that no later touch of it can find the machine out of memory.
    explicit FrameBatch(std::size_t records_size_max);

    // Empties it. The frames to come will be of `type`.
    void reset(FrameType type) noexcept;

    [[nodiscard]] bool empty() const noexcept { return end_ == 0; }
    // For so many records of this size, together less than 2^64 bytes?
    [[nodiscard]] bool has_room(std::size_t count, std::size_t size) const noexcept;
    // Bytes of the records in it, with their prefixes.
    [[nodiscard]] std::size_t records_size() const noexcept { return records_size_; }

    // Adds a record to the last frame or, where that is full, to a new one, whose `lsn` this is:
    // true then. Requires has_room(1, record.size()).
    bool add(Lsn lsn, std::span<const std::byte> record) noexcept;
    // Adds a frame without records. Requires has_room(1, payload.size()).
    void add_frame(FrameType type, Lsn lsn, std::span<const std::byte> payload) noexcept;

    // The frames, complete but for what seal_frame() writes. After it only reset() is allowed.
    // Behind them, in the same memory, stand frame_header_size zeros.
    [[nodiscard]] std::span<std::byte> finish() noexcept;

private:
    [[nodiscard]] std::span<std::byte> bytes() noexcept { return buffer_; }
    void open_frame(Lsn lsn) noexcept;
    void close_frame() noexcept;

    const std::size_t records_size_max_;
    std::vector<std::byte> buffer_;
    std::size_t records_size_ = 0;
    std::size_t end_ = 0;         // bytes of buffer_ in use
    std::size_t frame_at_ = 0;    // where the open frame starts
    bool frame_is_open_ = false;  // no other frame is, and it is the last
    FrameHeader frame_;           // of the open frame
};

// Writes the header of a frame into its first frame_header_size bytes, all but what seal_frame()
// writes.
void encode_frame_header(const FrameHeader& header, std::span<std::byte> frame);

// The header at the start of `frames`, sound or not.
FrameHeader first_header(std::span<const std::byte> frames);

// Writes what is known only when the first of `frames` is about to be written: up to which LSN all
// is durable, and its crc. Requires synced < its lsn.
void seal_frame(std::span<std::byte> frames, Lsn synced, std::uint32_t seed);

}  // namespace inod
