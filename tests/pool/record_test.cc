#include "lib/pool/record.h"

#include <array>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace inod {
namespace {

using Bytes = std::vector<std::byte>;

constexpr PoolIndex pool_max = std::numeric_limits<PoolIndex>::max();
constexpr HolderIndex holder_max = std::numeric_limits<HolderIndex>::max();
constexpr std::uint32_t u32_max = std::numeric_limits<std::uint32_t>::max();

// What a record of items may have in it is for lib/pool/runs.h to say.
const Bytes items(900, std::byte{0x81});

bool has_items(const Record& record) {
    return std::holds_alternative<ClaimsSaved>(record) ||
           std::holds_alternative<ReservedSaved>(record) ||
           std::holds_alternative<RestingSaved>(record) ||
           std::holds_alternative<LinksSaved>(record) || std::holds_alternative<LiveSaved>(record);
}

// As many as there can be.
template <class Level>
Levels<Level> levels_of(const Level& level, std::size_t count = levels_max) {
    Levels<Level> levels;
    for (std::size_t i = 0; i < count; ++i)
        levels.push_back(level);
    return levels;
}

// Every type, with its fields at both ends.
std::vector<Record> samples() {
    const Range whole = whole_space;
    const Range last{id_max, id_max};
    const Holder root{};
    const std::string longest_name(holder_name_size_max, '\xff');
    const Holder most{
        .id = id_max,
        .binding = Binding::ttl,
        .uid = u32_max,
        .gid = u32_max,
        .name = longest_name,
        .key = {{id_max, id_max}},
        .process = {.pid = u32_max, .inode = id_max, .start_time = id_max, .pid_namespace = id_max},
        .ttl_ms = u32_max,
        .deadline = id_max};
    const BootId boot{{id_max, 1}};
    const std::string longest(pool_name_size_max, 'z');
    const TokenFields token{u32_max, id_max, id_max, id_max};
    decltype(EpochsSaved::epochs) epochs;
    epochs.fill({id_max, true});
    // clang-format off
    return {
        PoolDefined{0, "a", Policy::unique, Durability::lease, {0, 0}},
        PoolDefined{pool_max, longest, Policy::cyclic, Durability::block, whole, false, pool_max},
        HolderDefined{0, root},
        HolderDefined{holder_max, most},
        Allocated{0, {0, 0}, 0, false},
        Allocated{1, {1, 128}, 7, true},
        Allocated{pool_max, whole, holder_max, true},
        Claimed{0, {0, 0}, 0, false},
        Claimed{pool_max, last, holder_max, true},
        Released{0, {0, 0}},
        Released{pool_max, whole},
        MarkMoved{0, 0},
        MarkMoved{pool_max, id_max},
        UncleanStop{},
        SkippedAhead{0},
        SkippedAhead{id_max},
        SkippedAbove{0, 0},
        SkippedAbove{pool_max, id_max},
        SequenceSaved{0, {{}, {}, {}, 0, {}, {}}},
        SequenceSaved{1, {1, {}, 2, 0, {}, {}}},
        SequenceSaved{pool_max, {id_max, id_max, id_max, id_max, id_max, whole, id_max, id_max}},
        ClaimsSaved{0, whole, {}},
        ClaimsSaved{pool_max, last, {items}},
        LiveSaved{0, {0, 0}, 0, {}},
        LiveSaved{pool_max, last, id_max, {items}},
        Passed{0, {0, 0}, false},
        Passed{pool_max, last, true},
        Reserved{0, {0, 0}},
        Reserved{pool_max, whole},
        Unreserved{0, {0, 0}},
        Unreserved{pool_max, last},
        Advanced{0, 0},
        Advanced{pool_max, id_max},
        HolderEnded{0},
        HolderEnded{holder_max},
        HolderRenewed{0, 0},
        HolderRenewed{holder_max, id_max},
        ReservedSaved{0, whole, {}},
        ReservedSaved{pool_max, last, {items}},
        Booted{{}, 0, 0},
        Booted{boot, id_max, id_max},
        Rested{0, {0, 0}, 0, 0},
        Rested{pool_max, last, id_max, id_max},
        Tokened{HandOut::passed, 0, {0, 0}, 0, false, 0, {0, 1, 0, 0}},
        Tokened{HandOut::claimed, pool_max, last, holder_max, true, id_max, token},
        EpochBegun{1, 0, false},
        EpochBegun{id_max, id_max, true},
        EpochsSaved{0, {}},
        EpochsSaved{id_max, epochs},
        TokenSaved{0, {0, 0}, 0, {0, 1, 0, 0}},
        TokenSaved{pool_max, last, id_max, token},
        RestingSaved{0, whole, 0, {}},
        RestingSaved{pool_max, last, id_max, {items}},
        NestedAllocated{0, false, 0, {}},
        NestedAllocated{holder_max, true, id_max, levels_of(LevelAllocated{pool_max, id_max, true})},
        NestedAllocated{holder_max, true, id_max, levels_of(LevelAllocated{pool_max, id_max, true}),
                        NestedToken{id_max, token}},
        NestedReleased{{0, 0}, 0, {}},
        NestedReleased{last, id_max, levels_of(LevelReleased{pool_max, id_max})},
        LinksSaved{1, 0, whole, {}},
        LinksSaved{pool_max, pool_max, last, {items}},
    };
    // clang-format on
}

Bytes encoded(const Record& record) {
    Bytes bytes(encoded_record_size_max + items.size());
    ByteWriter out(bytes);
    encode(record, out);
    bytes.resize(out.size());
    return bytes;
}

Bytes bytes_of(std::initializer_list<int> values) {
    Bytes bytes;
    for (const int value : values)
        bytes.push_back(static_cast<std::byte>(value));
    return bytes;
}

TEST(Record, EveryTypeComesBackAsItWas) {
    std::array<int, std::variant_size_v<Record>> seen{};
    for (const Record& record : samples()) {
        SCOPED_TRACE("alternative " + std::to_string(record.index()));
        const Bytes bytes = encoded(record);  // what was decoded points into it
        const auto decoded = decode_record(bytes);
        ASSERT_TRUE(decoded.has_value());
        EXPECT_EQ(*decoded, record);
        ++seen[record.index()];
    }
    for (const int count : seen)
        EXPECT_GT(count, 0) << "a type is missing from samples()";
}

// What stands in journals already: it never changes.
TEST(Record, BytesAreAsDocumented) {
    struct Case {
        Record record;
        Bytes bytes;
    };
    const auto two = std::span(items).first(2);
    // clang-format off
    const Case cases[] = {
        {PoolDefined{2, "ab", Policy::cyclic, Durability::lease, {2, 300}},
         bytes_of({1, 3, 2, 2, 'a', 'b', 2, 1, 2, 0xaa, 2, 1, 0})},
        {PoolDefined{2, "ab", Policy::cyclic, Durability::lease, {2, 300}, true, 1},
         bytes_of({1, 3, 2, 2, 'a', 'b', 2, 1, 2, 0xaa, 2, 1, 1, 1})},
        {HolderDefined{1, {.id = 9, .binding = Binding::process, .uid = 1000, .gid = 5, .name = "n",
                           .key = {{1, 0x0200}}, .process = {7, 300, 4, 5}, .ttl_ms = 6, .deadline = 8}},
         bytes_of({2, 2, 1, 9, 3, 0xe8, 7, 5, 1, 'n', 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0,
                   7, 0xac, 2, 4, 5, 6, 8})},
        {Allocated{0, {128, 129}, 3, true}, bytes_of({3, 1, 0, 0x80, 1, 1, 3, 1})},
        {Claimed{0, {5, 5}, 3, false}, bytes_of({4, 1, 0, 5, 0, 3, 0})},
        {Released{1, {5, 9}}, bytes_of({5, 1, 1, 5, 4})},
        {MarkMoved{1, 200}, bytes_of({6, 1, 1, 0xc8, 1})},
        {UncleanStop{}, bytes_of({7, 1})},
        {SkippedAhead{200}, bytes_of({8, 1, 0xc8, 1})},
        {SkippedAbove{1, 200}, bytes_of({9, 1, 1, 0xc8, 1})},
        {SequenceSaved{1, {4, 3, {}, 2, 1, Range{6, 8}, 3, {}}},
         bytes_of({16, 2, 1, 1, 4, 1, 3, 0, 2, 1, 1, 1, 6, 2, 1, 3, 0})},
        {ClaimsSaved{1, {5, 9}, {two}}, bytes_of({17, 1, 1, 5, 4, 0x81, 0x81})},
        {LiveSaved{1, {5, 9}, 300, {two}},
         bytes_of({18, 1, 1, 5, 4, 0xac, 2, 0x81, 0x81})},
        {Passed{1, {5, 9}, true}, bytes_of({10, 1, 1, 5, 4, 1})},
        {Reserved{1, {5, 9}}, bytes_of({11, 1, 1, 5, 4})},
        {Unreserved{1, {5, 9}}, bytes_of({12, 1, 1, 5, 4})},
        {Advanced{1, 200}, bytes_of({13, 1, 1, 0xc8, 1})},
        {HolderEnded{200}, bytes_of({14, 1, 0xc8, 1})},
        {HolderRenewed{1, 200}, bytes_of({15, 1, 1, 0xc8, 1})},
        {ReservedSaved{1, {5, 9}, {two}}, bytes_of({19, 1, 1, 5, 4, 0x81, 0x81})},
        {Booted{{{1, 2}}, 200, 3}, bytes_of({20, 1, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
                                              0xc8, 1, 3})},
        {Rested{1, {5, 9}, 200, 3}, bytes_of({21, 1, 1, 5, 4, 0xc8, 1, 3})},
        {RestingSaved{1, {5, 9}, 200, {two}}, bytes_of({22, 1, 1, 5, 4, 0xc8, 1, 0x81, 0x81})},
        {Tokened{HandOut::claimed, 1, {5, 9}, 200, true, 3, {4, 5, 6, 7}},
         bytes_of({23, 1, 2, 1, 5, 4, 0xc8, 1, 1, 3, 4, 5, 6, 7})},
        {EpochBegun{200, 3, true}, bytes_of({24, 1, 0xc8, 1, 3, 1})},
        {EpochsSaved{3, {{{200, true}, {5, false}}}},
         bytes_of({25, 1, 3, 0xc8, 1, 1, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})},
        {TokenSaved{1, {5, 9}, 3, {4, 5, 6, 200}},
         bytes_of({26, 1, 1, 5, 4, 3, 4, 5, 6, 0xc8, 1})},
        {NestedAllocated{3, true, 4, levels_of(LevelAllocated{1, 200, true}, 2)},
         bytes_of({27, 1, 3, 1, 4, 2, 1, 0xc8, 1, 1, 1, 0xc8, 1, 1, 0})},
        {NestedAllocated{3, false, 4, levels_of(LevelAllocated{1, 2, true}, 2),
                         NestedToken{9, {4, 5, 6, 7}}},
         bytes_of({27, 1, 3, 0, 4, 2, 1, 2, 1, 1, 2, 1, 1, 9, 4, 5, 6, 7})},
        {NestedReleased{{5, 9}, 3, levels_of(LevelReleased{1, 200}, 2)},
         bytes_of({28, 1, 5, 4, 3, 2, 1, 0xc8, 1, 1, 0xc8, 1})},
        {LinksSaved{2, 1, {5, 9}, {two}}, bytes_of({29, 1, 2, 1, 5, 4, 0x81, 0x81})},
    };
    // clang-format on
    for (const Case& c : cases)
        EXPECT_EQ(encoded(c.record), c.bytes) << "alternative " << c.record.index();
}

// What older versions wrote is read, and comes to what they meant.
TEST(Record, OlderVersionsAreRead) {
    const struct {
        Bytes bytes;
        Record record;
    } cases[] = {
        {bytes_of({1, 1, 2, 2, 'a', 'b', 2, 1, 2, 0xaa, 2}),
         PoolDefined{2, "ab", Policy::cyclic, Durability::lease, {2, 300}, true}},
        {bytes_of({1, 2, 2, 2, 'a', 'b', 2, 1, 2, 0xaa, 2, 0}),
         PoolDefined{2, "ab", Policy::cyclic, Durability::lease, {2, 300}, false}},
        {bytes_of({2, 1, 1, 1, 0xe8, 7, 5}), HolderDefined{1, {.id = 2, .uid = 1000, .gid = 5}}},
        {bytes_of({16, 1, 1, 1, 4, 1, 3, 0, 2, 1, 1, 1, 6, 2}),
         SequenceSaved{1, {4, 3, {}, 2, 1, Range{6, 8}, 3, {}}}},
        {bytes_of({16, 1, 1, 1, 4, 1, 3, 0, 0, 0, 0}),
         SequenceSaved{1, {4, 3, {}, 0, {}, {}, {}, {}}}},
    };
    for (const auto& c : cases) {
        const auto decoded = decode_record(c.bytes);
        ASSERT_TRUE(decoded.has_value());
        EXPECT_EQ(*decoded, c.record);
        Bytes newer = c.bytes;
        newer[1] = std::byte{9};
        EXPECT_EQ(decode_record(newer).error().code, Errc::record_unknown);
    }
}

// The journal's checksum keeps damage away; what passes it all the same is refused or is another
// record, whole and in its only encoding, and never more than that.
void expect_refused_or_whole(const Bytes& bytes) {
    const auto decoded = decode_record(bytes);
    if (decoded && encoded(*decoded)[1] == bytes[1]) {
        EXPECT_EQ(encoded(*decoded), bytes);
    } else if (decoded) {
        EXPECT_LT(bytes[1], encoded(*decoded)[1]) << "of an older version";
    } else {
        const Errc code = decoded.error().code;
        EXPECT_TRUE(code == Errc::journal_damaged || code == Errc::record_unknown) << name(code);
    }
}

// But for items, which are whatever is left.
TEST(Record, EveryTruncationIsRefused) {
    for (const Record& record : samples()) {
        const Bytes bytes = encoded(record);
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            const Bytes shorter(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
            const auto decoded = decode_record(shorter);
            if (has_items(record) && decoded) {
                EXPECT_EQ(encoded(*decoded), shorter);
                EXPECT_GE(size + items.size(), bytes.size()) << "cut before the items";
                continue;
            }
            ASSERT_FALSE(decoded.has_value()) << "type " << record.index() << " size " << size;
            EXPECT_EQ(decoded.error().code, Errc::journal_damaged);
        }
        Bytes longer = bytes;
        longer.push_back(std::byte{0});
        EXPECT_EQ(decode_record(longer).has_value(), has_items(record)) << "a byte too many";
    }
}

TEST(Record, EveryBitFlipIsRefusedOrAnotherRecord) {
    for (const Record& record : samples()) {
        Bytes bytes = encoded(record);
        for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
            const std::byte mask{static_cast<unsigned char>(1U << bit % 8)};
            bytes[bit / 8] ^= mask;
            expect_refused_or_whole(bytes);
            EXPECT_NE(bytes, encoded(record));
            bytes[bit / 8] ^= mask;
        }
    }
}

