#include "lib/journal/recovery.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "lib/journal/frame.h"
#include "lib/journal/segment_reader.h"

namespace inod {
namespace {

Failure damaged(const std::string& where, const std::string& what) {
    return {Errc::journal_damaged, where + ": " + what};
}

// Follows the segments from the base to the newest, frame by frame.
class Scanner {
public:
    Scanner(SegmentReader& segments, std::size_t newest, Replay& replay, ScanWatcher* watcher,
            Scan& result)
        : segments_(segments),
          newest_(newest),
          replay_(replay),
          watcher_(watcher),
          result_(result) {}

    Result<void, Failure> run();

private:
    enum class Snapshot { none, under_way, whole };  // the one in use
    // Where a frame stands.
    struct Place {
        std::uint64_t begin;
        std::uint64_t end;
        Lsn last_lsn;
    };

    Result<void, Failure> start();
    Result<void, Failure> go_on(std::uint64_t number);
    [[nodiscard]] Result<void, Failure> check(std::size_t index) const;
    Result<std::optional<std::uint64_t>, Failure> read_segment();
    Result<void, Failure> read_frame(const Frame& frame);
    Result<void, Failure> read_log(const Frame& frame);
    Result<void, Failure> read_snapshot(const Frame& frame);
    Result<void, Failure> read_piece(const Frame& frame);
    Result<void, Failure> read_later(const Frame& frame);
    Result<void, Failure> end_of_log();
    Result<void, Failure> check_others();
    void show(const Frame& frame) const;
    void note(const Frame& frame);
    void finish();

    [[nodiscard]] const SegmentReader::Entry& entry() const { return segments_.at(index_); }
    [[nodiscard]] const SegmentHeader& header() const { return *entry().header; }
    [[nodiscard]] bool is_newest() const { return index_ == newest_; }
    [[nodiscard]] std::string here() const {
        return entry().name + " (" + segment_name(header().number) + "), offset " +
               std::to_string(offset_) + ", LSN " + std::to_string(next_lsn_);
    }
    [[nodiscard]] Failure damaged_here(const std::string& what) const {
        return damaged(here(), what);
    }

    SegmentReader& segments_;
    const std::size_t newest_;
    Replay& replay_;
    ScanWatcher* const watcher_;
    Scan& result_;
    std::size_t index_ = 0;  // of the file being read
    std::uint64_t offset_ = frames_offset;
    Lsn next_lsn_ = 1;
    Snapshot snapshot_ = Snapshot::none;
    bool is_clean_ = false;  // the last frame was the mark of a clean stop

