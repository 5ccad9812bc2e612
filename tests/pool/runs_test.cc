// Runs as a snapshot stores them: they come back as they were, any bytes are refused or are their
// own only encoding, and what is left of wide leases takes no more than is set aside for it.
#include "lib/pool/runs.h"

#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "lib/pool/pool.h"

namespace inod {
namespace {

using Bytes = std::vector<std::byte>;
using Runs = std::vector<Run>;

// As records of a snapshot have them: some, up to an ID, from the one behind that on.
struct Piece {
    Id from;
    Bytes items;
};

Runs decoded(const Piece& piece, std::uint64_t generation) {
    Runs runs;
    RunReader reader(piece.items, piece.from, generation);
    while (const auto run = reader.next())
        runs.push_back(*run);
    EXPECT_TRUE(reader.complete());
    return runs;
}

// Writes all runs, in pieces of at most `size_max` bytes, and reads them back.
std::vector<Piece> encoded(const Runs& runs, std::uint64_t generation, std::size_t size_max) {
    std::vector<Piece> pieces;
    Id from = 0;
    for (std::size_t i = 0; i < runs.size();) {
        Bytes memory(size_max);
        RunWriter writer(memory, from, generation);
        std::size_t count = 0;
        while (i + count < runs.size() && writer.add(runs[i + count]))
            ++count;
        const auto items = writer.finish();
        pieces.push_back({from, Bytes(items.begin(), items.end())});
        EXPECT_EQ(decoded(pieces.back(), generation),
                  Runs(runs.begin() + static_cast<std::ptrdiff_t>(i),
                       runs.begin() + static_cast<std::ptrdiff_t>(i + count)));
        if (count == 0) {
            ADD_FAILURE() << "not even one run";
            break;
        }
        i += count;
        from = runs[i - 1].range.last + 1;
    }
    return pieces;
}

std::size_t size_of(const std::vector<Piece>& pieces) {
    std::size_t size = 0;
    for (const Piece& piece : pieces)
        size += piece.items.size();
    return size;
}

std::size_t size_of(const Runs& runs, std::uint64_t generation) {
    return size_of(encoded(runs, generation, 64 * runs.size() + 4'096));
}

constexpr Tag plain{.holder = 0, .claimed = false, .generation = 0};

// Runs of `span` + 1 IDs with `gap` free ones between them, from `first` on.
Runs regular(Id first, std::uint64_t span, std::uint64_t gap, std::size_t count) {
    Runs runs;
    for (std::size_t i = 0; i < count; ++i) {
        runs.push_back({{first, first + span}, plain});
        first += span + gap + 1;
    }
    return runs;
}

std::uint64_t draw_size(std::mt19937_64& random) {
    const std::uint64_t ends[] = {0,  1,   2,   29,    30,    31,    32,
                                  33, 127, 128, 2'046, 2'047, 2'048, 2'049};
    return random() % 2 == 0 ? ends[random() % std::size(ends)]
                             : random() % (1ULL << random() % 50U);
}

// Touching runs differ in their tags, as a pool's do.
Runs draw_runs(std::mt19937_64& random, std::uint64_t generation) {
    Runs runs;
    const std::uint64_t kind = random() % 4;
    Id at = random() % 3 == 0 ? 0 : random() >> random() % 64U;
    Tag tag = plain;
    for (std::size_t i = 0; i < 1 + random() % 400; ++i) {
        const std::uint64_t gap = kind == 0 ? random() % 3 : draw_size(random);
        const std::uint64_t span = kind <= 1 ? random() % 40 : draw_size(random);
        if (random() % (kind == 2 ? 1 : 30) == 0) {
            tag = {.holder = static_cast<HolderIndex>(random() >> random() % 64U),
                   .claimed = random() % 2 == 0,
                   .generation = generation - std::min(generation, random() >> random() % 64U)};
        }
        const bool touches = !runs.empty() && gap == 0 && tag == runs.back().tag;
        const std::uint64_t skip = gap + (touches ? 1 : 0);
        if (skip > id_max - at || span > id_max - at - skip) break;
        runs.push_back({{at + skip, at + skip + span}, tag});
        if (runs.back().range.last == id_max) break;
        at = runs.back().range.last + 1;
    }
    return runs;
}

TEST(Runs, ComeBackAsTheyWere) {
    std::mt19937_64 random(1);
    for (int i = 0; i < 3'000; ++i) {
        SCOPED_TRACE(i);
        const std::uint64_t generation = random() >> random() % 64U;
        const Runs runs = draw_runs(random, generation);
        for (const std::size_t size_max : {std::size_t{64}, std::size_t{300}, std::size_t{984}})
            static_cast<void>(encoded(runs, generation, size_max));
        if (HasFailure()) return;
    }
}

TEST(Runs, AtTheEdges) {
    const Tag most{.holder = ~HolderIndex{0}, .claimed = true, .generation = id_max};
    const Runs cases[] = {
        {},
        {{{0, 0}, plain}},
        {{{id_max, id_max}, plain}},
        {{{0, id_max}, plain}},
        {{{0, id_max}, most}},
        {{{0, 0}, plain}, {{id_max, id_max}, plain}},
        {{{0, 0}, plain}, {{1, id_max}, most}},
        {{{id_max - 3, id_max - 3}, plain}, {{id_max - 1, id_max - 1}, plain}},
        {{{id_max - 2, id_max - 2}, plain}, {{id_max, id_max}, plain}},
    };
    for (const Runs& runs : cases) {
        for (const std::size_t size_max : {std::size_t{50}, std::size_t{984}})
            static_cast<void>(encoded(runs, id_max, size_max));
    }
}

// Around the longest bitmap, and around the longest step within one.
TEST(Runs, AtTheLimitsOfABitmap) {
    for (const std::uint64_t gap : {1U, 2U, 15U, 30U, 31U, 32U, 33U}) {
        for (std::uint64_t span = 0; span < 34; ++span) {
            for (std::size_t count = 1; count < 40; ++count)
                static_cast<void>(encoded(regular(5, span, gap, count), 0, 984));
        }
        // Those that end at bit 2,046, 2,047, 2,048 and 2,049, all over.
        for (Id first = 0; first < 70; ++first) {
            Runs runs = regular(first, 0, gap, 1 + 2'100 / (gap + 1));
            static_cast<void>(encoded(runs, 0, 984));
            std::erase_if(runs, [](const auto& run) { return run.range.first > 2'049; });
            runs.front().range.first = 0;
            static_cast<void>(encoded(runs, 0, 984));
        }
    }
    EXPECT_EQ(size_of(regular(0, 0, 1, 1'024), 0), 1U + 1 + 2 + 2 + 256)
        << "a gap, a shape, the rest of the span, a tag, and a bit an ID";
}

TEST(Runs, EveryChangeOfATagIsKept) {
    const Tag tags[] = {
        {.holder = 0, .claimed = false, .generation = 7},
        {.holder = 1, .claimed = false, .generation = 7},
        {.holder = 0, .claimed = true, .generation = 7},
        {.holder = 0, .claimed = false, .generation = 6},
    };
    for (const Tag& a : tags) {
        for (const Tag& b : tags) {
            for (const Tag& c : tags) {
                for (const std::uint64_t gap : {1U, 40U}) {
                    Runs runs = regular(9, 0, gap, 12);
                    for (std::size_t i = 0; i < runs.size(); ++i)
                        runs[i].tag = i < 4 ? a : i < 8 ? b : c;
                    static_cast<void>(encoded(runs, 9, 984));
                }
            }
        }
    }
}

TEST(Runs, WhatDoesNotFitIsLeftOutWhole) {
    for (std::size_t size = 0; size < 400; ++size) {
        Bytes memory(size);
        RunWriter writer(memory, 0, 0);
        const Runs runs = regular(3, 1, 2, 2'000);
        std::size_t count = 0;
        while (count < runs.size() && writer.add(runs[count]))
            ++count;
        const auto items = writer.finish();
        EXPECT_LE(items.size(), size);
        EXPECT_EQ(decoded({0, Bytes(items.begin(), items.end())}, 0),
                  Runs(runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(count)));
        EXPECT_EQ(count > 0, size >= 31) << size;
    }
}

// What any bytes are read as; refused ones too, up to where they are refused.
std::optional<Runs> read_any(std::span<const std::byte> items, Id from, std::uint64_t generation) {
    Runs runs;
    RunReader reader(items, from, generation);
    while (const auto run = reader.next()) {
        EXPECT_LE(run->range.first, run->range.last);
        EXPECT_GE(run->range.first, from);
        EXPECT_LE(run->tag.generation, generation);
        const bool is_ascending = runs.empty() || run->range.first > runs.back().range.last;
        EXPECT_TRUE(is_ascending);
        runs.push_back(*run);
        if (testing::Test::HasFailure()) return std::nullopt;
    }
    EXPECT_EQ(reader.next(), std::nullopt) << "it stays at its end";
    return reader.complete() ? std::optional(runs) : std::nullopt;
}

// No bytes harm the reader: it gives runs in order within the IDs there are, and ends.
TEST(Runs, AnyBytesAreRefusedOrAreRuns) {
    std::mt19937_64 random(1);
    std::size_t accepted = 0;
    for (int i = 0; i < 300'000 && !HasFailure(); ++i) {
        Bytes bytes(random() % 40);
        for (std::byte& byte : bytes)
            byte = static_cast<std::byte>(random() % (random() % 2 == 0 ? 256 : 8));
        const Id from = random() % 4 == 0 ? id_max - random() % 50 : random() % 50;
        accepted += read_any(bytes, from, random() % 5).has_value() ? 1U : 0U;
    }
    EXPECT_GT(accepted, 5'000U);
}

TEST(Runs, EveryBitFlipAndTruncationIsRefusedOrIsRuns) {
    std::mt19937_64 random(2);
    for (int i = 0; i < 60 && !HasFailure(); ++i) {
        const Runs runs = draw_runs(random, 5);
        for (const Piece& piece : encoded(runs, 5, 200)) {
            Bytes bytes = piece.items;
            for (std::size_t size = 0; size < bytes.size(); ++size)
                static_cast<void>(read_any(std::span(bytes).first(size), piece.from, 5));
            for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
                const std::byte mask{static_cast<unsigned char>(1U << bit % 8)};
                bytes[bit / 8] ^= mask;
                const auto other = read_any(bytes, piece.from, 5);
                EXPECT_NE(other, decoded(piece, 5)) << "two encodings of one thing";
                bytes[bit / 8] ^= mask;
            }
        }
    }
}

TEST(Runs, WhatIsNotTheFormatIsRefused) {
    struct Case {
        const char* name;
        std::vector<int> bytes;
        Id from = 0;
    };
    const Case cases[] = {
        {"no tag at first", {0, 0}},
        {"cut in the shape", {0}},
        {"cut in the tag", {0, 2, 0}},
        {"cut in the rest of the span", {0, 124}},
        {"shape above 31", {0, 0x82, 1, 0, 0}},
        {"a generation below 0", {0, 2, 0, 6}},
        {"a holder above 2^32", {0, 2, 0x80, 0x80, 0x80, 0x80, 0x20, 0}},
        {"a gap past the last ID", {3, 2, 0, 0}, id_max - 2},
        {"a span past the last ID", {0, 14, 0, 0}, id_max - 2},
        {"behind the last ID", {0, 2, 0, 0, 0, 0}, id_max},
        {"a bitmap that is cut", {0, 39, 0, 0, 1}},
        {"a bitmap without its first", {0, 11, 0, 0, 4}},
        {"a bitmap without its last", {0, 11, 0, 0, 1}},
        {"a bitmap with too many bits", {0, 11, 0, 0, 13}},
        {"a bitmap of 2,049", {0, 127, 0xe1, 0x0f, 0, 0, 1}},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        Bytes bytes;
        for (const int byte : c.bytes)
            bytes.push_back(static_cast<std::byte>(byte));
        EXPECT_EQ(read_any(bytes, c.from, 5), std::nullopt);
    }
}

// The bound on which what is set aside for holes rests: whatever is left of a wide lease takes no
// more than 0.132 bytes for each of its IDs, and a few for its ends.
constexpr double bytes_per_id = 0.132;

void expect_within_bound(const Runs& runs, std::uint64_t id_count, const std::string& what) {
    const std::size_t size = size_of(runs, 0);
    EXPECT_LE(static_cast<double>(size), bytes_per_id * static_cast<double>(id_count) + 12)
        << what << ": " << runs.size() << " runs of " << id_count << " IDs";
}

TEST(Runs, AnyPatternOfHolesTakesAboutABitAnId) {
    constexpr std::uint64_t id_count = 65'536;
    const auto of_bits = [](auto is_live) {
        Runs runs;
        for (Id id = 0; id < id_count; ++id) {
            if (!is_live(id)) continue;
            const bool goes_on = !runs.empty() && runs.back().range.last + 1 == id;
            if (goes_on) {
                runs.back().range.last = id;
            } else {
                runs.push_back({{id, id}, plain});
            }
        }
        return runs;
    };
    for (std::uint64_t span = 0; span < 80; ++span) {
        for (std::uint64_t gap = 1; gap < 80; ++gap) {
            const Runs runs = regular(0, span, gap, id_count / (span + gap + 1));
            expect_within_bound(runs, id_count,
                                std::to_string(span) + " and " + std::to_string(gap));
        }
    }
    std::mt19937_64 random(1);
    for (int percent = 1; percent < 100; percent += 3) {
        const auto draw = static_cast<std::uint64_t>(percent);
        expect_within_bound(of_bits([&](Id) { return random() % 100 < draw; }), id_count,
                            "random " + std::to_string(percent));
    }
    // Two patterns in turn, so that items end where it costs most.
    for (int i = 0; i < 2'000 && !HasFailure(); ++i) {
        std::uint64_t period[2];
        std::uint64_t share[2];
        for (int k = 0; k < 2; ++k) {
            period[k] = 2 + random() % 70;
            share[k] = 1 + random() % (period[k] - 1);
        }
        const std::uint64_t block = 1 + random() % 4'000;
        const auto is_live = [&](Id id) {
            const std::size_t k = id / block % 2;
            return id % period[k] < share[k];
        };
        expect_within_bound(of_bits(is_live), id_count, "in turn, " + std::to_string(i));
    }
}

// Greedy search for a pattern that is worse: a hole more or less where it lengthens the encoding.
TEST(Runs, NoPatternThatASearchFindsTakesMore) {
    constexpr std::uint64_t id_count = 6'000;
    std::mt19937_64 random(3);
    for (int start = 0; start < 6; ++start) {
        std::vector<bool> live(id_count, true);
        for (std::size_t i = 0; i < live.size(); ++i)
            live[i] = start == 0 || random() % (2 + 5 * static_cast<unsigned>(start)) != 0;
        const auto runs_of = [](const std::vector<bool>& bits) {
            Runs runs;
            for (Id id = 0; id < bits.size(); ++id) {
                if (!bits[id]) continue;
                if (!runs.empty() && runs.back().range.last + 1 == id) {
                    runs.back().range.last = id;
                } else {
                    runs.push_back({{id, id}, plain});
                }
            }
            return runs;
        };
        std::size_t best = size_of(runs_of(live), 0);
        for (int i = 0; i < 3'000; ++i) {
            const std::size_t at = random() % live.size();
            const std::size_t count = 1 + random() % 40;
            std::vector<bool> other = live;
            for (std::size_t k = at; k < std::min(at + count, live.size()); ++k)
                other[k] = i % 2 == 0 ? !other[k] : (k - at) % 33 != 32;
            const std::size_t size = size_of(runs_of(other), 0);
            if (size < best) continue;
            best = size;
            live = other;
        }
        EXPECT_LE(static_cast<double>(best), bytes_per_id * id_count + 12) << "start " << start;
    }
}

}  // namespace
}  // namespace inod
