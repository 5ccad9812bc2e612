#include "lib/journal/journal.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "lib/base/assert.h"
#include "lib/journal/frame.h"
#include "lib/journal/recovery.h"
#include "lib/journal/segment_set.h"
#include "lib/journal/space.h"

namespace inod {
namespace {

// A snapshot is worth its cost once the log is as long as this many segments, and twice as long as
// the last snapshot: so all snapshots together write at most half of what the log writes.
constexpr std::uint64_t log_segments_min = 4;
constexpr std::uint64_t log_to_snapshot_min = 2;

// Each life begins a segment. So many more files than the log fills, and a snapshot is worth it too: lives
// that are short would leave more and more of them.
constexpr std::uint64_t short_lives_max = 16;

// What one group can carry of a snapshot, bytes of records.
constexpr std::size_t snapshot_size_per_group_min = 512;
constexpr std::size_t snapshot_size_per_group_max = std::size_t{32} * 1024;

// While a snapshot is written for lack of space the log must grow by no more than an eighth of it:
// lib/journal/space.h. Every group but the last has at least 8 KiB of it, see
// lib/allocator/snapshot_writer.cc. Behind what has_room() sees one more request can come: three
// records of at most 200 bytes, see lib/allocator.
constexpr std::size_t log_size_per_short_group = std::size_t{8} * 1024 / 8 - 3 * std::size_t{200};

// What the smallest snapshot takes.
constexpr std::uint64_t spares_min = 2;

// Beside what is to be set aside for the state as it is: for the log, and for leases to come until
// the next spare is made.
constexpr std::uint64_t spares_ahead = 2;

// More than are to be set aside are kept so far, so that a state that grows and shrinks does not
// make and remove files.
constexpr std::uint64_t spares_kept_beside = 2;

constexpr std::size_t group_size_min = std::size_t{64} * 1024;

// A group takes at most one new segment: all its frames fit there. Heads and padding are far less
// than a 16th of them.
std::size_t group_size(const JournalOptions& options) {
    const std::uint64_t room = options.segment_size - frames_offset;
    return std::min<std::uint64_t>(options.group_size_max, room - room / 16);
}

// Is it made later, when there is more of what was lacking?
bool can_wait(Errc code) {
    return code == Errc::no_space || code == Errc::out_of_memory;
}

// See Scan::Unproven.
Result<void, Failure> make_durable(const Scan& scan) {
    for (const Scan::Unproven& unproven : scan.unproven) {
        const auto slot =
            std::find_if(scan.found.slots.begin(), scan.found.slots.end(),
                         [&](const SegmentSet::Slot& s) { return s.number == unproven.segment; });
        File& file = *slot->file;
        std::array<std::byte, 4096> page{};
        for (std::uint64_t at = unproven.begin; at < unproven.end; at += page.size()) {
            const auto part =
                std::span(page).first(std::min<std::uint64_t>(page.size(), unproven.end - at));
            auto read = file.read(at, part);
            if (!read) return read.error();
            if (auto written = file.write(at, part.first(*read)); !written) return written;
        }
        if (auto synced = file.sync(); !synced) return synced;
    }
    return {};
}

}  // namespace

class Journal::Impl {
public:
    Impl(Storage& storage, const JournalOptions& options)
        : storage_(storage),
          options_(options),
          space_(options.segment_size),
          set_(storage, options.segment_size),
          batches_{FrameBatch(group_size(options)), FrameBatch(group_size(options))},
          pieces_(snapshot_size_per_group_max) {
        INOD_ASSERT(options.group_size_max >= group_size_min);
        INOD_ASSERT(options.snapshot_size_per_group >= snapshot_size_per_group_min);
        collecting().reset(FrameType::log);
        pieces_.reset(FrameType::snapshot_piece);
    }

