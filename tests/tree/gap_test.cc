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

}  // namespace
}  // namespace inod
