// Promise: an allocation gets one number at each level or none at any, and gives back all of them; a
// lookup at any level tells all.
#include "tests/allocator/levels.h"

#include "tests/sim/refused_memory.h"

namespace inod {
namespace {

Errc code_of(const Answer<Lease>& answer) {
    return answer.result ? Errc::ok : answer.result.error().code;
}

Errc code_of(const Answer<void>& answer) {
    return answer.result ? Errc::ok : answer.result.error().code;
}

Answer<Lease> allocate_as(Machine& machine, PoolIndex pool, std::uint64_t count,
                          const Asker& asker) {
    NoGuard nobody_else;
    return machine.insist([&] {
        return machine.allocator->allocate(nobody_else, pool, Wish{.count = count}, asker);
    });
}

TEST(Levels, ParentsAreDefinedBeforeTheirChildren) {
    Machine machine(boxes());
    ASSERT_STARTS(machine);
    const char* const expected[] = {"host", "box", "inner", "other"};
    for (PoolIndex i = 0; i < 4; ++i)
        EXPECT_EQ(machine.allocator->any_pool(i).spec().name, expected[i]);
    EXPECT_EQ(machine.allocator->parent_of(host), no_pool);
    EXPECT_EQ(machine.allocator->parent_of(inner), box);
    EXPECT_EQ(machine.allocator->parent_of(other), host);
}

TEST(Levels, AnAllocationGetsANumberAtEachAndALookupAtAnyTellsAll) {
    Machine machine(boxes());
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(host, 5).result);  // 300 to 304
    ASSERT_TRUE(machine.allocate(box, 7).result);   // 1 to 7, above 305 to 311
    const auto leased = machine.allocate(inner, 3, 1);
    ASSERT_EQ(leased.result.value(), (Lease{{1, 3}, 1}));
    ASSERT_TRUE(machine.allocate(other, 1).result);
    for (Id i = 0; i < 3; ++i) {
        const std::string all = "host " + std::to_string(312 + i) + "@1, box " +
                                std::to_string(8 + i) + "@1, inner " + std::to_string(1 + i) + "@1";
        EXPECT_EQ(numbers(machine, inner, 1 + i), all);
        EXPECT_EQ(numbers(machine, box, 8 + i), all);
        EXPECT_EQ(numbers(machine, host, 312 + i, 1), all);
    }
    EXPECT_EQ(numbers(machine, host, 304), "host 304@1") << "asked for there";
    EXPECT_EQ(numbers(machine, box, 7), "host 311@1, box 7@1") << "and no lower";
    EXPECT_EQ(numbers(machine, host, 315), "host 315@1, other 1@1");
    EXPECT_EQ(numbers(machine, inner, 2, 9), "stale_generation");
    EXPECT_EQ(numbers(machine, inner, 4), "never_allocated");
    EXPECT_EQ(soundness(machine), "sound");
    EXPECT_EQ(live(machine, host), 16U);
    EXPECT_EQ(machine.allocator->account(host, 1).ids, 3U) << "at every level they are his";
}

TEST(Levels, AReleaseFreesAllAndIsAskedForWhereTheAllocationWas) {
    Machine machine(boxes());
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(inner, 4, 1).result);
    const std::string before = all_of(machine);
    const auto held = machine.release(host, {300, 303}, 1, 1);
    ASSERT_EQ(code_of(held), Errc::held_below);
    EXPECT_EQ(held.result.error().detail, 300U);
    EXPECT_EQ(code_of(machine.release(box, {2, 2}, 1, 1)), Errc::held_below);
    EXPECT_EQ(code_of(machine.release(inner, {2, 2}, 1, 2)), Errc::not_holder);
    EXPECT_EQ(code_of(machine.release(box, {2, 2}, 1, 2)), Errc::not_holder);
    const Asker for_others{.uid = 2, .gid = 2, .releases_for_others = true};
    EXPECT_EQ(code_of(machine.allocator->release(box, {2, 2}, 1, for_others)), Errc::held_below);
    EXPECT_EQ(all_of(machine), before);

