// How what is no number stands in the lines of a state: exactly, and as text.
//
// Thread safety: none needed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace inod {

// Two words as the journal stores them, for hex() and uuid().
using Words = std::array<std::uint64_t, 2>;
std::array<std::byte, 16> bytes_of(const Words& words);
Words words_of(const std::array<std::byte, 16>& bytes);

// Bytes of any kind as characters in UTF-8, each as the one with its number: U+0000 to U+00FF. So
// plain ASCII stays what it is.
std::string characters_of(std::string_view bytes);
// The reverse; nothing of a text that has other characters, or is no UTF-8.
std::optional<std::string> bytes_of_characters(std::string_view text);

}  // namespace inod
