#include "lib/journal/segment_set.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <new>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/bytes.h"
#include "lib/journal/frame.h"

namespace inod {
namespace {

// What one step of making a spare writes: about what a large group does.
constexpr std::uint64_t step_size = std::uint64_t{1} << 20U;

// Behind whatever was written last: that nothing was begun there.
constexpr std::array<std::byte, frame_header_size> blank{};

}  // namespace

SegmentSet::SegmentSet(Storage& storage, std::uint64_t segment_size)
    : storage_(storage), segment_size_(segment_size) {
    INOD_ASSERT(is_segment_size(segment_size));
}

void SegmentSet::adopt(Found found) {
    slots_ = std::move(found.slots);
    next_number_ = found.next_number;
    next_digits_ = found.next_digits;
    if (found.newest != spare) {
        active_ = find(found.newest);
        offset_ = found.end;
    }
    count_files();
}

std::size_t SegmentSet::find(std::uint64_t number) const {
    const auto found = std::find_if(slots_.begin(), slots_.end(),
                                    [number](const Slot& slot) { return slot.number == number; });
    return static_cast<std::size_t>(found - slots_.begin());
}

void SegmentSet::count_files() {
    std::uint64_t size = 0;
    std::size_t spares = 0;
    for (const Slot& slot : slots_) {
        size += slot.size;
        spares += slot.number == spare ? 1 : 0;
    }
    disk_size_ = size;
    spare_count_ = spares;
    in_use_count_ = slots_.size() - spares;
}

Result<bool, Failure> SegmentSet::advance_spare() {
    if (!making_.file) {
        if (auto begun = begin_spare(); !begun) return begun.error();
    }
    auto done = fill_with_zeros();
    const bool is_complete = done && making_.filled == segment_size_;
    if (is_complete) done = complete_spare();
    if (done) return is_complete;
    // Not to keep what little space there is. If it cannot be removed, the next start does it.
    making_.file.reset();
    static_cast<void>(storage_.remove(making_.name));
    return done.error();
}

// Takes all the memory that the spare takes, so that lack of it is not met between two writes. Where there is
// none that is found out without a throw, which takes memory itself, and reads pages of tables from the disk.
Result<void, Failure> SegmentSet::begin_spare() {
    constexpr std::size_t memory_needed =
        4096;  // more than the names, the file and the slot together
    void* const tried = std::malloc(memory_needed);  // NOLINT(cppcoreguidelines-no-malloc)
    std::free(tried);                                // NOLINT(cppcoreguidelines-no-malloc)
    if (tried == nullptr) return Failure{Errc::out_of_memory, "no memory"};
    try {
        slots_.reserve(slots_.size() + 1);
        Making making{.name = file_name(FileKind::fresh, next_digits_),
                      .final_name = file_name(FileKind::journal, next_digits_ + 1),
                      .file = nullptr};
        next_digits_ += 2;
        auto file = storage_.create(making.name);
        if (!file) return file.error();
        making.file = *std::move(file);
        making_ = std::move(making);
        return {};
    } catch (const std::bad_alloc&) {
        return Failure{Errc::out_of_memory, "no memory"};
    }
}

// With zeros and not by fallocate(2): blocks that were written once can be written again without
// the file system's own journal taking part, which makes fdatasync cheaper.
Result<void, Failure> SegmentSet::fill_with_zeros() {
    static constexpr std::array<std::byte, std::size_t{64} * 1024> zeros{};
    const std::uint64_t end = std::min(segment_size_, making_.filled + step_size);
    while (making_.filled < end) {
        const std::size_t size = std::min<std::uint64_t>(zeros.size(), end - making_.filled);
        auto written = making_.file->write(making_.filled, std::span(zeros).first(size));
        if (!written) return written;
        making_.filled += size;
    }
    return making_.file->sync();
}

// The name is durable before the file is used: a file that a power cut took away would be missed.
Result<void, Failure> SegmentSet::complete_spare() {
    if (auto renamed = storage_.rename(making_.name, making_.final_name); !renamed) return renamed;
    making_.name.swap(making_.final_name);
    if (auto synced = storage_.sync_names(); !synced) return synced;
    slots_.push_back(
        {.name = std::move(making_.name), .file = std::move(making_.file), .size = segment_size_});
    count_files();
    return {};
}

Result<void, Failure> SegmentSet::keep_spares(std::size_t count) {
    while (spare_count_ > count) {
        if (auto removed = remove(find(spare)); !removed) return removed;
        count_files();
    }
    return {};
}

Result<void, Failure> SegmentSet::remove(std::size_t index) {
    const bool is_before_active = index < active_;
    auto removed = storage_.remove(slots_[index].name);
    slots_.erase(slots_.begin() + static_cast<std::ptrdiff_t>(index));
    if (is_before_active) --active_;
    return removed;
}

Result<void, Failure> SegmentSet::open_next(SegmentHeader header) {
    while (spare_count_ == 0) {
        if (auto made = advance_spare(); !made) return made.error();
    }
    const std::size_t index = find(spare);
    Slot& slot = slots_[index];
    header.number = next_number_++;
    header.size = slot.size;
    header.previous = offset_ == 0 ? 0 : active_number();
    if (header.base == 0) header.base = header.number;
    const auto bytes = encode_segment_header(header);
    if (auto written = slot.file->write(0, bytes); !written) return written;
    // Old frames behind a recycled file's new header are unsound; the zeros say that nothing was
    // begun, so that recovery does not report them as torn.
    if (auto written = slot.file->write(frames_offset, blank); !written) return written;
    if (auto synced = slot.file->sync(); !synced) return synced;
    if (offset_ != 0) {
        if (auto ended = end_active(header.number, header.first_lsn); !ended) return ended;
    }
    slot.number = header.number;
    slot.seed = frame_seed(bytes);
    active_ = index;
    offset_ = frames_offset;
    count_files();
    return {};
}

// Writes the frame that says where the journal goes on.
Result<void, Failure> SegmentSet::end_active(std::uint64_t next, Lsn lsn) {
    std::array<std::byte, next_frame_size> bytes{};
    ByteWriter payload{std::span(bytes).subspan(frame_header_size)};
    payload.put(next);
    encode_frame_header({.size = next_payload_size, .lsn = lsn, .type = FrameType::next}, bytes);
    seal_frame(bytes, lsn - 1, seed());
    if (auto written = active().file->write(offset_, bytes); !written) return written;
    return sync();
}

std::uint64_t SegmentSet::room() const {
    const std::uint64_t left = active().size - offset_;
    return left - std::min<std::uint64_t>(left, next_frame_size);
}

Result<void, Failure> SegmentSet::append(std::span<const std::byte> bytes, std::size_t kept) {
    static_assert(frame_header_size <= next_frame_size);
    INOD_ASSERT(kept <= room() && bytes.size() <= kept + frame_header_size);
    if (auto written = active().file->write(offset_, bytes); !written) return written;
    offset_ += kept;
    return {};
}

Result<void, Failure> SegmentSet::recycle_before(std::uint64_t number) {
    for (std::size_t i = 0; i < slots_.size();) {
        Slot& slot = slots_[i];
        const bool is_superfluous = slot.number != spare && slot.number < number;
        if (is_superfluous && slot.size != segment_size_) {
            if (auto removed = remove(i); !removed) return removed;
            continue;
        }
        if (is_superfluous) slot.number = spare;
        ++i;
    }
    count_files();
    return {};
}

}  // namespace inod
