#include "lib/journal/recovery.h"

#include <algorithm>
#include <utility>

#include "lib/base/bytes.h"
#include "lib/base/crc32c.h"
#include "lib/journal/frame.h"
#include "lib/journal/segment_reader.h"

namespace inod {
namespace {

std::string place(std::uint64_t number, std::uint64_t offset, Lsn lsn) {
    return segment_name(number) + ", offset " + std::to_string(offset) + ", LSN " +
           std::to_string(lsn);
}

Failure damaged(const std::string& where, const std::string& what) {
    return {Errc::journal_damaged, where + ": " + what};
}

Result<void, Failure> check_known(const Frame& frame, const std::string& where) {
    if (is_known(frame.header)) return {};
    return Failure{Errc::record_unknown,
                   where + ": frame type " + std::to_string(static_cast<int>(frame.header.type)) +
                       ", version " + std::to_string(frame.header.version) + " is unknown here"};
}

// Where a snapshot ends, and so the log behind it begins.
struct SnapshotEnd {
    std::size_t index;  // of the segment
    std::uint64_t offset;
    std::uint64_t size;  // bytes of all its frames
};

// Reads one snapshot, from the segment in which it begins.
class SnapshotReader {
public:
    SnapshotReader(SegmentReader& segments, std::size_t index)
        : segments_(segments), index_(index), lsn_(segments.at(index).header.first_lsn - 1) {}

    // Hands each record to `replay`, or to nobody if that is null.
    // Errors: journal_damaged if it is not whole, record_unknown, io_error, those of `replay`.
    Result<SnapshotEnd, Failure> read(Replay* replay);

private:
    Result<Frame, Failure> next_frame();
    Result<void, Failure> read_piece(const Frame& piece, Replay* replay);
    Result<void, Failure> check_end(const Frame& end) const;
    [[nodiscard]] std::string here() const {
        return place(segments_.at(index_).number, offset_, lsn_);
    }

    SegmentReader& segments_;
    std::size_t index_;
    std::uint64_t offset_ = frames_offset;
    const Lsn lsn_;
    std::uint32_t frame_count_ = 0;
    std::uint64_t record_count_ = 0;
    std::uint32_t crc_ = 0;  // of the pieces' payloads
    std::uint64_t size_ = 0;
};

Result<SnapshotEnd, Failure> SnapshotReader::read(Replay* replay) {
    for (;;) {
        auto frame = next_frame();
        if (!frame) return frame.error();
        const bool is_first = frame_count_ == 0;
        if (is_first != (frame->header.type == FrameType::snapshot_begin)) {
            return damaged(here(), "the snapshot's frames are out of order");
        }
        if (frame->header.type == FrameType::snapshot_piece) {
            if (auto done = read_piece(*frame, replay); !done) return done.error();
        } else if (frame->header.type == FrameType::snapshot_end) {
            if (auto whole = check_end(*frame); !whole) return whole.error();
        }
        offset_ += frame->size_on_disk();
        size_ += frame->size_on_disk();
        ++frame_count_;
        if (frame->header.type == FrameType::snapshot_end) {
            return SnapshotEnd{index_, offset_, size_};
        }
    }
}

// The next one by its index: in this segment, or the first in a segment that goes on with it.
Result<Frame, Failure> SnapshotReader::next_frame() {
    const std::string expected_at = here();
    for (;;) {
        if (auto loaded = segments_.load(index_); !loaded) return loaded.error();
        const auto frame = segments_.frame_at(offset_);
        if (frame) {
            if (auto known = check_known(*frame, here()); !known) return known.error();
            const FrameHeader& header = frame->header;
            if (is_snapshot(header.type) && header.lsn == lsn_ && header.index == frame_count_) {
                return *frame;
            }
        }
        const bool goes_on = index_ + 1 < segments_.count() &&
                             segments_.at(index_ + 1).header.continues_snapshot &&
                             segments_.at(index_ + 1).number == segments_.at(index_).number + 1;
        if (!goes_on) {
            return damaged(expected_at, "the snapshot's frame " + std::to_string(frame_count_) +
                                            " does not read back");
        }
        ++index_;
        offset_ = frames_offset;
    }
}

Result<void, Failure> SnapshotReader::read_piece(const Frame& piece, Replay* replay) {
    crc_ = crc32c(piece.payload, crc_);
    record_count_ += piece.header.count;
    RecordReader records(piece);
    while (const auto record = records.next()) {
        if (replay == nullptr) continue;
        if (auto done = replay->snapshot_record(*record); !done) {
            return Failure{done.error().code, here() + ": " + done.error().message};
        }
    }
    if (!records.complete()) return damaged(here(), "the frame's records do not fit its size");
    return {};
}

Result<void, Failure> SnapshotReader::check_end(const Frame& end) const {
    ByteReader reader(end.payload);
    const auto count = reader.get<std::uint64_t>();
    const auto crc = reader.get<std::uint32_t>();
    if (reader.complete() && count == record_count_ && crc == crc_) return {};
    return damaged(here(), "the snapshot has other records than its end says");
}

class Scanner {
public:
    Scanner(SegmentReader& segments, Replay& replay, Scan& result)
        : segments_(segments), replay_(replay), result_(result) {}

