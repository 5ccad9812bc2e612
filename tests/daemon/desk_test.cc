// Promise: what desks take of the memory there may be is counted, and given back.
#include "daemon/desk.h"

#include <vector>

#include <gtest/gtest.h>

namespace inod::daemon {
namespace {

constexpr std::uint64_t much = 1'000 * sizeof(Desk);

std::vector<Desk*> take(Desks& desks, std::size_t count) {
    std::vector<Desk*> taken;
    for (std::size_t i = 0; i < count; ++i)
        taken.push_back(desks.take());
    return taken;
}

TEST(DesksTest, SomeAreKeptForWhoeverComesNext) {
    MemoryBudget budget(much);
    {
        Desks desks(budget);
        EXPECT_EQ(desks.kept_max(), much / sizeof(Desk) / Desks::budget_per_spares);
        for (Desk* const desk : take(desks, desks.kept_max() + 10))
            desks.give(*desk);
        EXPECT_EQ(desks.count(), desks.kept_max());
        EXPECT_EQ(budget.used(), desks.kept_max() * sizeof(Desk));
    }
    EXPECT_EQ(budget.used(), 0U);
}

TEST(DesksTest, WhatIsKeptIsBoundedHoweverLargeTheBudget) {
    MemoryBudget large(10'000 * sizeof(Desk));
    EXPECT_EQ(Desks(large).kept_max(), Desks::spare_max);
    MemoryBudget small(10 * sizeof(Desk));
    EXPECT_EQ(Desks(small).kept_max(), Desks::spare_min);
    EXPECT_EQ(Desks(small, 64).kept_max(), 1U) << "for each of many loops";
}

TEST(DesksTest, TheLastThatWasGivenBackIsTheNext) {
    MemoryBudget budget(much);
    Desks desks(budget);
    const auto taken = take(desks, 2);
    desks.give(*taken[0]);
    desks.give(*taken[1]);
    Desk* const next = desks.take();
    EXPECT_EQ(next, taken[1]);
    desks.give(*next);
}

TEST(DesksTest, ThereIsNoneWhereTheBudgetHasNoneLeft) {
    MemoryBudget budget(3 * sizeof(Desk) - 1);
    Desks desks(budget);
    const auto taken = take(desks, 3);
    EXPECT_NE(taken[1], nullptr);
    ASSERT_EQ(taken[2], nullptr);
    EXPECT_EQ(budget.used(), 2 * sizeof(Desk));
    desks.give(*taken[0]);
    desks.give(*taken[1]);
}

}  // namespace
}  // namespace inod::daemon
