#include "lib/base/bytes.h"

#include <array>
#include <limits>

#include <gtest/gtest.h>

namespace inod {
namespace {

TEST(Bytes, WritesLittleEndian) {
    std::array<std::byte, 15> out{};
    ByteWriter writer(out);
    writer.put<std::uint8_t>(0x01);
    writer.put<std::uint16_t>(0x0203);
    writer.put<std::uint32_t>(0x04050607);
    writer.put<std::uint64_t>(0x08090a0b0c0d0e0f);
    const std::array<int, 15> want{0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04, 0x0f,
                                   0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08};
    ASSERT_EQ(writer.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
        EXPECT_EQ(std::to_integer<int>(out.at(i)), want.at(i)) << "byte " << i;
    }
}

TEST(Bytes, WriterNeverPassesItsEnd) {
    std::array<std::byte, 3> out{};
    ByteWriter writer(out);
    writer.put<std::uint16_t>(1);
    writer.put<std::uint16_t>(2);
    EXPECT_TRUE(writer.overflowed());
    EXPECT_EQ(writer.size(), 2U);
}

TEST(Bytes, ReaderRemembersThatItPassedTheEnd) {
    const std::array<std::byte, 3> in{};
    ByteReader reader(in);
    EXPECT_EQ(reader.get<std::uint32_t>(), 0U);
    EXPECT_TRUE(reader.overflowed());
    EXPECT_EQ(reader.get<std::uint8_t>(), 0U);
    EXPECT_FALSE(reader.complete());
}

TEST(Bytes, VarintsComeBack) {
    const std::uint64_t top = std::numeric_limits<std::uint64_t>::max();
    for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128},
                                      std::uint64_t{16383}, std::uint64_t{16384}, top - 1, top}) {
        std::array<std::byte, varint_size_max> out{};
        ByteWriter writer(out);
        writer.put_varint(value);
        ByteReader reader(writer.written());
        EXPECT_EQ(reader.get_varint(), value);
        EXPECT_TRUE(reader.complete());
    }
}

TEST(Bytes, VarintsHaveOneEncoding) {
    const std::array<std::byte, 2> padded{std::byte{0x80}, std::byte{0x00}};
    ByteReader reader(padded);
    reader.get_varint();
    EXPECT_TRUE(reader.overflowed());

    std::array<std::byte, 10> too_large{};
    too_large.fill(std::byte{0xff});
    too_large[9] = std::byte{0x02};
    ByteReader large(too_large);
    large.get_varint();
    EXPECT_TRUE(large.overflowed());
}

}  // namespace
}  // namespace inod
