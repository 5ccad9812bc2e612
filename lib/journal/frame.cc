#include "lib/journal/frame.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/bytes.h"
#include "lib/base/crc32c.h"

namespace inod {
namespace {

constexpr std::size_t crc_size = 4;
constexpr std::size_t behind_at = 16;
constexpr Lsn max_behind = std::numeric_limits<std::uint32_t>::max();

FrameHeader read_header(std::span<const std::byte> bytes) {
    ByteReader reader(bytes.subspan(crc_size, frame_header_size - crc_size));
    FrameHeader header;
    header.size = reader.get<std::uint16_t>();
    header.count = reader.get<std::uint16_t>();
    header.lsn = reader.get<std::uint64_t>();
    header.synced = header.lsn - reader.get<std::uint32_t>() - 1;
    header.type = static_cast<FrameType>(reader.get<std::uint8_t>());
    header.version = reader.get<std::uint8_t>();
    return header;
}

template <class Int>
void put_at(std::span<std::byte> bytes, std::size_t offset, Int value) {
    ByteWriter writer(bytes.subspan(offset, sizeof(Int)));
    writer.put(value);
}

std::uint32_t checksum(std::span<const std::byte> frame, std::size_t payload_size,
                       std::uint32_t seed) {
    return crc32c(frame.subspan(crc_size, frame_header_size - crc_size + payload_size), seed);
}

}  // namespace

Lsn FrameHeader::lsn_count() const {
    if (type == FrameType::log) return count;
    return is_snapshot(type) ? 1 : 0;
}

std::size_t frame_size_on_disk(std::size_t payload_size) {
    const std::size_t size = frame_header_size + payload_size;
    return (size + frame_alignment - 1) / frame_alignment * frame_alignment;
}

std::size_t Frame::size_on_disk() const {
    return frame_size_on_disk(payload.size());
}

bool is_snapshot(FrameType type) {
    return type == FrameType::snapshot_begin || type == FrameType::snapshot_piece ||
           type == FrameType::snapshot_end;
}

std::string_view name(FrameType type) {
    switch (type) {
        case FrameType::log: return "log";
        case FrameType::snapshot_begin: return "snapshot_begin";
        case FrameType::snapshot_piece: return "snapshot_piece";
        case FrameType::snapshot_end: return "snapshot_end";
        case FrameType::clean: return "clean";
        case FrameType::next: return "next";
    }
    return "unknown";
}

bool is_known(const FrameHeader& header) {
    return header.version == frame_version && header.type >= FrameType::log &&
           header.type <= FrameType::next;
}

std::optional<Frame> decode_frame(std::span<const std::byte> bytes, std::uint32_t seed) {
    if (bytes.size() < frame_header_size) return std::nullopt;
    const FrameHeader header = read_header(bytes);
    // No frame has type 0: zeros need no checksum, and the search through an empty segment is
    // quick.
    if (header.type == FrameType{}) return std::nullopt;
    if (header.size > bytes.size() - frame_header_size) return std::nullopt;
    ByteReader reader(bytes);
    if (reader.get<std::uint32_t>() != checksum(bytes, header.size, seed)) return std::nullopt;
    return Frame{header, bytes.subspan(frame_header_size, header.size)};
}

std::optional<std::span<const std::byte>> RecordReader::next() {
    if (count_ == 0) return std::nullopt;
    ByteReader reader(left_);
    const std::size_t size = reader.get<std::uint16_t>();
    const auto record = reader.get_bytes(size);
    if (reader.overflowed() || size == 0 || size > record_size_max) return std::nullopt;
    left_ = left_.subspan(record_prefix_size + size);
    --count_;
    return record;
}

FrameBatch::FrameBatch(std::size_t records_size_max) : records_size_max_(records_size_max) {
    // Every frame but the last is so full that the next record did not fit; and then there are
    // those of add_frame().
    constexpr std::size_t filled_min = frame_payload_max - record_prefix_size - record_size_max;
    const std::size_t frames_max = records_size_max / filled_min + 4;
    // The vector fills itself with zeros: that is the touch.
    buffer_.resize(records_size_max + frames_max * (frame_header_size + frame_alignment) +
                   frame_header_size);
}

void FrameBatch::reset(FrameType type) noexcept {
    records_size_ = 0;
    end_ = 0;
    frame_is_open_ = false;
    frame_.type = type;
}

bool FrameBatch::has_room(std::size_t count, std::size_t size) const noexcept {
    const std::size_t room = records_size_max_ - records_size_;
    return count * (record_prefix_size + size) <= room;
}

bool FrameBatch::add(Lsn lsn, std::span<const std::byte> record) noexcept {
    const std::size_t size = record_prefix_size + record.size();
    INOD_ASSERT(!record.empty() && record.size() <= record_size_max);
    INOD_ASSERT(has_room(1, record.size()));
    if (frame_is_open_ && frame_.size + size > frame_payload_max) close_frame();
    const bool opens_frame = !frame_is_open_;
    if (opens_frame) open_frame(lsn);
    ByteWriter writer(bytes().subspan(end_, size));
    writer.put(static_cast<std::uint16_t>(record.size()));
    writer.put_bytes(record);
    end_ += size;
    records_size_ += size;
    frame_.size = static_cast<std::uint16_t>(frame_.size + size);
    ++frame_.count;
    return opens_frame;
}

void FrameBatch::add_frame(FrameType type, Lsn lsn, std::span<const std::byte> payload) noexcept {
    if (frame_is_open_) close_frame();
    const FrameType type_before = std::exchange(frame_.type, type);
    open_frame(lsn);
    ByteWriter writer(bytes().subspan(end_, payload.size()));
    writer.put_bytes(payload);
    end_ += payload.size();
    frame_.size = static_cast<std::uint16_t>(payload.size());
    close_frame();
    frame_.type = type_before;
}

std::span<std::byte> FrameBatch::finish() noexcept {
    if (frame_is_open_) close_frame();
    const auto behind = bytes().subspan(end_, frame_header_size);
    std::fill(behind.begin(), behind.end(), std::byte{0});
    return bytes().first(end_);
}

void FrameBatch::open_frame(Lsn lsn) noexcept {
    frame_ = FrameHeader{.lsn = lsn, .type = frame_.type};
    frame_at_ = end_;
    end_ += frame_header_size;
    frame_is_open_ = true;
}

void FrameBatch::close_frame() noexcept {
    encode_frame_header(frame_, bytes().subspan(frame_at_, frame_header_size));
    const std::size_t padded_end = frame_at_ + frame_size_on_disk(frame_.size);
    std::fill(buffer_.begin() + static_cast<std::ptrdiff_t>(end_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(padded_end), std::byte{0});
    end_ = padded_end;
    frame_is_open_ = false;
}

void encode_frame_header(const FrameHeader& header, std::span<std::byte> frame) {
    ByteWriter writer(frame.subspan(crc_size, frame_header_size - crc_size));
    writer.put(header.size);
    writer.put(header.count);
    writer.put(header.lsn);
    writer.put(std::uint32_t{0});
    writer.put(static_cast<std::uint8_t>(header.type));
    writer.put(header.version);
    writer.put(std::uint16_t{0});
}

FrameHeader first_header(std::span<const std::byte> frames) {
    return read_header(frames);
}

void seal_frame(std::span<std::byte> frames, Lsn synced, std::uint32_t seed) {
    const FrameHeader header = read_header(frames);
    INOD_ASSERT(synced < header.lsn && header.lsn - synced - 1 <= max_behind);
    put_at(frames, behind_at, static_cast<std::uint32_t>(header.lsn - synced - 1));
    put_at(frames, 0, checksum(frames, header.size, seed));
}

}  // namespace inod
