// The frames of a segment: their format, how they are checked, how they are put together.
//
// Thread safety: none of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
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
//        4     4  size     bytes of payload, 0 to frame_payload_max
//        8     8  lsn      log: of the first record in it. clean: one more than of the last record.
//                          snapshot frames: the snapshot is the state after this LSN
//       16     8  synced   all records up to this LSN were known to be durable when it was written
//       24     1  type     a FrameType
//       25     1  version  of the frame's format: frame_version
//       26     2  count    records in the payload
//       28     4  index    snapshot frames: 0 in the begin frame, then one more in each. Others: 0
//       32  size  payload  and zeros up to the next multiple of 8
//
// Payload of log and snapshot_piece: for each record its size, 2 bytes, 1 to record_size_max, then
// the record. Of snapshot_end: 8 bytes, how many records the snapshot has; 4 bytes, CRC-32C of the
// payloads of all its pieces, one behind the other. Of snapshot_begin and clean: nothing.
//
// Behind the last frame of each group stands a header of zeros, overwritten by the next group. It
// lets recovery tell "nothing was begun here" from a torn frame; what counts is the rule of tail
// and damage, see recovery.h.
inline constexpr std::size_t frame_header_size = 4 + 4 + 8 + 8 + 1 + 1 + 2 + 4;
inline constexpr std::size_t frame_type_offset = 24;
inline constexpr std::size_t frame_alignment = 8;
inline constexpr std::uint8_t frame_version = 1;
inline constexpr std::size_t record_prefix_size = 2;
// Half of what the smallest segment holds, so that a frame fits any fresh segment and little is
// left over at the end of a segment.
inline constexpr std::size_t frame_payload_max = std::size_t{28} * 1024;
// No version of the format has a longer payload: bounds what the search for sound frames looks at.
inline constexpr std::size_t frame_payload_limit = std::size_t{64} * 1024;

enum class FrameType : std::uint8_t {
    log = 1,
    snapshot_begin = 2,
    snapshot_piece = 3,
    snapshot_end = 4,
    clean = 5,  // the mark of a clean stop
};

struct FrameHeader {
    std::uint32_t size = 0;
    Lsn lsn = 0;
    Lsn synced = 0;
    FrameType type{};  // may be a value that this version does not know
    std::uint8_t version = frame_version;
    std::uint16_t count = 0;
    std::uint32_t index = 0;
};

struct Frame {
    FrameHeader header;
    std::span<const std::byte> payload;

    // From the start of this frame to that of the next.
    [[nodiscard]] std::size_t size_on_disk() const;
};

std::size_t frame_size_on_disk(std::size_t payload_size);

[[nodiscard]] bool is_snapshot(FrameType type);
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
    [[nodiscard]] bool has_room(std::size_t count, std::size_t size) const noexcept;

    // Adds a record to the last frame or, where that is full, to a new one, whose `lsn` this is.
    // Requires has_room(1, record.size()).
    void add(Lsn lsn, std::span<const std::byte> record) noexcept;
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

// The header of the first of `frames`, which a FrameBatch made.
FrameHeader first_header(std::span<const std::byte> frames);

// Writes what is known only when the first of `frames` is about to be written: its `synced`, its
// `index`, and its crc.
void seal_frame(std::span<std::byte> frames, Lsn synced, std::uint32_t index, std::uint32_t seed);

}  // namespace inod
