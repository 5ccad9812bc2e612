// Calls that find a run and store it: requests that are refused, and cyclic ones around the ends.
#include <functional>

#include "tests/tree/support.h"

namespace inod {
namespace {

constexpr Id top = id_max;

// A guard that a refused call has no reason to touch.
struct UntouchedGuard {
    void lock() { ADD_FAILURE() << "was dropped"; }
    void unlock() { ADD_FAILURE() << "was dropped"; }
};

template <unsigned words>
struct Filled : OwnTree<words> {
    Filled() {
        for (Id id = 0; id < 30; ++id)
            store(this->tree, {100 * id, 100 * id + id}, id + 1);
        store(this->tree, {50, 50}, reserved);
        store(this->tree, {top, top}, 1);
        entries = occupied_entries_of(this->tree);
        reserve = this->tree.reserve_size();
        used = this->budget.used();
    }
    void expect_unchanged() const {
        EXPECT_EQ(occupied_entries_of(this->tree), entries);
        EXPECT_EQ(this->tree.reserve_size(), reserve);
        EXPECT_EQ(this->budget.used(), used);
        INOD_EXPECT_SOUND(this->tree);
    }

    std::vector<Entry> entries;
    std::uint64_t reserve = 0;
    std::uint64_t used = 0;
};

TEST(Allocate, RefusesBadRequests) {
    constexpr std::uint64_t align_max = GapRequest::align_max;
    struct Case {
        const char* name;
        GapRequest request;
        Id cursor;
        std::optional<Error> error;   // of all
        std::optional<Error> cyclic;  // of allocate_cyclic() alone
    };
    const auto reversed = [](Id first) { return Error{Errc::range_reversed, first}; };
    const auto too_small = [](std::uint64_t span) { return Error{Errc::window_too_small, span}; };
    const auto outside = [](Id cursor) { return Error{Errc::cursor_outside, cursor}; };
    const Error zero = Errc::count_zero;
    const Error align{Errc::align_invalid, align_max};
    const Error exhausted = Errc::pool_exhausted;
    // clang-format off
    const Case cases[] = {
        {"count 0",                           {.count = 0},                                                  0,     zero,             {}},
        {"count 0 in one ID",                 {.count = 0, .window = {7, 7}},                                7,     zero,             {}},
        {"align 0",                           {.align = 0},                                                  0,     align,            {}},
        {"align above its limit",             {.align = align_max + 1},                                      0,     align,            {}},
        {"align as large as can be",          {.align = top},                                                0,     align,            {}},
        {"window turned round by one",        {.window = {8, 7}},                                            8,     reversed(8),      {}},
        {"window turned round, whole space",  {.window = {top, 0}},                                          0,     reversed(top),    {}},
        {"window smaller than count",         {.count = 11, .window = {50, 59}},                             50,    too_small(9),     {}},
        {"window of one ID, two wanted",      {.count = 2, .window = {7, 7}},                                7,     too_small(0),     {}},
        {"one more than all but one ID",      {.count = top, .window = {2, top}},                            2,     too_small(top - 2), {}},
        {"cursor below the window",           {.window = {60, 99}},                                          59,    {},               outside(59)},
        {"cursor above the window",           {.window = {60, 99}},                                          100,   {},               outside(100)},
        {"cursor 0, window at the end",       {.window = {top - 9, top}},                                    0,     {},               outside(0)},
        {"last cursor, window at the start",  {.window = {0, 9}},                                            top,   {},               outside(top)},
        {"full window",                       {.window = {2'900, 2'929}},                                    2'900, exhausted,        {}},
        {"reserved ID",                       {.window = {50, 50}},                                          50,    exhausted,        {}},
        {"no multiple of align in it",        {.align = 64, .window = {65, 99}},                             70,    exhausted,        {}},
        {"the largest align, taken",          {.align = align_max, .window = {0, 99}},                       0,     exhausted,        {}},
        {"last ID of all, taken",             {.window = {top, top}},                                        top,   exhausted,        {}},
        {"more than any gap",                 {.count = top - 10},                                           0,     exhausted,        {}},
    };
    // clang-format on
    Filled<16> own;
    UntouchedGuard guard;
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const auto sound = c.request.check();
        const bool is_sound = !c.error || *c.error == exhausted;
        ASSERT_EQ(sound.has_value(), is_sound);
        if (!is_sound) {
            EXPECT_EQ(sound.error(), *c.error);
        }
        Id cursor = c.cursor;
        const auto cyclic = own.tree.allocate_cyclic(guard, c.request, cursor, 9);
        ASSERT_FALSE(cyclic.has_value());
        EXPECT_EQ(cyclic.error(), c.error ? *c.error : *c.cyclic);
        EXPECT_EQ(cursor, c.cursor);
        if (c.error) {
            EXPECT_EQ(own.tree.allocate_lowest(guard, c.request, 9).error(), *c.error);
            EXPECT_EQ(own.tree.allocate_highest(guard, c.request, 9).error(), *c.error);
        }
        own.expect_unchanged();
    }
}

TEST(Allocate, RefusesBadRanges) {
    struct Case {
        const char* name;
        Range range;
        std::optional<Error> store;
        Error insert;
    };
    const auto reversed = [](Id first) { return Error{Errc::range_reversed, first}; };
    const auto taken = [](Id id) { return Error{Errc::id_taken, id}; };
    const Error memory = Errc::out_of_memory;
    const Case cases[] = {
        {"turned round by one", {8, 7}, reversed(8), reversed(8)},
        {"turned round, whole space", {top, 0}, reversed(top), reversed(top)},
        {"turned round over an entry", {500, 400}, reversed(500), reversed(500)},
        {"the whole space", whole_space, memory, taken(0)},
        {"inside an entry", {502, 503}, std::nullopt, taken(502)},
        {"ends in an entry", {490, 500}, std::nullopt, taken(500)},
        {"begins in an entry", {505, 510}, std::nullopt, taken(505)},
        {"a reserved ID", {40, 60}, std::nullopt, taken(50)},
        {"the last ID of all", {top, top}, std::nullopt, taken(top)},
        {"up to the last ID of all", {top - 3, top}, std::nullopt, taken(top)},
        {"the first ID of all", {0, 0}, std::nullopt, taken(0)},
    };
    Filled<16> own;
    UntouchedGuard guard;
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        if (c.store) {
            const auto stored = own.tree.store(guard, c.range, 9);
            ASSERT_FALSE(stored.has_value());
            EXPECT_EQ(stored.error(), *c.store);
            const auto prepared = own.tree.preallocate(guard, c.range);
            ASSERT_FALSE(prepared.has_value());
            EXPECT_EQ(prepared.error(), *c.store);
        }
        const auto inserted = own.tree.insert(guard, c.range, 9);
        ASSERT_FALSE(inserted.has_value());
        EXPECT_EQ(inserted.error(), c.insert);
        own.expect_unchanged();
    }
}

TEST(Allocate, GoesRoundAtTheEndOfTheWindow) {
    struct Case {
        const char* name;
        std::vector<Range> taken;
        GapRequest request;
        Id cursor;
        std::vector<Range> want;  // of one call after another
        Id cursor_behind;
    };
    constexpr std::uint64_t align_max = GapRequest::align_max;
    constexpr Id last_aligned = top - top % align_max;
    // clang-format off
    const Case cases[] = {
        {"last ID of all, then the first",     {},                 {.count = 1},                                           top,     {{top, top}, {0, 0}, {1, 1}},             2},
        {"last IDs of all, then the first",    {},                 {.count = 3},                                           top - 2, {{top - 2, top}, {0, 2}},                 3},
        {"too few up to the last",             {},                 {.count = 3},                                           top - 1, {{0, 2}, {3, 5}},                         6},
        {"the last taken",                     {{top, top}},       {.count = 1},                                           top,     {{0, 0}},                                 1},
        {"the last and the first taken",       {{top, top}, {0, 4}}, {.count = 2},                                         top,     {{5, 6}},                                 7},
        {"a window at the end",                {},                 {.count = 2, .window = {top - 4, top}},                 top - 1, {{top - 1, top}, {top - 4, top - 3}},     top - 2},
        {"to the end, window before it",       {},                 {.count = 2, .window = {top - 4, top - 1}},             top - 2, {{top - 2, top - 1}, {top - 4, top - 3}}, top - 2},
        {"aligned: the last, then the first",  {},                 {.count = 1, .align = 64},                              top - 70, {{top - 63, top - 63}, {0, 0}},          1},
        {"aligned as far as can be",          {},                 {.count = 1, .align = align_max},                       last_aligned, {{last_aligned, last_aligned}, {0, 0}}, 1},
        {"aligned to 3, which divides the end", {},                {.count = 1, .align = 3},                               top,     {{top, top}, {0, 0}, {3, 3}},             4},
        {"one ID is the window",               {},                 {.count = 1, .window = {top, top}},                     top,     {{top, top}},                             top},
    };
    // clang-format on
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        OwnTree<16> own;
        for (const Range range : c.taken)
            store(own.tree, range, 1);
        NoGuard guard;
        Id cursor = c.cursor;
        for (const Range want : c.want) {
            const auto got = own.tree.allocate_cyclic(guard, c.request, cursor, 2);
            ASSERT_TRUE(got.has_value()) << name(got.error().code);
            EXPECT_EQ(*got, want);
            EXPECT_EQ(own.tree.find(want.first), (Entry{want, 2}));
        }
        EXPECT_EQ(cursor, c.cursor_behind);
        INOD_EXPECT_SOUND(own.tree);
    }
}

// Once round, over an end at which the space itself ends: each ID once.
TEST(Allocate, GoesRoundUntilTheWindowIsFull) {
    for (const Range window : {Range{top - 99, top}, Range{0, 99}}) {
        OwnTree<16> own;
        NoGuard guard;
        Id cursor = window.first + 37;
        const GapRequest request{.window = window};
        for (std::uint64_t i = 0; i < 100; ++i) {
            const Id want = window.first + (37 + i) % 100;
            ASSERT_EQ(own.tree.allocate_cyclic(guard, request, cursor, i + 1).value(),
                      (Range{want, want}));
        }
        EXPECT_EQ(cursor, window.first + 37);
        EXPECT_EQ(own.tree.allocate_cyclic(guard, request, cursor, 1).error(),
                  Error(Errc::pool_exhausted));
        EXPECT_EQ(cursor, window.first + 37);
        own.tree.erase({window.first + 5, window.first + 5});
        ASSERT_EQ(own.tree.allocate_cyclic(guard, request, cursor, 1).value(),
                  (Range{window.first + 5, window.first + 5}));
        EXPECT_EQ(cursor, window.first + 6);
        INOD_EXPECT_SOUND(own.tree);
    }
}

}  // namespace
}  // namespace inod
