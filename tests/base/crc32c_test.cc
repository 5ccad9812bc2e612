#include "lib/base/crc32c.h"

#include <random>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace inod {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

// The vectors of RFC 3720, appendix B.4, and the check value "123456789" of the CRC catalogues.
TEST(Crc32c, GivesThePublishedValues) {
    std::vector<std::byte> ascending(32);
    std::vector<std::byte> descending(32);
    for (std::size_t i = 0; i < 32; ++i) {
        ascending[i] = static_cast<std::byte>(i);
        descending[i] = static_cast<std::byte>(31 - i);
    }
    struct Case {
        const char* name;
        std::vector<std::byte> bytes;
        std::uint32_t want;
    };
    const auto digits = bytes_of("123456789");
    const Case cases[] = {
        {"nothing", {}, 0},
        {"digits", {digits.begin(), digits.end()}, 0xE3069283},
        {"32 zeros", std::vector<std::byte>(32, std::byte{0}), 0x8A9136AA},
        {"32 ones", std::vector<std::byte>(32, std::byte{0xff}), 0x62A8AB43},
        {"ascending", ascending, 0x46DD794E},
        {"descending", descending, 0x113FDB5C},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        EXPECT_EQ(crc32c(c.bytes), c.want);
        EXPECT_EQ(crc32c_portable(c.bytes), c.want);
    }
}

TEST(Crc32c, InstructionAndTableAgreeOnEverySizeAndSeed) {
    std::mt19937_64 random(1);
    std::vector<std::byte> bytes(300);
    for (auto& byte : bytes)
        byte = static_cast<std::byte>(random());
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
        const auto part = std::span(bytes).last(size);
        const auto seed = static_cast<std::uint32_t>(random());
        EXPECT_EQ(crc32c(part, seed), crc32c_portable(part, seed)) << "size " << size;
    }
}

TEST(Crc32c, GoesOnFromASeed) {
    const auto whole = bytes_of("123456789");
    for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
        EXPECT_EQ(crc32c(whole.subspan(cut), crc32c(whole.first(cut))), 0xE3069283);
    }
}

}  // namespace
}  // namespace inod
