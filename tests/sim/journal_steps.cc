#include "tests/sim/journal_steps.h"

#include <algorithm>
#include <array>

#include "lib/journal/frame.h"

namespace inod::sim {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(Step::end)> step_names = {
    "anything else",
    "a group of log records",
    "a group with a piece of a snapshot",
    "a group with the end of a snapshot",
    "the header of a segment",
    "the frame that names it",
    "the header where a snapshot begins",
    "the frame that names it",
    "the header that names a new base",
    "the frame that names it",
    "making a spare",
    "a header in a file that was used before",
    "removing a file",
};

// With zeros, where a frame has its checksum, LSN and all.
bool fills_spare(const DiskCall& call) {
    const auto front = call.bytes.first(frame_header_size);
    return std::all_of(front.begin(), front.end(), [](std::byte b) { return b == std::byte{0}; });
}

// The last frame of a snapshot is the last of its group.
bool ends_snapshot(std::span<const std::byte> frames) {
    while (frames.size() >= frame_header_size) {
        const FrameHeader header = first_header(frames);
        if (header.type == FrameType::snapshot_end) return true;
        frames = frames.subspan(std::min(frames.size(), frame_size_on_disk(header.size)));
    }
    return false;
}

}  // namespace

std::string_view name(Step step) {
    return step_names.at(static_cast<std::size_t>(step));
}

Step JournalSteps::on_call(const DiskCall& call) {
    opens_segment_ = reuses_file_ = false;
    if (call.call == "remove") return Step::removal;
    if (call.call == "create" || call.call == "rename" || call.call == "sync_names") {
        return Step::spare;
    }
    if (call.call == "sync") return step_;
    if (call.call != "write") return Step::other;
    return step_ = on_write(call);
}

Step JournalSteps::on_write(const DiskCall& call) {
    if (call.offset == 0 && call.size == segment_header_size) return on_header(call);
    // Zeros behind the header.
    if (call.offset == frames_offset && call.size == frame_header_size) return step_;
    if (call.size < frame_header_size) return Step::other;
    if (fills_spare(call)) return Step::spare;
    const FrameType type = first_header(call.bytes).type;
    if (type == FrameType::next) return naming_;
    if (!is_snapshot(type)) return Step::group;
    return ends_snapshot(call.bytes) ? Step::snapshot_end : Step::snapshot_piece;
}

Step JournalSteps::on_header(const DiskCall& call) {
    SegmentHeaderBytes bytes{};
    std::copy(call.bytes.begin(), call.bytes.end(), bytes.begin());
    const auto header = decode_segment_header(bytes);
    if (!header) return Step::other;
    opens_segment_ = true;
    auto& uses = uses_[std::string(call.name)];
    reuses_file_ = ++uses > 1;
    const bool moves_base = base_ != 0 && header->base > base_;
    base_ = header->base;
    naming_ = header->begins_snapshot ? Step::snapshot_name
              : moves_base            ? Step::base_name
                                      : Step::name;
    if (reuses_file_) return Step::recycling;
    return header->begins_snapshot ? Step::snapshot_header
           : moves_base            ? Step::base_header
                                   : Step::header;
}

}  // namespace inod::sim