TEST(Record, WhatIsNotTheOneEncodingIsRefused) {
    struct Case {
        const char* name;
        Bytes bytes;
        Error want;
    };
    const Error damaged = Errc::journal_damaged;
    // clang-format off
    const Case cases[] = {
        {"nothing", {}, damaged},
        {"type alone", bytes_of({7}), damaged},
        {"type 0", bytes_of({0, 1}), {Errc::record_unknown, 256}},
        {"type 30", bytes_of({30, 1}), {Errc::record_unknown, 30 + 256}},
        {"type 255", bytes_of({255, 1}), {Errc::record_unknown, 255 + 256}},
        {"nine levels", bytes_of({28, 1, 1, 0, 0, 9, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0,
                                  1, 0}), damaged},
        {"version 0", bytes_of({7, 0}), {Errc::record_unknown, 7}},
        {"version 2", bytes_of({7, 2}), {Errc::record_unknown, 7 + 512}},
        {"pool 65536", bytes_of({6, 1, 0x80, 0x80, 4, 1}), damaged},
        {"bool 2", bytes_of({3, 1, 0, 1, 0, 0, 2}), damaged},
        {"range past the last ID",
         bytes_of({5, 1, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 1}),
         damaged},
        {"varint longer than needed", bytes_of({6, 1, 0x80, 0, 1}), damaged},
        {"varint above 64 bits",
         bytes_of({6, 1, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2}),
         damaged},
        {"name longer than the record", bytes_of({1, 1, 0, 200, 1, 'a'}), damaged},
        {"binding 256", bytes_of({2, 1, 0, 0x80, 2, 0, 0}), damaged},
    };
    // clang-format on
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const auto decoded = decode_record(c.bytes);
        ASSERT_FALSE(decoded.has_value());
        EXPECT_EQ(decoded.error(), c.want) << name(decoded.error().code);
    }
}

}  // namespace
}  // namespace inod
