#include "lib/base/errc.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace inod {
namespace {

TEST(Errc, EveryNamedErrorHasItsOwnNameAndExplanation) {
    std::set<std::string> names;
    for (std::uint16_t value = 0; value < 256; ++value) {
        const auto code = static_cast<Errc>(value);
        if (name(code) == "unknown") continue;
        EXPECT_TRUE(names.insert(std::string(name(code))).second) << name(code);
        EXPECT_FALSE(explanation(code).empty());
    }
    EXPECT_EQ(names.size(), 60U) << "an Errc is missing from the table in errc.cc";
    EXPECT_EQ(name(static_cast<Errc>(9999)), "unknown");
}

}  // namespace
}  // namespace inod
