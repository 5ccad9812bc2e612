// Runs of free IDs, upward and downward.
#include "tests/tree/support.h"

namespace inod {
namespace {

constexpr Id top = id_max;

struct Case {
    const char* name;
    std::vector<Range> taken;
    std::uint64_t count;
    Id min;
    Id max;
    Id from;
    std::optional<Range> want;
};

template <unsigned words>
void fill(BasicRangeTree<words>& tree, const std::vector<Range>& taken) {
    for (const Range range : taken)
        store(tree, range, 1);
}

TEST(RangeTree, FindGapSearchesUpward) {
    const std::vector<Range> three{{5, 9}, {20, 29}, {100, 100}};
    // clang-format off
    const Case cases[] = {
        {"empty, the whole space but one", {},                   top,     0,       top, 0,       Range{0, top - 1}},
        {"empty, window at the end",       {},                   3,       top - 2, top, 0,       Range{top - 2, top}},
        {"empty, last ID of all",          {},                   1,       0,       top, top,     Range{top, top}},
        {"empty, would pass the end",      {},                   3,       0,       top, top - 1, std::nullopt},
        {"all but the first ID free",      {{0, 0}},             top,     0,       top, 0,       Range{1, top}},
        {"all but the last ID free",       {{top, top}},         top,     0,       top, 0,       Range{0, top - 1}},
        {"both ends taken, one too many",  {{0, 0}, {top, top}}, top,     0,       top, 0,       std::nullopt},
        {"both ends taken",                {{0, 0}, {top, top}}, top - 1, 0,       top, 0,       Range{1, top - 1}},
        {"before the first entry",         three,                5,       0,       top, 0,       Range{0, 4}},
        {"gap of exactly that size",       three,                10,      0,       top, 0,       Range{10, 19}},
        {"gap one too small",              three,                11,      0,       top, 0,       Range{30, 40}},
        {"behind the last entry",          three,                71,      0,       top, 0,       Range{101, 171}},
        {"from inside an entry",           three,                1,       0,       top, 25,      Range{30, 30}},
        {"from inside a gap",              three,                5,       0,       top, 15,      Range{15, 19}},
        {"gap cut by from",                three,                6,       0,       top, 15,      Range{30, 35}},
        {"gap cut by max",                 three,                10,      0,       18,  0,       std::nullopt},
        {"gap cut by max, fits",           three,                9,       0,       18,  0,       Range{10, 18}},
        {"window in an entry",             three,                1,       21,      28,  21,      std::nullopt},
        {"from below min",                 three,                1,       7,       top, 0,       Range{10, 10}},
        {"from above max",                 three,                1,       0,       50,  51,      std::nullopt},
        {"window turned round",            three,                1,       50,      40,  0,       std::nullopt},
        {"count bigger than the window",   three,                12,      30,      40,  30,      std::nullopt},
        {"count as big as the window",     three,                11,      30,      40,  30,      Range{30, 40}},
        {"last ID taken",                  {{top, top}},         1,       0,       top, top,     std::nullopt},
        {"before the taken last ID",       {{top, top}},         1,       0,       top, top - 1, Range{top - 1, top - 1}},
    };
    // clang-format on
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        OwnTree<16> own;
        fill(own.tree, c.taken);
        EXPECT_EQ(own.tree.find_gap({.count = c.count, .window = {c.min, c.max}}, c.from), c.want);
    }
}

TEST(RangeTree, FindGapDownSearchesDownward) {
    const std::vector<Range> three{{5, 9}, {20, 29}, {100, 100}};
    // clang-format off
    const Case cases[] = {
        {"empty, the whole space but one", {},                   top,     0,  top, top, Range{1, top}},
        {"empty, window at the start",     {},                   3,       0,  2,   top, Range{0, 2}},
        {"empty, first ID of all",         {},                   1,       0,  top, 0,   Range{0, 0}},
        {"empty, would pass the start",    {},                   3,       0,  top, 1,   std::nullopt},
        {"all but the first ID free",      {{0, 0}},             top,     0,  top, top, Range{1, top}},
        {"all but the last ID free",       {{top, top}},         top,     0,  top, top, Range{0, top - 1}},
        {"both ends taken, one too many",  {{0, 0}, {top, top}}, top,     0,  top, top, std::nullopt},
        {"both ends taken",                {{0, 0}, {top, top}}, top - 1, 0,  top, top, Range{1, top - 1}},
        {"behind the last entry",          three,                5,       0,  top, top, Range{top - 4, top}},
        {"behind the last entry, cut",     three,                5,       0,  105, top, Range{101, 105}},
        {"cut too small",                  three,                5,       0,  104, top, Range{95, 99}},
        {"gap of exactly that size",       three,                10,      0,  29,  top, Range{10, 19}},
        {"before the first entry",         three,                5,       0,  9,   top, Range{0, 4}},
        {"from inside an entry",           three,                1,       0,  top, 25,  Range{19, 19}},
        {"gap cut by from",                three,                6,       0,  top, 14,  std::nullopt},
        {"gap cut by from, fits",          three,                5,       0,  top, 14,  Range{10, 14}},
        {"gap cut by min",                 three,                10,      11, 29,  top, std::nullopt},
        {"gap cut by min, fits",           three,                9,       11, 29,  top, Range{11, 19}},
        {"window in an entry",             three,                1,       21, 28,  top, std::nullopt},
        {"from below min",                 three,                1,       30, top, 29,  std::nullopt},
        {"from above max",                 three,                1,       0,  50,  top, Range{50, 50}},
        {"count bigger than the window",   three,                12,      30, 40,  top, std::nullopt},
        {"count as big as the window",     three,                11,      30, 40,  top, Range{30, 40}},
        {"first ID taken",                 {{0, 0}},             1,       0,  top, 0,   std::nullopt},
    };
    // clang-format on
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        OwnTree<16> own;
        fill(own.tree, c.taken);
        EXPECT_EQ(own.tree.find_gap_down({.count = c.count, .window = {c.min, c.max}}, c.from),
                  c.want);
    }
}

