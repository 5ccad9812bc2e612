#include "lib/journal/backup.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "lib/journal/backup_file.h"
#include "lib/journal/frame.h"
#include "lib/journal/recovery.h"
#include "lib/journal/segment_reader.h"

namespace inod {
namespace {

// What is written in order is read in reverse order, by pieces that are read in one go.
constexpr std::size_t block_size = 4096;
// What is asked of the disk, and written, at once.
constexpr std::size_t chunk_size = std::size_t{1} << 20U;
static_assert(frames_offset == block_size, "the header is read last, by itself");

Failure changed(const std::string& what) {
    return {Errc::state_in_use, what};
}

Failure damaged(const std::string& what) {
    return {Errc::journal_damaged, what};
}

// The segment that it was when the headers were read?
Result<void, Failure> check_same(const SegmentHeader& found, const SegmentHeaderBytes& now) {
    const auto header = decode_segment_header(now);
    if (header && header->number == found.number) return {};
    return changed(segment_name(found.number) + " was used again while it was copied");
}

// One attempt.
class Copier {
public:
    Copier(Storage& state, std::shared_ptr<File> out)
        : state_(state), out_(std::move(out)), memory_(chunk_size) {}

    // Errors: state_in_use and journal_damaged, which another attempt may not meet; all others.
    Result<BackupMade, Failure> run();

private:
    // Where the frames of a copied segment end, and which segment they name, if any.
    struct End {
        std::uint64_t offset;
        std::optional<std::uint64_t> next;
    };

    Result<void, Failure> find();
    Result<void, Failure> read_headers();
    Result<void, Failure> open_all(SegmentReader& reader);
    Result<void, Failure> check_newest();
    Result<void, Failure> copy_chain();
    Result<void, Failure> copy(const SegmentReader::Entry& entry);
    static Result<void, Failure> read_backwards(const SegmentReader::Entry& entry,
                                                std::uint64_t offset, std::span<std::byte> out);
    [[nodiscard]] Result<End, Failure> end_of_copy() const;
    Result<void, Failure> check_gone_on_in(std::uint64_t number);
    Result<void, Failure> take_out_next(const End& end);

