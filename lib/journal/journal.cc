#include "lib/journal/journal.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/bytes.h"
#include "lib/base/crc32c.h"
#include "lib/journal/frame.h"
#include "lib/journal/recovery.h"
#include "lib/journal/segment_set.h"

namespace inod {
namespace {

// A snapshot is worth its cost once the log is as long as this many segments, and twice as long as
// the last snapshot: so all snapshots together write at most half of what the log writes.
constexpr std::uint64_t log_segments_min = 4;
constexpr std::uint64_t log_to_snapshot_min = 2;

// After a failure for lack of space flush() tries again after 1, 2, 4, .. flushes, at most this
// many: each trial writes until the disk is full.
constexpr std::uint64_t flushes_between_trials_max = 1024;

constexpr std::size_t group_size_min = std::size_t{64} * 1024;

// A group takes at most one new segment, since one spare is what is kept: all its frames fit there.
// Heads and padding are far less than a 32nd of them.
std::size_t group_size(const JournalOptions& options) {
    const std::uint64_t room = options.segment_size - frames_offset;
    return std::min<std::uint64_t>(options.group_size_max, room - room / 32);
}

}  // namespace

class Journal::Impl {
public:
    Impl(Storage& storage, const JournalOptions& options)
        : storage_(storage),
          fresh_id_(options.fresh_id),
          set_(storage, options.segment_size),
          batches_{FrameBatch(group_size(options)), FrameBatch(group_size(options))} {
        INOD_ASSERT(options.group_size_max >= group_size_min);
        collecting().reset(FrameType::log);
    }

    Result<Recovery, Failure> recover(Replay& replay);
    [[nodiscard]] bool has_room(std::size_t count, std::size_t size) const noexcept {
        return batches_.at(collecting_).has_room(count, size);
    }
    Lsn append(std::span<const std::byte> record) noexcept;
    bool begin_flush() noexcept;
    Result<void, Failure> flush();
    Lsn end_flush() noexcept;
    Result<void, Failure> make_space();
    Result<void, Failure> snapshot(const std::function<Result<void, Failure>(const Emit&)>& write);
    Result<void, Failure> close();

    [[nodiscard]] Lsn last_lsn() const noexcept { return last_lsn_; }
    [[nodiscard]] Lsn durable_lsn() const noexcept { return durable_lsn_; }
    [[nodiscard]] bool sealed() const noexcept { return sealed_; }
    [[nodiscard]] bool has_space() const noexcept { return has_space_; }
    [[nodiscard]] bool wants_snapshot() const noexcept {
        return has_space() && log_size_ >= snapshot_not_before_ &&
               log_size_ > std::max(log_segments_min * set_.segment_size(),
                                    log_to_snapshot_min * snapshot_size_);
    }
    [[nodiscard]] std::uint64_t disk_size() const noexcept { return set_.disk_size(); }
    [[nodiscard]] std::uint64_t log_size() const noexcept { return log_size_; }

private:
    enum class State { fresh, open, closed };

    FrameBatch& collecting() { return batches_.at(collecting_); }
    FrameBatch& under_way() { return batches_.at(1 - collecting_); }

    Result<void, Failure> make_durable(const Scan::Unproven& unproven);
    Result<void, Failure> tidy(const Scan& scan);
    Result<void, Failure> open_segment(SegmentHeader kind, Lsn first_lsn);
    Result<void, Failure> write_frames(FrameBatch& batch, Lsn synced);
    Result<std::size_t, Failure> write_what_fits(std::span<std::byte> frames, std::size_t behind,
                                                 Lsn synced);
    Result<void, Failure> write_and_sync(FrameBatch& batch, Lsn synced);
    Result<void, Failure> keep_spare();
    Result<void, Failure> reserve_for_snapshot(std::uint64_t records_size);
    Result<void, Failure> write_snapshot(
        const std::function<Result<void, Failure>(const Emit&)>& write);
    Failure seal(Failure failure) {
        sealed_ = true;
        return failure;
    }
    static Failure already_sealed() {
        return {Errc::journal_sealed, "journal: an earlier write or sync failed"};
    }

    Storage& storage_;
    const StoreId fresh_id_;
    State state_ = State::fresh;
    std::atomic<bool> sealed_{false};

    // Under the caller's lock.
    Lsn last_lsn_ = 0;
    Lsn durable_lsn_ = 0;
    Lsn under_way_lsn_ = 0;  // the last of the group under way
    bool is_under_way_ = false;
    bool is_written_ = false;  // flush() succeeded for the group under way
    std::size_t collecting_ = 0;