    Result<void, Failure> run();

private:
    Result<void, Failure> choose_start();
    Result<void, Failure> judge_newer_snapshot(std::size_t newer);
    Result<std::string, Failure> find_proof_of_snapshot(std::size_t newer);
    Result<void, Failure> read_snapshot();
    Result<void, Failure> read_log(std::size_t index);
    Result<void, Failure> read_log_frame(const Frame& frame, const std::string& where);
    Result<void, Failure> end_of_log(std::size_t index);
    void note_unproven(const Frame& frame);
    [[nodiscard]] std::string here(std::size_t index) const {
        return place(segments_.at(index).number, offset_, next_lsn_);
    }

    SegmentReader& segments_;
    Replay& replay_;
    Scan& result_;
    std::size_t start_ = 0;    // index of the segment to read first
    std::size_t end_ = 0;      // index behind the last one that belongs to the log
    bool uses_newer_ = false;  // start_ is newer than the base
    std::uint64_t offset_ = frames_offset;
    Lsn next_lsn_ = 1;

    // Of the log's frames in the present segment those that no `synced` covers yet.
    struct LogFrame {
        std::uint64_t offset;
        Lsn last_lsn;
    };
    std::vector<LogFrame> unproven_;
};

Result<void, Failure> Scanner::run() {
    if (auto chosen = choose_start(); !chosen) return chosen.error();
    const SegmentHeader& first = segments_.at(start_).header;
    result_.base = first.number;
    next_lsn_ = first.first_lsn;
    std::size_t index = start_;
    if (first.begins_snapshot) {
        SnapshotReader reader(segments_, start_);
        auto end = reader.read(&replay_);
        if (!end) return end.error();
        index = end->index;
        offset_ = end->offset;
        result_.snapshot_size = end->size;
        result_.recovery.snapshot_lsn = first.first_lsn - 1;
    } else if (first.number != 1 || first.first_lsn != 1) {
        return damaged(segment_name(first.number), "neither the first segment nor a snapshot");
    }
    for (; index < end_; ++index, offset_ = frames_offset) {
        if (auto read = read_log(index); !read) return read.error();
    }
    result_.recovery.last_lsn = next_lsn_ - 1;
    return {};
}

Result<void, Failure> Scanner::choose_start() {
    const SegmentHeader& newest = segments_.newest();
    start_ = segments_.first();
    end_ = segments_.count();
    for (std::size_t i = segments_.count(); i-- > segments_.first();) {
        const SegmentHeader& header = segments_.at(i).header;
        if (header.number <= newest.base || header.run != newest.run) break;
        if (!header.begins_snapshot) continue;
        if (auto judged = judge_newer_snapshot(i); !judged) return judged.error();
        break;
    }
    const std::uint64_t from = uses_newer_ ? segments_.at(start_).number : newest.base;
    if (segments_.is_complete_from(from)) return {};
    return damaged(segment_name(segments_.first_missing_from(from)), "this segment is missing");
}

// Is the snapshot that begins in segment `newer`, after the base, to be used, left aside, or
// damaged?
Result<void, Failure> Scanner::judge_newer_snapshot(std::size_t newer) {
    const std::uint64_t number = segments_.at(newer).number;
    SnapshotReader reader(segments_, newer);
    const auto end = reader.read(nullptr);
    if (!end && end.error().code != Errc::journal_damaged) return end.error();

    auto proof = find_proof_of_snapshot(newer);
    if (!proof) return proof.error();
    const std::uint64_t missing = segments_.first_missing_from(segments_.newest().base);
    if (missing < number) *proof = segment_name(missing) + " is gone";

    if (end && !proof->empty()) {
        start_ = newer;
        uses_newer_ = true;
        return {};
    }
    if (!end && !proof->empty()) {
        return Failure{Errc::journal_damaged,
                       end.error().message + ", and it was whole once: " + *proof};
    }
    end_ = newer;
    return {};
}

// A record or the clean mark in the snapshot's segments: they come only after it was synced.
Result<std::string, Failure> Scanner::find_proof_of_snapshot(std::size_t newer) {
    for (std::size_t i = newer; i < segments_.count(); ++i) {
        if (auto loaded = segments_.load(i); !loaded) return loaded.error();
        const auto found = segments_.find(
            frames_offset, [](const FrameHeader& header) { return !is_snapshot(header.type); });
        if (found) {
            return "at offset " + std::to_string(*found) + " of " +
                   segment_name(segments_.at(i).number) + " stands what came after it";
        }
    }
    return std::string();
}

Result<void, Failure> Scanner::read_log(std::size_t index) {
    if (auto loaded = segments_.load(index); !loaded) return loaded.error();
    std::optional<Lsn> next_first;  // of the next segment
    if (index + 1 < segments_.count()) next_first = segments_.at(index + 1).header.first_lsn;
    unproven_.clear();
    while (!next_first || next_lsn_ < *next_first) {
        const auto frame = segments_.frame_at(offset_);
        if (frame) {
            if (auto known = check_known(*frame, here(index)); !known) return known.error();
        }
        if (!frame || is_snapshot(frame->header.type) || frame->header.lsn != next_lsn_) {
            if (!next_first) return end_of_log(index);
            return damaged(here(index), "no frame reads back, and it was durable before " +
                                            segment_name(segments_.at(index + 1).number) +
                                            " was opened");
        }
        if (frame->header.type == FrameType::clean) {
            if (next_first) return damaged(here(index), "a clean stop, with records after it");
            result_.recovery.clean = true;
            return {};
        }
        if (auto read = read_log_frame(*frame, here(index)); !read) return read.error();
        note_unproven(*frame);
        offset_ += frame->size_on_disk();
    }
    if (next_lsn_ == *next_first) return {};
    return damaged(here(index), "its records go past the start of the next segment");
}

Result<void, Failure> Scanner::read_log_frame(const Frame& frame, const std::string& where) {
    RecordReader records(frame);
    while (const auto record = records.next()) {
        if (auto done = replay_.log_record(next_lsn_, *record); !done) {
            return Failure{done.error().code, where + ", the record with LSN " +
                                                  std::to_string(next_lsn_) + ": " +
                                                  done.error().message};
        }
        ++next_lsn_;
    }
    if (frame.header.count > 0 && records.complete()) return {};
    return damaged(where, "the frame's records do not fit its size");
}

void Scanner::note_unproven(const Frame& frame) {
    const Lsn synced = frame.header.synced;
    std::erase_if(unproven_, [synced](const LogFrame& f) { return f.last_lsn <= synced; });
    unproven_.push_back({offset_, next_lsn_ - 1});
}

// At the first frame of the last segment that does not read back: tail or damage?
Result<void, Failure> Scanner::end_of_log(std::size_t index) {
    const Lsn lsn = next_lsn_;
    const auto proof =
        segments_.find(offset_, [lsn](const FrameHeader& header) { return header.synced >= lsn; });
    if (proof) {
        return damaged(here(index),
                       "no frame reads back, and it was durable when the one at "
                       "offset " +
                           std::to_string(*proof) + " was written");
    }
    const bool later_frame =
        segments_.find(offset_, [](const FrameHeader&) { return true; }).has_value();
    if (later_frame || !segments_.is_blank(offset_)) {
        result_.recovery.torn_tail = {segments_.at(index).number, offset_, lsn};
    }
    if (!unproven_.empty()) {
        result_.unproven = {segments_.at(index).number, unproven_.front().offset, offset_};
    }
    return {};
}

// Spares alone do not come from a store that is being created, unless the very first one was about
// to become segment 1: then somebody has taken the segments away.
Result<void, Failure> check_no_store(Storage& storage, const std::vector<std::string>& spares) {
    for (const std::string& name : spares) {
        auto file = storage.open(name);
        if (!file) return file.error();
        SegmentHeaderBytes bytes{};
        auto read = (*file)->read(0, bytes);
        if (!read) return read.error();
        const auto header = decode_segment_header(bytes);
        if (header && header->number > 1) {
            return damaged(name, "it was segment " + std::to_string(header->number) +
                                     ", and all segments are gone");
        }
    }
    return {};
}

}  // namespace

Result<Scan, Failure> scan(Storage& storage, Replay& replay) {
    Scan result;
    auto names = storage.list();
    if (!names) return names.error();
    std::vector<std::uint64_t> numbers;
    for (const std::string& name : *names) {
        const auto parsed = parse_segment_name(name);
        if (!parsed) continue;
        if (parsed->kind == SegmentKind::segment) {
            numbers.push_back(parsed->number);
            continue;
        }
        (parsed->kind == SegmentKind::spare ? result.spares : result.unfinished).push_back(name);
        result.next_name = std::max(result.next_name, parsed->number + 1);
    }
    if (numbers.empty()) {
        if (auto none = check_no_store(storage, result.spares); !none) return none.error();
        return result;
    }
    std::sort(numbers.begin(), numbers.end());
    SegmentReader segments(storage, numbers);
    if (auto read = segments.read_headers(); !read) return read.error();
    result.recovery.id = segments.newest().store;
    result.recovery.run = segments.newest().run;
    if (auto done = Scanner(segments, replay, result).run(); !done) return done.error();
    for (const SegmentReader::Entry& entry : segments.entries())
        result.segments.push_back({entry.number, entry.file_size});
    return result;
}

}  // namespace inod
