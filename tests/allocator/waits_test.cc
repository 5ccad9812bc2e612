// Whoever waits for an ID is woken when it is free, by whatever way, and in a bounded time for whoever
// frees it.
#include "lib/allocator/waits.h"

#include <deque>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/allocator/machine.h"

namespace inod {
namespace {

class WaitsTest : public testing::Test {
protected:
    ~WaitsTest() override {
        for (Wait& wait : all_)
            waits_.remove(wait);
    }
    Wait& add(Id id, HolderId holder = 1, PoolIndex pool = 0) {
        Wait& wait = all_.emplace_back();
        wait.pool = pool;
        wait.id = id;
        wait.holder = holder;
        waits_.add(wait);
        return wait;
    }
    std::vector<Id> take_all() {
        std::vector<Id> ids;
        while (const Wait* const wait = waits_.take_woken())
            ids.push_back(wait->id);
        return ids;
    }

    std::deque<Wait> all_;
    Waits waits_;
};

using Ids = std::vector<Id>;

TEST_F(WaitsTest, OnesInARangeAreWokenByItsRelease) {
    for (const Id id : {Id{0}, Id{5}, Id{5}, Id{7}, Id{8}, id_max})
        add(id);
    add(6, 1, 1);
    waits_.released(0, {1, 4});
    EXPECT_FALSE(waits_.has_woken());
    waits_.released(0, {5, 7});
    EXPECT_EQ(take_all(), (Ids{5, 5, 7}));
    waits_.released(0, {0, id_max});
    EXPECT_EQ(take_all(), (Ids{0, 8, id_max}));
    EXPECT_FALSE(waits_.empty()) << "the other pool's";
    waits_.released(1, {6, 6});
    EXPECT_EQ(take_all(), Ids{6});
    EXPECT_TRUE(waits_.empty());
}

TEST_F(WaitsTest, OnesOfAHolderAreWokenByItsEnd) {
    add(1, 7);
    add(2, 8);
    add(3, 7, 1);
    waits_.ended(7);
    EXPECT_EQ(take_all(), (Ids{1, 3}));
    waits_.ended(7);
    EXPECT_FALSE(waits_.has_woken());
}

TEST_F(WaitsTest, OnesThatAreRemovedAreNotWoken) {
    Wait& waiting = add(1);
    Wait& woken = add(2);
    waits_.released(0, {2, 2});
    waits_.remove(waiting);
    waits_.remove(woken);
    waits_.remove(woken);
    waits_.released(0, {0, 9});
    EXPECT_EQ(take_all(), Ids{});
    EXPECT_TRUE(waits_.empty());
}

// A release wakes wakes_max of them, and has the others look one after the other.
TEST_F(WaitsTest, ManyAreWokenByAndBy) {
    for (Id id = 0; id < 1'000; ++id)
        add(id, id % 2);
    waits_.ended(1);
    std::set<Id> woken;
    for (const Id id : take_all())
        EXPECT_TRUE(woken.insert(id).second) << id;
    EXPECT_EQ(woken.size(), 1'000U) << "all look, those too whose holder lives";
    EXPECT_FALSE(waits_.has_woken());
}

// Those who look and wait on do not have the others wait for ever, nor themselves be asked for ever.
TEST_F(WaitsTest, TheCircleEndsThoughAllWaitOnAndMoreCome) {
    for (Id id = 0; id < 500; ++id)
        add(id);
    waits_.released(0, {100, 300});
    std::size_t taken = 0;
    std::set<Id> woken;
    while (Wait* const wait = waits_.take_woken()) {
        woken.insert(wait->id);
        waits_.add(*wait);
        if (taken % 3 == 0) add(10'000 - taken);
        if (taken == 200) waits_.released(0, {0, 1'000});
        ASSERT_LT(++taken, 3'000U);
    }
    for (Id id = 0; id < 500; ++id)
        EXPECT_TRUE(woken.contains(id)) << id;
}

// Nor do those who are to look one after the other hold up whoever is known to be woken.
TEST_F(WaitsTest, TheCircleAndTheWokenTakeTurns) {
    for (Id id = 0; id < 300; ++id)
        add(id);
    waits_.released(0, {0, 299});
    std::size_t known_count = 0;
    for (int i = 0; i < 20; ++i)
        if (waits_.take_woken()->id < Waits::wakes_max) ++known_count;
    EXPECT_EQ(known_count, 10U);
    EXPECT_EQ(take_all().size(), 280U);
}

// Those who come in front of the circle are looked at in passing, and nobody is left out for them.
TEST_F(WaitsTest, NewOnesTakeNobodysTurn) {
    for (Id id = 0; id < 300; ++id)
        add(10 * id);
    waits_.released(0, {0, 10'000});
    std::set<Id> woken;
    for (int i = 0; i < 130; ++i)
        woken.insert(waits_.take_woken()->id);
    for (Id id = 0; id < 20; ++id)
        add(2'985 + id % 5);
    for (const Id id : take_all())
        woken.insert(id);
    for (Id id = 0; id < 300; ++id)
        EXPECT_TRUE(woken.contains(10 * id)) << 10 * id;
}

// Beside a list of those that must be woken: each is, before take_woken() has nothing left.
TEST_F(WaitsTest, NobodyIsForgotten) {
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        std::set<const Wait*> due;
        std::set<Wait*> waiting;
        for (int step = 0; step < 3'000; ++step) {
            switch (random() % 8) {
                default: waiting.insert(&add(random() % 400, random() % 20)); break;
                case 4:
                case 5: {
                    const Id first = random() % 400;
                    const Range range{first, first + random() % 200};
                    for (Wait* const wait : waiting) {
                        if (range.contains(wait->id)) due.insert(wait);
                    }
                    waits_.released(0, range);
                    break;
                }
                case 6: {
                    const HolderId holder = random() % 20;
                    for (Wait* const wait : waiting) {
                        if (wait->holder == holder) due.insert(wait);
                    }
                    waits_.ended(holder);
                    break;
                }
                case 7:
                    for (int i = 0; i < 50; ++i) {
                        Wait* const wait = waits_.take_woken();
                        if (wait == nullptr) {
                            ASSERT_TRUE(due.empty());
                            break;
                        }
                        if (due.erase(wait) > 0) {
                            waiting.erase(wait);
                        } else {
                            waits_.add(*wait);
                        }
                    }
            }
        }
        for (Wait* const wait : waiting)
            waits_.remove(*wait);
    }
}

// Whatever makes an ID free wakes who waits for it.
TEST(WaitsForAnAllocator, AreWokenByReleasesAndEnds) {
    Machine machine({unique_pool("inode"), unique_pool("block", {1, id_max}, Durability::block)});
    ASSERT_STARTS(machine);
    Waits& waits = machine.allocator->waits();
    for (const PoolIndex pool : {PoolIndex{0}, PoolIndex{1}}) {
        SCOPED_TRACE(pool);
        ASSERT_TRUE(machine.allocate(pool, 10, 7).result);
        const HolderId holder = machine.allocator->lookup(pool, 3, 0).result->holder.id;
        Wait wait;
        wait.pool = pool;
        wait.id = 3;
        wait.holder = holder;
        waits.add(wait);
        ASSERT_TRUE(machine.release(pool, {4, 10}, 0, 7).result);
        EXPECT_EQ(waits.take_woken(), nullptr);
        ASSERT_TRUE(machine.release(pool, {2, 3}, 0, 7).result);
        EXPECT_EQ(waits.take_woken(), &wait);
        wait.id = 1;
        waits.add(wait);
        const auto index = *machine.allocator->holders().find_id(holder);
        machine.allocator->end({.index = index, .id = holder});
        EXPECT_EQ(waits.take_woken(), &wait);
        EXPECT_EQ(machine.allocator->lookup(pool, 1, 0).result.error().code, Errc::released);
    }
}

}  // namespace
}  // namespace inod
