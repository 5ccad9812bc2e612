// What of each setting a daemon that runs may take over. A setting that is added has no row here at first, and the last
// test fails.
#include "config/changes.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace inod {
namespace {

Config parsed(const std::string& text) {
    const std::vector<Source> sources{{"inod.json", text}};
    const auto config = parse_config(sources);
    EXPECT_TRUE(config) << config.error().message << ": " << text;
    return config ? *config : Config{};
}

constexpr const char* restart = "what cannot change while the daemon runs takes a restart: ";
// Of what a start refuses, too.
const std::string never =
    " (a restart is refused as well: undo it, or give the new pool another name)";

// A setting, two configurations that differ in it alone, and what becomes of that: what the log says, or what is said
// after `restart`.
struct Case {
    std::string keys;  // as config_keys() has it; several with a comma
    std::string running;
    std::string wanted;
    bool is_taken;
    std::string said;
};

// A configuration with this beside a pool that is as it is; or with this in the pool.
std::string top(const std::string& setting) {
    return "{" + setting +
           R"(, "pools": [{"name": "a", "policy": "cyclic", "min": 1, "max": 100}]})";
}
std::string pool(const std::string& settings) {
    return R"({"pools": [{"name": "a")" + settings + "}]}";
}
std::string cyclic(const std::string& setting) {
    return pool(R"(, "policy": "cyclic", "min": 1, "max": 100)" +
                (setting.empty() ? "" : ", " + setting));
}
std::string unique(const std::string& setting) {
    return pool(R"(, "policy": "unique", "min": 1, "max": 100, )" + setting);
}
std::string two(const std::string& setting) {
    return R"({"pools": [{"name": "up", "policy": "unique", "min": 1, "max": 100},
              {"name": "a", "policy": "unique", "min": 1, "max": 100)" +
           setting + "}]}";
}

std::vector<Case> cases() {
    return {
        {"state_dir", top(R"("state_dir": "/a", "witness_dir": "/w")"),
         top(R"("state_dir": "/b", "witness_dir": "/w")"), false, "state_dir from '/a' to '/b'"},
        {"witness_dir", top(R"("state_dir": "/a")"),
         top(R"("state_dir": "/a", "witness_dir": "/w")"), false,
         "witness_dir from '/a.witness' to '/w'"},
        {"socket", top(R"("socket": "/a")"), top(R"("socket": "/b")"), false,
         "socket from '/a' to '/b'"},
        {"socket_mode", top(R"("socket_mode": "0660")"), top(R"("socket_mode": "0604")"), false,
         "socket_mode from 0660 to 0604"},
        {"memory_max", top(R"("memory_max": 0)"), top(R"("memory_max": 99)"), false,
         "memory_max from 0 to 99"},
        {"poll_us", top(R"("poll_us": 0)"), top(R"("poll_us": 9)"), false, "poll_us from 0 to 9"},
        {"threads", top(R"("threads": 1)"), top(R"("threads": 3)"), false, "threads from 1 to 3"},
        {"journal,journal.segment_size", top(R"("journal": {"segment_size": 65536})"),
         top(R"("journal": {"segment_size": 131072})"), false,
         "journal.segment_size from 65536 to 131072"},
        {"journal.snapshot_age_max", top(R"("journal": {"snapshot_age_max": 5})"),
         top(R"("journal": {"snapshot_age_max": 6})"), true, "journal.snapshot_age_max 5 -> 6"},
        {"connections_max", top(R"("connections_max": 5)"), top(R"("connections_max": 6)"), true,
         "connections_max 5 -> 6"},
        {"holders_max", top(R"("holders_max": 5)"), top(R"("holders_max": 6)"), true,
         "holders_max 5 -> 6"},
        {"user_limits,user_limits[].uid", top(R"("user_limits": [{"uid": 1, "holders": 2}])"),
         top(R"("user_limits": [{"uid": 2, "holders": 2}])"), true, "user_limits"},
        {"user_limits[].everyone", top(R"("user_limits": [{"everyone": true, "holders": 2}])"),
         top(R"("user_limits": [{"uid": 2, "holders": 2}])"), true, "user_limits"},
        {"user_limits[].connections", top(R"("user_limits": [{"uid": 1, "connections": 2}])"),
         top(R"("user_limits": [{"uid": 1, "connections": 3}])"), true, "user_limits"},
        {"user_limits[].holders", top(R"("user_limits": [{"uid": 1, "holders": 2}])"),
         top(R"("user_limits": [{"uid": 1, "holders": 3}])"), true, "user_limits"},
        {"user_limits[].tokens", top(R"("user_limits": [{"uid": 1, "tokens": 2}])"),
         top(R"("user_limits": [{"uid": 1, "tokens": 3}])"), true, "user_limits"},
        {"token_keep", top(R"("token_keep": 5)"), top(R"("token_keep": 6)"), true,
         "token_keep 5 -> 6"},
        {"token_count_max", top(R"("token_count_max": 5)"), top(R"("token_count_max": 0)"), true,
         "token_count_max 5 -> 0"},
        {"restart_grace", top(R"("restart_grace": 5)"), top(R"("restart_grace": 6)"), true,
         "restart_grace 5 -> 6"},
        {"log_level", top(R"("log_level": "info")"), top(R"("log_level": "debug")"), true,
         "log_level info -> debug"},

        {"pools,pools[].name", cyclic(""),
         R"({"pools": [{"name": "b", "policy": "unique", "min": 1, "max": 9}]})", false,
         "pool 'a' is gone"},
        {"pools[].policy", unique(R"("align": 1)"), cyclic(""), false,
         "pool 'a': policy from unique to cyclic" + never},
        {"pools[].min", pool(R"(, "policy": "unique", "min": 1, "max": 9)"),
         pool(R"(, "policy": "unique", "min": 2, "max": 9)"), false,
         "pool 'a': min from 1 to 2" + never},
        {"pools[].max", pool(R"(, "policy": "unique", "min": 1, "max": 9)"),
         pool(R"(, "policy": "unique", "min": 1, "max": 18446744073709551615)"), false,
         "pool 'a': max from 9 to 18446744073709551615"},
        {"pools[].durability", unique(R"("durability": "lease")"),
         unique(R"("durability": "block")"), false,
         "pool 'a': durability from lease to block" + never},
        {"pools[].lease_count_max", cyclic(R"("lease_count_max": 5)"),
         cyclic(R"("lease_count_max": 6)"), false, "pool 'a': lease_count_max from 5 to 6"},
        {"pools[].tracking", cyclic(R"("tracking": true)"), cyclic(R"("tracking": false)"), false,
         "pool 'a': tracking from true to false" + never},
        {"pools[].align", cyclic(R"("align": 2)"), cyclic(R"("align": 4)"), false,
         "pool 'a': align from 2 to 4"},
        {"pools[].wrap_to", cyclic(""), cyclic(R"("wrap_to": 4)"), false,
         "pool 'a': wrap_to from none to 4"},
        {"pools[].quarantine", cyclic(""), cyclic(R"("quarantine": 4)"), false,
         "pool 'a': quarantine from 0 to 4"},
        {"pools[].quarantine_yields", cyclic(R"("quarantine": 4)"),
         cyclic(R"("quarantine": 4, "quarantine_yields": true)"), false,
         "pool 'a': quarantine_yields from false to true"},
        {"pools[].reserved,pools[].reserved[].first,pools[].reserved[].last", cyclic(""),
         cyclic(R"("reserved": [{"first": 1, "last": 3}, {"first": 5, "last": 6}])"), false,
         "pool 'a': reserved from none to 1-3, 5-6"},
        {"pools[].parent", two(""), two(R"(, "parent": "up")"), false,
         "pool 'a': parent from none to 'up'" + never},
        {"pools[].grants,pools[].grants[].uid", cyclic(""), cyclic(R"("grants": [{"uid": 5}])"),
         true, "grants of pool 'a'"},
        {"pools[].grants[].gid", cyclic(R"("grants": [{"gid": 5}])"),
         cyclic(R"("grants": [{"gid": 6}])"), true, "grants of pool 'a'"},
        {"pools[].grants[].everyone", cyclic(R"("grants": [{"gid": 5}])"),
         cyclic(R"("grants": [{"everyone": true}])"), true, "grants of pool 'a'"},
        {"pools[].grants[].rights", cyclic(R"("grants": [{"uid": 5}])"),
         cyclic(R"("grants": [{"uid": 5, "rights": ["lookup"]}])"), true, "grants of pool 'a'"},
        {"pools[].limits,pools[].limits[].uid", cyclic(""),
         cyclic(R"("limits": [{"uid": 5, "ids": 1}])"), true, "limits of pool 'a'"},
        {"pools[].limits[].everyone", cyclic(""),
         cyclic(R"("limits": [{"everyone": true, "ids": 1}])"), true, "limits of pool 'a'"},
        {"pools[].limits[].ids", cyclic(R"("limits": [{"uid": 5, "ids": 1}])"),
         cyclic(R"("limits": [{"uid": 5, "ids": 2}])"), true, "limits of pool 'a'"},
        {"pools[].limits[].leases", cyclic(R"("limits": [{"uid": 5, "leases": 1}])"),
         cyclic(R"("limits": [{"uid": 5, "leases": 2}])"), true, "limits of pool 'a'"},
    };
}

// The row's own setting is among them.
std::string all_said(const std::vector<std::string>& said) {
    std::string all;
    for (const std::string& one : said)
        all += (all.empty() ? "" : "; ") + one;
    return all;
}

TEST(ConfigChanges, OfEachSettingAreTakenOverOrTakeARestart) {
    for (const Case& c : cases()) {
        SCOPED_TRACE(c.keys);
        const Config running = parsed(c.running);
        const Config wanted = parsed(c.wanted);
        ASSERT_NE(running, wanted);
        for (const Config* const same : {&running, &wanted}) {
            const auto none = changes_between(*same, *same);
            ASSERT_TRUE(none);
            EXPECT_TRUE(none->said.empty() && none->new_pools.empty());
        }
        const auto changes = changes_between(running, wanted);
        ASSERT_EQ(changes.has_value(), c.is_taken);
        if (c.is_taken) {
            EXPECT_EQ(all_said(changes->said), c.said);
            EXPECT_TRUE(changes->new_pools.empty());
        } else {
            EXPECT_EQ(changes.error().code, Errc::config_invalid);
            EXPECT_EQ(changes.error().message, restart + c.said);
        }
    }
}

TEST(ConfigChanges, NameAllThatTakesARestart) {
    const auto changes = changes_between(parsed(cyclic("")), parsed(R"({"threads": 2, "pools": [
        {"name": "a", "policy": "cyclic", "min": 1, "max": 200, "grants": [{"uid": 5}]},
        {"name": "b", "policy": "unique", "min": 1, "max": 9}]})"));
    ASSERT_FALSE(changes);
    EXPECT_EQ(changes.error().message,
              std::string(restart) + "threads from 1 to 2; pool 'a': max from 100 to 200");
}

