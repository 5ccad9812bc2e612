// Bytes as people read them.
//
// Thread safety: none needed.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>

namespace inod {

// Two lower-case hexadecimal digits a byte.
std::string hex(std::span<const std::byte> bytes);

// The same in five groups: "00112233-4455-6677-8899-aabbccddeeff".
std::string uuid(const std::array<std::byte, 16>& id);

}  // namespace inod