    ASSERT_TRUE(machine.release(inner, {2, 3}, 1, 1).result);
    EXPECT_EQ(numbers(machine, host, 301), "released");
    EXPECT_EQ(numbers(machine, box, 3), "released");
    EXPECT_EQ(numbers(machine, inner, 4), "host 303@1, box 4@1, inner 4@1") << "the rest stays";
    EXPECT_EQ(soundness(machine), "sound");
    ASSERT_TRUE(machine.allocator->release(inner, {1, 1}, 1, for_others).result);
    ASSERT_TRUE(machine.release(inner, {4, 4}, 1, 1).result);
    for (const PoolIndex pool : {host, box, inner})
        EXPECT_EQ(live(machine, pool), 0U);
    EXPECT_EQ(machine.allocator->account(host, 1), TagCount{});
    EXPECT_EQ(soundness(machine), "sound");
}

TEST(Levels, OneReleaseIsOfWhatLiesInManyPiecesAbove) {
    Machine machine(boxes());
    ASSERT_STARTS(machine);
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(machine.allocate(inner, 2, 1).result);
        ASSERT_TRUE(machine.allocate(box, 1, 1).result);
        ASSERT_TRUE(machine.allocate(host, 1, 2).result);
    }
    EXPECT_EQ(numbers(machine, inner, 10), "host 317@1, box 14@1, inner 10@1");
    ASSERT_TRUE(machine.release(inner, {2, 9}, 1, 1).result);
    EXPECT_EQ(live(machine, inner), 2U);
    EXPECT_EQ(live(machine, box), 7U);
    EXPECT_EQ(live(machine, host), 12U);
    EXPECT_EQ(numbers(machine, inner, 10), "host 317@1, box 14@1, inner 10@1");
    EXPECT_EQ(soundness(machine), "sound");
}

