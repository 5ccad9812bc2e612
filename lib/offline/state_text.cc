#include "lib/offline/state_text.h"

#include "lib/base/bytes.h"

namespace inod {

std::array<std::byte, 16> bytes_of(const Words& words) {
    std::array<std::byte, 16> bytes{};
    ByteWriter out(bytes);
    for (const std::uint64_t word : words)
        out.put(word);
    return bytes;
}

Words words_of(const std::array<std::byte, 16>& bytes) {
    Words words{};
    ByteReader in(bytes);
    for (std::uint64_t& word : words)
        word = in.get<std::uint64_t>();
    return words;
}

std::string characters_of(std::string_view bytes) {
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x80U) text += static_cast<char>(0xC0U | (byte >> 6U));
        text += static_cast<char>(byte >= 0x80U ? 0x80U | (byte & 0x3FU) : byte);
    }
    return text;
}

std::optional<std::string> bytes_of_characters(std::string_view text) {
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto first = static_cast<unsigned char>(text[i]);
        if (first < 0x80U) {
            bytes += static_cast<char>(first);
            continue;
        }
        // U+0080 to U+00FF take two bytes, the first of them one of these.
        if ((first != 0xC2U && first != 0xC3U) || ++i == text.size()) return std::nullopt;
        const auto second = static_cast<unsigned char>(text[i]);
        if ((second & 0xC0U) != 0x80U) return std::nullopt;
        bytes += static_cast<char>((unsigned{first} << 6U) | (second & 0x3FU));
    }
    return bytes;
}

}  // namespace inod
