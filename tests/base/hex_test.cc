#include "lib/base/hex.h"

#include <gtest/gtest.h>

namespace inod {
namespace {

const std::array<std::byte, 16> id{
    std::byte{0x00}, std::byte{0x12}, std::byte{0x34}, std::byte{0x56},
    std::byte{0x78}, std::byte{0x9a}, std::byte{0xbc}, std::byte{0xde},
    std::byte{0xff}, std::byte{0x00}, std::byte{0x11}, std::byte{0x22},
    std::byte{0x33}, std::byte{0x44}, std::byte{0x55}, std::byte{0x66}};

TEST(Hex, WhatIsWrittenReadsBack) {
    EXPECT_EQ(hex(id), "00123456789abcdeff00112233445566");
    EXPECT_EQ(parse_hex(hex(id)), id);
    EXPECT_EQ(parse_hex("00123456789ABCDEFF00112233445566"), id);
    EXPECT_EQ(uuid(id), "00123456-789a-bcde-ff00-112233445566");
    EXPECT_EQ(parse_uuid(uuid(id)), id);
    EXPECT_EQ(parse_uuid("00123456-789A-BCDE-FF00-112233445566"), id);
}

TEST(Hex, AnyOtherTextIsNothing) {
    for (const char* text :
         {"", "00123456789abcdeff0011223344556", "00123456789abcdeff001122334455667",
          "00123456789abcdeff0011223344556g", "00123456-789a-bcde-ff00-112233445566"}) {
        EXPECT_EQ(parse_hex(text), std::nullopt) << text;
    }
    for (const char* text :
         {"", "-", "00123456-789a-bcde-ff00-11223344556", "00123456-789a-bcde-ff00-1122334455667",
          "00123456-789a-bcde-ff00-112233445566\n", "00123456789abcdeff00112233445566",
          "00123456-789a-bcde-ff00112233445566", "001234567-89a-bcde-ff00-112233445566",
          "00123456-789a-bcde-ff00-11223344556-"}) {
        EXPECT_EQ(parse_uuid(text), std::nullopt) << text;
    }
}

}  // namespace
}  // namespace inod
