#include "lib/pool/pool_spec.h"

#include <gtest/gtest.h>

namespace inod {
namespace {

TEST(PoolSpec, OnlyWhatCanRunIsValid) {
    const std::string longest(pool_name_size_max, 'a');
    constexpr auto unique = Policy::unique;
    constexpr auto cyclic = Policy::cyclic;
    constexpr auto lease = Durability::lease;
    constexpr auto block = Durability::block;
    struct Case {
        const char* name;
        PoolSpec spec;
        std::string key;  // with which the message begins; empty: valid
    };
    const Case cases[] = {
        {"whole space", {"inode", unique, whole_space, lease, 1}, ""},
        {"one ID, the last", {"inode", unique, {id_max, id_max}, lease, 1}, ""},
        {"one ID, the first", {"inode", cyclic, {0, 0}, lease, 1}, ""},
        {"unique in blocks", {"inode", unique, {1, 9}, block, 1}, ""},
        {"cyclic in blocks", {"pid", cyclic, {1, 9}, block, 1}, "durability: "},
        {"min above max", {"pid", cyclic, {9, 8}, lease, 1}, "min: 9 "},
        {"no lease possible", {"pid", cyclic, {1, 9}, lease, 0}, "lease_count_max: "},
        {"largest leases", {"pid", cyclic, {1, 9}, lease, 4'294'967'295U}, ""},
        {"no name", {"", unique, {1, 9}, lease, 1}, "name: "},
        {"longest name", {longest, unique, {1, 9}, lease, 1}, ""},
        {"name too long", {longest + "a", unique, {1, 9}, lease, 1}, "name: "},
        {"all kinds of characters", {"a.B_c-9", unique, {1, 9}, lease, 1}, ""},
        {"begins with a digit", {"9p", unique, {1, 9}, lease, 1}, ""},
        {"begins with a dot", {".p", unique, {1, 9}, lease, 1}, "name: "},
        {"a space", {"a b", unique, {1, 9}, lease, 1}, "name: "},
        {"a slash", {"a/b", unique, {1, 9}, lease, 1}, "name: "},
        {"a zero byte", {std::string("a\0b", 3), unique, {1, 9}, lease, 1}, "name: "},
        {"not ASCII", {"n\xc3\xa4me", unique, {1, 9}, lease, 1}, "name: "},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const auto valid = validate(c.spec);
        EXPECT_EQ(valid.has_value(), c.key.empty());
        if (valid) continue;
        EXPECT_EQ(valid.error().code, Errc::config_invalid);
        EXPECT_EQ(valid.error().message.substr(0, c.key.size()), c.key);
    }
}

TEST(PoolSpec, WordsGoBothWays) {
    for (const Policy policy : {Policy::unique, Policy::cyclic})
        EXPECT_EQ(policy_of(name(policy)), policy);
    for (const Durability durability : {Durability::lease, Durability::block})
        EXPECT_EQ(durability_of(name(durability)), durability);
    EXPECT_EQ(policy_of("Unique"), std::nullopt);
    EXPECT_EQ(policy_of(""), std::nullopt);
    EXPECT_EQ(durability_of("blocks"), std::nullopt);
    EXPECT_EQ(name(static_cast<Policy>(77)), "unknown");
    EXPECT_EQ(name(static_cast<Durability>(77)), "unknown");
}

}  // namespace
}  // namespace inod
