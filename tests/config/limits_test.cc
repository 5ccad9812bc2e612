// Which limits a user has, of those that the configuration lists.

#include "config/limits.h"

#include <gtest/gtest.h>

namespace inod {
namespace {

constexpr std::uint32_t own_uid = 500;
constexpr std::uint32_t ann = 1000;

constexpr PoolLimits usual{};
constexpr PoolLimits unlimited = PoolLimits::unlimited();

TEST(Limits, TheEntryThatNamesTheUserCounts) {
    using Entry = LimitsEntry<PoolLimits>;
    const Entry everyone{.limits = {5, 6}};
    const Entry of_ann{.uid = ann, .limits = {7, 8}};
    const Entry of_another{.uid = ann + 1, .limits = {9, 9}};
    const Entry of_root{.uid = 0, .limits = {1, 2}};
    const Entry of_the_daemon{.uid = own_uid, .limits = {3, 4}};
    struct Case {
        const char* name;
        std::uint32_t uid;
        std::vector<Entry> entries;
        PoolLimits want;
    };
    const Case cases[] = {
        {"no entries", ann, {}, usual},
        {"no entries, root", 0, {}, unlimited},
        {"no entries, the daemon's own", own_uid, {}, unlimited},
        {"everyone", ann, {everyone}, {5, 6}},
        {"everyone, root", 0, {everyone}, unlimited},
        {"everyone, the daemon's own", own_uid, {everyone}, unlimited},
        {"named before everyone", ann, {of_ann, everyone}, {7, 8}},
        {"named after everyone", ann, {everyone, of_ann}, {7, 8}},
        {"others named", ann, {of_root, of_another, of_the_daemon}, usual},
        {"others named, and everyone", ann, {of_another, everyone, of_root}, {5, 6}},
        {"root named", 0, {everyone, of_root}, {1, 2}},
        {"the daemon's own named", own_uid, {of_the_daemon, everyone}, {3, 4}},
        {"the last UID", 0xFFFF'FFFE, {everyone, of_ann}, {5, 6}},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        EXPECT_EQ(limits_of(c.uid, own_uid, c.entries), c.want);
    }
}

TEST(Limits, ARootThatRunsTheDaemonIsRoot) {
    EXPECT_EQ(limits_of<PoolLimits>(0, 0, {}), unlimited);
    EXPECT_EQ(limits_of<PoolLimits>(0, 0, {{.uid = 0, .limits = {1, 2}}}), (PoolLimits{1, 2}));
    EXPECT_EQ(limits_of<PoolLimits>(own_uid, 0, {}), usual);
}

TEST(Limits, WhatAnEntryLeavesOutIsTheDefaultAndNoOtherEntrys) {
    const std::vector<LimitsEntry<UserLimits>> entries = {
        {.limits = {.connections = 1, .holders = 2, .tokens = 3}},
        {.uid = ann, .limits = {.holders = 0}},
        {.uid = 0, .limits = {.tokens = 7}},
    };
    EXPECT_EQ(limits_of(ann, own_uid, entries), (UserLimits{1'024, 0, 65'536}));
    EXPECT_EQ(limits_of(0, own_uid, entries), (UserLimits{1'024, 1'024, 7}));
    EXPECT_EQ(limits_of(ann + 1, own_uid, entries), (UserLimits{1, 2, 3}));
    EXPECT_EQ(limits_of(own_uid, own_uid, entries), UserLimits::unlimited());
}

TEST(Limits, TheDefaults) {
    EXPECT_EQ(usual, (PoolLimits{1'048'576, 65'536}));
    EXPECT_EQ(UserLimits{}, (UserLimits{1'024, 1'024, 65'536}));
    EXPECT_EQ(unlimited, (PoolLimits{~std::uint64_t{0}, ~std::uint64_t{0}}));
    EXPECT_EQ(UserLimits::unlimited(), (UserLimits{0xFFFF'FFFF, 0xFFFF'FFFF, ~std::uint64_t{0}}));
}

}  // namespace
}  // namespace inod
