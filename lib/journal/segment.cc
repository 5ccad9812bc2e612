#include "lib/journal/segment.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "lib/base/bytes.h"
#include "lib/base/crc32c.h"

namespace inod {
namespace {

constexpr std::string_view magic = "inodjrnl";
constexpr std::size_t crc_at = 8;
constexpr std::size_t crc_end = crc_at + 4;
constexpr std::size_t digits_in_name = 16;

constexpr unsigned flag_life = 1U << 0U;
constexpr unsigned flag_snapshot = 1U << 1U;
constexpr unsigned flag_witness = 1U << 2U;

struct Prefix {
    FileKind kind;
    std::string_view text;
};

constexpr std::array prefixes{
    Prefix{FileKind::journal, "journal-"},
    Prefix{FileKind::fresh, "new-"},
};

Failure damaged(const char* message) {
    return {Errc::journal_damaged, message};
}

std::optional<std::uint64_t> parse_digits(std::string_view digits) {
    const bool lower_case =
        std::none_of(digits.begin(), digits.end(), [](char c) { return c >= 'A' && c <= 'F'; });
    std::uint64_t number = 0;
    const char* const end = digits.data() + digits.size();
    const auto result = std::from_chars(digits.data(), end, number, 16);
    if (digits.size() != digits_in_name || !lower_case || result.ptr != end) return std::nullopt;
    return number;
}

template <class Bytes>
void get_id(ByteReader& reader, Bytes& id) {
    const auto bytes = reader.get_bytes(id.size());
    std::copy(bytes.begin(), bytes.end(), id.begin());
}

}  // namespace

SegmentHeaderBytes encode_segment_header(const SegmentHeader& header) {
    SegmentHeaderBytes bytes{};
    ByteWriter writer(bytes);
    writer.put_text(magic);
    writer.put(std::uint32_t{0});
    writer.put(segment_version);
    writer.put(static_cast<std::uint16_t>((header.begins_life ? flag_life : 0U) |
                                          (header.begins_snapshot ? flag_snapshot : 0U) |
                                          (header.has_witness ? flag_witness : 0U)));
    writer.put_bytes(header.store);
    writer.put(header.number);
    writer.put(header.size);
    writer.put(header.first_lsn);
    writer.put(header.run);
    writer.put(header.base);
    writer.put(header.previous);
    writer.put_bytes(header.machine);
    writer.put_bytes(header.vm);
    ByteWriter crc{std::span(bytes).subspan(crc_at)};
    crc.put(crc32c(std::span(bytes).subspan(crc_end)));
    return bytes;
}

std::uint32_t frame_seed(const SegmentHeaderBytes& bytes) {
    ByteReader reader{std::span(bytes).subspan(crc_at)};
    return reader.get<std::uint32_t>();
}

Result<SegmentHeader, Failure> decode_segment_header(const SegmentHeaderBytes& bytes) {
    ByteReader reader(bytes);
    if (reader.get_text(magic.size()) != magic) return damaged("the header's magic is wrong");
    if (reader.get<std::uint32_t>() != crc32c(std::span(bytes).subspan(crc_end))) {
        return damaged("the header's checksum is wrong");
    }
    const auto version = reader.get<std::uint16_t>();
    if (version != segment_version) {
        return Failure{Errc::record_unknown,
                       "segment format version " + std::to_string(version) + " is unknown here"};
    }
    const unsigned flags = reader.get<std::uint16_t>();
    SegmentHeader header;
    header.begins_life = (flags & flag_life) != 0;
    header.begins_snapshot = (flags & flag_snapshot) != 0;
    header.has_witness = (flags & flag_witness) != 0;
    get_id(reader, header.store);
    header.number = reader.get<std::uint64_t>();
    header.size = reader.get<std::uint64_t>();
    header.first_lsn = reader.get<std::uint64_t>();
    header.run = reader.get<std::uint64_t>();
    header.base = reader.get<std::uint64_t>();
    header.previous = reader.get<std::uint64_t>();
    get_id(reader, header.machine);
    get_id(reader, header.vm);
    return header;
}

std::string segment_name(std::uint64_t number) {
    return "segment " + std::to_string(number);
}

std::string file_name(FileKind kind, std::uint64_t digits) {
    const auto* const prefix = std::find_if(prefixes.begin(), prefixes.end(),
                                            [kind](const Prefix& p) { return p.kind == kind; });
    std::array<char, digits_in_name> text{};
    const auto result = std::to_chars(text.data(), text.data() + text.size(), digits, 16);
    const std::string hex(text.data(), result.ptr);
    return std::string(prefix->text) + std::string(digits_in_name - hex.size(), '0') + hex;
}

std::optional<FileName> parse_file_name(const std::string& name) {
    const std::string_view text(name);
    for (const Prefix& prefix : prefixes) {
        if (text.substr(0, prefix.text.size()) != prefix.text) continue;
        const auto digits = parse_digits(text.substr(prefix.text.size()));
        if (digits) return FileName{prefix.kind, *digits};
    }
    return std::nullopt;
}

}  // namespace inod
