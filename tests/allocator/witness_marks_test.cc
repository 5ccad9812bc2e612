#include "lib/allocator/witness_marks.h"

#include <array>

#include <gtest/gtest.h>

namespace inod {
namespace {

using Kind = WitnessMark::Kind;

TEST(WitnessMarks, ReadBackAsTheyWereWritten) {
    const std::vector<WitnessMark> marks{{.pool = 0, .kind = Kind::mark, .value = id_max},
                                         {.pool = 7, .kind = Kind::generation, .value = 1},
                                         {.pool = 65'534, .kind = Kind::mark, .value = 0}};
    std::vector<std::byte> memory(marks.size() * witness_mark_size);
    ByteWriter out(memory);
    for (const WitnessMark& mark : marks)
        put_witness_mark(mark, out);
    EXPECT_EQ(out.room(), 0U);
    EXPECT_FALSE(out.overflowed());
    EXPECT_EQ(decode_witness_marks(memory), marks);
    EXPECT_EQ(memory[16 + 2], std::byte{2}) << "the kind stands where the header says";
    EXPECT_EQ(decode_witness_marks({}), std::vector<WitnessMark>{});
}

TEST(WitnessMarks, AnythingElseIsNone) {
    std::array<std::byte, 2 * witness_mark_size> memory{};
    ByteWriter out(memory);
    put_witness_mark({.pool = 3, .kind = Kind::mark, .value = 5}, out);
    put_witness_mark({.pool = 4, .kind = Kind::generation, .value = 5}, out);
    ASSERT_TRUE(decode_witness_marks(memory));
    EXPECT_FALSE(decode_witness_marks(std::span(memory).first(17))) << "half an entry";
    const std::pair<std::size_t, std::byte> faults[] = {
        {2, std::byte{0}},                       // no such kind
        {18, std::byte{3}},                      // nor this
        {3, std::byte{1}},                       // zeros that are none
        {23, std::byte{1}}, {16, std::byte{3}},  // the same pool again
        {16, std::byte{2}},                      // out of order
    };
    for (const auto& [at, value] : faults) {
        auto wrong = memory;
        wrong[at] = value;
        EXPECT_FALSE(decode_witness_marks(wrong)) << at;
    }
}

TEST(WitnessMarks, TheStrideIsAThousandthOfWhatIsLeft) {
    EXPECT_EQ(witness_mark_stride(0, id_max), 1U << 20U);
    EXPECT_EQ(witness_mark_stride(0, 1'000'000), 1000U);
    EXPECT_EQ(witness_mark_stride(999'000, 1'000'000), 1U);
    EXPECT_EQ(witness_mark_stride(999'001, 1'000'000), 0U);
    EXPECT_EQ(witness_mark_stride(id_max, id_max), 0U);
}

}  // namespace
}  // namespace inod
