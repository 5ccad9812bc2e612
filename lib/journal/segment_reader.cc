#include "lib/journal/segment_reader.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "lib/base/bytes.h"

namespace inod {

std::uint64_t named_by(const Frame& frame) {
    ByteReader reader(frame.payload);
    const auto number = reader.get<std::uint64_t>();
    return reader.complete() ? number : 0;
}

Result<void, Failure> SegmentReader::open_all() {
    auto names = storage_.list();
    if (!names) return names.error();
    std::sort(names->begin(), names->end());
    for (const std::string& name : *names) {
        const auto parsed = parse_file_name(name);
        if (!parsed) continue;
        next_digits_ = std::max(next_digits_, parsed->digits + 1);
        if (parsed->kind == FileKind::fresh) {
            unfinished_.push_back(name);
        } else if (auto added = add(name); !added) {
            return added;
        }
    }
    return check_one_store();
}

Result<void, Failure> SegmentReader::add(const std::string& name) {
    auto file = storage_.open(name);
    if (!file) return file.error();
    auto size = (*file)->size();
    if (!size) return size.error();
    SegmentHeaderBytes bytes{};
    auto read = (*file)->read(0, bytes);
    if (!read) return read.error();
    Entry entry{.name = name, .file = *std::move(file), .file_size = *size, .header = {}};
    auto header = decode_segment_header(bytes);
    if (header) {
        entry.header = *header;
        entry.seed = frame_seed(bytes);
    } else if (header.error().code == Errc::record_unknown) {
        return Failure{header.error().code, name + ": " + header.error().message};
    }
    entries_.push_back(std::move(entry));
    return {};
}

Result<void, Failure> SegmentReader::check_one_store() const {
    const Entry* newest = nullptr;
    for (const Entry& entry : entries_) {
        if (!entry.header) continue;
        if (newest == nullptr || entry.header->number > newest->header->number) newest = &entry;
    }
    for (const Entry& entry : entries_) {
        if (!entry.header || &entry == newest) continue;
        if (entry.header->store != newest->header->store) {
            return Failure{Errc::journal_damaged,
                           entry.name + ": it belongs to another store than " + newest->name};
        }
        const std::size_t first = *find(entry.header->number);
        if (&entries_[first] != &entry) {
            return Failure{Errc::journal_damaged, entry.name + ": it says that it is " +
                                                      segment_name(entry.header->number) + ", as " +
                                                      entries_[first].name +
                                                      " does: one is a copy of the other"};
        }
    }
    return {};
}

std::uint64_t SegmentReader::next_number() const {
    std::uint64_t next = 1;
    for (const Entry& entry : entries_)
        if (entry.header) next = std::max(next, entry.header->number + 1);
    return next;
}

std::optional<std::size_t> SegmentReader::find(std::uint64_t number) const {
    const auto found = std::find_if(entries_.begin(), entries_.end(), [number](const Entry& entry) {
        return entry.header && entry.header->number == number;
    });
    if (found == entries_.end()) return std::nullopt;
    return static_cast<std::size_t>(found - entries_.begin());
}

Result<std::optional<std::size_t>, Failure> SegmentReader::find_newest() {
    std::vector<std::size_t> candidates;
    for (std::size_t i = 0; i < entries_.size(); ++i)
        if (entries_[i].header) candidates.push_back(i);
    std::sort(candidates.begin(), candidates.end(), [this](std::size_t a, std::size_t b) {
        return entries_[a].header->number > entries_[b].header->number;
    });
    for (const std::size_t candidate : candidates) {
        auto counts = was_gone_on_in(candidate);
        if (!counts) return counts.error();
        if (*counts) return std::optional(candidate);
    }
    return std::optional<std::size_t>();
}

Result<bool, Failure> SegmentReader::was_gone_on_in(std::size_t index) {
    const SegmentHeader& header = *entries_[index].header;
    if (header.previous == 0) return true;
    open(index);
    const bool has_any = find_frame(frames_offset, [](const Frame&) { return true; }).has_value();
    if (!trouble_) return trouble_.error();
    const auto previous = find(header.previous);
    if (has_any || !previous) return has_any;
    open(*previous);
    const bool is_named =
        find_frame(frames_offset, [&header](const Frame& frame) {
            return frame.header.type == FrameType::next && named_by(frame) == header.number;
        }).has_value();
    if (!trouble_) return trouble_.error();
    return is_named;
}

void SegmentReader::open(std::size_t index) noexcept {
    open_ = index;
    window_size_ = 0;
}

// What the file has from `offset` on: a whole frame at least, or up to its end.
std::span<const std::byte> SegmentReader::window_at(std::uint64_t offset) {
    constexpr std::size_t window_size = std::size_t{1} << 20U;
    constexpr std::size_t needed = frame_header_size + frame_payload_limit;
    const Entry& entry = entries_[open_];
    if (offset >= entry.file_size) return {};
    const std::uint64_t wanted = std::min<std::uint64_t>(needed, entry.file_size - offset);
    const bool is_there =
        offset >= window_begin_ && offset + wanted <= window_begin_ + window_size_;
    if (!is_there) {
        memory_.resize(std::min<std::uint64_t>(window_size, entry.file_size));
        auto read = entry.file->read(offset, memory_);
        if (!read && trouble_) trouble_ = read.error();
        window_begin_ = offset;
        window_size_ = read ? *read : 0;
    }
    const std::size_t at = offset - window_begin_;
    return std::span(memory_).first(window_size_).subspan(std::min(at, window_size_));
}

std::optional<Frame> SegmentReader::frame_at(std::uint64_t offset) {
    return decode_frame(window_at(offset), entries_[open_].seed);
}

std::optional<FrameHeader> SegmentReader::unproven_header_at(std::uint64_t offset) {
    std::array<std::byte, frame_header_size> bytes{};
    auto read = entries_[open_].file->read(offset, bytes);
    if (!read && trouble_) trouble_ = read.error();
    if (!read || *read < bytes.size()) return std::nullopt;
    const FrameHeader header = first_header(bytes);
    return is_known(header) ? std::optional(header) : std::nullopt;
}

bool are_zeros(std::span<const std::byte> bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

bool SegmentReader::is_blank(std::uint64_t offset) {
    const auto rest = window_at(offset);
    return are_zeros(rest.first(std::min(frame_header_size, rest.size())));
}

bool SegmentReader::is_blank_from(std::uint64_t offset) {
    for (auto rest = window_at(offset); !rest.empty(); rest = window_at(offset)) {
        if (!are_zeros(rest)) return false;
        offset += rest.size();
    }
    return true;
}

// So many bytes from the start on are zeros in which no frame begins: its version is not 0, and would
// be among them. A multiple of frame_alignment.
std::size_t zeros_without_frame(std::span<const std::byte> bytes) {
    constexpr std::array<std::byte, 512> zeros{};
    std::size_t count = 0;
    while (count + zeros.size() <= bytes.size() &&
           std::memcmp(bytes.data() + count, zeros.data(), zeros.size()) == 0) {
        count += zeros.size();
    }
    return count - (count > 0 ? frame_header_size : 0);
}

std::optional<std::uint64_t> SegmentReader::find_frame(std::uint64_t offset, const Wanted& wanted) {
    for (;;) {
        const auto window = window_at(offset);
        if (window.size() < frame_header_size) return std::nullopt;
        // All places in the window but the last ones, where a frame need not be whole in it.
        const bool is_last = offset + window.size() == entries_[open_].file_size;
        const std::size_t reach = is_last ? 0 : frame_payload_limit;
        std::size_t at = 0;
        for (; at + frame_header_size + reach <= window.size(); at += frame_alignment) {
            at += zeros_without_frame(window.subspan(at));
            if (at + frame_header_size + reach > window.size()) break;
            if (!may_be_frame(window.subspan(at))) continue;
            const auto frame = decode_frame(window.subspan(at), entries_[open_].seed);
            if (frame && wanted(*frame)) return offset + at;
        }
        if (is_last || at == 0) return std::nullopt;
        offset += at;
    }
}

// Most of a segment is zeros, or frames of earlier uses with lower LSNs: a look at a few fields
// spares the checksum.
bool SegmentReader::may_be_frame(std::span<const std::byte> bytes) const {
    ByteReader kind(bytes.subspan(frame_type_offset, sizeof(std::uint32_t)));
    if (kind.get<std::uint32_t>() >> 8U != frame_version) return false;
    const FrameHeader header = first_header(bytes);
    const Entry& entry = entries_[open_];
    return is_known(header) && entry.header && header.lsn >= entry.header->first_lsn;
}

}  // namespace inod