    Storage& state_;
    const std::shared_ptr<File> out_;
    std::optional<SegmentReader> found_;
    SegmentHeader newest_;
    std::vector<BackupPart> parts_;  // copied so far
    std::vector<std::byte> memory_;
};

Result<BackupMade, Failure> Copier::run() {
    if (auto found = find(); !found) return found.error();
    if (auto copied = copy_chain(); !copied) return copied.error();
    BackupFile copy(out_, parts_);
    NoReplay nobody;
    const auto read = scan(copy, nobody);
    if (!read) return read.error();
    const Recovery& recovery = read->recovery;
    if (auto done = seal_backup(*out_, parts_, recovery.last_lsn); !done) return done.error();
    return BackupMade{
        .size = parts_.back().offset + parts_.back().size + backup_trailer_size,
        .segments = parts_.size(),
        .run = recovery.run,
        .last_lsn = recovery.last_lsn,
    };
}

// Until the headers fit together: that takes so little that it seldom takes a second time.
Result<void, Failure> Copier::find() {
    auto found = read_headers();
    for (int turn = 1; turn < backup_attempts_max && !found; ++turn) {
        if (found.error().code != Errc::state_in_use) break;
        found = read_headers();
    }
    return found;
}

Result<void, Failure> Copier::read_headers() {
    found_.emplace(state_);
    if (auto opened = open_all(*found_); !opened) return opened;
    const auto newest = found_->find_newest();
    if (!newest) return newest.error();
    if (!*newest) {
        if (found_->next_number() == 1) return Failure{Errc::io_error, "there is no store"};
        return damaged("no segment is the newest");
    }
    newest_ = *found_->at(**newest).header;
    return check_newest();
}

// A spare may be removed while the headers are read.
Result<void, Failure> Copier::open_all(SegmentReader& reader) {
    const auto before = state_.list();
    if (!before) return before.error();
    auto opened = reader.open_all();
    if (opened) return opened;
    const auto after = state_.list();
    if (!after) return after.error();
    if (*after == *before) return opened;
    return changed("files came and went: " + opened.error().message);
}

// The headers were read one after the other. Was there a moment when this was the newest? Then
// whichever is above it was about to follow it, and none was being written.
Result<void, Failure> Copier::check_newest() {
    const std::uint64_t newest = newest_.number;
    for (const SegmentReader::Entry& entry : found_->entries()) {
        if (entry.header && entry.header->number > newest && entry.header->previous != newest) {
            return changed(segment_name(newest) + " was the newest no more when " +
                           segment_name(entry.header->number) + " was found");
        }
        if (entry.header) continue;
        SegmentHeaderBytes now{};
        const auto size = entry.file->read(0, now);
        if (!size) return size.error();
        if (decode_segment_header(now)) return changed(entry.name + " was about to be used again");
    }
    return {};
}

Result<void, Failure> Copier::copy_chain() {
    for (std::uint64_t number = newest_.base;;) {
        const auto index = found_->find(number);
        if (!index) return changed(segment_name(number) + " is not there any more");
        if (auto copied = copy(found_->at(*index)); !copied) return copied;
        const auto end = end_of_copy();
        if (!end) return end.error();
        if (number == newest_.number) return take_out_next(*end);
        if (!end->next || *end->next <= number || *end->next > newest_.number) {
            return damaged(found_->at(*index).name + ": " + segment_name(number) +
                           " does not lead to " + segment_name(newest_.number));
        }
        number = *end->next;
    }
}

Result<void, Failure> Copier::copy(const SegmentReader::Entry& entry) {
    const SegmentHeader& header = *entry.header;
    if (!is_segment_size(header.size) || header.size != entry.file_size) {
        return damaged(entry.name + ": it has " + std::to_string(entry.file_size) +
                       " bytes and should have " + std::to_string(header.size));
    }
    const std::uint64_t begin = parts_.empty() ? 0 : parts_.back().offset + parts_.back().size;
    for (std::uint64_t at = header.size; at > 0;) {
        const auto chunk = std::span(memory_).first(std::min<std::uint64_t>(chunk_size, at));
        at -= chunk.size();
        if (auto read = read_backwards(entry, at, chunk); !read) return read;
        if (auto written = out_->write(begin + at, chunk); !written) return written;
    }
    // What was read last is the beginning of the file.
    SegmentHeaderBytes last{};
    std::copy_n(memory_.begin(), last.size(), last.begin());
    if (auto same = check_same(header, last); !same) return same;
    parts_.push_back({.offset = begin, .size = header.size, .name = entry.name});
    return {};
}

// Block by block. The first read only brings all of it into memory: a disk is slow backwards.
Result<void, Failure> Copier::read_backwards(const SegmentReader::Entry& entry,
                                             std::uint64_t offset, std::span<std::byte> out) {
    auto size = entry.file->read(offset, out);
    for (std::size_t at = out.size(); size && *size != 0 && at > 0;) {
        at -= block_size;
        size = entry.file->read(offset + at, out.subspan(at, block_size));
    }
    if (!size) return size.error();
    if (*size == 0) return damaged(entry.name + ": it was cut short while it was read");
    return {};
}

Result<Copier::End, Failure> Copier::end_of_copy() const {
    BackupFile copy(out_, {parts_.back()});
    SegmentReader reader(copy);
    if (auto opened = reader.open_all(); !opened) return opened.error();
    reader.open(0);
    End end{.offset = frames_offset, .next = {}};
    for (Lsn lsn = reader.at(0).header->first_lsn;;) {
        const auto frame = reader.frame_at(end.offset);
        if (!reader.trouble()) return reader.trouble().error();
        if (!frame || frame->header.lsn != lsn) return end;
        if (frame->header.type == FrameType::next) {
            end.next = named_by(*frame);
            return end;
        }
        lsn += frame->header.lsn_count();
        end.offset += frame->size_on_disk();
    }
}

// The copy says that there was more: is it there, or something newer?
Result<void, Failure> Copier::check_gone_on_in(std::uint64_t number) {
    SegmentReader now(state_);
    if (auto opened = open_all(now); !opened) return opened;
    if (now.next_number() > number) return {};
    return damaged(segment_name(number) + " is missing, and it was gone on in");
}

Result<void, Failure> Copier::take_out_next(const End& end) {
    if (!end.next) return {};
    if (auto checked = check_gone_on_in(*end.next); !checked) return checked;
    static constexpr std::array<std::byte, next_frame_size> zeros{};
    return out_->write(parts_.back().offset + end.offset, zeros);
}

// A failure that another attempt need not meet.
bool may_pass(const Failure& failure) {
    return failure.code == Errc::state_in_use || failure.code == Errc::journal_damaged;
}

Failure after_all_attempts(Failure failure) {
    const bool is_damage = failure.code == Errc::journal_damaged;
    failure.message += "; so it went " + std::to_string(backup_attempts_max) + " times. ";
    failure.message +=
        is_damage ? "The journal is damaged; `inoctl check` with the daemon stopped says more"
                  : "Try again when less is written, or with the daemon stopped; "
                    "if none runs, the journal is damaged";
    return failure;
}

Result<BackupMade, Failure> copy_once(Storage& state, Storage& directory, const BackupName& as) {
    auto file = directory.create(as.temporary);
    if (!file) return file.error();
    auto made = Copier(state, *std::move(file)).run();
    if (made) {
        auto renamed = directory.rename(as.temporary, as.name);
        if (renamed) return made;
        made = renamed.error();
    }
    // What went wrong first is what is told.
    static_cast<void>(directory.remove(as.temporary));
    return made;
}

}  // namespace

Result<BackupMade, Failure> back_up(Storage& state, Storage& directory, const BackupName& as) {
    for (int attempt = 1;; ++attempt) {
        auto made = copy_once(state, directory, as);
        if (made) {
            made->attempts = attempt;
            if (auto synced = directory.sync_names(); !synced) return synced.error();
            return made;
        }
        if (!may_pass(made.error())) return made;
        if (attempt == backup_attempts_max) return after_all_attempts(made.error());
    }
}

}  // namespace inod
