// Who waits for a number and who watches a pool, where pools have parents: a change at several levels is one at
// each of them.
#include <optional>
#include <set>

#include "tests/allocator/levels.h"

namespace inod {
namespace {

class LevelsWatched : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_STARTS(machine_);
        ASSERT_TRUE(machine_.flush());
        begun_ = machine_.durable();
    }
    // "released 300-302@1 of 7": what was told of a pool so far, each with the LSN `lsn`, if that is given.
    std::vector<std::string> told(PoolIndex pool, std::optional<Lsn> lsn = {}) {
        EXPECT_TRUE(machine_.flush());
        std::vector<std::string> texts;
        const auto page = machine_.allocator->events().read(pool, begun_, [&](const Event& event) {
            if (!lsn || event.lsn == *lsn) texts.push_back(text_of(event));
            return true;
        });
        EXPECT_EQ(page.missed, 0U);
        return texts;
    }
    static std::string text_of(const Event& event) {
        const char* const kind = event.kind == EventKind::allocated       ? "allocated"
                                 : event.kind == EventKind::claimed       ? "claimed"
                                 : event.kind == EventKind::released      ? "released"
                                 : event.kind == EventKind::released_some ? "some of"
                                                                          : "ended";
        return std::string(kind) + " " + std::to_string(event.range.first) + "-" +
               std::to_string(event.range.last) + "@" + std::to_string(event.generation) + " of " +
               std::to_string(event.uid);
    }
    Lease leased(PoolIndex pool, std::uint64_t count, std::uint32_t uid = 7) {
        const auto answer = machine_.allocate(pool, count, uid);
        EXPECT_TRUE(answer.result);
        return answer.result ? *answer.result : Lease{};
    }

    Machine machine_{boxes()};
    Lsn begun_ = 0;
};

using Texts = std::vector<std::string>;

TEST_F(LevelsWatched, AHandOutAndAReleaseAreToldAtEach) {
    const auto allocated = machine_.allocate(inner, 3, 7);
    ASSERT_TRUE(allocated.result);
    EXPECT_EQ(told(host, allocated.wait_for), Texts{"allocated 300-302@1 of 7"});
    EXPECT_EQ(told(box, allocated.wait_for), Texts{"allocated 1-3@1 of 7"});
    EXPECT_EQ(told(inner, allocated.wait_for), Texts{"allocated 1-3@1 of 7"});
    EXPECT_EQ(told(other), Texts{});
    const auto released = machine_.release(inner, {2, 3}, 1, 7);
    ASSERT_TRUE(released.result);
    EXPECT_EQ(told(host, released.wait_for), Texts{"released 301-302@1 of 7"});
    EXPECT_EQ(told(box, released.wait_for), Texts{"released 2-3@1 of 7"});
    EXPECT_EQ(told(inner, released.wait_for), Texts{"released 2-3@1 of 7"});
}

// What is in a row below can lie apart above: then it is some of the IDs in between.
TEST_F(LevelsWatched, WhatLiesApartAboveIsToldAsSomeOfThem) {
    leased(box, 1);
    leased(host, 1, 8);
    leased(box, 1);
    const auto released = machine_.release(box, {1, 2}, 1, 7);
    ASSERT_TRUE(released.result);
    EXPECT_EQ(told(box, released.wait_for), Texts{"released 1-2@1 of 7"});
    EXPECT_EQ(told(host, released.wait_for), Texts{"some of 300-302@1 of 7"});
}

TEST_F(LevelsWatched, AClaimIsOneWhereItWasAskedFor) {
    const auto claimed = machine_.allocate_at(box, {50, 51}, 7);
    ASSERT_TRUE(claimed.result);
    EXPECT_EQ(told(box), Texts{"claimed 50-51@1 of 7"});
    EXPECT_EQ(told(host), Texts{"allocated 300-301@1 of 7"});
}

TEST_F(LevelsWatched, AHoldersEndIsToldAtEach) {
    leased(inner, 2);
    end_user(machine_, 7);
    for (const PoolIndex pool : {host, box, inner})
        EXPECT_EQ(told(pool).back(), "ended 0-0@0 of 7") << pool;
    EXPECT_EQ(told(other), Texts{});
}

TEST_F(LevelsWatched, WhoWaitsAtAnyIsWokenByTheReleaseBelow) {
    Waits& waits = machine_.allocator->waits();
    leased(other, 1);
    leased(inner, 3);
    Wait of_host;
    Wait of_box;
    const HolderId holder = machine_.allocator->lookup(host, 302, 0).result->holder.id;
    of_host.pool = host;
    of_host.id = 302;
    of_box.pool = box;
    of_box.id = 2;
    of_host.holder = of_box.holder = holder;
    waits.add(of_host);
    waits.add(of_box);
    ASSERT_TRUE(machine_.release(inner, {1, 1}, 1, 7).result);
    EXPECT_EQ(waits.take_woken(), nullptr);
    ASSERT_TRUE(machine_.release(inner, {2, 2}, 1, 7).result);
    EXPECT_EQ((std::set<Wait*>{waits.take_woken(), waits.take_woken()}),
              (std::set<Wait*>{&of_host, &of_box}));
    EXPECT_EQ(waits.take_woken(), nullptr);
}

}  // namespace
}  // namespace inod
