// What users have: nobody comes above a quota, whoever drops the lock meanwhile, and nothing is lost.
#include "lib/allocator/accounts.h"

#include <optional>

#include <gtest/gtest.h>

namespace inod {
namespace {

constexpr TagCount one{.ids = 3, .runs = 1};
const TagCount one_less = TagCount{} - one;

class AccountsTest : public testing::Test {
protected:
    static Errc code(const Result<Accounts::Reservation>& reservation) {
        return reservation ? Errc::ok : reservation.error().code;
    }

    MemoryBudget budget_{1U << 20U};
    Accounts accounts_{budget_};
};

TEST_F(AccountsTest, CountWhatIsAboutToBeHandedOut) {
    const Quota quota{.ids = 6, .leases = 2};
    {
        const auto first = accounts_.prepare(1, 5, 3, quota);
        const auto second = accounts_.prepare(1, 5, 3, quota);
        ASSERT_TRUE(first && second);
        EXPECT_EQ(code(accounts_.prepare(1, 5, 1, quota)), Errc::quota_exceeded);
        EXPECT_EQ(code(accounts_.prepare(1, 5, 0, quota)), Errc::quota_exceeded) << "leases";
        EXPECT_EQ(code(accounts_.prepare(1, 6, 6, quota)), Errc::ok) << "another user";
        EXPECT_EQ(code(accounts_.prepare(2, 5, 6, quota)), Errc::ok) << "another pool";
        EXPECT_EQ(accounts_.of(1, 5), TagCount{}) << "nothing was handed out";
    }
    EXPECT_EQ(code(accounts_.prepare(1, 5, 6, quota)), Errc::ok) << "nor kept";
}

// The lock is dropped for memory, and all that the user has goes meanwhile.
TEST_F(AccountsTest, LoseNothingWhileTheLockIsDropped) {
    auto had = std::optional(accounts_.prepare(1, 5, 3, Quota()));
    accounts_.change(1, 5, one);
    had.reset();
    {
        const auto waiting = accounts_.prepare(1, 5, 3, Quota());
        accounts_.change(1, 5, one_less);
        EXPECT_EQ(accounts_.of(1, 5), TagCount{});
        accounts_.change(1, 5, one);
    }
    EXPECT_EQ(accounts_.of(1, 5), one);
    accounts_.change(1, 5, one_less);
    EXPECT_EQ(accounts_.of(1, 5), TagCount{});
}

}  // namespace
}  // namespace inod
