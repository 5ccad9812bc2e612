// A pool taken back from records: the same as it was, or refused.
#include <functional>

#include "tests/pool/test_pool.h"

namespace inod {
namespace {

using Step = std::function<Result<>(Pool&)>;

Step allocated(Range range, bool raised = false) {
    return [=](Pool& pool) { return pool.replay_allocated(range, 1, raised); };
}
Step claimed(Range range, bool raised = false) {
    return [=](Pool& pool) { return pool.replay_claimed(range, 1, raised); };
}
Step released(Range range) {
    return [=](Pool& pool) { return pool.replay_released(range); };
}
Step mark(Id id) {
    return [=](Pool& pool) { return pool.replay_mark(id); };
}
Step sequence(const SequenceState& state) {
    return [=](Pool& pool) { return pool.restore_sequence(state); };
}
Step saved_claim(Range range) {
    return [=](Pool& pool) {
        std::vector<std::byte> memory(100);
        RunWriter writer(memory, 0, 0);
        EXPECT_TRUE(writer.add({range, Tag{}}));
        return pool.restore_claims(whole_space, RunReader(writer.finish(), 0, 0));
    };
}
// The first lease that a snapshot has of a pool, alone up to the ID behind it.
Step saved_live(Range range, std::uint64_t generation, bool claimed = false) {
    return [=](Pool& pool) {
        pool.begin_restore();
        std::vector<std::byte> memory(100);
        RunWriter writer(memory, 0, 9);
        EXPECT_TRUE(
            writer.add({range, {.holder = 1, .claimed = claimed, .generation = generation}}));
        return pool.restore_live(whole_space, RunReader(writer.finish(), 0, 9), 2);
    };
}

// Whatever bytes the journal has, a record that contradicts what is there is refused by name: it
// neither ends the process nor moves a pool back.
TEST(Replay, RefusesWhatContradictsItself) {
    const PoolSpec unique = unique_spec({10, 99});
    const PoolSpec block = unique_spec({10, 99}, Durability::block);
    const PoolSpec cyclic = cyclic_spec({10, 99});
    const PoolSpec whole = cyclic_spec(whole_space);
    const SequenceState fresh_cyclic{
        .cursor = 10, .highest = {}, .mark = {}, .generation = 1, .swept = 10, .claims = {}};
    const auto cyclic_with = [&](auto change) {
        SequenceState state = fresh_cyclic;
        change(state);
        return sequence(state);
    };
    const auto unique_with = [](std::optional<Id> cursor, std::optional<Id> highest,
                                std::optional<Id> mark, std::uint64_t generation = 0) {
        return sequence({cursor, highest, mark, generation, {}, {}});
    };
    struct Case {
        const char* name;
        PoolSpec spec;
        std::vector<Step> before;  // succeed
        Step step;                 // is refused
    };
    // clang-format off
    const Case cases[] = {
        {"lease of live IDs", unique, {allocated({10, 12})}, allocated({12, 13})},
        {"lease behind the cursor",
         unique,
         {allocated({10, 10}), allocated({15, 15}), released({10, 10})},
         allocated({10, 10})},
        {"lease passed over", unique, {allocated({15, 15})}, allocated({12, 12})},
        {"lease of a released claim", unique, {claimed({20, 20}), released({20, 20})},
         allocated({19, 20})},
        {"lease after the last", unique, {allocated({99, 99}), released({99, 99})},
         allocated({99, 99})},
        {"lease outside", unique, {}, allocated({9, 10})},
        {"lease above", unique, {}, allocated({99, 100})},
        {"raised generation", unique, {}, allocated({10, 10}, true)},
        {"raised generation by a claim", unique, {}, claimed({10, 10}, true)},
        {"claim behind the cursor", unique, {allocated({15, 15})}, claimed({12, 12})},
        {"claim of a released claim", unique, {claimed({20, 20}), released({20, 20})},
         claimed({20, 20})},
        {"recorded lease where none is", block, {}, allocated({10, 10})},
        {"release of nothing", unique, {}, released({10, 10})},
        {"release of too much", unique, {allocated({10, 12})}, released({11, 13})},
        {"release turned round", unique, {allocated({10, 12})}, released({12, 10})},
        {"mark outside", unique, {}, mark(100)},
        {"mark in a cyclic pool", cyclic, {}, mark(50)},
        {"lease of live IDs, cyclic", cyclic, {allocated({10, 12})}, allocated({12, 13}, true)},
        {"same generation twice",
         cyclic,
         {allocated({10, 12}), released({10, 12})},
         allocated({10, 10})},
        {"claim of the same generation",
         cyclic,
         {allocated({10, 12}), released({10, 12})},
         claimed({10, 10})},
        {"claim raised for nothing", cyclic, {}, claimed({20, 20}, true)},
        {"all there can be", whole, {}, allocated(whole_space)},

        {"saved outside", unique, {}, unique_with(9, {}, {})},
        {"cursor above the highest", unique, {}, unique_with(20, 18, 19)},
        {"cursor above the mark", unique, {}, unique_with(20, 19, 18)},
        {"cursor without a highest", unique, {}, unique_with(20, {}, 19)},
        {"no cursor, but not at the end", unique, {}, unique_with({}, 98, 98)},
        {"unique with a generation", unique, {}, unique_with(10, {}, {}, 1)},
        {"cyclic without one", cyclic, {}, cyclic_with([](auto& s) { s.generation = 0; })},
        {"cyclic with a mark", cyclic, {}, cyclic_with([](auto& s) { s.mark = 20; })},
        {"swept above the cursor", cyclic, {}, cyclic_with([](auto& s) { s.swept = 11; })},
        {"nothing swept", cyclic, {}, cyclic_with([](auto& s) { s.swept.reset(); })},
        {"claims above the highest",
         cyclic,
         {},
         cyclic_with([](auto& s) { s.claims = {20, 20}; })},
        {"claims outside", cyclic, {}, cyclic_with([](auto& s) {
             s.highest = 99;
             s.claims = {90, 100};
         })},
        {"claims turned round", cyclic, {}, cyclic_with([](auto& s) {
             s.highest = 99;
             s.claims = {90, 80};
         })},
        {"saved claim in a cyclic pool",
         cyclic,
         {cyclic_with([](auto& s) { s.highest = 50; })},
         saved_claim({20, 20})},
        {"saved claim above the highest", unique, {}, saved_claim({20, 20})},
        {"saved claim behind the cursor",
         unique,
         {unique_with(20, 50, 50)},
         saved_claim({19, 20})},
        {"saved lease above the highest", unique, {}, saved_live({10, 10}, 0)},
        {"saved lease with a generation", unique, {unique_with(20, 19, 19)},
         saved_live({10, 10}, 1)},
        {"saved claim as a lease", unique, {unique_with(20, 19, 19)},
         saved_live({10, 10}, 0, true)},
        {"saved lease of a generation to come",
         cyclic,
         {cyclic_with([](auto& s) { s.highest = 50; })},
         saved_live({10, 10}, 2)},
        {"saved lease without a generation",
         cyclic,
         {cyclic_with([](auto& s) { s.highest = 50; })},
         saved_live({10, 10}, 0)},
    };
    // clang-format on
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        TestPool test(c.spec);
        for (const Step& step : c.before)
            ASSERT_TRUE(step(test.pool).has_value());
        const SequenceState state = test.pool.sequence();
        const auto runs = runs_of(test.pool);
        const Result<> done = c.step(test.pool);
        ASSERT_FALSE(done.has_value());
        EXPECT_EQ(done.error().code, Errc::journal_damaged);
        EXPECT_EQ(test.pool.sequence(), state);
        EXPECT_EQ(runs_of(test.pool), runs);
        EXPECT_SOUND(test.pool);
    }
}

TEST(Replay, ReleaseInAPoolOfBlocksTakesWhatNoRecordNamed) {
    TestPool test(unique_spec({1, 99}, Durability::block));
    ASSERT_TRUE(claimed({5, 6})(test.pool));
    ASSERT_TRUE(released({1, 9})(test.pool)) << "the others' leases were never recorded";
    EXPECT_TRUE(runs_of(test.pool).empty());
    EXPECT_SOUND(test.pool);
}

TEST(Replay, OutOfMemoryIsSaid) {
    TestPool test(unique_spec({1, 99}), 0);
    EXPECT_EQ(test.pool.replay_allocated({1, 1}, 0, false).error().code, Errc::out_of_memory);
    EXPECT_EQ(test.pool.replay_claimed({1, 1}, 0, false).error().code, Errc::out_of_memory);
}

TEST(Replay, CountersStartAtZero) {
    TestPool test(unique_spec({1, 99}));
    ASSERT_TRUE(allocated({1, 5})(test.pool));
    ASSERT_TRUE(claimed({7, 7})(test.pool));
    ASSERT_TRUE(released({1, 1})(test.pool));
    EXPECT_EQ(test.pool.counters().allocations, 0U);
    EXPECT_EQ(test.pool.counters().releases, 0U);
}

}  // namespace
}  // namespace inod
