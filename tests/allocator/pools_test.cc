// Pools come, go and grow from one configuration to the next.
#include "tests/allocator/machine.h"

namespace inod {
namespace {

PoolIndex index_of(const Machine& machine, const std::string& name) {
    const Pool* const pool = machine.allocator->find_pool(name);
    EXPECT_NE(pool, nullptr) << name;
    return pool != nullptr ? machine.allocator->index_of(*pool) : PoolIndex{65'535};
}

TEST(Pools, KeepTheirIndexWhateverTheConfigurationsOrder) {
    Machine machine({unique_pool("a"), unique_pool("b")});
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(1, 5).result);
    ASSERT_TRUE(machine.flush());
    machine.specs = {unique_pool("c"), unique_pool("b"), unique_pool("a")};
    for (int restart = 0; restart < 3; ++restart) {
        ASSERT_STARTS(machine);
        EXPECT_EQ(index_of(machine, "a"), 0U);
        EXPECT_EQ(index_of(machine, "b"), 1U);
        EXPECT_EQ(index_of(machine, "c"), 2U);
        EXPECT_EQ(machine.allocator->pool_index_end(), 3U);
        EXPECT_EQ(machine.allocator->next(1, 0).result->range, (Range{1, 5}));
    }
}

TEST(Pools, LeftOutAreKeptAndComeBack) {
    Machine machine({unique_pool("a"), cyclic_pool("b", {1, 9})});
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(1, 9, 4).result);
    ASSERT_TRUE(machine.release(1, {1, 3}, 1, 4).result);
    ASSERT_TRUE(machine.flush());
    ASSERT_TRUE(machine.allocator->close());
    const std::string before = machine.state();
    const auto both = machine.specs;

    machine.specs = {unique_pool("a")};
    ASSERT_STARTS(machine);
    EXPECT_EQ(machine.allocator->dormant_pools(), std::vector<std::string>{"b"});
    EXPECT_EQ(machine.allocate(1).result.error().code, Errc::pool_unknown);
    EXPECT_EQ(machine.allocator->find_pool("b"), nullptr);
    EXPECT_EQ(machine.allocator->pool(1), nullptr);
    ASSERT_TRUE(machine.allocator->close());

    machine.specs = both;
    ASSERT_STARTS(machine);
    EXPECT_TRUE(machine.allocator->dormant_pools().empty());
    EXPECT_EQ(machine.state(), before);
}

TEST(Pools, WidenedGoOnAndStayWideWhenLeftOut) {
    Machine machine({cyclic_pool("pid", {1, 3})});
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(0, 3).result);
    ASSERT_TRUE(machine.flush());
    machine.specs = {cyclic_pool("pid", {1, 6})};
    ASSERT_STARTS(machine);
    EXPECT_EQ(*machine.allocate(0, 2).result, (Lease{{4, 5}, 1 + generations_per_unclean_stop}));
    ASSERT_TRUE(machine.flush());

    machine.specs = {unique_pool("other")};
    ASSERT_STARTS(machine);
    EXPECT_EQ(machine.allocator->dormant_pools(), std::vector<std::string>{"pid"});

    machine.specs = {cyclic_pool("pid", {1, 6})};
    ASSERT_STARTS(machine);
    EXPECT_EQ(machine.allocator->lookup(0, 5, 0).result->range, (Range{4, 5}));
    EXPECT_EQ(machine.allocate(0).result->range, (Range{6, 6}));
}

// From the start that widens it, and from each behind it, whatever of the new configuration lies in what was
// added.
TEST(Pools, WidenedBeginAgainWhereTheConfigurationSays) {
    for (const Id wrap_to : {4U, 13U}) {
        SCOPED_TRACE("wrap_to " + std::to_string(wrap_to));
        Machine machine({cyclic_pool("pid", {1, 10})});
        ASSERT_STARTS(machine);
        ASSERT_TRUE(machine.allocate(0, 3).result);
        ASSERT_TRUE(machine.flush());
        machine.specs[0].range.last = 20;
        machine.specs[0].wrap_to = wrap_to;
        machine.specs[0].reserved = {{15, 16}};
        for (int life = 0; life < 3; ++life) {
            ASSERT_STARTS(machine);
            ASSERT_TRUE(machine.allocator->advance(0, 20).result);
            const auto again = machine.allocate(0);
            EXPECT_EQ(again.result->range, (Range{wrap_to, wrap_to}));
            ASSERT_TRUE(machine.release(0, again.result->range, again.result->generation).result);
            ASSERT_TRUE(machine.flush());
        }
    }
}

TEST(Pools, MayNotBecomeAnother) {
    Machine machine({unique_pool("inode", {1, 100})});
    ASSERT_STARTS(machine);
    machine.specs = {unique_pool("inode", {1, 200})};
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.flush());
    struct Case {
        const char* name;
        PoolSpec spec;
        const char* word;
    };
    const Case cases[] = {
        {"policy", cyclic_pool("inode", {1, 200}), "policy was unique and is now cyclic"},
        {"durability", unique_pool("inode", {1, 200}, Durability::block), "durability was lease"},
        {"min up", unique_pool("inode", {2, 200}), "were 1 to 100 and are now 2 to 200"},
        {"min down", unique_pool("inode", {0, 200}), "only max may change"},
        {"max below the first one", unique_pool("inode", {1, 99}), "only rise"},
        {"max below the widened one", unique_pool("inode", {1, 150}), "were 1 to 200"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        machine.specs = {c.spec};
        const auto started = machine.start();
        ASSERT_FALSE(started);
        EXPECT_EQ(started.error().code, Errc::pool_changed);
        EXPECT_NE(started.error().message.find("pool 'inode'"), std::string::npos);
        EXPECT_NE(started.error().message.find(c.word), std::string::npos)
            << started.error().message;
    }
    machine.specs = {unique_pool("inode", {1, 200})};
    ASSERT_STARTS(machine);
}

TEST(Pools, MayChangeTheirLargestLease) {
    Machine machine({unique_pool("inode")});
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(0, 100).result);
    ASSERT_TRUE(machine.flush());
    machine.specs[0].lease_count_max = 10;
    ASSERT_STARTS(machine);
    EXPECT_EQ(machine.allocate(0, 11).result.error(), Error(Errc::lease_too_large, 10));
    EXPECT_EQ(machine.allocator->lookup(0, 50, 0).result->range, (Range{1, 100}));
}

}  // namespace
}  // namespace inod