    // Of whoever flushes, but for what set_ gives to all.
    SegmentSet set_;
    StoreId store_{};
    std::uint64_t run_ = 0;
    std::uint64_t base_ = 0;
    std::uint64_t opening_ = 0;
    std::uint32_t snapshot_index_ = 0;  // of the next snapshot frame
    std::uint64_t flushes_to_trial_ = 0;
    std::uint64_t flushes_between_trials_ = 1;
    std::atomic<bool> has_space_{true};
    std::atomic<std::uint64_t> log_size_{0};
    std::atomic<std::uint64_t> snapshot_size_{0};
    std::atomic<std::uint64_t> snapshot_not_before_{0};  // this log_size_: there was no space

    std::array<FrameBatch, 2> batches_;
};

Result<Recovery, Failure> Journal::Impl::recover(Replay& replay) {
    INOD_ASSERT(state_ == State::fresh);
    auto found = scan(storage_, replay);
    if (!found) return seal(found.error());

    // Everything that can refuse the journal comes before this line, all writing after it.
    if (found->unproven) {
        if (auto done = make_durable(*found->unproven); !done) return seal(done.error());
    }
    Recovery recovery = found->recovery;
    recovery.created = found->segments.empty();
    if (recovery.created) {
        recovery.id = fresh_id_;
        recovery.clean = true;
    }
    ++recovery.run;
    store_ = recovery.id;
    run_ = recovery.run;
    base_ = found->base;
    last_lsn_ = durable_lsn_ = recovery.last_lsn;
    snapshot_size_ = found->snapshot_size;
    if (auto done = tidy(*found); !done) return seal(done.error());
    std::uint64_t replayed = 0;
    for (const SegmentSet::Segment& segment : found->segments)
        replayed += segment.number >= base_ ? segment.size : 0;
    log_size_ = replayed - std::min(replayed, found->snapshot_size);

    auto opened = open_segment({.begins_life = true}, last_lsn_ + 1);
    if (!opened) return seal(opened.error());
    if (auto kept = keep_spare(); !kept) return seal(kept.error());
    state_ = State::open;
    return recovery;
}

// See Scan::Unproven.
Result<void, Failure> Journal::Impl::make_durable(const Scan::Unproven& unproven) {
    auto file = storage_.open(segment_file_name(SegmentKind::segment, unproven.segment));
    if (!file) return file.error();
    std::array<std::byte, 4096> page{};
    for (std::uint64_t at = unproven.begin; at < unproven.end; at += page.size()) {
        const auto part =
            std::span(page).first(std::min<std::uint64_t>(page.size(), unproven.end - at));
        auto read = (*file)->read(at, part);
        if (!read) return read.error();
        if (auto written = (*file)->write(at, part.first(*read)); !written) return written.error();
    }
    return (*file)->sync();
}

// Hands the files to the set, without those that a crash left half made or made superfluous.
Result<void, Failure> Journal::Impl::tidy(const Scan& scan) {
    std::vector<std::string> spares;
    std::vector<std::string> useless = scan.unfinished;
    for (const std::string& name : scan.spares) {
        auto file = storage_.open(name);
        auto size = file ? (*file)->size() : file.error();
        if (!size) return size.error();
        const bool fits = *size == set_.segment_size() && spares.size() < spare_count_max;
        (fits ? spares : useless).push_back(name);
    }
    for (const std::string& name : useless) {
        if (auto removed = storage_.remove(name); !removed) return removed.error();
    }
    // A spare may have been a segment until just before a kill, and get that name back in a power
    // cut: only once its present name is durable may another header be written into it.
    if (auto synced = storage_.sync_names(); !synced) return synced.error();
    set_.adopt(scan.segments, std::move(spares), scan.next_name);
    return set_.recycle_before(base_);
}

Lsn Journal::Impl::append(std::span<const std::byte> record) noexcept {
    INOD_ASSERT(state_ == State::open);
    collecting().add(last_lsn_ + 1, record);
    return ++last_lsn_;
}

bool Journal::Impl::begin_flush() noexcept {
    INOD_ASSERT(!is_under_way_);
    if (collecting().empty()) return false;
    is_under_way_ = true;
    is_written_ = false;
    under_way_lsn_ = last_lsn_;
    collecting_ = 1 - collecting_;
    collecting().reset(FrameType::log);
    return true;
}

Result<void, Failure> Journal::Impl::flush() {
    INOD_ASSERT(is_under_way_);
    if (sealed_) return already_sealed();
    if (auto done = write_and_sync(under_way(), durable_lsn_); !done) return seal(done.error());
    if (auto kept = keep_spare(); !kept) return seal(kept.error());
    is_written_ = true;
    return {};
}

Lsn Journal::Impl::end_flush() noexcept {
    INOD_ASSERT(is_under_way_ && is_written_);
    is_under_way_ = false;
    durable_lsn_ = under_way_lsn_;
    return durable_lsn_;
}

// Requires that all that the active segment holds is synced, as whoever reads the new header will
// conclude that.
Result<void, Failure> Journal::Impl::open_segment(SegmentHeader kind, Lsn first_lsn) {
    kind.store = store_;
    kind.first_lsn = first_lsn;
    kind.run = run_;
    kind.base = base_;
    kind.opening = ++opening_;
    if (auto opened = set_.open_next(kind); !opened) return opened.error();
    if (base_ == 0) base_ = set_.active_number();
    return {};
}

Result<void, Failure> Journal::Impl::write_and_sync(FrameBatch& batch, Lsn synced) {
    if (auto written = write_frames(batch, synced); !written) return written.error();
    return set_.sync();
}

// Writes the batch's frames, going on in the next segment where one is full.
Result<void, Failure> Journal::Impl::write_frames(FrameBatch& batch, Lsn synced) {
    std::span<std::byte> left = batch.finish();
    while (!left.empty()) {
        auto fitted = write_what_fits(left, frame_header_size, synced);
        if (!fitted) return fitted.error();
        left = left.subspan(*fitted);
        if (left.empty()) break;
        if (auto done = set_.sync(); !done) return done.error();
        const FrameHeader next = first_header(left);
        const bool in_snapshot = is_snapshot(next.type);
        synced = in_snapshot ? next.lsn : next.lsn - 1;
        log_size_ += set_.room();  // what stays unused counts as well
        auto opened = open_segment({.continues_snapshot = in_snapshot}, synced + 1);
        if (!opened) return opened.error();
    }
    return {};
}

// Seals and writes, in one call, as many of the frames as fit the active segment; if all do, then
// also as much of the `behind` zeros that stand behind them. Returns the size of those frames.
Result<std::size_t, Failure> Journal::Impl::write_what_fits(std::span<std::byte> frames,
                                                            std::size_t behind, Lsn synced) {
    const std::uint64_t room = set_.room();
    std::size_t fitting = 0;
    while (fitting < frames.size()) {
        const auto rest = frames.subspan(fitting);
        const FrameHeader header = first_header(rest);
        const std::size_t size = frame_size_on_disk(header.size);
        if (fitting + size > room) break;
        const std::uint32_t index = is_snapshot(header.type) ? snapshot_index_++ : 0;
        seal_frame(rest, synced, index, set_.seed());
        fitting += size;
    }
    std::size_t size = fitting;
    if (fitting == frames.size()) size += std::min<std::uint64_t>(behind, room - fitting);
    if (fitting == 0) return fitting;
    auto written = set_.append(std::span(frames.data(), size), fitting);
    if (!written) return written.error();
    log_size_ += fitting;
    return fitting;
}

// Makes the next spare if there is none. That there is no space for it is no failure yet.
Result<void, Failure> Journal::Impl::keep_spare() {
    if (set_.spare_count() == 0 && flushes_to_trial_ > 0) {
        --flushes_to_trial_;
        return {};
    }
    auto made = set_.spare_count() > 0 ? Result<void, Failure>() : set_.make_spare();
    if (made) {
        has_space_ = true;
        flushes_to_trial_ = 0;
        flushes_between_trials_ = 1;
        return {};
    }
    if (made.error().code != Errc::no_space) return made.error();
    has_space_ = false;
    flushes_to_trial_ = flushes_between_trials_;
    flushes_between_trials_ = std::min(2 * flushes_between_trials_, flushes_between_trials_max);
    return {};
}

Result<void, Failure> Journal::Impl::make_space() {
    INOD_ASSERT(!is_under_way_);
    if (sealed_) return already_sealed();
    flushes_to_trial_ = 0;
    if (auto kept = keep_spare(); !kept) return seal(kept.error());
    return {};
}

Result<void, Failure> Journal::Impl::snapshot(
    const std::function<Result<void, Failure>(const Emit&)>& write) {
    INOD_ASSERT(state_ == State::open && !is_under_way_ && collecting().empty());
    if (sealed_) return already_sealed();
    std::uint64_t records_size = 0;
    const Emit measure = [&](std::span<const std::byte> record) -> Result<void, Failure> {
        records_size += record_prefix_size + record.size();
        return {};
    };
    if (auto measured = write(measure); !measured) return seal(measured.error());
    if (auto reserved = reserve_for_snapshot(records_size); !reserved) {
        if (reserved.error().code != Errc::no_space) return seal(reserved.error());
        // Nothing was begun yet, so the journal goes on, and for another segment without a
        // snapshot.
        snapshot_not_before_ = log_size_ + set_.segment_size();
        return reserved.error();
    }
    if (auto written = write_snapshot(write); !written) return seal(written.error());
    if (auto kept = keep_spare(); !kept) return seal(kept.error());
    return {};
}

// Spares for a whole snapshot, beforehand, since one that runs out of space on its way seals the
// journal. `records_size` is with the prefixes.
Result<void, Failure> Journal::Impl::reserve_for_snapshot(std::uint64_t records_size) {
    // At the end of a segment less than a frame stays unused. Heads and padding of the frames are
    // far less than a 64th of them, but for the first and the last, which have little or nothing
    // in them.
    constexpr std::uint64_t frame_size_max =
        frame_header_size + frame_payload_max + frame_alignment;
    const std::uint64_t usable = set_.segment_size() - frames_offset - frame_size_max;
    const std::uint64_t size = records_size + records_size / 64 + 4 * frame_header_size;
    const std::uint64_t count = 1 + size / usable;
    while (set_.spare_count() < count) {
        if (auto made = set_.make_spare(); !made) return made.error();
    }
    return {};
}

Result<void, Failure> Journal::Impl::write_snapshot(
    const std::function<Result<void, Failure>(const Emit&)>& write) {
    const Lsn lsn = last_lsn_;
    if (auto opened = open_segment({.begins_snapshot = true}, lsn + 1); !opened) {
        return opened.error();
    }
    const std::uint64_t first_segment = set_.active_number();
    const std::uint64_t log_size_before = log_size_;
    snapshot_index_ = 0;
    std::uint64_t count = 0;
    std::uint32_t crc = 0;
    FrameBatch& batch = under_way();  // free, as no flush is under way
    batch.reset(FrameType::snapshot_piece);
    batch.add_frame(FrameType::snapshot_begin, lsn, {});
    const Emit emit = [&](std::span<const std::byte> record) -> Result<void, Failure> {
        if (!batch.has_room(1, record.size())) {
            if (auto written = write_frames(batch, lsn); !written) return written.error();
            batch.reset(FrameType::snapshot_piece);
        }
        batch.add(lsn, record);
        const auto size = to_little_endian(static_cast<std::uint16_t>(record.size()));
        crc = crc32c(record, crc32c(std::as_bytes(std::span(&size, 1)), crc));
        ++count;
        return {};
    };
    if (auto emitted = write(emit); !emitted) return emitted.error();
    std::array<std::byte, sizeof(count) + sizeof(crc)> totals{};
    ByteWriter writer(totals);
    writer.put(count);
    writer.put(crc);
    batch.add_frame(FrameType::snapshot_end, lsn, totals);
    if (auto written = write_and_sync(batch, lsn); !written) return written.error();

    // From here on the snapshot counts, and what is before it does not.
    base_ = first_segment;
    snapshot_size_ = log_size_ - log_size_before;
    log_size_ = 0;
    snapshot_not_before_ = 0;
    return set_.recycle_before(first_segment);
}

Result<void, Failure> Journal::Impl::close() {
    INOD_ASSERT(state_ == State::open && !is_under_way_ && collecting().empty());
    if (sealed_) return already_sealed();
    state_ = State::closed;
    FrameBatch& batch = under_way();
    batch.reset(FrameType::clean);
    batch.add_frame(FrameType::clean, last_lsn_ + 1, {});
    if (auto done = write_and_sync(batch, durable_lsn_); !done) return seal(done.error());
    return {};
}

Journal::Journal(Storage& storage, const JournalOptions& options)
    : impl_(std::make_unique<Impl>(storage, options)) {}
Journal::~Journal() = default;

Result<Recovery, Failure> Journal::recover(Replay& replay) {
    return impl_->recover(replay);
}
bool Journal::has_room(std::size_t count, std::size_t size) const noexcept {
    return impl_->has_room(count, size);
}
Lsn Journal::append(std::span<const std::byte> record) noexcept {
    return impl_->append(record);
}
Lsn Journal::last_lsn() const noexcept {
    return impl_->last_lsn();
}
Lsn Journal::durable_lsn() const noexcept {
    return impl_->durable_lsn();
}
bool Journal::begin_flush() noexcept {
    return impl_->begin_flush();
}
Result<void, Failure> Journal::flush() {
    return impl_->flush();
}
Lsn Journal::end_flush() noexcept {
    return impl_->end_flush();
}
bool Journal::sealed() const noexcept {
    return impl_->sealed();
}
bool Journal::has_space() const noexcept {
    return impl_->has_space();
}
Result<void, Failure> Journal::make_space() {
    return impl_->make_space();
}
bool Journal::wants_snapshot() const noexcept {
    return impl_->wants_snapshot();
}
Result<void, Failure> Journal::snapshot(
    const std::function<Result<void, Failure>(const Emit&)>& write) {
    return impl_->snapshot(write);
}
Result<void, Failure> Journal::close() {
    return impl_->close();
}
std::uint64_t Journal::disk_size() const noexcept {
    return impl_->disk_size();
}
std::uint64_t Journal::log_size() const noexcept {
    return impl_->log_size();
}

}  // namespace inod
