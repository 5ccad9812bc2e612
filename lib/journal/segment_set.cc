#include "lib/journal/segment_set.h"

#include <algorithm>
#include <array>

#include "lib/base/assert.h"
#include "lib/journal/frame.h"

namespace inod {

SegmentSet::SegmentSet(Storage& storage, std::uint64_t segment_size)
    : storage_(storage), segment_size_(segment_size) {
    INOD_ASSERT(segment_size >= segment_size_min && segment_size <= segment_size_max);
    INOD_ASSERT(segment_size % frames_offset == 0);
}

void SegmentSet::adopt(std::vector<Segment> segments, std::vector<std::string> spares,
                       std::uint64_t next_name) {
    segments_ = std::move(segments);
    spares_ = std::move(spares);
    next_name_ = next_name;
    count_files();
}

void SegmentSet::count_files() {
    std::uint64_t size = spares_.size() * segment_size_;
    for (const Segment& segment : segments_)
        size += segment.size;
    disk_size_ = size;
    spare_count_ = spares_.size();
}

Result<void, Failure> SegmentSet::make_spare() {
    const std::string temporary = next_name(SegmentKind::fresh);
    const std::string name = next_name(SegmentKind::spare);
    auto file = storage_.create(temporary);
    if (!file) return file.error();
    if (auto filled = fill_with_zeros(**file); !filled) {
        // Not to keep what little space there is. If it cannot be removed, the next start does it.
        file->reset();
        static_cast<void>(storage_.remove(temporary));
        return filled.error();
    }
    if (auto renamed = storage_.rename(temporary, name); !renamed) {
        static_cast<void>(storage_.remove(temporary));
        return renamed.error();
    }
    spares_.push_back(name);
    count_files();
    return {};
}

// With zeros and not by fallocate(2): blocks that were written once can be written again without
// the file system's own journal taking part, which makes fdatasync cheaper.
Result<void, Failure> SegmentSet::fill_with_zeros(File& file) {
    constexpr std::size_t chunk_size = std::size_t{64} * 1024;
    static constexpr std::array<std::byte, chunk_size> zeros{};
    for (std::uint64_t offset = 0; offset < segment_size_; offset += chunk_size) {
        const std::size_t size = std::min<std::uint64_t>(chunk_size, segment_size_ - offset);
        if (auto written = file.write(offset, std::span(zeros).first(size)); !written) {
            return written.error();
        }
    }
    return file.sync();
}

Result<void, Failure> SegmentSet::open_next(SegmentHeader header) {
    if (spares_.empty()) {
        if (auto made = make_spare(); !made) return made.error();
    }
    header.number = segments_.empty() ? 1 : segments_.back().number + 1;
    header.size = segment_size_;
    if (header.base == 0) header.base = header.number;
    const auto bytes = encode_segment_header(header);
    const std::string spare = spares_.back();
    auto file = storage_.open(spare);
    if (!file) return file.error();
    // Old frames behind a recycled file's new header are unsound; the zeros say that nothing was
    // begun, so that recovery does not report them as torn.
    static constexpr std::array<std::byte, frame_header_size> zeros{};
    if (auto written = (*file)->write(0, bytes); !written) return written.error();
    if (auto written = (*file)->write(frames_offset, zeros); !written) return written.error();
    if (auto synced = (*file)->sync(); !synced) return synced.error();
    const std::string name = segment_file_name(SegmentKind::segment, header.number);
    if (auto renamed = storage_.rename(spare, name); !renamed) return renamed.error();
    if (auto synced = storage_.sync_names(); !synced) return synced.error();
    spares_.pop_back();
    segments_.push_back({header.number, segment_size_});
    active_ = *std::move(file);
    seed_ = frame_seed(bytes);
    offset_ = frames_offset;
    count_files();
    return {};
}

Result<void, Failure> SegmentSet::append(std::span<const std::byte> bytes, std::size_t kept) {
    INOD_ASSERT(kept <= bytes.size() && bytes.size() <= room());
    if (auto written = active_->write(offset_, bytes); !written) return written.error();
    offset_ += kept;
    return {};
}

Result<void, Failure> SegmentSet::recycle_before(std::uint64_t number) {
    // The oldest first: whatever a crash leaves is a sequence without gaps up to the newest.
    std::size_t retired = 0;
    for (; retired < segments_.size() && segments_[retired].number < number; ++retired) {
        if (auto done = retire(segments_[retired]); !done) return done.error();
    }
    if (retired == 0) return {};
    if (auto synced = storage_.sync_names(); !synced) return synced.error();
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(retired));
    count_files();
    return {};
}

Result<void, Failure> SegmentSet::retire(const Segment& segment) {
    const std::string name = segment_file_name(SegmentKind::segment, segment.number);
    if (segment.size != segment_size_ || spares_.size() >= spare_count_max) {
        return storage_.remove(name);
    }
    const std::string spare = next_name(SegmentKind::spare);
    if (auto renamed = storage_.rename(name, spare); !renamed) return renamed.error();
    spares_.push_back(spare);
    return {};
}

}  // namespace inod