TEST(ConfigChanges, BringNewPools) {
    const auto changes = changes_between(parsed(cyclic("")), parsed(R"({"pools": [
        {"name": "below", "policy": "unique", "min": 1, "max": 9, "parent": "b"},
        {"name": "a", "policy": "cyclic", "min": 1, "max": 100},
        {"name": "b", "policy": "unique", "min": 1, "max": 9}]})"));
    ASSERT_TRUE(changes) << changes.error().message;
    ASSERT_EQ(changes->new_pools.size(), 2U);
    EXPECT_EQ(changes->new_pools[0].name, "below");
    EXPECT_EQ(changes->new_pools[0].parent, "b");
    EXPECT_EQ(changes->new_pools[1].name, "b");
    EXPECT_EQ(all_said(changes->said), "new pool 'below'; new pool 'b'");
}

TEST(ConfigChanges, AreNoneWhereOnlyTheOrderOfPoolsOrAWordForTheSameIsAnother) {
    const auto changes =
        changes_between(parsed(R"({"state_dir": "/a", "pools": [
            {"name": "a", "policy": "unique", "min": 1, "max": 9},
            {"name": "b", "policy": "unique", "min": 1, "max": 9}]})"),
                        parsed(R"({"state_dir": "/a", "witness_dir": "/a.witness", "pools": [
            {"name": "b", "policy": "unique", "min": 1, "max": 9},
            {"name": "a", "policy": "unique", "min": 1, "max": 9}]})"));
    ASSERT_TRUE(changes) << changes.error().message;
    EXPECT_TRUE(changes->said.empty());
}

TEST(ConfigChanges, AreKnownOfEverySettingThatThereIs) {
    std::set<std::string> known;
    for (const Case& c : cases()) {
        for (std::size_t at = 0; at < c.keys.size();) {
            const std::size_t end = std::min(c.keys.find(',', at), c.keys.size());
            known.insert(c.keys.substr(at, end - at));
            at = end + 1;
        }
    }
    const auto keys = config_keys();
    std::set<std::string> all(keys.begin(), keys.end());
    all.erase("$schema");  // which says nothing to the daemon
    EXPECT_EQ(known, all);
}

}  // namespace
}  // namespace inod
