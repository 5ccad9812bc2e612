// Memory is refused exactly where it is to be: whatever is found with it is found by these.
#include "tests/sim/refused_memory.h"

#include <memory>
#include <new>
#include <string>

#include <gtest/gtest.h>

#include "tests/sim/own_memory.h"

namespace inod::sim {
namespace {

// Is there memory now? Through the one function that all go through, so that no compiler can spare
// the call.
bool there_is_memory() {
    void* const memory = ::operator new (std::size_t{64}, std::align_val_t{64}, std::nothrow);
    ::operator delete (memory, std::align_val_t{64});
    return memory != nullptr;
}

TEST(RefusedMemory, AllowsThenRefusesThenAllows) {
    std::string found;
    std::uint64_t refused_count = 0;
    {
        const RefusedMemory refused(2, 3);
        std::array<bool, 7> was_there{};
        for (bool& there : was_there)
            there = there_is_memory();
        refused_count = refused.refused();
        const OwnMemory own;
        for (const bool there : was_there)
            found += there ? '+' : '-';
    }
    EXPECT_EQ(found, "++---++");
    EXPECT_EQ(refused_count, 3U);
    EXPECT_TRUE(there_is_memory());
}

TEST(RefusedMemory, ThrowsWhereOperatorNewDoes) {
    bool has_thrown = false;
    {
        const RefusedMemory refused;
        try {
            const std::string text(1'000, 'x');
        } catch (const std::bad_alloc&) {
            has_thrown = true;
        }
    }
    EXPECT_TRUE(has_thrown);
}

TEST(RefusedMemory, LeavesTheSimulationItsOwn) {
    const RefusedMemory refused;
    const OwnMemory own;
    EXPECT_TRUE(there_is_memory());
    EXPECT_EQ(refused.refused(), 0U);
}

TEST(UsedUpBudget, LeavesNothingAndGivesItBack) {
    MemoryBudget budget(100);
    ASSERT_TRUE(budget.take(30));
    {
        const UsedUpBudget used_up(budget);
        EXPECT_FALSE(budget.take(1));
        budget.give(10);  // a release
        EXPECT_TRUE(budget.take(10));
    }
    EXPECT_EQ(budget.used(), 30U);
}

}  // namespace
}  // namespace inod::sim