    Result<Scan, Failure> load(Replay& replay);
    Result<Recovery, Failure> recover(Replay& replay, const Accept& accept);
    [[nodiscard]] bool has_room(std::size_t count, std::size_t size) const noexcept;
    Lsn append(std::span<const std::byte> record) noexcept;
    bool begin_flush() noexcept;
    Result<void, Failure> flush();
    Lsn end_flush() noexcept;
    Result<void, Failure> make_space();
    [[nodiscard]] bool wants_snapshot() const noexcept;
    [[nodiscard]] bool can_spare_snapshot() const noexcept;
    void begin_snapshot() noexcept;
    [[nodiscard]] bool can_resume_snapshot() const noexcept;
    void resume_snapshot() noexcept;
    [[nodiscard]] bool has_snapshot_room(std::size_t size) const noexcept;
    void add_snapshot_record(std::span<const std::byte> record) noexcept;
    void end_snapshot() noexcept;
    Result<void, Failure> close();

    [[nodiscard]] Lsn last_lsn() const noexcept { return last_lsn_; }
    [[nodiscard]] Lsn durable_lsn() const noexcept { return durable_lsn_; }
    [[nodiscard]] bool sealed() const noexcept { return sealed_; }
    void seal() noexcept { sealed_ = true; }
    [[nodiscard]] Errc lack() const noexcept { return lack_; }
    [[nodiscard]] bool has_space() const noexcept { return lack_ == Errc::ok; }
    [[nodiscard]] bool has_space_for(const StateSize& size) const noexcept {
        return space_.suffice(set_.spare_count(), size);
    }
    void set_state_size(const StateSize& size) noexcept;
    [[nodiscard]] bool wants_space() const noexcept { return set_.spare_count() < spares_wanted_; }
    [[nodiscard]] bool snapshot_under_way() const noexcept { return snapshot_ != Snapshot::none; }
    [[nodiscard]] std::uint64_t disk_size() const noexcept { return set_.disk_size(); }
    [[nodiscard]] std::uint64_t log_size() const noexcept { return log_size_; }
    [[nodiscard]] std::uint64_t snapshot_size() const noexcept { return snapshot_size_; }

private:
    enum class State { fresh, open, closed };
    enum class Snapshot { none, under_way, ending };

    [[nodiscard]] const FrameBatch& collecting() const { return batches_.at(collecting_); }
    FrameBatch& collecting() { return batches_.at(collecting_); }
    FrameBatch& under_way() { return batches_.at(1 - collecting_); }

    void take_over_snapshots(const Scan& scan) noexcept;
    Result<void, Failure> tidy(Scan& scan);
    Result<void, Failure> replace_spare();
    Result<void, Failure> remove_useless();
    [[nodiscard]] Failure without_segment(Failure failure) const;
    Result<void, Failure> open_segment(SegmentHeader kind, Lsn first_lsn);
    Result<void, Failure> write_group();
    Result<void, Failure> write_pieces();
    Result<void, Failure> write_frames(std::span<std::byte> frames, Lsn synced);
    Result<std::size_t, Failure> write_what_fits(std::span<std::byte> frames, Lsn synced);
    Result<void, Failure> retire_log();
    Failure seal(Failure failure) {
        sealed_ = true;
        return failure;
    }
    static Failure already_sealed() {
        return {Errc::journal_sealed, "journal: an earlier write or sync failed"};
    }

    Storage& storage_;
    const JournalOptions options_;
    const SpacePlan space_;
    State state_ = State::fresh;
    std::atomic<bool> sealed_{false};

    // Under the caller's lock.
    Lsn last_lsn_ = 0;
    Lsn durable_lsn_ = 0;
    Lsn under_way_lsn_ = 0;  // the last of the group under way
    bool is_under_way_ = false;
    bool is_written_ = false;  // flush() succeeded for the group under way
    std::size_t collecting_ = 0;
    Snapshot snapshot_ = Snapshot::none;
    bool is_cut_ = false;        // there is one that an earlier life began and did not end
    bool is_gathering_ = false;  // the next group has pieces, so its log is complete
    std::atomic<std::uint64_t> spares_wanted_{0};
    std::uint64_t spares_to_write_out_ = 0;  // see SpacePlan
    StateSize state_size_;

