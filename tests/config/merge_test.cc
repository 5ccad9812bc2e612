// What a configuration means: defaults, edges, and how drop-ins change what came before.

#include <gtest/gtest.h>

#include "config/config.h"

namespace inod {
namespace {

constexpr const char* one_pool =
    R"({"pools": [{"name": "a", "policy": "unique", "min": 1, "max": 9}]})";

Config parsed(const std::vector<Source>& sources) {
    const auto config = parse_config(sources);
    EXPECT_TRUE(config) << config.error().message;
    return config ? *config : Config{};
}

TEST(Config, DefaultsStandForWhatIsNotSaid) {
    const Config config = parsed({{"inod.json", one_pool}});
    EXPECT_EQ(config.state_dir, "/var/lib/inod");
    EXPECT_EQ(config.witness_dir, "") << "and so the default of the state directory";
    EXPECT_EQ(config.socket, "/run/inod/inod.sock");
    EXPECT_EQ(config.socket_mode, 0666U);
    EXPECT_EQ(config.memory_max, 0U);
    EXPECT_EQ(config.connections_max, 16'384U);
    EXPECT_EQ(config.holders_max, 1'000'000U);
    EXPECT_TRUE(config.user_limits.empty());
    EXPECT_EQ(config.token_keep, 3600U);
    EXPECT_EQ(config.token_count_max, 1'000'000U);
    EXPECT_EQ(config.restart_grace, 10U);
    EXPECT_EQ(config.segment_size, 4U << 20U);
    EXPECT_EQ(config.snapshot_age_max, 3600U);
    EXPECT_EQ(config.poll_us, 0U);
    EXPECT_EQ(config.threads, 1U);
    EXPECT_EQ(config.log_level, LogLevel::info);
    ASSERT_EQ(config.pools.size(), 1U);
    const PoolConfig& pool = config.pools[0];
    EXPECT_EQ(pool.spec.durability, Durability::lease);
    EXPECT_EQ(pool.spec.lease_count_max, 65'536U);
    EXPECT_TRUE(pool.spec.tracking);
    EXPECT_EQ(pool.spec.align, 1U);
    EXPECT_EQ(pool.spec.wrap_to, std::nullopt);
    EXPECT_EQ(pool.spec.quarantine_ms, 0U);
    EXPECT_FALSE(pool.spec.quarantine_yields);
    EXPECT_TRUE(pool.spec.reserved.empty());
    EXPECT_TRUE(pool.grants.empty());
    EXPECT_TRUE(pool.limits.empty());
}

TEST(Config, EveryKeyReachesItsField) {
    const Config config = parsed({{"inod.json", R"({
        "$schema": "inod.schema.json",
        "pools": [{"name": "pid", "policy": "cyclic", "min": 2, "max": 4194303,
                   "durability": "lease", "lease_count_max": 7,
                   "grants": [{"uid": 1000}, {"gid": 100}, {"everyone": true}]},
                  {"name": "B.1_x-y", "policy": "unique", "min": 5, "max": 5,
                   "durability": "block"}],
        "state_dir": "/srv/ids", "witness_dir": "/srv/witness",
        "socket": "/tmp/s", "socket_mode": "0750",
        "memory_max": 1, "connections_max": 2, "holders_max": 3,
        "user_limits": [{"uid": 7, "connections": 1, "holders": 2, "tokens": 3},
                        {"everyone": true, "holders": 0}],
        "token_keep": 4, "token_count_max": 5, "restart_grace": 6, "poll_us": 7, "threads": 8,
        "journal": {"segment_size": 69632, "snapshot_age_max": 60},
        "log_level": "error"})"}});
    const Config want{
        .pools = {{.spec = {"pid", Policy::cyclic, {2, 4'194'303}, Durability::lease, 7},
                   .grants = {{Grant::To::uid, 1000}, {Grant::To::gid, 100}, {}}},
                  {.spec = {"B.1_x-y", Policy::unique, {5, 5}, Durability::block, 65'536},
                   .grants = {}}},
        .state_dir = "/srv/ids",
        .witness_dir = "/srv/witness",
        .socket = "/tmp/s",
        .socket_mode = 0750,
        .memory_max = 1,
        .connections_max = 2,
        .holders_max = 3,
        .user_limits = {{.uid = 7, .limits = {1, 2, 3}}, {.limits = {.holders = 0}}},
        .token_keep = 4,
        .token_count_max = 5,
        .restart_grace = 6,
        .segment_size = 69'632,
        .snapshot_age_max = 60,
        .poll_us = 7,
        .threads = 8,
        .log_level = LogLevel::error,
    };
    EXPECT_EQ(config, want);
}

TEST(Config, EveryKeyOfAPoolReachesItsField) {
    const Config config = parsed({{"inod.json", R"({"pools": [
        {"name": "port", "policy": "cyclic", "min": 2, "max": 99, "align": 4, "wrap_to": 50,
         "quarantine": 60, "quarantine_yields": true,
         "reserved": [{"first": 80, "last": 99}, {"first": 2, "last": 2}],
         "grants": [{"uid": 1, "rights": ["release_others", "lookup"]},
                    {"gid": 2, "rights": ["administer"]}],
         "limits": [{"everyone": true, "ids": 5}, {"uid": 9, "ids": 6, "leases": 7}]},
        {"name": "slot", "policy": "lowest", "min": 0, "max": 7, "tracking": true,
         "parent": "port"},
        {"name": "counter", "policy": "unique", "min": 1, "max": 9, "tracking": false}]})"}});
    ASSERT_EQ(config.pools.size(), 3U);
    const PoolConfig want{.spec = {.name = "port",
                                   .policy = Policy::cyclic,
                                   .range = {2, 99},
                                   .align = 4,
                                   .wrap_to = 50,
                                   .quarantine_ms = 60'000,
                                   .quarantine_yields = true,
                                   .reserved = {{2, 2}, {80, 99}}},  // sorted
                          .grants = {{Grant::To::uid, 1, {Right::release_others, Right::lookup}},
                                     {Grant::To::gid, 2, Rights::all()}},
                          .limits = {{.limits = {.ids = 5}}, {.uid = 9, .limits = {6, 7}}}};
    EXPECT_EQ(config.pools[0], want);
    EXPECT_EQ(config.pools[1].spec.policy, Policy::lowest);
    EXPECT_EQ(config.pools[1].spec.parent, "port");
    EXPECT_TRUE(config.pools[1].spec.tracking);
    EXPECT_FALSE(config.pools[2].spec.tracking);
}

TEST(Config, IntegersAreExactAtTheirEdges) {
    const Config config = parsed({{"inod.json", R"({
        "pools": [{"name": "all", "policy": "unique", "min": 0, "max": 18446744073709551615},
                  {"name": "last", "policy": "cyclic", "min": 18446744073709551615,
                   "max": 18446744073709551615, "lease_count_max": 4294967295,
                   "grants": [{"uid": 4294967294}, {"gid": 0}]},
                  {"name": "odd", "policy": "unique", "min": 9007199254740993,
                   "max": 18446744073709551614}],
        "memory_max": 18446744073709551615})"}});
    ASSERT_EQ(config.pools.size(), 3U);
    EXPECT_EQ(config.pools[0].spec.range, whole_space);
    EXPECT_EQ(config.pools[1].spec.range, (Range{id_max, id_max}));
    EXPECT_EQ(config.pools[1].spec.lease_count_max, 0xFFFF'FFFFU);
    EXPECT_EQ(config.pools[1].grants[0], (Grant{Grant::To::uid, 0xFFFF'FFFEU}));
    EXPECT_EQ(config.pools[1].grants[1], (Grant{Grant::To::gid, 0}));
    // Neither survives a double.
    EXPECT_EQ(config.pools[2].spec.range, (Range{9'007'199'254'740'993, id_max - 1}));
    EXPECT_EQ(config.memory_max, id_max);
}

TEST(Config, LaterFilesMergeObjectsByKey) {
    const Config config = parsed({{"inod.json", one_pool},
                                  {"inod.d/1.json", R"({"journal": {"segment_size": 65536}})"},
                                  {"inod.d/2.json", R"({"journal": {}, "log_level": "debug"})"},
                                  {"inod.d/3.json", R"({"log_level": "warn"})"},
                                  {"inod.d/4.json", "{}"}});
    EXPECT_EQ(config.segment_size, 65'536U);
    EXPECT_EQ(config.log_level, LogLevel::warn);
    EXPECT_EQ(config.pools.size(), 1U);
}

// The witness goes with the state: a drop-in that moves the one has to say so of the other.
TEST(Config, AWitnessDirStaysWhenAnotherFileMovesTheState) {
    const Config config = parsed({{"inod.json", one_pool},
                                  {"inod.d/1.json", R"({"state_dir": "/a", "witness_dir": "/w"})"},
                                  {"inod.d/2.json", R"({"state_dir": "/b"})"}});
    EXPECT_EQ(config.state_dir, "/b");
    EXPECT_EQ(config.witness_dir, "/w");
}

TEST(Config, TheDefaultWitnessDirIsBesideTheState) {
    struct Case {
        const char* state_dir;
        const char* want;
    };
    const Case cases[] = {
        {"/var/lib/inod", "/var/lib/inod.witness"},
        {"/var/lib/inod/", "/var/lib/inod.witness"},
        {"/var/lib/inod//", "/var/lib/inod.witness"},
        {"/var/lib/inod/.", "/var/lib/inod.witness"},
        {"/var/lib/inod/./", "/var/lib/inod.witness"},
        {"/var/lib/ids.", "/var/lib/ids..witness"},
        {"state", "state.witness"},
        {"./a b/", "./a b.witness"},
    };
    for (const Case& c : cases)
        EXPECT_EQ(default_witness_dir(c.state_dir), c.want) << c.state_dir;
}

TEST(Config, LaterFilesMergePoolsByName) {
    const Config config = parsed({{"inod.json", R"({"pools": [
             {"name": "a", "policy": "unique", "min": 1, "max": 9, "grants": [{"uid": 1}]},
             {"name": "b", "policy": "cyclic", "min": 2, "max": 8}]})"},
                                  {"inod.d/1.json", R"({"pools": [
             {"name": "c", "policy": "unique"},
             {"name": "b", "max": 80, "grants": [{"gid": 7}]}]})"},
                                  {"inod.d/2.json", R"({"pools": [
             {"name": "a", "grants": [{"uid": 2}, {"uid": 3}], "lease_count_max": 5},
             {"name": "c", "min": 3, "max": 4, "durability": "block"}]})"}});
    const std::vector<PoolConfig> want = {
        {.spec = {"a", Policy::unique, {1, 9}, Durability::lease, 5},
         .grants = {{Grant::To::uid, 2}, {Grant::To::uid, 3}}},
        {.spec = {"b", Policy::cyclic, {2, 80}, Durability::lease, 65'536},
         .grants = {{Grant::To::gid, 7}}},
        {.spec = {"c", Policy::unique, {3, 4}, Durability::block, 65'536}, .grants = {}},
    };
    EXPECT_EQ(config.pools, want);
}

TEST(Config, AnEmptyListOfGrantsTakesTheEarlierOnesBack) {
    const Config config =
        parsed({{"inod.json", R"({"pools": [{"name": "a", "policy": "unique", "min": 1, "max": 9,
                                      "grants": [{"everyone": true}]}]})"},
                {"inod.d/1.json", R"({"pools": [{"name": "a", "grants": []}]})"}});
    ASSERT_EQ(config.pools.size(), 1U);
    EXPECT_TRUE(config.pools[0].grants.empty());
}

TEST(Config, LaterListsReplaceEarlierOnes) {
    const Config config = parsed({{"inod.json", R"({
             "pools": [{"name": "a", "policy": "cyclic", "min": 1, "max": 99, "align": 2,
                        "reserved": [{"first": 5, "last": 9}], "quarantine": 1,
                        "grants": [{"uid": 1, "rights": ["list"]}],
                        "limits": [{"uid": 1, "ids": 5}, {"everyone": true, "ids": 6}]}],
             "user_limits": [{"uid": 1, "tokens": 5}, {"everyone": true, "tokens": 6}]})"},
                                  {"inod.d/1.json", R"({
             "pools": [{"name": "a", "reserved": [{"first": 4, "last": 4}], "wrap_to": 3,
                        "grants": [{"uid": 1}], "limits": [{"uid": 1, "leases": 7}]}],
             "user_limits": [{"uid": 1, "holders": 7}]})"}});
    ASSERT_EQ(config.pools.size(), 1U);
    const PoolConfig want{.spec = {.name = "a",
                                   .policy = Policy::cyclic,
                                   .range = {1, 99},
                                   .align = 2,
                                   .wrap_to = 3,
                                   .quarantine_ms = 1000,
                                   .reserved = {{4, 4}}},
                          .grants = {{Grant::To::uid, 1, rights_default}},
                          .limits = {{.uid = 1, .limits = {.leases = 7}}}};
    EXPECT_EQ(config.pools[0], want);
    EXPECT_EQ(config.user_limits,
              (std::vector<LimitsEntry<UserLimits>>{{.uid = 1, .limits = {.holders = 7}}}));
}

TEST(Config, TheMainFileNeedsNoPoolIfADropInHasOne) {
    EXPECT_EQ(parsed({{"inod.json", "{}"}, {"inod.d/1.json", one_pool}}).pools.size(), 1U);
}

}  // namespace
}  // namespace inod
