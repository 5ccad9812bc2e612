// A pool that is restored from the pieces of a snapshot, with what happened between them replayed
// in between, is the pool that it was.
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "lib/pool/record.h"
#include "tests/pool/pieces.h"
#include "tests/pool/test_pool.h"

namespace inod {
namespace {

constexpr std::uint64_t id_count = 6'000;

using Runs = std::vector<Run>;

struct Kind {
    const char* name;
    Policy policy;
    Durability durability;
};

constexpr Kind kinds[] = {
    {"unique, leases recorded", Policy::unique, Durability::lease},
    {"unique, blocks", Policy::unique, Durability::block},
    {"cyclic", Policy::cyclic, Durability::lease},
};

// A pool in use, with what it has recorded.
class User {
public:
    User(const Kind& kind, std::uint64_t seed) : random_(seed) {
        const Id firsts[] = {0, 1, 1'000'000, id_max - (id_count - 1)};
        const Id first = firsts[random_() % 4];
        // A unique pool with more than a million IDs left moves its mark ahead of demand.
        const bool is_wide = kind.policy == Policy::unique && random_() % 2 == 0;
        const Id last = is_wide ? id_max : first + (id_count - 1);
        spec_ = {.name = "pool",
                 .policy = kind.policy,
                 .range = {first, last},
                 .durability = kind.durability};
        pool = std::make_unique<Pool>(spec_, next_index_++, tags_, budget_);
    }

    std::uint64_t draw(std::uint64_t count) { return random_() % count; }
    [[nodiscard]] std::unique_ptr<Pool> empty_twin() {
        return std::make_unique<Pool>(spec_, next_index_++, tags_, budget_);
    }

    void requests(std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t kind = draw(10);
            if (kind < 3) {
                allocate();
            } else if (kind < 5) {
                claim();
            } else {
                release();
            }
        }
    }

    std::unique_ptr<Pool> pool;
    std::vector<Record> records;

private:
    std::uint64_t draw_count() { return 1 + draw(draw(4) == 0 ? 700 : 6); }
    HolderIndex draw_holder() { return static_cast<HolderIndex>(draw(3)); }
    // Somewhere where something happens.
    Id draw_id() {
        const Id end = pool->sequence().highest.value_or(spec_.range.first);
        const std::uint64_t span =
            std::min(end - spec_.range.first + 50, spec_.range.last - spec_.range.first);
        return spec_.range.first + draw(span + 1);
    }

    void allocate() {
        NoGuard nobody_else;
        const HolderIndex holder = draw_holder();
        const std::uint64_t count = draw_count();
        auto granted = pool->allocate(nobody_else, Wish{count}, holder);
        if (!granted && granted.error().code == Errc::block_pending) {
            records.push_back(MarkMoved{0, granted.error().detail});
            pool->settle_mark();
            granted = pool->allocate(nobody_else, Wish{count}, holder);
        }
        if (!granted) return;
        if (granted->mark) records.push_back(MarkMoved{0, *granted->mark});
        if (!pool->records_leases()) return;
        records.push_back(Allocated{0, granted->lease.range, holder, granted->raised_generation});
    }
    void claim() {
        NoGuard nobody_else;
        const Id first = draw_id();
        const Range range{first, first + std::min(draw_count() - 1, spec_.range.last - first)};
        const HolderIndex holder = draw_holder();
        const auto granted = pool->allocate_at(nobody_else, range, holder);
        if (granted) records.push_back(Claimed{0, range, holder, granted->raised_generation});
    }
    void release() {
        const auto run = pool->next(draw_id());
        if (!run) return;
        const std::uint64_t span = run->range.span();
        const Id first = run->range.first + draw(span + 1);
        const Range range{first, first + draw(std::min<std::uint64_t>(run->range.last - first + 1,
                                                                      draw_count()))};
        const auto released = pool->release(range, run->generation, run->holder);
        ASSERT_TRUE(released);
        if (*released) records.push_back(Released{0, range});
    }

