#include "lib/base/hex.h"

#include <string_view>

namespace inod {
namespace {

void put(std::string& text, std::byte byte) {
    constexpr std::string_view digits = "0123456789abcdef";
    text += digits[std::to_integer<unsigned>(byte) / 16];
    text += digits[std::to_integer<unsigned>(byte) % 16];
}

}  // namespace

std::string hex(std::span<const std::byte> bytes) {
    std::string text;
    for (const std::byte byte : bytes)
        put(text, byte);
    return text;
}

std::string uuid(const std::array<std::byte, 16>& id) {
    std::string text;
    for (std::size_t i = 0; i < id.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        put(text, id.at(i));
    }
    return text;
}

}  // namespace inod
