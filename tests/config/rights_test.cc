#include "config/rights.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace inod {
namespace {

// The words of the rights that are in `rights`.
std::set<std::string> words_in(Rights rights) {
    std::set<std::string> words;
    for (const Right right : every_right) {
        if (rights.has(right)) words.emplace(name(right));
    }
    return words;
}

using Words = std::set<std::string>;

TEST(Rights, AreThoseThatWereAdded) {
    EXPECT_EQ(words_in({}), Words{});
    EXPECT_TRUE(Rights{}.empty());
    for (const Right right : {Right::allocate, Right::lookup, Right::list, Right::release_others}) {
        EXPECT_EQ(words_in({right}), Words{std::string(name(right))}) << name(right);
        EXPECT_FALSE(Rights{right}.empty());
    }
    Rights rights{Right::allocate};
    rights.add(Right::list);
    rights.add(Right::list);
    EXPECT_EQ(words_in(rights), (Words{"allocate", "list"}));
    EXPECT_EQ(rights, (Rights{Right::list, Right::allocate}));
}

TEST(Rights, OfSeveralGrantsComeTogether) {
    Rights rights{Right::allocate, Right::lookup};
    rights.add(Rights{Right::lookup, Right::release_others});
    EXPECT_EQ(words_in(rights), (Words{"allocate", "lookup", "release_others"}));
    rights.add(Rights{});
    EXPECT_EQ(words_in(rights), (Words{"allocate", "lookup", "release_others"}));
}

TEST(Rights, WhoMayAdministerMayDoAll) {
    const Words all{"allocate", "lookup", "list", "release_others", "administer"};
    EXPECT_EQ(words_in({Right::administer}), all);
    EXPECT_EQ(words_in(Rights::all()), all);
    const Rights others{Right::allocate, Right::lookup, Right::list, Right::release_others};
    EXPECT_FALSE(others.has(Right::administer)) << "but not the other way round";
}

TEST(Rights, OfAGrantThatNamesNone) {
    EXPECT_EQ(words_in(rights_default), (Words{"allocate", "lookup", "list"}));
}

TEST(Rights, AnUnknownOneHasNoWord) {
    EXPECT_EQ(name(static_cast<Right>(64)), "unknown");
}

}  // namespace
}  // namespace inod
