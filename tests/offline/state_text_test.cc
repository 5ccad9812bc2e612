// What is no number goes into lines and comes back as it was.
#include "lib/offline/state_text.h"

#include <gtest/gtest.h>

#include "lib/base/hex.h"

namespace inod {
namespace {

TEST(StateText, EachByteIsACharacterAndComesBack) {
    std::string all;
    for (int byte = 0; byte < 256; ++byte)
        all += static_cast<char>(byte);
    const std::string text = characters_of(all);
    EXPECT_EQ(text.size(), 128U + 2 * 128U);
    EXPECT_EQ(text.substr(0, 128), all.substr(0, 128));
    EXPECT_EQ(bytes_of_characters(text), all);
    EXPECT_EQ(characters_of("caf\xe9"), "caf\u00e9");
}

TEST(StateText, WhatNoBytesStandForIsRefused) {
    for (const char* text : {"\u0100", "\u20ac", "\xc3", "\xc3z", "\xa9", "\xc0\x80", "\xff"})
        EXPECT_FALSE(bytes_of_characters(text)) << hex(std::as_bytes(std::span(text, 1)));
}

TEST(StateText, WordsStandAsTheJournalHasThem) {
    const Words words{0x0706050403020100, 0x0f0e0d0c0b0a0908};
    EXPECT_EQ(hex(bytes_of(words)), "000102030405060708090a0b0c0d0e0f");
    EXPECT_EQ(words_of(bytes_of(words)), words);
}

}  // namespace
}  // namespace inod