    std::vector<std::uint64_t> chain_;  // numbers of all segments that are in use
    std::vector<Place> unproven_;       // of the present segment, those that no `synced` covers yet
    std::optional<Scan::Unproven> naming_;  // the frame that names the present segment
};

Result<void, Failure> Scanner::run() {
    if (auto started = start(); !started) return started;
    for (;;) {
        chain_.push_back(header().number);
        auto next = read_segment();
        if (!next) return next.error();
        if (!*next) break;
        if (auto gone_on = go_on(**next); !gone_on) return gone_on;
    }
    if (snapshot_ == Snapshot::under_way) return damaged_here("the snapshot has no end");
    if (auto checked = check_others(); !checked) return checked;
    finish();
    return {};
}

Result<void, Failure> Scanner::start() {
    const SegmentHeader& newest = *segments_.at(newest_).header;
    const auto base = segments_.find(newest.base);
    if (!base) {
        return damaged(segments_.at(newest_).name,
                       segment_name(newest.base) + ", from which all is to be read, is missing");
    }
    index_ = *base;
    result_.base = newest.base;
    next_lsn_ = header().first_lsn;
    if (!header().begins_snapshot && (header().previous != 0 || next_lsn_ != 1)) {
        return damaged(entry().name, segment_name(newest.base) +
                                         " is neither the very first nor begins a snapshot");
    }
    if (header().begins_snapshot) result_.recovery.snapshot_lsn = next_lsn_;
    return check(index_);
}

// To the segment that the present one names.
Result<void, Failure> Scanner::go_on(std::uint64_t number) {
    const auto next = segments_.find(number);
    if (!next) return damaged_here(segment_name(number) + " is missing, and it was gone on in");
    const SegmentHeader& before = header();
    const SegmentHeader& after = *segments_.at(*next).header;
    const auto refuse = [&](const char* what, std::uint64_t is, std::uint64_t wanted) {
        return damaged(segments_.at(*next).name, segment_name(number) + ": its " + what + " is " +
                                                     std::to_string(is) + " and should be " +
                                                     std::to_string(wanted));
    };
    if (number <= before.number) return refuse("number", number, before.number + 1);
    if (after.previous != before.number) return refuse("previous", after.previous, before.number);
    if (after.first_lsn != next_lsn_) return refuse("first LSN", after.first_lsn, next_lsn_);
    // An adopted copy skips the runs that its witness knew of.
    const std::uint64_t run = before.run + (after.begins_life ? 1 : 0);
    const bool fits = after.begins_life ? after.run >= run : after.run == run;
    if (!fits) return refuse("run", after.run, run);
    if (after.base < before.base) return refuse("base", after.base, before.base);
    naming_ = {.segment = before.number, .begin = offset_, .end = offset_ + next_frame_size};
    index_ = *next;
    offset_ = frames_offset;
    return check(index_);
}

// What a header that is in use has to say about its own file.
Result<void, Failure> Scanner::check(std::size_t index) const {
    const SegmentReader::Entry& entry = segments_.at(index);
    const SegmentHeader& header = *entry.header;
    const auto refuse = [&](const std::string& what) {
        return damaged(entry.name, segment_name(header.number) + ": " + what);
    };
    if (!is_segment_size(header.size)) {
        return refuse("its size, " + std::to_string(header.size) + ", is impossible");
    }
    if (header.size != entry.file_size) {
        return refuse("it has " + std::to_string(entry.file_size) + " bytes and should have " +
                      std::to_string(header.size));
    }
    if (header.run > run_max) return refuse("its run is impossible");
    if (header.base > header.number) {
        return refuse("its base, " + std::to_string(header.base) + ", is after it");
    }
    return {};
}

// Returns the number of the segment that goes on, if there is one.
Result<std::optional<std::uint64_t>, Failure> Scanner::read_segment() {
    segments_.open(index_);
    if (watcher_ != nullptr) watcher_->on_segment(entry().name, header());
    unproven_.clear();
    is_clean_ = false;
    for (;;) {
        const auto frame = segments_.frame_at(offset_);
        if (frame && !is_known(frame->header)) {
            return Failure{Errc::record_unknown,
                           here() + ": frame type " +
                               std::to_string(static_cast<int>(frame->header.type)) + ", version " +
                               std::to_string(frame->header.version) + " is unknown here"};
        }
        if (!segments_.trouble()) return segments_.trouble().error();
        if (!frame || frame->header.lsn != next_lsn_) {
            if (is_newest()) {
                if (auto ended = end_of_log(); !ended) return ended.error();
                return std::optional<std::uint64_t>();
            }
            return damaged_here("no frame reads back, and something was written behind it");
        }
        show(*frame);
        if (frame->header.type == FrameType::next) return std::optional(named_by(*frame));
        if (is_clean_) return damaged_here("a frame stands behind the mark of a clean stop");
        if (auto read = read_frame(*frame); !read) return read.error();
        note(*frame);
        offset_ += frame->size_on_disk();
    }
}

void Scanner::show(const Frame& frame) const {
    if (watcher_ == nullptr) return;
    // The snapshot in use begins with the first frame of all, and ends before any other one begins.
    const bool begins_in_use = offset_ == frames_offset && header().number == result_.base;
    const bool is_aside =
        is_snapshot(frame.header.type) && snapshot_ != Snapshot::under_way && !begins_in_use;
    watcher_->on_frame(
        {.file = entry().name, .segment = header().number, .offset = offset_, .is_aside = is_aside},
        frame);
}

// Hands on what is in it, and moves next_lsn_ behind it.
Result<void, Failure> Scanner::read_frame(const Frame& frame) {
    if (frame.header.type == FrameType::log) return read_log(frame);
    if (is_snapshot(frame.header.type)) return read_snapshot(frame);
    is_clean_ = true;
    return {};
}

Result<void, Failure> Scanner::read_log(const Frame& frame) {
    RecordReader records(frame);
    Lsn lsn = next_lsn_;
    while (const auto record = records.next()) {
        if (auto done = replay_.log_record(lsn, *record); !done) {
            return Failure{done.error().code, here() + ", the record with LSN " +
                                                  std::to_string(lsn) + ": " +
                                                  done.error().message};
        }
        ++lsn;
    }
    if (frame.header.count == 0 || !records.complete()) {
        return damaged_here("the frame's records do not fit its size");
    }
    next_lsn_ = lsn;
    result_.log_size += frame.size_on_disk();
    if (result_.later) result_.later->log_size += frame.size_on_disk();
    return {};
}

Result<void, Failure> Scanner::read_snapshot(const Frame& frame) {
    Result<void, Failure> done;
    const bool begins = frame.header.type == FrameType::snapshot_begin;
    if (begins && offset_ != frames_offset) {
        return damaged_here("a snapshot begins within a segment");
    }
    if (begins && header().number == result_.base && header().begins_snapshot) {
        snapshot_ = Snapshot::under_way;
        done = replay_.snapshot_begin();
    } else if (snapshot_ == Snapshot::under_way) {
        if (begins) return damaged_here("a snapshot begins within another one");
        done = read_piece(frame);
        result_.snapshot_size += frame.size_on_disk();
    } else {
        done = read_later(frame);
    }
    if (!done) return Failure{done.error().code, here() + ": " + done.error().message};
    ++next_lsn_;
    return {};
}

Result<void, Failure> Scanner::read_piece(const Frame& frame) {
    if (frame.header.type == FrameType::snapshot_end) {
        snapshot_ = Snapshot::whole;
        return replay_.snapshot_end();
    }
    RecordReader records(frame);
    while (const auto record = records.next()) {
        if (auto done = replay_.snapshot_record(*record); !done) return done;
    }
    if (records.complete()) return {};
    return Failure{Errc::journal_damaged, "the frame's records do not fit its size"};
}

// Of a snapshot that is not in use.
Result<void, Failure> Scanner::read_later(const Frame& frame) {
    if (frame.header.type == FrameType::snapshot_begin) {
        result_.later = Scan::Later{.base = header().number};
        replay_.later_snapshot_begin();
    }
    if (!result_.later) return Failure{Errc::journal_damaged, "a snapshot goes on without a begin"};
    result_.later->snapshot_size += frame.size_on_disk();
    result_.later->is_whole = frame.header.type == FrameType::snapshot_end;
    RecordReader records(frame);
    while (const auto record = records.next())
        replay_.later_snapshot_record(*record);
    if (records.complete()) return {};
    return Failure{Errc::journal_damaged, "the frame's records do not fit its size"};
}

// Of a frame that was just read: does anything prove that it was synced?
void Scanner::note(const Frame& frame) {
    const Lsn synced = frame.header.synced;
    std::erase_if(unproven_, [synced](const Place& place) { return place.last_lsn <= synced; });
    const bool holds_any = frame.header.lsn_count() > 0;
    unproven_.push_back({.begin = offset_,
                         .end = offset_ + frame.size_on_disk(),
                         .last_lsn = holds_any ? next_lsn_ - 1 : next_lsn_});
}

// At the first frame of the newest segment that does not read back: tail or damage?
Result<void, Failure> Scanner::end_of_log() {
    const Lsn lsn = next_lsn_;
    const auto proof = segments_.find_frame(
        offset_, [lsn](const Frame& frame) { return frame.header.synced >= lsn; });
    if (!segments_.trouble()) return segments_.trouble();
    if (proof) {
        return damaged_here("no frame reads back, and it was durable when the one at offset " +
                            std::to_string(*proof) + " was written");
    }
    const bool is_torn = !segments_.is_blank(offset_) ||
                         segments_.find_frame(offset_, [](const Frame&) { return true; });
    if (!segments_.trouble()) return segments_.trouble();
    if (is_torn) {
        result_.recovery.torn_tail = {
            .file = entry().name, .segment = header().number, .offset = offset_, .lsn = lsn};
    }
    return {};
}

// A segment's header is durable before a frame is written behind it. In a file without one, frames are
// those of an earlier use, so long before the end, or damage took the header of a segment and the frame
// that names it.
Result<void, Failure> Scanner::check_others() {
    for (std::size_t i = 0; i < segments_.entries().size(); ++i) {
        if (segments_.at(i).header) continue;
        segments_.open(i);
        const auto frame = segments_.unproven_header_at(frames_offset);
        if (!segments_.trouble()) return segments_.trouble();
        if (!frame || frame->lsn < next_lsn_) continue;
        return damaged(segments_.at(i).name,
                       "its header does not read back, and behind it stands LSN " +
                           std::to_string(frame->lsn) + ", beyond the end of the log, LSN " +
                           std::to_string(next_lsn_ - 1));
    }
    return {};
}

void Scanner::finish() {
    Recovery& recovery = result_.recovery;
    recovery.id = header().store;
    recovery.run = header().run;
    recovery.machine = header().machine;
    recovery.vm = header().vm;
    recovery.had_witness = header().has_witness;
    recovery.last_lsn = next_lsn_ - 1;
    recovery.clean = is_clean_;
    result_.found.newest = header().number;
    result_.found.end = offset_;
    // Nothing in the newest segment proves that the frame which names it was synced.
    if (offset_ == frames_offset && naming_) result_.unproven.push_back(*naming_);
    // Nor does anything prove that the very first header was, while nothing stands behind it.
    if (offset_ == frames_offset && !naming_) {
        result_.unproven.push_back(
            {.segment = header().number, .begin = 0, .end = segment_header_size});
    }
    if (!unproven_.empty()) {
        result_.unproven.push_back({.segment = header().number,
                                    .begin = unproven_.front().begin,
                                    .end = unproven_.back().end});
    }
    for (SegmentReader::Entry& entry : segments_.entries()) {
        const std::uint64_t number = entry.header ? entry.header->number : SegmentSet::spare;
        const bool in_use = std::find(chain_.begin(), chain_.end(), number) != chain_.end();
        result_.found.slots.push_back({.name = entry.name,
                                       .file = std::move(entry.file),
                                       .size = entry.file_size,
                                       .number = in_use ? number : SegmentSet::spare,
                                       .seed = entry.seed});
    }
}

// There is no segment that counts. Was there ever one? A store that is being created has files of
// full size, into which nothing but the header of the first segment was written.
Result<void, Failure> check_no_store(SegmentReader& segments, Scan& result) {
    for (std::size_t i = 0; i < segments.entries().size(); ++i) {
        SegmentReader::Entry& entry = segments.entries()[i];
        if (entry.header) {
            return damaged(entry.name, "it was to become " + segment_name(entry.header->number) +
                                           ", and the segments before it are gone");
        }
        if (entry.file_size < segment_size_min) {
            return damaged(entry.name, "it has " + std::to_string(entry.file_size) +
                                           " bytes, less than any journal file ever had");
        }
        segments.open(i);
        // All of it: a write that went astray may have left a hole behind the header as well.
        const bool is_blank = segments.is_blank_from(frames_offset);
        if (!segments.trouble()) return segments.trouble();
        if (!is_blank) {
            return damaged(entry.name,
                           "its header does not read back, and something was written "
                           "behind it");
        }
    }
    for (SegmentReader::Entry& entry : segments.entries()) {
        result.found.slots.push_back(
            {.name = entry.name, .file = std::move(entry.file), .size = entry.file_size});
    }
    return {};
}

}  // namespace

Result<Scan, Failure> scan(Storage& storage, Replay& replay, ScanWatcher* watcher) {
    Scan result;
    SegmentReader segments(storage);
    if (auto opened = segments.open_all(); !opened) return opened.error();
    result.unfinished = segments.unfinished();
    result.found.next_number = segments.next_number();
    result.found.next_digits = segments.next_digits();
    auto newest = segments.find_newest();
    if (!newest) return newest.error();
    if (!*newest) {
        if (auto none = check_no_store(segments, result); !none) return none.error();
        return result;
    }
    auto done = Scanner(segments, **newest, replay, watcher, result).run();
    if (!done) return done.error();
    return result;
}

}  // namespace inod