    // Of whoever flushes, but for what set_ gives to all.
    SegmentSet set_;
    std::vector<std::string> useless_;  // files that this life does not go on with
    StoreId store_{};
    std::uint64_t run_ = 0;
    std::uint64_t base_ = 0;
    std::uint64_t snapshot_base_ = 0;          // where the last snapshot begins, whole or not
    std::uint64_t written_snapshot_size_ = 0;  // and what of it was written
    std::uint64_t written_log_size_ = 0;       // likewise of the log since it was begun
    std::atomic<Errc> lack_{Errc::ok};
    std::atomic<std::uint64_t> log_size_{0};
    std::atomic<std::uint64_t> snapshot_size_{0};
    std::atomic<std::uint64_t> files_after_snapshot_{0};  // in use, when the last one was whole

    std::array<FrameBatch, 2> batches_;
    FrameBatch pieces_;  // of the snapshot under way, for the next group or the one under way
};

Result<Scan, Failure> Journal::Impl::load(Replay& replay) {
    INOD_ASSERT(state_ == State::fresh);
    state_ = State::closed;
    sealed_ = true;
    return scan(storage_, replay);
}

Result<Recovery, Failure> Journal::Impl::recover(Replay& replay, const Accept& accept) {
    INOD_ASSERT(state_ == State::fresh);
    auto found = scan(storage_, replay);
    if (!found) return seal(found.error());
    Recovery recovery = found->recovery;
    std::uint64_t run_before = recovery.run;
    if (accept) {
        const auto accepted = accept(recovery);
        if (!accepted) return seal(accepted.error());
        run_before = std::max(run_before, *accepted);
    }
    // Everything that can refuse the journal comes before this line, all writing after it.
    recovery.created = found->found.newest == SegmentSet::spare;
    if (recovery.created) {
        recovery.id = options_.fresh_id;
        recovery.clean = true;
    }
    recovery.run = run_before + 1;
    store_ = recovery.id;
    run_ = recovery.run;
    last_lsn_ = durable_lsn_ = recovery.last_lsn;
    take_over_snapshots(*found);
    recovery.has_cut_snapshot = is_cut_ = snapshot_base_ != base_;
    if (auto done = tidy(*found); !done) return seal(done.error());
    if (!recovery.created) {
        if (auto replaced = replace_spare(); !replaced) return seal(replaced.error());
    }
    auto opened = open_segment({.begins_life = true}, last_lsn_ + 1);
    if (!opened) return seal(without_segment(opened.error()));
    if (auto removed = remove_useless(); !removed) return seal(removed.error());
    if (auto recycled = set_.recycle_before(base_); !recycled) return seal(recycled.error());
    state_ = State::open;
    set_state_size({});
    return recovery;
}

// The one that was read; where a later one is whole, that one, which is durable before the first header
// of this life says so. One that was cut short may be gone on with.
void Journal::Impl::take_over_snapshots(const Scan& scan) noexcept {
    base_ = snapshot_base_ = scan.base;
    snapshot_size_ = scan.snapshot_size;
    log_size_ = scan.log_size;
    if (scan.later) {
        snapshot_base_ = scan.later->base;
        written_snapshot_size_ = scan.later->snapshot_size;
        written_log_size_ = scan.later->log_size;
    }
    if (scan.later && scan.later->is_whole) {
        base_ = scan.later->base;
        snapshot_size_ = scan.later->snapshot_size;
        log_size_ = scan.later->log_size;
    }
    files_after_snapshot_ = space_.to_hold(snapshot_size_) + 1;
}

// Hands the files to the set, without those that a crash left half made.
Result<void, Failure> Journal::Impl::tidy(Scan& scan) {
    if (auto done = make_durable(scan); !done) return done;
    for (const std::string& name : scan.unfinished) {
        if (auto removed = storage_.remove(name); !removed) return removed;
    }
    auto& slots = scan.found.slots;
    const auto useless =
        std::stable_partition(slots.begin(), slots.end(), [this](const SegmentSet::Slot& slot) {
            return slot.number != SegmentSet::spare || slot.size == set_.segment_size();
        });
    for (auto slot = useless; slot != slots.end(); ++slot)
        useless_.push_back(std::move(slot->name));
    slots.erase(useless, slots.end());
    // A name that a crash left unsure would otherwise be used, and then be gone.
    if (auto synced = storage_.sync_names(); !synced) return synced;
    set_.adopt(std::move(scan.found));
    return {};
}

// A start takes a spare. Where the disk has space it makes another one before, so that lives that crash
// early, however many, do not use up what is set aside.
Result<void, Failure> Journal::Impl::replace_spare() {
    auto completed = set_.advance_spare();
    while (completed && !*completed)
        completed = set_.advance_spare();
    if (!completed && !can_wait(completed.error().code)) return completed.error();
    return {};
}

// Spares of another size than this life's, once it has one of its own: where the disk is full, a start with
// the size of before finds what was set aside.
Result<void, Failure> Journal::Impl::remove_useless() {
    for (const std::string& name : std::exchange(useless_, {})) {
        if (auto removed = storage_.remove(name); !removed) return removed;
    }
    return {};
}

Failure Journal::Impl::without_segment(Failure failure) const {
    if (failure.code != Errc::no_space || useless_.empty()) return failure;
    failure.message +=
        "; what is set aside are files of another size, so make room, or set "
        "segment_size back";
    return failure;
}

bool Journal::Impl::has_room(std::size_t count, std::size_t size) const noexcept {
    const bool is_short_of_space = snapshot_ != Snapshot::none && !has_space();
    if (is_short_of_space && collecting().records_size() >= log_size_per_short_group) return false;
    return collecting().has_room(count, size);
}

Lsn Journal::Impl::append(std::span<const std::byte> record) noexcept {
    INOD_ASSERT(state_ == State::open && !is_gathering_);
    collecting().add(last_lsn_ + 1, record);
    return ++last_lsn_;
}

bool Journal::Impl::begin_flush() noexcept {
    INOD_ASSERT(!is_under_way_);
    if (collecting().empty() && pieces_.empty()) return false;
    is_under_way_ = true;
    is_written_ = false;
    under_way_lsn_ = last_lsn_;
    collecting_ = 1 - collecting_;
    collecting().reset(FrameType::log);
    is_gathering_ = false;
    return true;
}

Result<void, Failure> Journal::Impl::flush() {
    INOD_ASSERT(is_under_way_);
    if (sealed_) return already_sealed();
    if (auto done = write_group(); !done) return seal(done.error());
    is_written_ = true;
    return {};
}

Lsn Journal::Impl::end_flush() noexcept {
    INOD_ASSERT(is_under_way_ && is_written_);
    is_under_way_ = false;
    durable_lsn_ = under_way_lsn_;
    pieces_.reset(FrameType::snapshot_piece);
    if (snapshot_ == Snapshot::ending) snapshot_ = Snapshot::none;
    return durable_lsn_;
}

// Requires that all that the active segment holds is synced, as whoever reads the new header will
// conclude that.
Result<void, Failure> Journal::Impl::open_segment(SegmentHeader kind, Lsn first_lsn) {
    kind.store = store_;
    kind.first_lsn = first_lsn;
    kind.run = run_;
    kind.base = base_;
    kind.machine = options_.machine;
    kind.vm = options_.vm;
    kind.has_witness = options_.has_witness;
    if (auto opened = set_.open_next(kind); !opened) return opened;
    if (base_ == 0) base_ = set_.active_number();
    return {};
}

// The log's records first: the pieces have them in them.
Result<void, Failure> Journal::Impl::write_group() {
    if (!under_way().empty()) {
        auto written = write_frames(under_way().finish(), durable_lsn_);
        if (!written) return written;
    }
    if (!pieces_.empty()) {
        if (auto written = write_pieces(); !written) return written;
    }
    if (auto synced = set_.sync(); !synced) return synced;
    return snapshot_ == Snapshot::ending ? retire_log() : Result<void, Failure>();
}

Result<void, Failure> Journal::Impl::write_pieces() {
    const std::span<std::byte> frames = pieces_.finish();
    const FrameHeader first = first_header(frames);
    if (first.type != FrameType::snapshot_begin) return write_frames(frames, durable_lsn_);
    if (auto synced = set_.sync(); !synced) return synced;
    if (auto opened = open_segment({.begins_snapshot = true}, first.lsn); !opened) return opened;
    snapshot_base_ = set_.active_number();
    written_snapshot_size_ = 0;
    written_log_size_ = 0;
    return write_frames(frames, first.lsn - 1);
}

// Writes the frames, going on in the next segment where one is full.
Result<void, Failure> Journal::Impl::write_frames(std::span<std::byte> frames, Lsn synced) {
    for (;;) {
        auto fitted = write_what_fits(frames, synced);
        if (!fitted) return fitted.error();
        frames = frames.subspan(*fitted);
        if (frames.empty()) return {};
        if (auto done = set_.sync(); !done) return done;
        synced = first_header(frames).lsn - 1;
        if (auto opened = open_segment({}, synced + 1); !opened) return opened;
    }
}

// Seals and writes, in one call, as many of the frames as fit the active segment; if all do, then
// also the zeros that stand behind them. Returns the size of those frames.
Result<std::size_t, Failure> Journal::Impl::write_what_fits(std::span<std::byte> frames,
                                                            Lsn synced) {
    const std::uint64_t room = set_.room();
    std::size_t fitting = 0;
    while (fitting < frames.size()) {
        const auto rest = frames.subspan(fitting);
        const FrameHeader header = first_header(rest);
        const std::size_t size = frame_size_on_disk(header.size);
        if (fitting + size > room) break;
        seal_frame(rest, synced, set_.seed());
        fitting += size;
        (is_snapshot(header.type) ? written_snapshot_size_ : written_log_size_) += size;
        if (!is_snapshot(header.type)) log_size_ += size;
    }
    if (fitting == 0) return fitting;
    const std::size_t behind = fitting == frames.size() ? frame_header_size : 0;
    auto written = set_.append(std::span(frames.data(), fitting + behind), fitting);
    if (!written) return written.error();
    return fitting;
}

// The snapshot is durable. Once a header says so, all that came before it is superfluous.
Result<void, Failure> Journal::Impl::retire_log() {
    base_ = snapshot_base_;
    if (auto opened = open_segment({}, under_way_lsn_ + 1); !opened) return opened;
    if (auto recycled = set_.recycle_before(base_); !recycled) return recycled;
    snapshot_size_ = written_snapshot_size_;
    log_size_ = written_log_size_;
    files_after_snapshot_ = set_.in_use_count();
    return set_.keep_spares(spares_wanted_ + spares_kept_beside);
}

void Journal::Impl::set_state_size(const StateSize& size) noexcept {
    spares_wanted_ = space_.to_release(size) + spares_ahead;
    spares_to_write_out_ = space_.to_write_out(size);
    state_size_ = size;
}

Result<void, Failure> Journal::Impl::make_space() {
    INOD_ASSERT(!is_under_way_);
    if (sealed_) return already_sealed();
    if (!wants_space()) {
        lack_ = Errc::ok;
        return {};
    }
    auto completed = set_.advance_spare();
    if (completed) {
        if (*completed) lack_ = Errc::ok;
        return {};
    }
    if (!can_wait(completed.error().code)) return seal(completed.error());
    lack_ = completed.error().code;
    return {};
}

bool Journal::Impl::wants_snapshot() const noexcept {
    if (snapshot_ != Snapshot::none) return false;
    const bool is_worth_it = log_size_ > std::max(log_segments_min * set_.segment_size(),
                                                  log_to_snapshot_min * snapshot_size_);
    const bool has_many_files = set_.in_use_count() > files_after_snapshot_ +
                                                          log_size_ / set_.segment_size() +
                                                          short_lives_max;
    // Behind a snapshot, until the log has gone on in another segment, a new one gains nothing.
    const bool gains_space = set_.in_use_count() > files_after_snapshot_;
    // The state may be smaller than was told, so it is tried with fewer spares too: what else could
    // be done? But no snapshot does without one where it begins, and one that names it as the base.
    const std::size_t spares = set_.spare_count();
    const bool runs_out =
        !has_space() && spares <= spares_to_write_out_ + 1 && spares >= spares_min;
    return ((is_worth_it || has_many_files) && can_spare_snapshot()) || (runs_out && gains_space);
}

// On a full disk what is set aside is for the snapshot that gains space: one that a crash cuts short has
// used it up.
bool Journal::Impl::can_spare_snapshot() const noexcept {
    return snapshot_ == Snapshot::none && has_space() && set_.spare_count() >= spares_to_write_out_;
}

void Journal::Impl::begin_snapshot() noexcept {
    INOD_ASSERT(state_ == State::open && !is_under_way_ && snapshot_ == Snapshot::none);
    snapshot_ = Snapshot::under_way;
    is_cut_ = false;
    pieces_.add_frame(FrameType::snapshot_begin, ++last_lsn_, {});
    is_gathering_ = true;
}

bool Journal::Impl::can_resume_snapshot() const noexcept {
    if (!is_cut_ || is_under_way_ || snapshot_ != Snapshot::none) return false;
    return set_.spare_count() >=
           space_.to_complete(state_size_, written_snapshot_size_ + set_.room());
}

void Journal::Impl::resume_snapshot() noexcept {
    INOD_ASSERT(can_resume_snapshot());
    is_cut_ = false;
    snapshot_ = Snapshot::under_way;
}

bool Journal::Impl::has_snapshot_room(std::size_t size) const noexcept {
    if (is_under_way_ || !pieces_.has_room(1, size)) return false;
    const std::size_t before = pieces_.records_size();
    return !has_space() || before == 0 || before + size <= options_.snapshot_size_per_group;
}

void Journal::Impl::add_snapshot_record(std::span<const std::byte> record) noexcept {
    INOD_ASSERT(!is_under_way_ && snapshot_ == Snapshot::under_way);
    if (pieces_.add(last_lsn_ + 1, record)) ++last_lsn_;
    is_gathering_ = true;
}

void Journal::Impl::end_snapshot() noexcept {
    INOD_ASSERT(!is_under_way_ && snapshot_ == Snapshot::under_way);
    pieces_.add_frame(FrameType::snapshot_end, ++last_lsn_, {});
    snapshot_ = Snapshot::ending;
    is_gathering_ = true;
}

Result<void, Failure> Journal::Impl::close() {
    INOD_ASSERT(state_ == State::open && !is_under_way_ && collecting().empty());
    INOD_ASSERT(!snapshot_under_way());
    if (sealed_) return already_sealed();
    state_ = State::closed;
    FrameBatch& batch = under_way();
    batch.reset(FrameType::clean);
    batch.add_frame(FrameType::clean, last_lsn_ + 1, {});
    if (auto done = write_frames(batch.finish(), durable_lsn_); !done) return seal(done.error());
    if (auto synced = set_.sync(); !synced) return seal(synced.error());
    return {};
}

Journal::Journal(Storage& storage, const JournalOptions& options)
    : impl_(std::make_unique<Impl>(storage, options)) {}
Journal::~Journal() = default;

Result<Scan, Failure> Journal::load(Replay& replay) {
    return impl_->load(replay);
}
Result<Recovery, Failure> Journal::recover(Replay& replay, const Accept& accept) {
    return impl_->recover(replay, accept);
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
void Journal::seal() noexcept {
    impl_->seal();
}
bool Journal::has_space_for(const StateSize& size) const noexcept {
    return impl_->has_space_for(size);
}
void Journal::set_state_size(const StateSize& size) noexcept {
    impl_->set_state_size(size);
}
bool Journal::wants_space() const noexcept {
    return impl_->wants_space();
}
Errc Journal::lack() const noexcept {
    return impl_->lack();
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
bool Journal::can_spare_snapshot() const noexcept {
    return impl_->can_spare_snapshot();
}
bool Journal::snapshot_under_way() const noexcept {
    return impl_->snapshot_under_way();
}
void Journal::begin_snapshot() noexcept {
    impl_->begin_snapshot();
}
bool Journal::can_resume_snapshot() const noexcept {
    return impl_->can_resume_snapshot();
}
bool Journal::has_snapshot_room(std::size_t size) const noexcept {
    return impl_->has_snapshot_room(size);
}
void Journal::resume_snapshot() noexcept {
    impl_->resume_snapshot();
}
void Journal::add_snapshot_record(std::span<const std::byte> record) noexcept {
    impl_->add_snapshot_record(record);
}
void Journal::end_snapshot() noexcept {
    impl_->end_snapshot();
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
std::uint64_t Journal::snapshot_size() const noexcept {
    return impl_->snapshot_size();
}

}  // namespace inod
