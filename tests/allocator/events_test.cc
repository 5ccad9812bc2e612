// What a watcher is told: every durable event of its pool once and in order, or up to where it missed
// some; and what each operation leaves in the ring.
#include "lib/allocator/events.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/allocator/machine.h"

namespace inod {
namespace {

Event event_at(Lsn lsn, PoolIndex pool) {
    return {.lsn = lsn, .range = {lsn, lsn}, .pool = pool, .kind = EventKind::released};
}

struct Told {
    EventRing::Page page;
    std::vector<Lsn> lsns;
};

Told told(const EventRing& ring, PoolIndex pool, Lsn from, std::size_t limit = SIZE_MAX) {
    Told told;
    told.page = ring.read(pool, from, [&](const Event& event) {
        if (told.lsns.size() == limit) return false;
        told.lsns.push_back(event.lsn);
        return true;
    });
    return told;
}

class Ring : public testing::Test {
protected:
    void begin(std::uint64_t memory_max, Lsn lsn = 0) {
        budget_.emplace(memory_max);
        ring_.emplace(*budget_);
        ring_->begin(2, lsn);
    }
    void add(Lsn first, Lsn last, PoolIndex pool = 0) {
        for (Lsn lsn = first; lsn <= last; ++lsn)
            ring_->add(event_at(lsn, pool));
    }

