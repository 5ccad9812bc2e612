#include "lib/journal/segment_reader.h"

#include <algorithm>

namespace inod {
namespace {

Failure damaged(std::uint64_t number, const std::string& what) {
    return {Errc::journal_damaged, segment_name(number) + ": " + what};
}

std::string backward(const char* what, std::uint64_t value, std::uint64_t before) {
    return std::string("its ") + what + " is " + std::to_string(value) + ", below the " +
           std::to_string(before) + " of the segment before";
}

}  // namespace

std::string segment_name(std::uint64_t number) {
    return segment_file_name(SegmentKind::segment, number);
}

SegmentReader::SegmentReader(Storage& storage, const std::vector<std::uint64_t>& numbers)
    : storage_(storage) {
    for (const std::uint64_t number : numbers)
        entries_.emplace_back().number = number;
}

Result<void, Failure> SegmentReader::read_headers() {
    if (auto read = read_header(entries_.back()); !read) return read.error();
    const std::uint64_t base = newest().base;
    const Entry* before = nullptr;
    first_ = entries_.size();
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        Entry& entry = entries_[i];
        if (entry.number < base) {
            // A leftover. Only its size matters, and even that only if it can be read.
            auto file = storage_.open(segment_name(entry.number));
            auto size = file ? (*file)->size() : file.error();
            if (!size) return size.error();
            entry.file_size = *size;
            continue;
        }
        first_ = std::min(first_, i);
        if (auto read = read_header(entry); !read) return read.error();
        if (auto checked = check(entry, before); !checked) return checked.error();
        before = &entry;
    }
    return {};
}

Result<void, Failure> SegmentReader::read_header(Entry& entry) {
    auto file = storage_.open(segment_name(entry.number));
    if (!file) return file.error();
    auto size = (*file)->size();
    if (!size) return size.error();
    entry.file_size = *size;
    SegmentHeaderBytes bytes{};
    auto read = (*file)->read(0, bytes);
    if (!read) return read.error();
    if (*read < bytes.size()) return damaged(entry.number, "it is shorter than its header");
    auto header = decode_segment_header(bytes);
    if (!header) {
        return Failure{header.error().code,
                       segment_name(entry.number) + ": " + header.error().message};
    }
    if (header->base > header->number) {
        return damaged(entry.number, "its base, " + std::to_string(header->base) + ", is after it");
    }
    entry.header = *header;
    entry.seed = frame_seed(bytes);
    return {};
}

Result<void, Failure> SegmentReader::check(const Entry& entry, const Entry* before) const {
    const SegmentHeader& header = entry.header;
    const auto refuse = [&entry](const std::string& what) { return damaged(entry.number, what); };
    if (header.number != entry.number) {
        return refuse("its header is that of segment " + std::to_string(header.number));
    }
    if (header.store != newest().store) {
        return refuse("it belongs to another store than " + segment_name(entries_.back().number));
    }
    if (header.size != entry.file_size) {
        return refuse("it has " + std::to_string(entry.file_size) + " bytes and should have " +
                      std::to_string(header.size));
    }
    if (header.size < segment_size_min || header.size > segment_size_max) {
        return refuse("its size, " + std::to_string(header.size) + ", is impossible");
    }
    if (before == nullptr) return {};
    const SegmentHeader& last = before->header;
    if (header.first_lsn < last.first_lsn) {
        return refuse(backward("first LSN", header.first_lsn, last.first_lsn));
    }
    if (header.run < last.run) return refuse(backward("run", header.run, last.run));
    if (header.base < last.base) return refuse(backward("base", header.base, last.base));
    return {};
}

std::uint64_t SegmentReader::first_missing_from(std::uint64_t number) const {
    for (const Entry& entry : entries_) {
        if (entry.number < number) continue;
        if (entry.number != number) return number;
        ++number;
    }
    return number;
}

bool SegmentReader::is_complete_from(std::uint64_t number) const {
    return first_missing_from(number) > entries_.back().number;
}

Result<void, Failure> SegmentReader::load(std::size_t index) {
    if (loaded_ == index) return {};
    const Entry& entry = entries_[index];
    auto file = storage_.open(segment_name(entry.number));
    if (!file) return file.error();
    bytes_.resize(entry.header.size);
    loaded_.reset();
    auto read = (*file)->read(0, bytes_);
    if (!read) return read.error();
    if (*read < bytes_.size()) return damaged(entry.number, "it became shorter while it was read");
    loaded_ = index;
    return {};
}

std::optional<Frame> SegmentReader::frame_at(std::uint64_t offset) const {
    if (offset >= bytes_.size()) return std::nullopt;
    return decode_frame(std::span(bytes_).subspan(offset), entries_[*loaded_].seed);
}

bool SegmentReader::is_blank(std::uint64_t offset) const {
    const auto rest = std::span(bytes_).subspan(std::min<std::uint64_t>(offset, bytes_.size()));
    const auto header = rest.first(std::min(frame_header_size, rest.size()));
    return std::all_of(header.begin(), header.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace inod
