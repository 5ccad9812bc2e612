#include "lib/base/hex.h"

#include <algorithm>

namespace inod {
namespace {

void put(std::string& text, std::byte byte) {
    constexpr std::string_view digits = "0123456789abcdef";
    text += digits[std::to_integer<unsigned>(byte) / 16];
    text += digits[std::to_integer<unsigned>(byte) % 16];
}

std::optional<unsigned> digit(char c) {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
    return std::nullopt;
}

// Whether a group of a UUID begins at that byte.
bool begins_group(std::size_t byte) {
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

}  // namespace

std::string hex(std::span<const std::byte> bytes) {
    std::string text;
    for (const std::byte byte : bytes)
        put(text, byte);
    return text;
}

std::string hex(std::uint64_t number) {
    std::string text;
    for (unsigned shift = 64; shift > 0;) {
        shift -= 8;
        put(text, static_cast<std::byte>(number >> shift));
    }
    return text;
}

std::string uuid(const std::array<std::byte, 16>& id) {
    std::string text;
    for (std::size_t i = 0; i < id.size(); ++i) {
        if (begins_group(i)) text += '-';
        put(text, id.at(i));
    }
    return text;
}

std::optional<std::array<std::byte, 16>> parse_hex(std::string_view digits) {
    std::array<std::byte, 16> id{};
    if (digits.size() != 2 * id.size()) return std::nullopt;
    for (std::size_t i = 0; i < id.size(); ++i) {
        const auto high = digit(digits[2 * i]);
        const auto low = digit(digits[2 * i + 1]);
        if (!high || !low) return std::nullopt;
        id.at(i) = std::byte(*high * 16 + *low);
    }
    return id;
}

std::optional<std::array<std::byte, 16>> parse_uuid(std::string_view text) {
    std::string digits;
    for (std::size_t i = 0; i < 16; ++i) {
        if (begins_group(i)) {
            if (!text.starts_with('-')) return std::nullopt;
            text.remove_prefix(1);
        }
        digits += text.substr(0, 2);
        text.remove_prefix(std::min<std::size_t>(2, text.size()));
    }
    if (!text.empty()) return std::nullopt;
    return parse_hex(digits);
}

}  // namespace inod
