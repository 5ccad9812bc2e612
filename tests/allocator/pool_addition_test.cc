// Promise: pools that are added while the allocator runs are as those that a start makes: all of them or none, and
// none of their numbers comes twice, wherever it crashes.
#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "tests/allocator/addition.h"
#include "tests/allocator/witnessed.h"
#include "tests/sim/refused_memory.h"

namespace inod {
namespace {

PoolIndex index_of(const Machine& machine, const std::string& name) {
    const Pool* const pool = machine.allocator->find_pool(name);
    EXPECT_NE(pool, nullptr) << name;
    return pool != nullptr ? machine.allocator->index_of(*pool) : PoolIndex{65'535};
}

PoolSpec child(PoolSpec spec, std::string parent) {
    spec.parent = std::move(parent);
    return spec;
}

// One of each kind, with all that a pool can have; a child stands before its parent.
std::vector<PoolSpec> some_pools() {
    PoolSpec banded = unique_pool("banded", {1, 1'000'000});
    banded.reserved = {{1, 9}, {20, 29}, {999'000, 1'000'000}};
    PoolSpec resting = lowest_pool("resting", {1, 100});
    resting.quarantine_ms = 1'000;
    resting.reserved = {{3, 5}};
    PoolSpec counter = cyclic_pool("counter", {1, 5});
    counter.tracking = false;
    return {child(cyclic_pool("grandchild", {1, 50}), "child"),
            child(unique_pool("child", {1, 500}), "old"),
            banded,
            resting,
            counter,
            unique_pool("blocks", {1, id_max}, Durability::block)};
}

// Those that Told can hand out from.
std::vector<PoolSpec> told_pools() {
    return {unique_pool("small-too", {1, 40'000}), cyclic_pool("wraps-too", {1, 5}),
            lowest_pool("lowest", {1, 100}), unique_pool("blocks", {1, id_max}, Durability::block)};
}

// Everything of an allocator that a refused addition could have changed.
std::string everything(Machine& machine) {
    Allocator& allocator = *machine.allocator;
    std::string text = machine.state();
    text += "pools " + std::to_string(allocator.pool_index_end());
    text += " lsn " + std::to_string(allocator.journal().last_lsn());
    text += " memory " + std::to_string(allocator.memory().used());
    return text + allocator.verify().value_or("");
}

TEST(PoolAddition, MakesPoolsThatAreAsThoseOfAStart) {
    Machine added({unique_pool("old", {1, 5'000})});
    ASSERT_STARTS(added);
    ASSERT_EQ(said(add_pools(added, some_pools())), "done");
    Machine configured(added.specs);
    ASSERT_STARTS(configured);
    EXPECT_EQ(added.state(), configured.state());

    for (Machine* const machine : {&added, &configured}) {
        ASSERT_EQ(machine->allocator->verify(), std::nullopt);
        for (const char* const pool :
             {"grandchild", "child", "banded", "resting", "counter", "blocks"}) {
            const auto leased = machine->allocate(index_of(*machine, pool), 3);
            ASSERT_TRUE(leased.result) << pool << ": " << name(leased.result.error().code);
        }
        const PoolIndex lowest = index_of(*machine, "grandchild");
        const auto levels = machine->allocator->lookup_levels(lowest, 1, 0);
        ASSERT_TRUE(levels.result);
        EXPECT_EQ(levels.result->size(), 3U);
        ASSERT_TRUE(machine->release(lowest, {1, 1}, 1).result);
        ASSERT_TRUE(machine->flush());
    }
    EXPECT_EQ(added.state(), configured.state());

    ASSERT_TRUE(added.allocator->close());
    const std::string before = added.state();
    ASSERT_STARTS(added);
    EXPECT_EQ(added.state(), before);
    EXPECT_EQ(added.allocator->verify(), std::nullopt);
}

TEST(PoolAddition, IsSeenByNobodyBeforeTheyAreDurable) {
    Machine machine({unique_pool("old")});
    ASSERT_STARTS(machine);
    PoolAddition addition(*machine.allocator, {unique_pool("new")});
    const std::string before = everything(machine);
    ASSERT_TRUE(addition.prepare());
    EXPECT_EQ(machine.allocator->pool_index_end(), 1U);
    ASSERT_TRUE(addition.record());
    EXPECT_FALSE(addition.is_durable());
    EXPECT_EQ(machine.allocate_now(1).result.error().code, Errc::pool_unknown);
    EXPECT_EQ(machine.allocator->find_pool("new"), nullptr);
    ASSERT_TRUE(machine.flush());
    EXPECT_EQ(machine.allocate_now(1).result.error().code, Errc::pool_unknown);
    ASSERT_TRUE(addition.is_durable());
    addition.serve();
    EXPECT_TRUE(machine.allocate(1).result);
}

class Refused : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_STARTS(machine_);
        ASSERT_TRUE(machine_.allocate(0, 7).result);
        ASSERT_TRUE(machine_.flush());
    }
    // And the same pools can be added later.
    void expect_refused(Errc code, const std::string& what) {
        const std::string before = everything(machine_);
        {
            PoolAddition addition(*machine_.allocator, some_pools());
            const auto prepared = addition.prepare();
            ASSERT_FALSE(prepared);
            EXPECT_EQ(prepared.error().code, code) << prepared.error().message;
            EXPECT_NE(prepared.error().message.find(what), std::string::npos)
                << prepared.error().message;
            EXPECT_EQ(everything(machine_), before);
        }
        EXPECT_EQ(everything(machine_), before);
    }
    void expect_added() {
        ASSERT_EQ(said(add_pools(machine_, some_pools())), "done");
        EXPECT_EQ(machine_.allocator->verify(), std::nullopt);
        ASSERT_TRUE(machine_.allocate(index_of(machine_, "grandchild")).result);
        ASSERT_TRUE(machine_.flush());
        ASSERT_STARTS(machine_);
    }

    Machine machine_{{unique_pool("old", {1, 5'000})}};
};

TEST_F(Refused, WhereTheSystemHasNoMemoryAtAnyMoment) {
    for (std::uint64_t allowed = 0;; ++allowed) {
        SCOPED_TRACE(allowed);
        PoolAddition addition(*machine_.allocator, some_pools());
        const std::string before = everything(machine_);
        Result<void, Failure> prepared = Failure{};
        {
            const sim::RefusedMemory refused(allowed, 1);
            prepared = addition.prepare();
            if (refused.refused() == 0) break;
        }
        ASSERT_FALSE(prepared);
        EXPECT_EQ(prepared.error().code, Errc::out_of_memory);
        EXPECT_EQ(everything(machine_), before);
    }
    expect_added();
}

TEST_F(Refused, WhereTheBudgetIsUsedUp) {
    {
        const sim::UsedUpBudget used_up(machine_.allocator->memory());
        expect_refused(Errc::out_of_memory, "pool 'banded'");
    }
    expect_added();
}

// Its place is taken by another, which is nobody's child.
TEST_F(Refused, LeavesNobodyAChild) {
    {
        const sim::UsedUpBudget used_up(machine_.allocator->memory());
        expect_refused(Errc::out_of_memory, "pool 'banded'");
    }
    ASSERT_EQ(said(add_pools(machine_, {unique_pool("plain")})), "done");
    ASSERT_TRUE(machine_.allocate(1).result);
    machine_.allocator->request_snapshot();
    ASSERT_TRUE(machine_.flush());
    ASSERT_FALSE(machine_.allocator->journal().snapshot_under_way());
    ASSERT_STARTS(machine_);
}

TEST_F(Refused, WhereTheDiskIsFull) {
    machine_.disk.set_capacity(machine_.disk.used());
    while (machine_.allocate(0, 1).result)
        ASSERT_TRUE(machine_.flush());
    while (machine_.allocator->journal().has_space())
        ASSERT_TRUE(machine_.allocator->make_space());
    expect_refused(Errc::no_space, "for new pools");
    machine_.disk.set_capacity(~std::uint64_t{0});
    ASSERT_TRUE(machine_.allocator->make_space());
    expect_added();
}

TEST_F(Refused, WhereTheStateHasAPoolOfThatNameThatIsNotServed) {
    ASSERT_EQ(said(add_pools(machine_, {unique_pool("blocks")})), "done");
    machine_.specs.pop_back();
    ASSERT_STARTS(machine_);
    expect_refused(Errc::pool_changed, "pool 'blocks': the state has it, kept but not served");
}

TEST(PoolAddition, IsRefusedWhereTheWitnessHasNoRoom) {
    Machine machine({unique_pool("old")});
    machine.has_witness = true;
    ASSERT_STARTS(machine);
    std::vector<PoolSpec> many;
    while (many.size() < 117)
        many.push_back(unique_pool("p" + std::to_string(many.size())));
    const auto refused = add_pools(machine, many);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("the witness has room for 117 pools"), std::string::npos)
        << refused.error().message;
    EXPECT_EQ(machine.allocator->pool_index_end(), 1U);
    many.pop_back();
    EXPECT_EQ(said(add_pools(machine, many)), "done");
    ASSERT_TRUE(machine.allocate(116).result);
    ASSERT_TRUE(machine.flush());
    ASSERT_STARTS(machine);
}

TEST(PoolAddition, TellsTheWitnessBeforeAnybody) {
    WitnessedMachine machine;
    ASSERT_STARTS(machine);
    ASSERT_EQ(said(add_pools(machine, told_pools())), "done");
    const auto marks = decode_marks(machine.witnessed().marks);
    ASSERT_TRUE(marks);
    EXPECT_EQ(marks->size(), machine.specs.size());
}

TEST(PoolAddition, TakesSeveralGroupsWhereOneHasNoRoom) {
    Machine machine({unique_pool("old")});
    ASSERT_STARTS(machine);
    std::vector<PoolSpec> many;
    while (many.size() < 400) {
        many.push_back(unique_pool("pool-" + std::to_string(many.size())));
        for (Id id = 1; many.back().reserved.size() < reserved_bands_max; id += 2)
            many.back().reserved.push_back({id, id});
    }
    PoolAddition addition(*machine.allocator, many);
    while (!addition.prepare())
        ASSERT_TRUE(machine.flush());
    ASSERT_FALSE(addition.record());
    const std::size_t some = machine.allocator->pool_index_end();
    EXPECT_GT(some, 1U);
    EXPECT_EQ(machine.allocator->pool(1), nullptr) << "all of them or none";
    while (!addition.record())
        ASSERT_TRUE(machine.flush());
    ASSERT_TRUE(machine.flush());
    addition.serve();
    EXPECT_EQ(machine.allocator->pool_index_end(), 401U);
    machine.specs.insert(machine.specs.end(), many.begin(), many.end());
    ASSERT_STARTS(machine);
    EXPECT_EQ(machine.allocate(400).result->range, (Range{2, 2}));
}

// What was recorded of it is kept, and not served, until the configuration has it.
TEST(PoolAddition, CutShortIsNoneAndTheNextStartMakesIt) {
    Machine machine({unique_pool("old")});
    ASSERT_STARTS(machine);
    {
        PoolAddition addition(*machine.allocator, {unique_pool("one"), unique_pool("two")});
        ASSERT_TRUE(addition.prepare());
        ASSERT_TRUE(addition.record());
        ASSERT_TRUE(machine.flush());
    }
    ASSERT_STARTS(machine);
    EXPECT_EQ(machine.allocator->dormant_pools(), (std::vector<std::string>{"one", "two"}));
    machine.specs.push_back(unique_pool("two"));
    ASSERT_STARTS(machine);
    EXPECT_EQ(machine.allocate(2).result->range, (Range{1, 1}));
}

// The machine dies at each call on either disk, from the moment at which pools are to be added until they have been
// used for a while.
TEST(PoolAddition, NothingComesTwiceWhereverItCrashes) {
    for (const bool of_witness : {false, true}) {
        bool died = true;
        int added_count = 0;
        for (std::uint64_t call = 1; died; ++call) {
            SCOPED_TRACE((of_witness ? "witness " : "state ") + std::to_string(call));
            WitnessedMachine machine;
            Told told;
            ASSERT_STARTS(machine);
            ASSERT_TRUE(told.hand_out(machine, 2));
            (of_witness ? machine.witness_disk : machine.disk).die_at_call(call);
            const auto added = add_pools(machine, told_pools());
            bool lives = added.has_value();
            added_count += lives ? 1 : 0;
            for (int group = 0; lives && group < 4; ++group)
                lives = told.hand_out(machine, 3, true);
            died = !lives;
            machine.crash(call);
            machine.specs = witnessed_pools();
            for (const PoolSpec& spec : told_pools())
                machine.specs.push_back(spec);
            ASSERT_STARTS(machine);
            ASSERT_EQ(machine.allocator->verify(), std::nullopt);
            ASSERT_TRUE(told.hand_out(machine, 3));
        }
        EXPECT_GT(added_count, of_witness ? 0 : 5) << "it dies when they are in use, too";
    }
}

// With so many pieces of a snapshot written before it, and as many after it.
TEST(PoolAddition, BesideASnapshotIsWholeInIt) {
    bool is_under_way = true;
    for (int before = 0; is_under_way; ++before) {
        for (const bool is_crash : {false, true}) {
            SCOPED_TRACE(before);
            Machine machine({unique_pool("old", {1, 5'000}), cyclic_pool("pid", {1, 5'000})});
            machine.journal.snapshot_size_per_group = 512;
            ASSERT_STARTS(machine);
            for (std::uint32_t i = 0; i < 200; ++i) {
                ASSERT_TRUE(machine.allocate(0, 1, i % 7).result);
                ASSERT_TRUE(machine.allocate(1, 2, i % 7).result);
                if (i % 20 == 0) {
                    ASSERT_TRUE(machine.flush());
                }
            }
            machine.allocator->request_snapshot();
            for (int piece = 0; piece <= before; ++piece)
                ASSERT_TRUE(machine.flush());
            is_under_way = machine.allocator->journal().snapshot_under_way();
            ASSERT_EQ(said(add_pools(machine, some_pools())), "done");
            const PoolIndex lowest = index_of(machine, "grandchild");
            const PoolIndex banded = index_of(machine, "banded");
            do {
                ASSERT_TRUE(machine.allocate(lowest, 1, 3).result);
                ASSERT_TRUE(machine.allocate(banded, 1, 3).result);
                ASSERT_TRUE(machine.flush());
            } while (machine.allocator->journal().snapshot_under_way() &&
                     machine.allocator->pool(lowest)->live_count().ids < 20);
            const auto count = machine.allocator->pool(lowest)->live_count().ids;
            if (!is_crash) {
                ASSERT_TRUE(machine.allocator->close());
            }
            ASSERT_STARTS(machine);
            ASSERT_EQ(machine.allocator->verify(), std::nullopt);
            EXPECT_EQ(machine.allocator->pool(lowest)->live_count().ids, count);
            EXPECT_EQ(machine.allocator->pool(banded)->live_count().ids, count);
            EXPECT_EQ(machine.allocate_at(banded, {25, 25}).result.error().code, Errc::id_reserved);
        }
    }
}

TEST(PoolAddition, KeepsItsBandsWhateverTheConfigurationSaysLater) {
    Machine machine({unique_pool("old")});
    ASSERT_STARTS(machine);
    PoolSpec banded = unique_pool("banded", {1, 100});
    banded.reserved = {{20, 29}};
    ASSERT_EQ(said(add_pools(machine, {banded})), "done");
    machine.specs.back().reserved.clear();
    ASSERT_STARTS(machine);
    EXPECT_EQ(machine.allocate_at(1, {25, 25}).result.error().code, Errc::id_reserved);
}

TEST(PoolAddition, IsToldToWhoWatches) {
    Machine machine({unique_pool("old")});
    ASSERT_STARTS(machine);
    const Lsn before = machine.allocator->journal().last_lsn();
    ASSERT_EQ(said(add_pools(machine, {unique_pool("new")})), "done");
    const Lsn now = machine.allocator->journal().last_lsn();
    const EventRing& events = machine.allocator->events();
    EXPECT_GT(events.missed(1, before), before) << "nothing was known of it";
    EXPECT_FALSE(events.has_news(1, now));
    ASSERT_TRUE(machine.allocate(1).result);
    ASSERT_TRUE(machine.flush());
    EXPECT_TRUE(events.has_news(1, now));
    EXPECT_EQ(events.missed(1, now), 0U);
}

TEST(LimitsOfAll, MayChangeWhileItRuns) {
    Machine machine({unique_pool("old")});
    machine.holders_max = 1;
    machine.tokens = {.keep_ms = 1'000, .count_max = 1};
    machine.fresh_token_epoch = 77;
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(0, 1, 1).result);
    EXPECT_EQ(machine.allocate(0, 1, 2).result.error().code, Errc::quota_exceeded);
    machine.allocator->set_holders_max(2);
    EXPECT_TRUE(machine.allocate(0, 1, 2).result);

    const auto ask = [&](std::uint64_t number) {
        NoGuard nobody_else;
        Asker asker = user(1);
        asker.token = RequestToken{.epoch = 77, .number = number};
        return machine.insist(
            [&] { return machine.allocator->allocate(nobody_else, 0, Wish{}, asker); });
    };
    const auto first = ask(1);
    ASSERT_TRUE(first.result);
    EXPECT_EQ(ask(2).result.error().code, Errc::token_quota);
    machine.allocator->set_tokens(1'000, 2);
    EXPECT_TRUE(ask(2).result);
    machine.allocator->set_tokens(1'000, 0);
    EXPECT_EQ(*machine.allocator->token_epoch().result, 0U) << "none are offered any more";
    EXPECT_EQ(*ask(1).result, *first.result) << "what was promised is kept";
    EXPECT_EQ(ask(3).result.error().code, Errc::token_quota);
}

}  // namespace
}  // namespace inod