TEST(Levels, EachHasAGenerationOfItsOwn) {
    Machine machine({cyclic_pool("top", {1, 1'000}), below("top", lowest_pool("low", {1, 10}))});
    ASSERT_STARTS(machine);
    for (std::uint64_t generation = 1; generation < 4; ++generation) {
        const auto leased = machine.allocate(1, 10);
        ASSERT_EQ(leased.result.value(), (Lease{{1, 10}, generation}));
        const std::string above = std::to_string(10 * (generation - 1) + 4) + "@1";
        EXPECT_EQ(numbers(machine, 1, 4), "top " + above + ", low 4@" + std::to_string(generation));
        ASSERT_TRUE(machine.release(1, {1, 10}, generation).result);
    }
}

TEST(Levels, AClaimNamesTheNumbersBelowAndTakesWhatComesAbove) {
    Machine machine(boxes());
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate_at(inner, {50, 52}).result);
    EXPECT_EQ(numbers(machine, inner, 51), "host 301@1, box 2@1, inner 51@1");
    const std::string before = all_of(machine);
    const auto taken = machine.allocate_at(inner, {52, 53});
    ASSERT_EQ(code_of(taken), Errc::id_taken);
    EXPECT_EQ(taken.result.error().detail, 52U);
    EXPECT_EQ(code_of(machine.allocate_at(inner, {60, 59})), Errc::range_reversed);
    EXPECT_EQ(code_of(machine.allocate_at(inner, {100, 101})), Errc::id_out_of_range);
    EXPECT_EQ(all_of(machine), before);
    EXPECT_EQ(soundness(machine), "sound");
}

TEST(Levels, WhatIsReservedCanBeClaimedBelow) {
    std::vector<PoolSpec> pools = boxes();
    pools[0].reserved = {{10, 19}};
    Machine machine(pools);
    ASSERT_STARTS(machine);
    NoGuard nobody_else;
    const Asker admin{.uid = 1, .gid = 1, .takes_reserved = true};
    ASSERT_TRUE(machine.allocator->allocate_at(nobody_else, inner, {12, 13}, admin).result);
    EXPECT_EQ(numbers(machine, inner, 13), "host 301@1, box 2@1, inner 13@1");
    EXPECT_EQ(soundness(machine), "sound");
    ASSERT_TRUE(machine.release(inner, {12, 12}, 1, 1).result);
    end_user(machine, 1);
    ASSERT_TRUE(machine.allocator->any_pool(inner).has_dead());
    EXPECT_EQ(soundness(machine), "sound");
    ASSERT_TRUE(machine.allocator->allocate_at(nobody_else, inner, {12, 13}, admin).result);
    EXPECT_EQ(soundness(machine), "sound");
}

TEST(Levels, ItIsAllOrNothingWhereOneIsExhausted) {
    for (const PoolIndex full : {host, box, inner}) {
        SCOPED_TRACE(boxes()[full == host ? 2 : full == box ? 1 : 0].name + " is full");
        std::vector<PoolSpec> pools = boxes();
        pools[0].range = {1, full == inner ? 3U : 100U};
        pools[1].range = {1, full == box ? 3U : 100U};
        pools[2].range = {300, full == host ? 302U : 400U};
        Machine machine(pools);
        ASSERT_STARTS(machine);
        ASSERT_TRUE(machine.allocate(full, 1, 2).result);
        const std::string before = all_of(machine);
        const auto refusals = machine.allocator->refusals(full);
        EXPECT_EQ(code_of(machine.allocate(inner, 3, 1)), Errc::pool_exhausted);
        EXPECT_EQ(all_of(machine), before);
        EXPECT_EQ(machine.allocator->refusals(full), refusals + 1) << "it counts where it was";
        EXPECT_TRUE(machine.allocate(inner, 2, 1).result);
        EXPECT_EQ(soundness(machine), "sound");
    }
}

TEST(Levels, ItIsAllOrNothingWhereOneHasAQuota) {
    Machine machine(boxes());
    ASSERT_STARTS(machine);
    for (const PoolIndex limited : {host, box, inner}) {
        SCOPED_TRACE(limited);
        std::vector<Quota> quotas(limited + 1U);
        quotas[limited] = {.ids = 2};
        Asker asker{.uid = 3, .gid = 3, .quotas_above = quotas};
        if (limited == inner) asker.quota = quotas[inner];
        const std::string before = all_of(machine);
        const auto refused = allocate_as(machine, inner, 3, asker);
        ASSERT_EQ(code_of(refused), Errc::quota_exceeded);
        EXPECT_EQ(refused.result.error().detail, 2U);
        EXPECT_EQ(all_of(machine), before);
        const auto granted = allocate_as(machine, inner, 2, asker);
        ASSERT_TRUE(granted.result);
        EXPECT_EQ(code_of(allocate_as(machine, inner, 1, asker)), Errc::quota_exceeded);
        ASSERT_TRUE(
            machine.release(inner, granted.result->range, granted.result->generation, 3).result);
    }
    EXPECT_EQ(soundness(machine), "sound");
}

TEST(Levels, ALeaseIsNoWiderThanEachAllows) {
    std::vector<PoolSpec> pools = boxes();
    pools[2].lease_count_max = 4;
    Machine machine(pools);
    ASSERT_STARTS(machine);
    const auto refused = machine.allocate(inner, 5);
    ASSERT_EQ(code_of(refused), Errc::lease_too_large);
    EXPECT_EQ(refused.result.error().detail, 4U);
    EXPECT_EQ(code_of(machine.allocate(inner, 0)), Errc::count_zero);
    EXPECT_TRUE(machine.allocate(inner, 4).result);
}

// Memory is refused at each allocation of memory in turn.
TEST(Levels, ItIsAllOrNothingWhereverMemoryIsRefused) {
    for (const bool is_claim : {false, true}) {
        std::uint64_t refused = 1;
        int steps = 0;
        for (; refused > 0; ++steps) {
            SCOPED_TRACE("refused behind " + std::to_string(steps) + " allocations of memory");
            ASSERT_LT(steps, 200);
            Machine machine(boxes());
            ASSERT_STARTS(machine);
            const std::string before = all_of(machine);
            Answer<Lease> answer;
            {
                const sim::RefusedMemory refusal(static_cast<std::uint64_t>(steps), 1);
                answer = is_claim ? machine.allocate_at(inner, {1, 40}, 1)
                                  : machine.allocate(inner, 40, 1);
                refused = refusal.refused();
            }
            ASSERT_EQ(answer.result.has_value(), refused == 0);
            ASSERT_EQ(soundness(machine), "sound");
            if (refused == 0) break;
            ASSERT_EQ(code_of(answer), Errc::out_of_memory);
            ASSERT_EQ(all_of(machine), before);
        }
        EXPECT_GT(steps, 2) << "an account, a holder and tags took memory";
    }
}

// So much of the budget is left, and more each time: it ends at each of the trees in turn.
TEST(Levels, ItIsAllOrNothingWhereverTheBudgetEnds) {
    for (const bool is_claim : {false, true}) {
        int refusals = 0;
        for (std::uint64_t left = 0;; left += 16'384) {
            SCOPED_TRACE(std::to_string(left) + " bytes are left");
            ASSERT_LT(left, 2'000'000U);
            Machine machine(boxes());
            ASSERT_STARTS(machine);
            const std::string before = all_of(machine);
            MemoryBudget& budget = machine.allocator->memory();
            const std::uint64_t taken = budget.size_max() - budget.used() - left;
            ASSERT_TRUE(budget.take(taken));
            const auto answer =
                is_claim ? machine.allocate_at(inner, {1, 40}, 1) : machine.allocate(inner, 40, 1);
            budget.give(taken);
            ASSERT_EQ(soundness(machine), "sound");
            if (answer.result) break;
            ASSERT_EQ(code_of(answer), Errc::out_of_memory);
            ASSERT_EQ(all_of(machine), before);
            ++refusals;
        }
        EXPECT_GE(refusals, 7) << "three pools and four trees of links took memory";
    }
}

TEST(Levels, AReleaseNeedsNoMemory) {
    std::mt19937_64 random(1);
    Machine machine(boxes());
    machine.memory_max = std::uint64_t{3} << 20U;
    ASSERT_STARTS(machine);
    std::vector<Id> ids;
    for (int i = 0; i < 4; ++i) {
        const auto leased = machine.allocate(inner, 20, static_cast<std::uint32_t>(i % 2));
        ASSERT_TRUE(leased.result) << name(leased.result.error().code);
        ASSERT_TRUE(machine.allocate(box, 3, 2).result);
        for (Id id = leased.result->range.first; id <= leased.result->range.last; ++id)
            ids.push_back(id);
    }
    const sim::UsedUpBudget used_up(machine.allocator->memory());
    std::shuffle(ids.begin(), ids.end(), random);
    for (const Id id : ids) {
        const sim::RefusedMemory refusal;
        const auto uid = static_cast<std::uint32_t>((id - 1) / 20 % 2);
        ASSERT_TRUE(machine.release(inner, {id, id}, 1, uid).result);
        ASSERT_EQ(refusal.refused(), 0U);
    }
    EXPECT_EQ(live(machine, inner), 0U);
    EXPECT_EQ(live(machine, host), 12U);
    EXPECT_EQ(soundness(machine), "sound");
}

TEST(Levels, AHoldersEndFreesAllAndWhatIsLeftBehindIsSwept) {
    Machine machine(boxes());
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(inner, 30, 1).result);
    ASSERT_TRUE(machine.allocate(inner, 30, 2).result);
    ASSERT_TRUE(machine.allocate(inner, 30, 1).result);
    end_user(machine, 1);
    EXPECT_EQ(numbers(machine, host, 310), "released");
    EXPECT_EQ(numbers(machine, inner, 10), "released");
    EXPECT_EQ(numbers(machine, box, 31), "host 330@1, box 31@1, inner 31@1");
    EXPECT_EQ(soundness(machine), "sound");
    // Over what was left behind: at one level or another, by itself or with others.
    ASSERT_TRUE(machine.allocate_at(host, {305, 306}, 3).result);
    EXPECT_EQ(soundness(machine), "sound");
    ASSERT_TRUE(machine.allocate_at(inner, {1, 10}, 3).result);
    EXPECT_EQ(numbers(machine, host, 305), "host 305@2");
    EXPECT_EQ(soundness(machine), "sound");
    for (int i = 0; i < 4; ++i) {
        const auto answer = machine.allocate(inner, 12, 3);
        if (!answer.result) {
            ASSERT_EQ(code_of(answer), Errc::sweep_pending);
            machine.allocator->sweep();
        }
    }
    EXPECT_EQ(soundness(machine), "sound");
    end_user(machine, 2);
    end_user(machine, 3);
    for (const PoolIndex pool : {host, box, inner, other})
        EXPECT_EQ(live(machine, pool), 0U);
}

// The parent has nothing but what an ended holder left behind.
TEST(Levels, ASweepIsWaitedForAtWhicheverLevelIsFull) {
    Machine machine({lowest_pool("top", {1, 20}), below("top", lowest_pool("low", {1, 500}))});
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(1, 20, 1).result);
    end_user(machine, 1);
    ASSERT_EQ(code_of(machine.allocate(1, 20, 2)), Errc::sweep_pending);
    ASSERT_TRUE(machine.allocator->wants_sweep());
    machine.allocator->sweep();
    ASSERT_TRUE(machine.allocate(1, 20, 2).result);
    EXPECT_EQ(soundness(machine), "sound");
}

TEST(Levels, ReleasedNumbersRestAtTheLevelThatHasAQuarantine) {
    PoolSpec top = lowest_pool("top", {1, 10});
    top.quarantine_ms = 1'000;
    Machine machine({top, below("top", lowest_pool("low", {1, 100}))});
    ASSERT_STARTS(machine);
    machine.allocator->set_time(5'000);
    ASSERT_TRUE(machine.allocate(1, 10).result);
    ASSERT_TRUE(machine.release(1, {1, 10}, 1).result);
    const auto refused = machine.allocate(1, 1);
    ASSERT_EQ(code_of(refused), Errc::pool_exhausted);
    EXPECT_EQ(refused.result.error().detail, 1'000U);
    ASSERT_TRUE(machine.flush());
    // It rests on in another life.
    machine.now = 5'400;
    ASSERT_STARTS(machine);
    const auto still = machine.allocate(1, 1);
    ASSERT_EQ(code_of(still), Errc::pool_exhausted);
    EXPECT_EQ(still.result.error().detail, 600U);
    machine.allocator->set_time(6'000);
    ASSERT_TRUE(machine.allocate(1, 10).result);
    EXPECT_EQ(soundness(machine), "sound");
}

// The mark of each level is durable ahead of demand, those of several levels on their way at once.
TEST(Levels, UniquePoolsCanBeAboveAndBelow) {
    std::vector<PoolSpec> pools{unique_pool("level0", {1, Id{1} << 40U})};
    for (std::size_t i = 1; i < levels_max; ++i) {
        pools.push_back(
            below("level" + std::to_string(i - 1),
                  unique_pool("level" + std::to_string(i), {1'000'000 * i, 1U << 30U})));
    }
    Machine machine(pools);
    ASSERT_STARTS(machine);
    const auto lowest = static_cast<PoolIndex>(levels_max - 1);
    Answer<Lease> first = machine.allocate(lowest, 3);
    for (int i = 0; i < 3 && !first.result; ++i)
        first = machine.allocate(lowest, 3);
    ASSERT_TRUE(first.result) << name(first.result.error().code);
    for (int i = 0; i < 3'000; ++i) {
        if (!machine.allocator->has_room()) {
            ASSERT_TRUE(machine.flush());
        }
        Answer<Lease> answer = machine.allocate(lowest, 2);
        for (int turn = 0; turn < 3 && !answer.result; ++turn)
            answer = machine.allocate(lowest, 2);
        ASSERT_TRUE(answer.result) << name(answer.result.error().code);
    }
    EXPECT_EQ(soundness(machine), "sound");
    ASSERT_TRUE(machine.flush());
    const std::string before = numbers(machine, lowest, first.result->range.first);
    ASSERT_STARTS(machine);
    EXPECT_EQ(numbers(machine, lowest, first.result->range.first), before);
    EXPECT_EQ(soundness(machine), "sound");
}

TEST(Levels, ALookupAtAnyWaitsForTheRecordOfAll) {
    Machine machine(boxes());
    ASSERT_STARTS(machine);
    const auto leased = machine.allocate(inner, 2);
    ASSERT_GT(leased.wait_for, machine.durable());
    for (const auto& [pool, id] : {std::pair<PoolIndex, Id>{host, 301}, {box, 2}, {inner, 2}})
        EXPECT_EQ(machine.allocator->lookup_levels(pool, id, 0).wait_for, leased.wait_for);
    ASSERT_TRUE(machine.flush());
    EXPECT_EQ(machine.allocator->lookup(host, 301, 0).wait_for, 0U);
    const auto released = machine.release(inner, {1, 2}, 1);
    EXPECT_EQ(machine.allocator->lookup(host, 301, 0).wait_for, released.wait_for);
    EXPECT_EQ(machine.allocator->lookup(box, 1, 0).wait_for, released.wait_for);
}

// Another thread comes in while memory is got, and takes what was planned.
TEST(Levels, WhatWasPlannedIsPlannedAnewWhenTheLockWasDropped) {
    Machine machine(boxes());
    ASSERT_STARTS(machine);
    struct Intruding {
        Machine* machine;
        int left;
        void lock() {}
        void unlock() {
            if (left-- <= 0) return;
            NoGuard nobody_else;
            const Wish one{.count = 1};
            ASSERT_TRUE(machine->allocator->allocate(nobody_else, host, one, user(2)).result);
            ASSERT_TRUE(machine->allocator->allocate(nobody_else, inner, one, user(2)).result);
        }
    };
    Intruding guard{&machine, 3};
    const auto leased = machine.allocator->allocate(guard, inner, Wish{.count = 2}, user(1));
    ASSERT_TRUE(leased.result);
    ASSERT_LT(guard.left, 3) << "nobody came in";
    const Id first = leased.result->range.first;
    ASSERT_GT(first, 1U);
    EXPECT_EQ(machine.allocator->lookup(inner, first, 0).result.value().holder.uid, 1U);
    EXPECT_EQ(soundness(machine), "sound");
}

TEST(Levels, AChangedParentIsRefused) {
    struct Case {
        const char* name;
        std::string parent;  // of "box", whose was "host"
        const char* said;
    };
    const Case cases[] = {
        {"none now", "", "its parent was 'host' and is now none"},
        {"another", "spare", "its parent was 'host' and is now 'spare'"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        std::vector<PoolSpec> pools = boxes();
        pools.push_back(cyclic_pool("spare", {1, 1'000}));
        Machine machine(pools);
        ASSERT_STARTS(machine);
        machine.specs[1].parent = c.parent;
        const auto refused = machine.start();
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Errc::pool_changed);
        EXPECT_NE(refused.error().message.find(c.said), std::string::npos)
            << refused.error().message;
    }
    Machine machine({lowest_pool("a", {1, 9}), lowest_pool("b", {1, 9})});
    ASSERT_STARTS(machine);
    machine.specs[1].parent = "a";
    const auto refused = machine.start();
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("its parent was none and is now 'a'"),
              std::string::npos);
}

}  // namespace
}  // namespace inod