    std::mt19937_64 random_;
    MemoryBudget budget_{std::uint64_t{1} << 30U};
    Tags tags_{budget_};
    PoolIndex next_index_ = 0;
    PoolSpec spec_;
};

Result<> replay(Pool& pool, const Record& record) {
    if (const auto* r = std::get_if<Allocated>(&record)) {
        return pool.replay_allocated(r->range, r->holder, r->raised_generation);
    }
    if (const auto* r = std::get_if<Claimed>(&record)) {
        return pool.replay_claimed(r->range, r->holder, r->raised_generation);
    }
    if (const auto* r = std::get_if<Released>(&record)) return pool.replay_released(r->range);
    return pool.replay_mark(std::get<MarkMoved>(record).mark);
}

void expect_same(Pool& pool, Pool& twin) {
    EXPECT_EQ(twin.sequence(), pool.sequence());
    EXPECT_EQ(runs_of(twin), runs_of(pool));
    EXPECT_SOUND(twin);
}

// They hand out the same from now on: what a lookup cannot tell, such as what was claimed above the
// cursor, is the same too.
// What a pool hands out. How far its mark moves ahead depends on what it was asked for in this run,
// which no snapshot has.
Result<Granted> hand_out(Pool& pool, std::uint64_t count) {
    NoGuard nobody_else;
    auto granted = pool.allocate(nobody_else, Wish{count}, 1);
    if (granted || granted.error().code != Errc::block_pending) return granted;
    pool.settle_mark();
    return pool.allocate(nobody_else, Wish{count}, 1);
}

void expect_same_future(User& user, Pool& twin) {
    user.pool->begin_run();
    twin.begin_run();
    for (int i = 0; i < 60; ++i) {
        const std::uint64_t count = 1 + user.draw(40);
        const auto a = hand_out(*user.pool, count);
        const auto b = hand_out(twin, count);
        ASSERT_EQ(a.has_value(), b.has_value());
        if (!a) return;
        ASSERT_EQ(a->lease, b->lease);
        ASSERT_EQ(a->raised_generation, b->raised_generation);
    }
}

TEST(Restore, InPiecesWithRequestsBetweenThem) {
    std::size_t pieces_count = 0;
    std::size_t between = 0;
    for (const Kind& kind : kinds) {
        for (std::uint64_t seed = 0; seed < 250; ++seed) {
            SCOPED_TRACE(std::string(kind.name) + ", seed " + std::to_string(seed));
            User user(kind, seed);
            user.requests(user.draw(400));
            const auto twin = user.empty_twin();
            user.records.clear();
            Pieces pieces(*user.pool, false, twin.get());
            // The first may already come between the pool's definition and its first piece.
            for (bool goes_on = true; goes_on;) {
                user.requests(user.draw(12));
                for (const Record& record : user.records)
                    ASSERT_TRUE(replay(*twin, record));
                between += user.records.size();
                user.records.clear();
                goes_on = pieces.next(56 + user.draw(200), 1 + user.draw(60));
                ++pieces_count;
                if (HasFailure()) return;
            }
            user.requests(30);
            for (const Record& record : user.records)
                ASSERT_TRUE(replay(*twin, record));
            if (!user.pool->records_leases()) {
                // What was not recorded is in no snapshot; a crash forgets it.
                user.pool->replay_unclean_stop();
                twin->replay_unclean_stop();
            }
            expect_same(*user.pool, *twin);
            expect_same_future(user, *twin);
            if (HasFailure()) return;
        }
    }
    EXPECT_GT(pieces_count, 5'000U);
    EXPECT_GT(between, 10'000U);
}

TEST(Restore, OfEverythingForTheEndOfALife) {
    for (const Kind& kind : kinds) {
        for (std::uint64_t seed = 0; seed < 60; ++seed) {
            SCOPED_TRACE(std::string(kind.name) + ", seed " + std::to_string(seed));
            User user(kind, seed);
            user.requests(300);
            const auto twin = user.empty_twin();
            Pieces pieces(*user.pool, true, twin.get());
            while (pieces.next(56 + user.draw(900), 1 + user.draw(500))) {
            }
            expect_same(*user.pool, *twin);
            expect_same_future(user, *twin);
            if (HasFailure()) return;
        }
    }
}

// Pieces that are not one behind the other, or that contradict what is there.
// A run of reserved IDs that grew behind the piece which has its beginning is claimed across the border.
TEST(Restore, AClaimMayReachBeyondWhatIsKnownOfReserves) {
    for (const Policy policy : {Policy::unique, Policy::cyclic, Policy::lowest}) {
        SCOPED_TRACE(name(policy));
        const PoolSpec spec{.name = "pool", .policy = policy, .range = {1, 100}};
        TestPool source(spec);
        TestPool twin(spec);
        NoGuard nobody_else;
        ASSERT_TRUE(source.pool.reserve(nobody_else, {3, 10}));
        twin.pool.begin_restore();
        ASSERT_TRUE(twin.pool.restore_sequence(source.pool.sequence()));
        std::vector<std::byte> memory(items_size_max);
        std::size_t unlimited = ~std::size_t{0};
        RunWriter claims(memory, 0, 0);
        ASSERT_EQ(source.pool.save_claims(0, claims, unlimited), id_max);
        if (source.pool.claims() != nullptr) {
            ASSERT_TRUE(twin.pool.restore_claims(whole_space, RunReader(claims.finish(), 0, 0)));
        }
        std::size_t one = 1;
        RunWriter first(memory, 0, 0);
        ASSERT_EQ(source.pool.save_reserved(0, first, one), 10U);
        ASSERT_TRUE(twin.pool.restore_reserved({0, 10}, RunReader(first.finish(), 0, 0)));

        ASSERT_TRUE(source.pool.reserve(nobody_else, {11, 12}));
        ASSERT_TRUE(twin.pool.replay_reserved({11, 12}));
        const auto claimed = source.allocate_at({9, 12}, 5, true);
        ASSERT_TRUE(claimed);
        EXPECT_TRUE(twin.pool.replay_claimed({9, 12}, 5, claimed->raised_generation));

        RunWriter second(memory, 11, 0);
        ASSERT_EQ(source.pool.save_reserved(11, second, unlimited), id_max);
        ASSERT_TRUE(twin.pool.restore_reserved({11, id_max}, RunReader(second.finish(), 11, 0)));
        const std::uint64_t generation = source.pool.sequence().generation;
        RunWriter live(memory, 0, generation);
        ASSERT_EQ(source.pool.save_live(0, true, live, unlimited), id_max);
        ASSERT_TRUE(
            twin.pool.restore_live(whole_space, RunReader(live.finish(), 0, generation), 6));
        EXPECT_EQ(runs_of(twin.pool), runs_of(source.pool));
        EXPECT_EQ(twin.pool.next_reserved(0), source.pool.next_reserved(0));
        EXPECT_EQ(twin.pool.next_reserved(11), source.pool.next_reserved(11));
        EXPECT_SOUND(twin.pool);
    }
}

TEST(Restore, RefusesPiecesThatDoNotFit) {
    using Step = std::function<Result<>(Pool&)>;
    const auto refused = [](const std::vector<Step>& steps) {
        TestPool test(unique_spec({10, 99}));
        test.pool.begin_restore();
        EXPECT_TRUE(test.pool.restore_sequence(
            {.cursor = 50, .highest = 60, .mark = 60, .generation = 0, .swept = {}, .claims = {}}));
        Result<> last;
        for (const Step& step : steps) {
            EXPECT_TRUE(last);
            last = step(test.pool);
        }
        return !last && last.error().code == Errc::journal_damaged;
    };
    const auto live = [](Range covered, const Runs& runs) -> Step {
        return [=](Pool& pool) {
            std::vector<std::byte> memory(500);
            RunWriter writer(memory, covered.first, 5);
            for (const auto& run : runs)
                EXPECT_TRUE(writer.add(run));
            return pool.restore_live(covered, RunReader(writer.finish(), covered.first, 5), 9);
        };
    };
    const auto claims = [](Range covered, Range claim) -> Step {
        return [=](Pool& pool) {
            std::vector<std::byte> memory(500);
            RunWriter writer(memory, covered.first, 0);
            EXPECT_TRUE(writer.add({claim, Tag{}}));
            return pool.restore_claims(covered, RunReader(writer.finish(), covered.first, 0));
        };
    };
    const Tag tag{.holder = 1, .claimed = false, .generation = 0};
    const Tag claimed{.holder = 1, .claimed = true, .generation = 0};
    const Tag later{.holder = 1, .claimed = false, .generation = 3};
    EXPECT_FALSE(
        refused({live({0, 20}, {{{10, 12}, tag}}), live({21, id_max}, {{{30, 50}, tag}})}));
    EXPECT_TRUE(refused({live({1, 20}, {})})) << "not from the first ID on";
    EXPECT_TRUE(refused({live({0, 20}, {}), live({22, 30}, {})})) << "with a gap";
    EXPECT_TRUE(refused({live({0, 20}, {}), live({20, 30}, {})})) << "once more";
    EXPECT_TRUE(refused({live({0, id_max}, {}), live({0, 20}, {})})) << "behind the last";
    EXPECT_TRUE(refused({live({0, 20}, {{{19, 21}, tag}})})) << "past what it covers";
    EXPECT_TRUE(refused({live({0, 20}, {{{9, 10}, tag}})})) << "outside the pool";
    EXPECT_TRUE(refused({live({0, id_max}, {{{61, 61}, tag}})})) << "never handed out";
    EXPECT_TRUE(refused({live({0, 20}, {{{10, 10}, later}})})) << "of a generation";
    EXPECT_TRUE(refused({live({0, 20}, {{{10, 10}, claimed}})})) << "all are recorded here";
    EXPECT_FALSE(refused({claims({0, id_max}, {55, 57})}));
    EXPECT_TRUE(refused({claims({0, 56}, {55, 57})})) << "past what it covers";
    EXPECT_TRUE(refused({claims({0, id_max}, {49, 50})})) << "below the cursor";
    EXPECT_TRUE(refused({claims({0, id_max}, {60, 61})})) << "above all";
}

// What is live must not come next, nor ever again with its generation.
TEST(Restore, WhatIsLiveAndWouldComeAgainIsFoundOut) {
    struct Case {
        const char* name;
        Policy policy;
        SequenceState state;
        bool is_sound;
    };
    // The live run is 10 to 14, of generation 0 or 3.
    const auto unique = [](Id cursor) {
        return SequenceState{.cursor = cursor,
                             .highest = 50,
                             .mark = 50,
                             .generation = 0,
                             .swept = {},
                             .claims = {}};
    };
    const auto cyclic = [](std::uint64_t generation, Id swept, Id cursor,
                           std::optional<Range> claims) {
        return SequenceState{.cursor = cursor,
                             .highest = 50,
                             .mark = {},
                             .generation = generation,
                             .swept = swept,
                             .claims = claims,
                             .passed = 50};
    };
    const Case cases[] = {
        {"below the cursor", Policy::unique, unique(15), true},
        {"partly above it", Policy::unique, unique(14), false},
        {"above it", Policy::unique, unique(5), false},
        {"swept", Policy::cyclic, cyclic(3, 10, 15, {}), true},
        {"swept too little", Policy::cyclic, cyclic(3, 11, 15, {}), false},
        {"not come to", Policy::cyclic, cyclic(3, 1, 14, {}), false},
        {"claimed", Policy::cyclic, cyclic(3, 1, 5, Range{9, 14}), true},
        {"swept and claimed", Policy::cyclic, cyclic(3, 1, 12, Range{12, 20}), true},
        {"neither in between", Policy::cyclic, cyclic(3, 1, 12, Range{13, 20}), false},
        {"of an earlier generation", Policy::cyclic, cyclic(4, 1, 5, {}), true},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        MemoryBudget budget(1 << 20);
        Tags tags(budget);
        Pool pool({.name = "pool", .policy = c.policy, .range = {1, 100}}, 0, tags, budget);
        pool.begin_restore();
        ASSERT_TRUE(pool.restore_sequence(c.state));
        std::vector<std::byte> memory(items_size_max);
        RunWriter items(memory, 0, c.state.generation);
        const std::uint64_t generation = c.policy == Policy::unique ? 0 : 3;
        ASSERT_TRUE(
            items.add({{10, 14}, {.holder = 0, .claimed = false, .generation = generation}}));
        ASSERT_TRUE(
            pool.restore_live(whole_space, RunReader(items.finish(), 0, c.state.generation), 1));
        const std::string said = pool.verify().value_or("sound");
        EXPECT_EQ(said, c.is_sound ? "sound"
                                   : "pool pool: 10-14 is live and may be handed out once more");
    }
}

}  // namespace
}  // namespace inod