    std::optional<MemoryBudget> budget_;
    std::optional<EventRing> ring_;
};

TEST_F(Ring, TellsOnlyWhatIsDurable) {
    begin(1U << 20U);
    add(1, 3);
    EXPECT_FALSE(ring_->has_news(0, 0));
    ring_->settle(2);
    EXPECT_TRUE(ring_->has_news(0, 1));
    EXPECT_FALSE(ring_->has_news(0, 2));
    const Told all = told(*ring_, 0, 0);
    EXPECT_EQ(all.lsns, (std::vector<Lsn>{1, 2}));
    EXPECT_EQ(all.page.next, 2U);
    EXPECT_EQ(all.page.missed, 0U);
    EXPECT_FALSE(all.page.more);
}

TEST_F(Ring, GoesOnWhereAPageEnded) {
    begin(1U << 20U);
    add(1, 3);
    // The end of a holder that had something of both pools.
    ring_->add(event_at(4, 1));
    ring_->add(event_at(4, 0));
    ring_->settle(9);
    const Told first = told(*ring_, 0, 0, 3);
    EXPECT_EQ(first.lsns, (std::vector<Lsn>{1, 2, 3}));
    EXPECT_TRUE(first.page.more);
    EXPECT_EQ(told(*ring_, 0, first.page.next).lsns, std::vector<Lsn>{4});
    EXPECT_EQ(told(*ring_, 1, 0).lsns, std::vector<Lsn>{4});
    EXPECT_EQ(told(*ring_, 1, 4).page.next, 9U) << "a quiet pool's watcher goes along";
}

TEST_F(Ring, SaysUpToWhereItsPoolLostSomething) {
    begin(64 * 8 * sizeof(Event));
    ASSERT_EQ(ring_->capacity(), 8U);
    EXPECT_EQ(budget_->used(), 8 * sizeof(Event));
    add(1, 3, 1);
    add(4, 11, 0);
    ring_->settle(11);
    EXPECT_EQ(told(*ring_, 0, 0).lsns.size(), 8U);
    EXPECT_EQ(told(*ring_, 0, 0).page.missed, 0U) << "what was lost was the other's";
    EXPECT_TRUE(ring_->has_news(1, 2));
    const Told other = told(*ring_, 1, 2);
    EXPECT_EQ(other.page.missed, 3U);
    EXPECT_EQ(other.page.next, 11U);
    EXPECT_EQ(told(*ring_, 1, 3).page.missed, 0U) << "it knows of all three";
    add(12, 13, 0);
    ring_->settle(13);
    const Told late = told(*ring_, 0, 4);
    EXPECT_EQ(late.page.missed, 5U);
    EXPECT_EQ(late.lsns.front(), 6U);
    EXPECT_EQ(late.lsns.size(), 8U);
}

TEST_F(Ring, ThatIsOverrunBeforeAnythingIsDurableSaysSo) {
    begin(64 * 4 * sizeof(Event));
    add(1, 10);
    EXPECT_TRUE(ring_->has_news(0, 0));
    EXPECT_EQ(told(*ring_, 0, 0).page.missed, 6U);
    ring_->settle(8);
    EXPECT_EQ(told(*ring_, 0, 0).lsns, (std::vector<Lsn>{7, 8}));
}

TEST_F(Ring, KnowsNothingOfTheLifeBefore) {
    begin(1U << 20U, 100);
    EXPECT_EQ(told(*ring_, 0, 99).page.missed, 100U);
    EXPECT_EQ(told(*ring_, 0, 100).page.missed, 0U);
    EXPECT_FALSE(ring_->has_news(0, 100));
}

// The same events in a list that is too slow to ship: watchers that ask now and then, for a few or for
// many, are told each event, or lie behind what they were told to have missed.
TEST_F(Ring, TellsAllOrSaysWhatIsMissing) {
    std::size_t heard = 0;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        begin(64 * (1 + random() % 40) * sizeof(Event));
        std::vector<Lsn> all[2];
        Lsn from[2] = {0, 0};
        Lsn lsn = 0;
        for (int step = 0; step < 2'000; ++step) {
            lsn += 1 + random() % 3;
            for (PoolIndex pool = 0; pool < 2; ++pool) {
                if (random() % 4 == 0) continue;
                ring_->add(event_at(lsn, pool));
                all[pool].push_back(lsn);
            }
            if (random() % 3 == 0) ring_->settle(lsn - std::min<Lsn>(lsn, random() % 4));
            const auto pool = static_cast<PoolIndex>(random() % 2);
            if (random() % 16 != 0) continue;
            const Told page = told(*ring_, pool, from[pool], random() % 30);
            std::vector<Lsn> want;
            const Lsn begin = std::max(from[pool], page.page.missed);
            for (const Lsn known : all[pool]) {
                if (known > begin && known <= page.page.next) want.push_back(known);
            }
            ASSERT_EQ(page.lsns, want);
            ASSERT_GE(page.page.next, from[pool]);
            from[pool] = page.page.next;
            heard += want.size();
        }
    }
    EXPECT_GT(heard, 10'000U);
}

// Much of other pools' is gone over in pages, none of which stands still.
TEST_F(Ring, GoesOverOtherPoolsEventsInSlices) {
    begin(std::uint64_t{1} << 30U);
    ASSERT_EQ(ring_->capacity(), EventRing::capacity_max);
    add(1, 9'999, 1);
    add(10'000, 10'000, 0);
    ring_->settle(10'000);
    Lsn from = 0;
    std::vector<Lsn> heard;
    int pages = 0;
    for (bool more = true; more; ++pages) {
        const Told page = told(*ring_, 0, from);
        ASSERT_TRUE(page.page.next > from || !page.page.more);
        from = page.page.next;
        more = page.page.more;
        heard.insert(heard.end(), page.lsns.begin(), page.lsns.end());
    }
    EXPECT_EQ(heard, std::vector<Lsn>{10'000});
    EXPECT_EQ(pages, 3);
}

class Watched : public testing::Test {
protected:
    void SetUp() override {
        machine_.specs[1].quarantine_ms = 1'000;
        ASSERT_STARTS(machine_);
        ASSERT_TRUE(machine_.flush());
        begun_ = machine_.durable();
    }
    std::vector<Event> told(PoolIndex pool) {
        EXPECT_TRUE(machine_.flush());
        std::vector<Event> events;
        const auto page = machine_.allocator->events().read(pool, begun_, [&](const Event& event) {
            events.push_back(event);
            return true;
        });
        EXPECT_EQ(page.missed, 0U);
        return events;
    }
    HolderId holder_of(PoolIndex pool, Id id) {
        return machine_.allocator->lookup(pool, id, 0).result->holder.id;
    }

    Machine machine_{{unique_pool("inode"), cyclic_pool("pid", {1, 100}),
                      unique_pool("block", {1, id_max}, Durability::block)}};
    Lsn begun_ = 0;
    NoGuard nobody_else_;
};

TEST_F(Watched, EachChangeIsOneEventWithTheLsnThatItsReplyWaitsFor) {
    const auto allocated = machine_.allocate(0, 10, 7);
    const auto claimed = machine_.allocate_at(0, {50, 59}, 8);
    const HolderId seven = holder_of(0, 1);
    const HolderId eight = holder_of(0, 50);
    const auto released = machine_.release(0, {3, 4}, 0, 7);
    const auto reserved = machine_.allocator->reserve(nobody_else_, 0, {100, 109});
    const auto unreserved = machine_.allocator->unreserve(nobody_else_, 0, {100, 104});
    EXPECT_EQ(told(0),
              (std::vector<Event>{
                  {allocated.wait_for, {1, 10}, 0, seven, 7, 0, EventKind::allocated},
                  {claimed.wait_for, {50, 59}, 0, eight, 8, 0, EventKind::claimed},
                  {released.wait_for, {3, 4}, 0, seven, 7, 0, EventKind::released},
                  {reserved.wait_for, {100, 109}, 0, 0, 0, 0, EventKind::reserved_ids},
                  {unreserved.wait_for, {100, 104}, 0, 0, 0, 0, EventKind::unreserved_ids}}));
}

TEST_F(Watched, AReleaseHasItsGenerationAndWhoseItWas) {
    const auto first = machine_.allocate(1, 2, 7);
    ASSERT_TRUE(machine_.allocate(1, 2, 8).result);
    const HolderId seven = holder_of(1, 1);
    const std::uint64_t generation = first.result->generation;
    Asker root = user(0);
    root.releases_for_others = true;
    ASSERT_TRUE(machine_.allocator->release(1, {1, 1}, generation, root).result);
    ASSERT_TRUE(machine_.allocator->release(1, {2, 3}, generation, root).result);
    const auto events = told(1);
    ASSERT_EQ(events.size(), 4U);
    EXPECT_EQ(events[2].holder, seven);
    EXPECT_EQ(events[2].uid, 7U);
    EXPECT_EQ(events[2].generation, generation);
    EXPECT_EQ(events[3].holder, 0U) << "it was of two";
    EXPECT_EQ(events[3].range, (Range{2, 3}));
}

TEST_F(Watched, AHoldersEndIsOneEventOfEachPoolThatItHadSomethingOf) {
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(machine_.allocate_at(0, {Id(10 * i + 1), Id(10 * i + 5)}, 7).result);
        ASSERT_TRUE(machine_.allocate(1, 3, 7).result);
    }
    const HolderId seven = holder_of(0, 1);
    const auto index = *machine_.allocator->holders().find_id(seven);
    const auto ended = machine_.allocator->release_all({.index = index, .id = seven});
    ASSERT_TRUE(ended.result);
    for (const PoolIndex pool : {PoolIndex{0}, PoolIndex{1}}) {
        const auto events = told(pool);
        ASSERT_EQ(events.size(), 4U);
        EXPECT_EQ(events[3],
                  (Event{ended.wait_for, {0, 0}, 0, seven, 7, pool, EventKind::holder_ended}));
    }
    EXPECT_TRUE(told(2).empty());
}

TEST_F(Watched, WhatIsInNoRecordIsNoEvent) {
    ASSERT_TRUE(machine_.allocate(2, 5, 7).result);
    ASSERT_TRUE(machine_.release(2, {1, 2}, 0, 7).result);
    EXPECT_TRUE(told(2).empty());
    const auto claimed = machine_.allocate_at(2, {1'000'000, 1'000'001}, 7);
    ASSERT_TRUE(claimed.result);
    ASSERT_TRUE(machine_.release(2, {1'000'000, 1'000'000}, 0, 7).result);
    const auto events = told(2);
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0].kind, EventKind::claimed);
    EXPECT_EQ(events[1].kind, EventKind::released);
}

}  // namespace
}  // namespace inod
