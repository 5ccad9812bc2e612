// Bytes as people read them.
//
// Thread safety: none needed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace inod {

// Two lower-case hexadecimal digits a byte.
std::string hex(std::span<const std::byte> bytes);
// The 16 digits of a number.
std::string hex(std::uint64_t number);

// The same in five groups: "00112233-4455-6677-8899-aabbccddeeff".
std::string uuid(const std::array<std::byte, 16>& id);

// The 16 bytes that 32 hexadecimal digits of either case say; nothing of any other text.
std::optional<std::array<std::byte, 16>> parse_hex(std::string_view digits);

// The reverse of uuid(), of either case; nothing of any other text.
std::optional<std::array<std::byte, 16>> parse_uuid(std::string_view text);

}  // namespace inod
