// Pools of the policy `cyclic`: ascending, from max on again from min, and never the same number
// with the same generation.
#include "tests/pool/test_pool.h"

namespace inod {
namespace {

TEST(CyclicPool, WrapsAndSkipsWhatIsLive) {
    TestPool test(cyclic_spec({2, 6}));
    EXPECT_EQ(Outcome(test.allocate(2)), Outcome(Range{2, 3}, 1));
    EXPECT_EQ(Outcome(test.allocate(3)), Outcome(Range{4, 6}, 1));
    EXPECT_EQ(Outcome(test.allocate()), Outcome(Errc::pool_exhausted));
    ASSERT_TRUE(test.release(3, 1));
    ASSERT_TRUE(test.release({5, 6}, 1));
    EXPECT_EQ(Outcome(test.allocate(3)), Outcome(Errc::pool_exhausted));
    EXPECT_EQ(Outcome(test.allocate(2)), Outcome(Range{5, 6}, 2)) << "a wrap past 3";
    EXPECT_EQ(Outcome(test.allocate()), Outcome(3, 3)) << "another wrap";
    EXPECT_EQ(Outcome(test.allocate()), Outcome(Errc::pool_exhausted));
    EXPECT_EQ(test.pool.sequence().generation, 3U) << "a refusal raises nothing";
    EXPECT_SOUND(test.pool);
}

TEST(CyclicPool, WrapsAtTheEndsOfTheSpace) {
    for (const Range range : {Range{0, 2}, Range{id_max - 2, id_max}, Range{id_max, id_max}}) {
        TestPool test(cyclic_spec(range));
        for (std::uint64_t generation = 1; generation <= 3; ++generation) {
            for (Id id = range.first;; ++id) {
                ASSERT_EQ(Outcome(test.allocate()), Outcome(id, generation));
                ASSERT_TRUE(test.release(id, generation));
                if (id == range.last) break;
            }
        }
        EXPECT_SOUND(test.pool);
    }
}

TEST(CyclicPool, HandsOutTheWholeSpacesLastId) {
    TestPool test(cyclic_spec(whole_space));
    EXPECT_EQ(Outcome(test.allocate()), Outcome(0, 1));
    EXPECT_EQ(Outcome(test.allocate_at(id_max - 1)), Outcome(id_max - 1, 1));
    test.unclean_stop();
    EXPECT_EQ(Outcome(test.allocate_at(id_max)), Outcome(id_max, generation(0, 1)));
    EXPECT_EQ(Outcome(test.allocate()), Outcome(1, generation(0, 1)));
    EXPECT_SOUND(test.pool);
}

TEST(CyclicPool, SaysWhenTheGenerationRose) {
    TestPool test(cyclic_spec({1, 2}));
    EXPECT_FALSE(test.allocate()->raised_generation);
    EXPECT_FALSE(test.allocate()->raised_generation);
    ASSERT_TRUE(test.release({1, 2}, 1));
    EXPECT_TRUE(test.allocate()->raised_generation);
    EXPECT_FALSE(test.allocate()->raised_generation);
    ASSERT_TRUE(test.release(2, 2));
    const auto claimed = test.allocate_at(2);
    EXPECT_TRUE(claimed->raised_generation);
    EXPECT_EQ(claimed->mark, std::nullopt);
}

// The generation rises before an ID that may already have had the present one is handed out. Each
// row is a story in a pool of 1 to 10: "a" and a count allocates, "c" and an ID claims, "r" and an
// ID releases what is live there, "!" is an unclean stop.
TEST(CyclicPool, ClaimsRaiseTheGenerationWhereItMayRepeat) {
    struct Case {
        const char* name;
        std::vector<std::string> story;
        Outcome want;  // of the last step
    };
    const Case cases[] = {
        {"claim ahead", {"c5"}, {5, 1}},
        {"claim ahead, others handed out", {"a3", "c5"}, {5, 1}},
        {"claim of what was handed out", {"a3", "r2", "c2"}, {2, 2}},
        {"claim at the cursor", {"a3", "c4"}, {4, 1}},
        {"claim just below the cursor", {"a3", "r3", "c3"}, {3, 2}},
        {"claim, release, claim again", {"c5", "r5", "c5"}, {5, 2}},
        {"and again", {"c5", "r5", "c5", "r5", "c5"}, {5, 3}},
        {"claim between two claims, to be safe", {"c5", "c8", "c6"}, {6, 2}},
        {"claim beside two claims", {"c5", "c8", "c9"}, {9, 1}},
        {"allocation past a live claim", {"c1", "a1"}, {2, 1}},
        {"allocation of a released claim", {"c1", "r1", "a1"}, {1, 2}},
        {"allocation over a released claim", {"c2", "r2", "a3"}, {Range{1, 3}, 2}},
        {"allocation before a released claim", {"c5", "r5", "a4"}, {Range{1, 4}, 1}},
        {"claim ahead, swept, released, claimed", {"c5", "a4", "a2", "r5", "c5"}, {5, 2}},
        {"claim of what the last generation had", {"a5", "r3", "!", "c3"}, {3, generation(0, 1)}},
        {"claim of it a second time", {"a5", "r3", "!", "c3", "r3", "c3"}, {3, generation(1, 1)}},
        {"wrap to a claim of this generation", {"a9", "r2", "c2", "r2", "a1", "a1"}, {2, 3}},
        {"claim below the cursor after a wrap", {"a10", "r1", "r2", "r9", "a1", "c9"}, {9, 2}},
        {"claim of the wrapped one", {"a10", "r1", "r2", "a1", "r1", "c1"}, {1, 3}},
        {"unclean stop before the first", {"!", "a1"}, {1, generation(0, 1)}},
        {"unclean stop", {"a1", "!", "a1"}, {2, generation(0, 1)}},
        {"two of them", {"a1", "!", "!", "a1"}, {2, generation(0, 2)}},
        {"unclean stop at the end", {"a10", "r1", "!", "a1"}, {1, generation(1, 1)}},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        TestPool test(cyclic_spec({1, 10}));
        std::optional<Outcome> outcome;
        for (const std::string& step : c.story) {
            const Id number = step.size() > 1 ? std::stoull(step.substr(1)) : 0;
            if (step[0] == 'a') outcome = test.allocate(number);
            if (step[0] == 'c') outcome = test.allocate_at(number);
            if (step[0] == '!') test.unclean_stop();
            if (step[0] == 'r') {
                const auto run = test.pool.lookup(number, 0);
                ASSERT_TRUE(run && test.release(number, run->generation)) << step;
            }
            EXPECT_SOUND(test.pool);
        }
        EXPECT_EQ(*outcome, c.want);
    }
}

TEST(CyclicPool, GoesOnWhenItsMaxMovesUp) {
    TestPool test(cyclic_spec({1, 3}));
    ASSERT_TRUE(test.allocate(3));
    test.pool.widen(5);
    EXPECT_EQ(Outcome(test.allocate()), Outcome(4, 1));
    ASSERT_TRUE(test.release(4, 1));
    EXPECT_EQ(Outcome(test.allocate_at(4)), Outcome(4, 2));
    EXPECT_SOUND(test.pool);
}

// Past the last ID nothing of a new generation has been handed out, so its stretch begins where
// the wider pool goes on.
TEST(CyclicPool, WidenedPastItsEndStillKnowsWhatHadTheGeneration) {
    TestPool test(cyclic_spec({1, 3}));
    ASSERT_TRUE(test.allocate(3));
    test.unclean_stop();
    test.pool.widen(6);
    EXPECT_EQ(Outcome(test.allocate()), Outcome(4, generation(0, 1)));
    ASSERT_TRUE(test.release(4, generation(0, 1)));
    EXPECT_EQ(Outcome(test.allocate_at(4)), Outcome(4, generation(1, 1)));
    EXPECT_SOUND(test.pool);
}

// Promise: the counter never wraps, so that no generation comes back.
TEST(CyclicPool, IsExhaustedAtTheLastGeneration) {
    TestPool test(cyclic_spec({1, 3}));
    ASSERT_TRUE(test.allocate(2, 1));
    test.pool.skip_ahead(generation_used_up - 2);
    const std::uint64_t last = generation_used_up - 1;
    EXPECT_EQ(Outcome(test.allocate()), Outcome(3, last));
    ASSERT_TRUE(test.release(1, 1, 1));
    EXPECT_EQ(Outcome(test.allocate()), Outcome(Errc::pool_exhausted)) << "that needs a wrap";
    EXPECT_EQ(Outcome(test.allocate_at(1)), Outcome(1, last)) << "this does not";
    ASSERT_TRUE(test.release(1, last));
    EXPECT_EQ(Outcome(test.allocate_at(1)), Outcome(Errc::pool_exhausted));
    EXPECT_EQ(test.pool.replay_claimed({1, 1}, 1, true).error().code, Errc::journal_damaged);
    EXPECT_EQ(test.pool.replay_allocated({1, 1}, 1, true).error().code, Errc::journal_damaged);

    test.unclean_stop();
    test.pool.skip_ahead(id_max);
    EXPECT_EQ(test.pool.sequence().generation, generation_used_up);
    EXPECT_EQ(Outcome(test.allocate()), Outcome(Errc::pool_exhausted));
    EXPECT_EQ(Outcome(test.allocate_at(1)), Outcome(Errc::pool_exhausted));
    EXPECT_EQ(test.pool.replay_allocated({1, 1}, 1, true).error().code, Errc::journal_damaged);
    EXPECT_TRUE(test.release(2, 1, 1)) << "what is live stays so until it is released";
    EXPECT_TRUE(test.release(3, last));
    EXPECT_SOUND(test.pool);
}

}  // namespace
}  // namespace inod
