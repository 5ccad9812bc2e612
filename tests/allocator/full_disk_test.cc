// Promise 2 for disk: with not a byte left on it every release goes through, for as long as it takes,
// and allocations come back with the space.
// Method: leases of several shapes are handed out until the disk is full; then everything is given
// back, one ID at a time, in random order, each release in a group of its own, with the power failing
// now and then.
#include <algorithm>

#include "tests/allocator/machine.h"
#include "tests/pool/pieces.h"

namespace inod {
namespace {

struct Live {
    Id id;
    std::uint64_t generation;
    std::uint32_t uid;
};

// Hands out leases of `count` IDs, to two users in turns so that nothing merges, until the disk is
// full or there are `limit` IDs.
std::vector<Live> fill(Machine& machine, std::uint64_t count, std::size_t limit) {
    std::vector<Live> live;
    for (std::uint32_t uid = 0; live.size() < limit; uid = 1 - uid) {
        if (!machine.allocator->has_room()) {
            EXPECT_TRUE(machine.flush());
        }
        const auto leased = machine.allocate(0, count, uid);
        if (!leased.result) {
            EXPECT_EQ(leased.result.error().code, Errc::no_space);
            break;
        }
        const Lease& lease = *leased.result;
        for (Id id = lease.range.first; id <= lease.range.last; ++id)
            live.push_back({id, lease.generation, uid});
    }
    EXPECT_TRUE(machine.flush());
    return live;
}

void release_all(Machine& machine, std::vector<Live> live, std::mt19937_64& random) {
    std::shuffle(live.begin(), live.end(), random);
    while (!live.empty()) {
        const Live last = live.back();
        const auto released = machine.release(0, {last.id, last.id}, last.generation, last.uid);
        ASSERT_TRUE(released.result) << name(released.result.error().code);
        ASSERT_TRUE(machine.flush()) << live.size() << " to go";
        live.pop_back();
        if (random() % 1'000 != 0) continue;
        machine.crash(random());
        ASSERT_STARTS(machine) << live.size() << " to go";
        ASSERT_EQ(machine.allocator->pool(0)->live_count().ids, live.size());
    }
}

TEST(AFullDisk, TakesEveryReleaseAndAllocationsComeBackWithTheSpace) {
    struct Case {
        const char* name;
        PoolSpec pool;
        std::uint64_t count;  // IDs in a lease
        std::size_t limit;    // IDs at most
        std::uint64_t free;   // segments that the disk has left when it begins to fill
    };
    const PoolSpec unique = unique_pool("inode");
    const PoolSpec cyclic = cyclic_pool("pid", {1, 1'000'000});
    const Case cases[] = {
        {"single ones", unique, 1, 20'000, 8},
        {"single ones, and no room to begin with", unique, 1, 20'000, 0},
        {"single ones with generations", cyclic, 1, 20'000, 8},
        {"small ones", unique, 7, 20'000, 4},
        {"one wide", unique, 40'000, 40'000, 12},
        {"wide ones", cyclic, 3'000, 40'000, 12},
    };
    std::mt19937_64 random(1);
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        Machine machine({c.pool});
        ASSERT_STARTS(machine);
        ASSERT_TRUE(machine.allocate(0, 1).result);
        ASSERT_TRUE(machine.flush());
        machine.disk.set_capacity(machine.allocator->journal().disk_size() +
                                  c.free * small_journal().segment_size);
        const std::vector<Live> live = fill(machine, c.count, c.limit);
        ASSERT_GT(live.size(), 100U);
        machine.disk.set_capacity(machine.allocator->journal().disk_size());
        ASSERT_TRUE(machine.release(0, {1, 1}, live.front().generation).result);
        release_all(machine, live, random);
        if (HasFatalFailure()) return;
        EXPECT_EQ(machine.allocator->pool(0)->live_count().ids, 0U);
        machine.disk.set_capacity(~std::uint64_t{0});
        ASSERT_TRUE(machine.allocator->make_space());
        EXPECT_TRUE(machine.allocate(0).result);
    }
}

// Whoever is there already comes back to what he holds, to give it back.
TEST(AFullDisk, KeepsNobodyFromItsHolder) {
    Machine machine({unique_pool("inode")});
    machine.now = 1'000;
    ASSERT_STARTS(machine);
    const BindRequest web{.name = "web"};
    const BindRequest timed{.binding = Binding::ttl, .name = "t", .secret = {{1, 2}}, .ttl_ms = 50};
    const auto bound = machine.allocator->bind(user(7), web);
    ASSERT_TRUE(bound.result);
    ASSERT_TRUE(machine.allocator->bind(user(7), timed).result);
    Asker asker = user(7);
    asker.acts_as = bound.result->ref;
    NoGuard nobody_else;
    const auto leased =
        machine.insist([&] { return machine.allocator->allocate(nobody_else, 0, Wish{}, asker); });
    ASSERT_TRUE(leased.result);
    ASSERT_TRUE(machine.flush());
    machine.disk.set_capacity(machine.allocator->journal().disk_size());
    ASSERT_GT(fill(machine, 1, 1'000'000).size(), 100U);

    const auto again = machine.allocator->bind(user(7), web);
    ASSERT_TRUE(again.result) << name(again.result.error().code);
    EXPECT_EQ(again.result->ref, bound.result->ref);
    EXPECT_TRUE(machine.allocator->bind(user(7), timed).result) << "and renews it";
    const auto another = machine.allocator->bind(user(7), {.name = "another"});
    ASSERT_FALSE(another.result);
    EXPECT_EQ(another.result.error().code, Errc::no_space);
    EXPECT_TRUE(machine.allocator->release(0, leased.result->range, 0, asker).result);
}

// What rests takes little, where it lies close; what is handed out while it goes takes its own.
TEST(AFullDisk, HasSpaceForWhatIsHandedOutWhileRestsEnd) {
    PoolSpec spec = cyclic_pool("pid", {1, 1'000'000});
    spec.quarantine_ms = 1'000'000;
    Machine machine({spec});
    ASSERT_STARTS(machine);
    const auto make_room = [&] { return machine.allocator->has_room() || machine.flush(); };
    constexpr std::uint64_t count = 200'000;
    for (int i = 0; i < 4; ++i)
        ASSERT_TRUE(machine.allocate(0, count / 4).result);
    for (Id id = 1; id <= count; ++id) {
        machine.allocator->set_time(++machine.now);
        ASSERT_TRUE(make_room());
        ASSERT_TRUE(machine.release(0, {id, id}, 1).result);
    }
    machine.now += spec.quarantine_ms - count;
    for (std::uint32_t i = 0; i < count / 2; ++i) {
        machine.now += 2;
        machine.allocator->set_time(machine.now);
        ASSERT_TRUE(make_room());
        ASSERT_TRUE(machine.allocate(0, 1, i % 2).result);
    }
    ASSERT_TRUE(machine.flush());
    const Pool& pool = machine.allocator->any_pool(0);
    EXPECT_EQ(pool.resting_count(), 0U);
    EXPECT_TRUE(
        machine.allocator->journal().has_space_for({.kept = snapshot_size_of(pool), .holes = 0}));
}

}  // namespace
}  // namespace inod
