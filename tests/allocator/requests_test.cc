// What each answer waits for, and what is left of it after a crash.
#include "tests/allocator/machine.h"

namespace inod {
namespace {

TEST(Allocation, IsDurableOnceWhatItWaitsForIs) {
    Machine machine({unique_pool("inode"), cyclic_pool("pid", {1, 100})});
    ASSERT_STARTS(machine);
    for (const PoolIndex pool : {PoolIndex{0}, PoolIndex{1}}) {
        const auto leased = machine.allocate(pool, 3);
        ASSERT_TRUE(leased.result);
        EXPECT_GT(leased.wait_for, machine.durable());
        ASSERT_TRUE(machine.flush());
        EXPECT_LE(leased.wait_for, machine.durable());

        const auto released = machine.release(pool, {1, 1}, leased.result->generation);
        ASSERT_TRUE(released.result);
        EXPECT_GT(released.wait_for, machine.durable());
        const auto claimed = machine.allocate_at(pool, {50, 51});
        EXPECT_GT(claimed.wait_for, released.wait_for);
        ASSERT_TRUE(machine.flush());
        EXPECT_LE(claimed.wait_for, machine.durable());
    }
    machine.crash();
    ASSERT_STARTS(machine);
    for (const PoolIndex pool : {PoolIndex{0}, PoolIndex{1}}) {
        EXPECT_EQ(machine.allocator->lookup(pool, 1, 0).result.error().code, Errc::released);
        EXPECT_EQ(machine.allocator->lookup(pool, 2, 0).result->range, (Range{2, 3}));
        EXPECT_EQ(machine.allocator->lookup(pool, 51, 0).result->range, (Range{50, 51}));
        EXPECT_EQ(machine.allocator->lookup(pool, 51, 0).wait_for, 0U);
    }
}

TEST(Lookup, WaitsOnlyForItsOwnIdsLastChange) {
    Machine machine({cyclic_pool("pid", {1, 1'000})});
    ASSERT_STARTS(machine);
    const Lsn first = machine.allocate(0).wait_for;
    ASSERT_TRUE(machine.flush());
    const Lsn second = machine.allocate(0).wait_for;
    EXPECT_EQ(machine.allocator->lookup(0, 1, 0).wait_for, 0U) << "LSN " << first << " is durable";
    EXPECT_EQ(machine.allocator->lookup(0, 2, 0).wait_for, second);
    EXPECT_EQ(machine.allocator->lookup(0, 3, 0).wait_for, 0U) << "nothing ever changed there";
    EXPECT_EQ(machine.allocator->next(0, 1).wait_for, second) << "tells of everything above";
    const Lsn third = machine.release(0, {1, 1}, 1).wait_for;
    const auto gone = machine.allocator->lookup(0, 1, 0);
    EXPECT_EQ(gone.result.error().code, Errc::released);
    EXPECT_EQ(gone.wait_for, third);
    // Refusals tell of others' changes, too.
    EXPECT_EQ(machine.release(0, {1, 1}, 1).wait_for, third);
    EXPECT_EQ(machine.release(0, {2, 2}, 1, 77).wait_for, second) << "not_holder";
    EXPECT_EQ(machine.allocate_at(0, {2, 3}).wait_for, second) << "id_taken";
    EXPECT_EQ(machine.release(0, {2, 2}, 0).wait_for, 0U) << "generation_required tells nothing";
    ASSERT_TRUE(machine.flush());
    EXPECT_EQ(machine.allocator->next(0, 1).wait_for > machine.durable(), false);
    EXPECT_EQ(machine.allocator->lookup(0, 2, 0).wait_for, 0U);
}

TEST(Requests, ForAPoolThatIsNotThereAreRefused) {
    Machine machine({unique_pool("inode")});
    ASSERT_STARTS(machine);
    EXPECT_EQ(machine.allocate(1).result.error().code, Errc::pool_unknown);
    EXPECT_EQ(machine.allocate_at(65'535, {1, 1}).result.error().code, Errc::pool_unknown);
    EXPECT_EQ(machine.release(1, {1, 1}).result.error().code, Errc::pool_unknown);
    EXPECT_EQ(machine.allocator->lookup(1, 1, 0).result.error().code, Errc::pool_unknown);
    EXPECT_EQ(machine.allocator->next(1, 1).result.error().code, Errc::pool_unknown);
    EXPECT_EQ(machine.allocator->find_pool("other"), nullptr);
}

TEST(Requests, OfAnotherUidAreNotTheHolders) {
    Machine machine({unique_pool("inode")});
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(0, 2, 7).result);
    EXPECT_EQ(machine.release(0, {2, 2}, 0, 8).result.error(), Error(Errc::not_holder, 2));
    EXPECT_EQ(machine.allocator->lookup(0, 2, 0).result->holder.uid, 7U);
    EXPECT_TRUE(machine.release(0, {2, 2}, 0, 7).result);
    EXPECT_EQ(machine.allocator->refusals(0), 1U);
    EXPECT_EQ(machine.allocator->lookups(0), 1U);
}

TEST(Requests, PastTheMemoryBudgetAreRefusedAndReleasesGoOn) {
    Machine machine({cyclic_pool("pid", {1, 1'000'000})});
    machine.memory_max = 300'000;
    ASSERT_STARTS(machine);
    std::vector<std::pair<Lease, std::uint32_t>> leases;
    Errc refusal = Errc::ok;
    for (std::uint32_t uid = 0; refusal == Errc::ok; ++uid) {
        ASSERT_LT(uid, 100'000U);
        if (!machine.allocator->has_room()) {
            ASSERT_TRUE(machine.flush());
        }
        const auto leased = machine.allocate(0, 1 + uid % 9, uid);
        if (leased.result) {
            leases.emplace_back(*leased.result, uid);
        } else {
            refusal = leased.result.error().code;
        }
    }
    EXPECT_EQ(refusal, Errc::out_of_memory);
    EXPECT_GT(leases.size(), 50U);
    for (const auto& [lease, uid] : leases) {
        if (!machine.allocator->has_room()) {
            ASSERT_TRUE(machine.flush());
        }
        ASSERT_TRUE(machine.release(0, lease.range, lease.generation, uid).result);
    }
    EXPECT_EQ(machine.allocator->next(0, 0).result.error().code, Errc::no_more_leases);
    EXPECT_EQ(machine.allocator->verify().value_or("sound"), "sound");
}

TEST(Requests, OnASealedJournalAreRefused) {
    Machine machine({unique_pool("inode")});
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(0).result);
    machine.disk.die_at_call(1);
    EXPECT_FALSE(machine.flush());
    EXPECT_EQ(machine.allocate(0).result.error().code, Errc::journal_sealed);
    EXPECT_EQ(machine.allocate_at(0, {5, 5}).result.error().code, Errc::journal_sealed);
    EXPECT_EQ(machine.release(0, {1, 1}).result.error().code, Errc::journal_sealed);
}

// What has no record of its own may not be told in the group of the mark: the loss of that group
// would make it return.
TEST(BlockPool, WaitsAtTheFirstHandOutAndRecordsNoLease) {
    Machine machine({unique_pool("inode", {1, id_max}, Durability::block)});
    ASSERT_STARTS(machine);
    const auto first = machine.allocate_now(0, 1, 5);
    EXPECT_EQ(first.result.error(), Error(Errc::block_pending, 1 + stride_min));
    EXPECT_GT(first.wait_for, machine.durable()) << "for the mark";
    const Lsn with_mark = machine.allocator->journal().last_lsn();
    const auto second = machine.allocate_now(0, 1, 5);
    EXPECT_EQ(second.result.error().code, Errc::block_pending) << "and so does who comes behind";
    EXPECT_EQ(second.wait_for, first.wait_for);
    EXPECT_EQ(machine.allocator->journal().last_lsn(), with_mark) << "the mark is recorded once";
    EXPECT_EQ(machine.allocator->refusals(0), 0U) << "nobody was refused";
    ASSERT_TRUE(machine.flush());
    EXPECT_EQ(machine.allocate_now(0, 1, 5).result.error().code, Errc::block_pending)
        << "the mark is in the last group";
    EXPECT_TRUE(machine.allocator->has_work()) << "so there is to be another one";
    ASSERT_TRUE(machine.flush());
    const auto again = machine.allocate_now(0, 1, 5);
    EXPECT_EQ(again.result->range, (Range{1, 1}));
    EXPECT_EQ(again.wait_for, 0U);

    const Lsn recorded = machine.allocator->journal().last_lsn();
    for (int i = 0; i < 1'000; ++i) {
        const auto leased = machine.allocate(0, 3, 5);
        ASSERT_EQ(leased.wait_for, 0U);
        ASSERT_EQ(machine.allocator->lookup(0, leased.result->range.last, 0).wait_for, 0U);
        const auto released = machine.release(0, leased.result->range, 0, 5);
        ASSERT_TRUE(released.result);
        ASSERT_EQ(released.wait_for, 0U);
    }
    EXPECT_EQ(machine.allocator->journal().last_lsn(), recorded);
}

TEST(BlockPool, MovesItsMarkWithoutMakingAnybodyWait) {
    Machine machine({unique_pool("inode", {1, id_max}, Durability::block)});
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(0).result);
    // The second stride is recorded while half of the first is left, and is not durable yet.
    for (int i = 0; i < 32; ++i)
        ASSERT_EQ(machine.allocate_now(0, 1'000).wait_for, 0U) << i;
    EXPECT_GT(machine.allocator->journal().last_lsn(), machine.durable());
    const auto beyond = machine.allocate_now(0, 1'000);
    EXPECT_EQ(beyond.result.error().code, Errc::block_pending) << "past what is settled";
    ASSERT_TRUE(machine.flush());
    ASSERT_TRUE(machine.flush());
    EXPECT_EQ(machine.allocate_now(0, 1'000).wait_for, 0U);
    ASSERT_TRUE(machine.flush());

    // Nor after a restart: the mark of the last life is durable.
    ASSERT_TRUE(machine.allocator->close());
    ASSERT_STARTS(machine);
    for (int i = 0; i < 10; ++i) {
        const auto leased = machine.allocate_now(0, 1'000);
        ASSERT_TRUE(leased.result) << i;
        ASSERT_EQ(leased.wait_for, 0U) << i;
    }
}

TEST(BlockPool, AfterACrashNothingRepeatsAndAllReadsAsReleased) {
    Machine machine({unique_pool("inode", {1, id_max}, Durability::block)});
    ASSERT_STARTS(machine);
    Id highest = 0;
    for (std::uint64_t life = 0; life < 20; ++life) {
        Id first = 0;
        for (int i = 0; i < 10; ++i) {
            const auto leased = machine.allocate(0, 100);
            ASSERT_TRUE(leased.result);
            ASSERT_GT(leased.result->range.first, highest) << "handed out before";
            highest = leased.result->range.last;
            if (first == 0) first = leased.result->range.first;
            if (leased.wait_for > machine.durable()) {
                ASSERT_TRUE(machine.flush());
            }
        }
        machine.crash(life);
        ASSERT_STARTS(machine);
        for (const Id id : {first, highest}) {
            EXPECT_EQ(machine.allocator->lookup(0, id, 0).result.error(),
                      Error(Errc::released, id));
        }
        EXPECT_EQ(machine.allocator->next(0, 0).result.error().code, Errc::no_more_leases);
    }
}

TEST(BlockPool, AfterACleanStopEverythingIsStillHeld) {
    Machine machine({unique_pool("inode", {1, id_max}, Durability::block)});
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(0, 10, 3).result);
    ASSERT_TRUE(machine.allocate(0, 5, 4).result);
    ASSERT_TRUE(machine.release(0, {4, 4}, 0, 3).result);
    ASSERT_TRUE(machine.flush());
    ASSERT_TRUE(machine.allocator->close());
    const std::string before = machine.state();
    machine.crash();
    ASSERT_STARTS(machine);
    EXPECT_EQ(machine.state(), before);
    EXPECT_EQ(machine.allocate(0).result->range.first, 16U)
        << "the rest of the stride is not burned";

    machine.crash();
    ASSERT_STARTS(machine);
    EXPECT_EQ(machine.allocator->next(0, 0).result.error().code, Errc::no_more_leases)
        << "a crash forgets also what an earlier clean stop had kept";
}

TEST(BlockPool, ClaimsAreDurable) {
    Machine machine({unique_pool("inode", {1, id_max}, Durability::block)});
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(0, 10).result);
    const auto claimed = machine.allocate_at(0, {100, 104}, 9);
    ASSERT_TRUE(claimed.result);
    ASSERT_TRUE(machine.flush());
    EXPECT_LE(claimed.wait_for, machine.durable());
    const auto released = machine.release(0, {102, 102}, 0, 9);
    EXPECT_GT(released.wait_for, machine.durable());
    ASSERT_TRUE(machine.flush());
    machine.crash();
    ASSERT_STARTS(machine);
    EXPECT_EQ(machine.allocator->next(0, 0).result->range, (Range{100, 101}));
    EXPECT_EQ(machine.allocator->next(0, 102).result->range, (Range{103, 104}));
    EXPECT_EQ(machine.allocate_at(0, {102, 102}).result.error().code, Errc::id_burned);
}

}  // namespace
}  // namespace inod