TEST(RangeTree, GivesTheWholeGap) {
    struct GapCase {
        const char* name;
        std::vector<Range> taken;
        Id id;
        std::optional<Range> next;
        std::optional<Range> previous;
    };
    const std::vector<Range> ends{{0, 4}, {1'000, 9'000}, {top - 4, top}};
    const std::vector<Range> inside{{1, 1}, {3, 3}, {top - 1, top - 1}};
    // IDs that touch and are entries of their own, over more than one leaf.
    std::vector<Range> row;
    for (Id id = 100; id < 200; ++id)
        row.push_back({id, id});
    // clang-format off
    const GapCase cases[] = {
        {"empty, first ID of all",      {},           0,       whole_space,             whole_space},
        {"empty, last ID of all",       {},           top,     whole_space,             whole_space},
        {"first ID of all taken",       {{0, 0}},     0,       Range{1, top},           std::nullopt},
        {"behind it",                   {{0, 0}},     1,       Range{1, top},           Range{1, top}},
        {"last ID of all taken",        {{top, top}}, top,     std::nullopt,            Range{0, top - 1}},
        {"before it",                   {{top, top}}, top - 1, Range{0, top - 1},       Range{0, top - 1}},
        {"both ends taken, at 0",       ends,         0,       Range{5, 999},           std::nullopt},
        {"both ends taken, at the end", ends,         top,     std::nullopt,            Range{9'001, top - 5}},
        {"first of a gap",              ends,         5,       Range{5, 999},           Range{5, 999}},
        {"last of a gap",               ends,         999,     Range{5, 999},           Range{5, 999}},
        {"in a wide entry",             ends,         5'000,   Range{9'001, top - 5},   Range{5, 999}},
        {"gap of the first ID alone",   inside,       0,       Range{0, 0},             Range{0, 0}},
        {"behind that",                 inside,       1,       Range{2, 2},             Range{0, 0}},
        {"gap of the last ID alone",    inside,       top,     Range{top, top},         Range{top, top}},
        {"before that",                 inside,       top - 1, Range{top, top},         Range{4, top - 2}},
        {"within a row of entries",     row,          150,     Range{200, top},         Range{0, 99}},
    };
    // clang-format on
    for (const GapCase& c : cases) {
        SCOPED_TRACE(c.name);
        for (const Value value : {Value{1}, reserved}) {
            OwnTree<16> own;
            for (const Range range : c.taken)
                store(own.tree, range, value);
            EXPECT_EQ(own.tree.next_gap(c.id), c.next);
            EXPECT_EQ(own.tree.previous_gap(c.id), c.previous);
        }
    }
}

constexpr std::uint64_t aligns[] = {1, 2, 3, 64, 65'536, GapRequest::align_max};

// At the first and the last multiple of every alignment, with nothing around and with what touches.
TEST(RangeTree, FindsAlignedGapsAtTheEndsOfTheSpace) {
    for (const std::uint64_t align : aligns) {
        SCOPED_TRACE("align " + std::to_string(align));
        const Id last = top - top % align;      // the last multiple
        const std::uint64_t room = top - last;  // behind it
        const auto one = [](Id id) { return Range{id, id}; };
        const auto aligned = [&](Id first, Id last_of_window) {
            return GapRequest{.align = align, .window = {first, last_of_window}};
        };
        {
            OwnTree<16> own;
            const auto& tree = own.tree;
            EXPECT_EQ(tree.find_gap(aligned(0, top)), one(0));
            EXPECT_EQ(tree.find_gap(aligned(0, top), 1), one(align));
            EXPECT_EQ(tree.find_gap(aligned(0, top), last), one(last));
            EXPECT_EQ(tree.find_gap(aligned(last, top)), one(last));
            EXPECT_EQ(tree.find_gap(aligned(top, top)),
                      room == 0 ? std::optional(one(top)) : std::nullopt);
            EXPECT_EQ(tree.find_gap_down(aligned(0, top)), one(last));
            EXPECT_EQ(tree.find_gap_down(aligned(0, top), last - 1), one(last - align));
            EXPECT_EQ(tree.find_gap_down(aligned(0, top), align), one(align));
            EXPECT_EQ(tree.find_gap_down(aligned(0, top), align - 1), one(0));
            EXPECT_EQ(tree.find_gap_down(aligned(0, 0)), one(0));
            if (align > 1) {
                EXPECT_EQ(tree.find_gap(aligned(1, align - 1)), std::nullopt);
                EXPECT_EQ(tree.find_gap_down(aligned(1, align - 1)), std::nullopt);
            }
            if (room > 0) {
                EXPECT_EQ(tree.find_gap(aligned(0, top), last + 1), std::nullopt);
                EXPECT_EQ(tree.find_gap_down(aligned(last + 1, top)), std::nullopt);
            }
            // As many as there is room for, and one more.
            GapRequest many{.count = room + 1, .align = align};
            EXPECT_EQ(tree.find_gap(many, last), (Range{last, top}));
            EXPECT_EQ(tree.find_gap_down(many), (Range{last, top}));
            ++many.count;
            EXPECT_EQ(tree.find_gap(many, last), std::nullopt);
            EXPECT_EQ(tree.find_gap_down(many), (Range{last - align, last - align + room + 1}));
            // All that an alignment of its size allows: the whole space but for one ID.
            EXPECT_EQ(tree.find_gap({.count = top, .align = align}), (Range{0, top - 1}));
            EXPECT_EQ(tree.find_gap_down({.count = top, .align = align}),
                      align == 1 ? (Range{1, top}) : (Range{0, top - 1}));
        }
        {
            OwnTree<16> own;
            for (const Id id : {Id{0}, last})
                store(own.tree, {id, id}, 1);
            const auto& tree = own.tree;
            EXPECT_EQ(tree.find_gap(aligned(0, top)), one(align));
            EXPECT_EQ(tree.find_gap(aligned(0, top), last - align), one(last - align));
            EXPECT_EQ(tree.find_gap(aligned(0, top), last), std::nullopt);
            EXPECT_EQ(tree.find_gap_down(aligned(0, top)), one(last - align));
            EXPECT_EQ(tree.find_gap_down(aligned(0, top), align), one(align));
            EXPECT_EQ(tree.find_gap_down(aligned(0, top), align - 1), std::nullopt);
            // Up to the ID before what is taken, and one more.
            GapRequest many{.count = align, .align = align};
            EXPECT_EQ(tree.find_gap_down(many), (Range{last - align, last - 1}));
            many.window.first = last - align;
            EXPECT_EQ(tree.find_gap(many), (Range{last - align, last - 1}));
            ++many.count;
            EXPECT_EQ(tree.find_gap(many), std::nullopt);
            EXPECT_EQ(tree.find_gap_down(many), std::nullopt);
        }
    }
}

// With a leaf's worth of entries between, so that the search goes over many leaves in vain.
TEST(RangeTree, FindsAlignedGapsBehindManyThatAreTooShort) {
    for (const std::uint64_t align : {2U, 3U, 64U}) {
        SCOPED_TRACE("align " + std::to_string(align));
        for (const Id base : {Id{0}, top - top % align - 999 * align}) {
            OwnTree<16> own;
            for (std::uint64_t i = 0; i < 1'000; ++i) {
                if (i != 500) store(own.tree, {base + i * align, base + i * align}, 1 + i % 2);
            }
            const Range window{base, base + 999 * align};
            const Id free = base + 500 * align;
            const GapRequest request{.align = align, .window = window};
            EXPECT_EQ(own.tree.find_gap(request), (Range{free, free}));
            EXPECT_EQ(own.tree.find_gap_down(request), (Range{free, free}));
            EXPECT_EQ(own.tree.find_gap(request, free + 1), std::nullopt);
            EXPECT_EQ(own.tree.find_gap_down(request, free - 1), std::nullopt);
            INOD_EXPECT_SOUND(own.tree);
        }
    }
}

}  // namespace
}  // namespace inod
