// Promise: in a pool of durability `block` nobody waits for the disk, but where a run begins or the
// rate rises: the mark moves ahead of demand.
#include "tests/allocator/machine.h"

namespace inod {
namespace {

constexpr int hand_outs = 1'000'000;

// Hands out lease after lease, with a group after every so many requests, and counts who waited.
class Load {
public:
    Load(Machine& machine, std::uint64_t lease_count, int group, bool syncs_beside)
        : machine_(machine),
          lease_count_(lease_count),
          group_(group),
          syncs_beside_(syncs_beside) {}

    void run(int count) {
        for (int i = 0; i < count && !::testing::Test::HasFatalFailure(); ++i) {
            hand_out();
            if (i % group_ == group_ - 1) end_group();
        }
    }

    [[nodiscard]] int waits() const { return waits_; }
    [[nodiscard]] int last_group_with_wait() const { return last_group_with_wait_; }

private:
    void hand_out() {
        for (bool waited = false;; waited = true) {
            const auto answer = machine_.allocate_now(0, lease_count_);
            if (answer.result) {
                ASSERT_EQ(answer.wait_for, 0U);
                return;
            }
            ASSERT_EQ(answer.result.error().code, Errc::block_pending);
            if (!waited) {
                ++waits_;
                last_group_with_wait_ = groups_;
            }
            end_group();
        }
    }

    // With `syncs_beside_` as the daemon does it: what is recorded while a group is synced belongs
    // to the next, so that a mark is on its way for three of them.
    void end_group() {
        ++groups_;
        if (syncs_beside_) {
            if (under_way_) {
                ASSERT_TRUE(machine_.allocator->flush());
                machine_.allocator->end_flush();
            }
            ASSERT_TRUE(machine_.set_aside());
            under_way_ = machine_.allocator->begin_flush();
        } else {
            ASSERT_TRUE(machine_.flush());
        }
    }

    Machine& machine_;
    const std::uint64_t lease_count_;
    const int group_;
    const bool syncs_beside_;
    bool under_way_ = false;
    int groups_ = 0;
    int waits_ = 0;
    int last_group_with_wait_ = 0;
};

TEST(SteadyState, NobodyWaitsForSingleNumbersButTheFirst) {
    for (const int group : {1, 7, 64, 4'096}) {
        for (const bool syncs_beside : {false, true}) {
            SCOPED_TRACE(std::to_string(group) + " a group, syncs " +
                         (syncs_beside ? "beside" : "between"));
            Machine machine({unique_pool("inode", {1, id_max}, Durability::block)});
            ASSERT_STARTS(machine);
            Load load(machine, 1, group, syncs_beside);
            load.run(hand_outs);
            EXPECT_EQ(load.waits(), 1)
                << "the first: half of the smallest stride lasts three groups";
            EXPECT_EQ(load.last_group_with_wait(), 0);
            EXPECT_EQ(machine.allocator->pool(0)->live_count().ids, std::uint64_t{hand_outs});
        }
    }
}

TEST(SteadyState, NobodyWaitsForWideLeasesOnceTheRateIsKnown) {
    for (const int group : {7, 64, 4'096}) {
        for (const bool syncs_beside : {false, true}) {
            SCOPED_TRACE(std::to_string(group) + " a group, syncs " +
                         (syncs_beside ? "beside" : "between"));
            Machine machine({unique_pool("inode", {1, id_max}, Durability::block)});
            ASSERT_STARTS(machine);
            Load load(machine, 1'000, group, syncs_beside);
            load.run(hand_outs / 4);
            // Who waits has seen half a stride asked for, so that the next one is twice as long; but
            // the mark goes there only with its next move, before which somebody may wait again. So
            // two waits double the stride, from 32,768 to twice what three groups ask for:
            // 24,576,000, which is 10 doublings away. And the first waits. A wait takes three groups, and
            // one may end by itself before the next wait.
            EXPECT_LE(load.waits(), 1 + 2 * 10);
            EXPECT_LE(load.last_group_with_wait(), 4 * load.waits());
        }
    }
}

// At a clean stop nothing is burned, and the next run goes on in the stride: nobody waits even at
// its beginning.
TEST(SteadyState, ACleanStopBurnsNothingAndMakesNobodyWait) {
    for (const Durability durability : {Durability::lease, Durability::block}) {
        SCOPED_TRACE(name(durability));
        Machine machine({unique_pool("inode", {1, id_max}, durability)});
        ASSERT_STARTS(machine);
        for (Id next = 1; next <= 50; ++next) {
            const auto leased = next == 1 ? machine.allocate(0) : machine.allocate_now(0);
            ASSERT_TRUE(leased.result) << name(leased.result.error().code) << " at " << next;
            EXPECT_EQ(leased.result->range, (Range{next, next}));
            ASSERT_TRUE(machine.flush());
            ASSERT_TRUE(machine.allocator->close());
            machine.crash(next);
            ASSERT_STARTS(machine);
        }
    }
}

// What CHANGELOG.md and README.md say that a crash burns.
TEST(SteadyState, ACrashBurnsAStrideAtMost) {
    struct Case {
        const char* name;
        Range range;
        std::uint64_t lease_count;
        int group;
        std::uint64_t burned_max;  // where the mark is settled with one group
    };
    const Case cases[] = {
        {"few", {1, id_max}, 1, 7, stride_min},
        {"many", {1, id_max}, 1, 4'096, stride_min},
        {"wide ones", {1, id_max}, 1'000, 64, 4 * 64 * 1'000},
        {"32 bits", {1, 0xffff'ffff}, 1, 64, 4'294},
        {"some millions", {1, 7'900'000}, 1, 1, 7},
        {"less than a million", {1, 1'000'000}, 1, 7, 0},
    };
    for (const Case& c : cases) {
        for (const Durability durability : {Durability::lease, Durability::block}) {
            SCOPED_TRACE(std::string(c.name) + ", " + std::string(name(durability)));
            const bool takes_two_groups = durability == Durability::block && c.lease_count > 1;
            const std::uint64_t burned_max = c.burned_max * (takes_two_groups ? 2 : 1);
            Machine machine({unique_pool("inode", c.range, durability)});
            ASSERT_STARTS(machine);
            Id last = 0;
            for (std::uint64_t life = 0; life < 8; ++life) {
                for (std::uint64_t i = 0; i < 500 + 100 * life; ++i) {
                    const auto leased = machine.allocate(0, c.lease_count);
                    ASSERT_TRUE(leased.result);
                    if (i == 0 && life > 0) {
                        if (c.burned_max > 0) {
                            EXPECT_GT(leased.result->range.first - 1, last);
                        }
                        EXPECT_LE(leased.result->range.first - 1 - last, burned_max);
                    }
                    last = leased.result->range.last;
                    if (i % static_cast<std::uint64_t>(c.group) == 0) {
                        ASSERT_TRUE(machine.flush());
                    }
                }
                ASSERT_TRUE(machine.flush());
                machine.crash(life);
                ASSERT_STARTS(machine);
            }
        }
    }
}

}  // namespace
}  // namespace inod
