// Every way to refuse a configuration, with the words that the administrator reads.

#include <gtest/gtest.h>

#include "config/config.h"

namespace inod {
namespace {

std::string refusal(const std::vector<Source>& sources) {
    const auto config = parse_config(sources);
    if (config) return "(accepted)";
    EXPECT_EQ(config.error().code, Errc::config_invalid);
    return config.error().message;
}

struct Case {
    std::string text;
    std::string want;  // behind "inod.json: "
};

void expect_refusals(std::span<const Case> cases) {
    for (const Case& c : cases) {
        SCOPED_TRACE(c.text.substr(0, 200));
        EXPECT_EQ(refusal({{"inod.json", c.text}}), "inod.json: " + c.want);
    }
}

// A pool that is sound but for `members`, which come last.
std::string pool_with(const std::string& members) {
    return R"({"pools": [{"name": "a", )" + members + "}]}";
}

TEST(ConfigRefusal, BrokenSyntaxNamesLineAndColumn) {
    const std::string nul_inside("{}\n\0x", 5);
    const Case cases[] = {
        {"",
         "line 1, column 1: syntax error while parsing value - unexpected end of input; "
         "expected '[', '{', or a literal"},
        {"{\n  \"pools\": [\n  }\n",
         "line 3, column 3: syntax error while parsing value - "
         "unexpected '}'; expected '[', '{', or a literal"},
        {"{\"pools\": []",
         "line 1, column 13: syntax error while parsing object - unexpected end "
         "of input; expected '}'"},
        {"{} {}",
         "line 1, column 4: syntax error while parsing value - unexpected '{'; expected "
         "end of input"},
        {"{\"memory_max\": 01}",
         "line 1, column 17: syntax error while parsing object - unexpected "
         "number literal; expected '}'"},
        {"{// no comments\n}",
         "line 1, column 2: syntax error while parsing object key - invalid "
         "literal; last read: '{/'; expected string literal"},
        {"{\"a\n\": 1}",
         "line 1, column 4: syntax error while parsing object key - invalid "
         "string: control character U+000A (LF) must be escaped to \\u000A or \\n; "
         "last read: '\"a<U+000A>'; expected string literal"},
        {"{\"\xff\": 1}",
         "line 1, column 3: syntax error while parsing object key - invalid string: "
         "ill-formed UTF-8 byte; last read: '\"\\xff'; expected string literal"},
        {"{\"memory_max\": 1e999}", "line 1, column 20: number overflow parsing '1e999'"},
        {nul_inside, "line 2, column 1: a NUL byte"},
    };
    expect_refusals(cases);
}

TEST(ConfigRefusal, NestingHasALimit) {
    const std::string deep(1'000'000, '[');
    EXPECT_EQ(refusal({{"inod.json", deep}}),
              "inod.json: more than 32 arrays and objects within each other");
}

TEST(ConfigRefusal, WrongTypes) {
    const Case cases[] = {
        {"[]", "[] is not an object"},
        {"null", "null is not an object"},
        {R"({"pools": {}})", "pools: {} is not an array"},
        {R"({"pools": [7]})", "pools[0]: 7 is not an object"},
        {R"({"pools": [{"name": 7}]})", "pools[0].name: 7 is not a string"},
        {R"({"pools": [{"name": null}]})", "pools[0].name: null is not a string"},
        {pool_with(R"("policy": true)"),
         R"(pools[0].policy: true is not one of "unique", "cyclic", "lowest")"},
        {pool_with(R"("grants": {"uid": 1})"), R"(pools[0].grants: {"uid": 1} is not an array)"},
        {pool_with(R"("tracking": "no")"), R"(pools[0].tracking: "no" is not true or false)"},
        {pool_with(R"("quarantine_yields": 1)"),
         "pools[0].quarantine_yields: 1 is not true or false"},
        {pool_with(R"("quarantine": "1h")"),
         R"(pools[0].quarantine: "1h" is not an integer from 0 to 31536000)"},
        {pool_with(R"("reserved": {"first": 1, "last": 2})"),
         R"(pools[0].reserved: {"first": 1, "last": 2} is not an array)"},
        {pool_with(R"("reserved": [7])"), "pools[0].reserved[0]: 7 is not an object"},
        {pool_with(R"("grants": [{"uid": 1, "rights": "list"}])"),
         R"(pools[0].grants[0].rights: "list" is not an array)"},
        {pool_with(R"("limits": [7])"), "pools[0].limits[0]: 7 is not an object"},
        {R"({"user_limits": {}})", "user_limits: {} is not an array"},
        {R"({"state_dir": ["/a"]})", R"(state_dir: ["/a"] is not a string)"},
        {R"({"witness_dir": null})", "witness_dir: null is not a string"},
        {R"({"socket": 1})", "socket: 1 is not a string"},
        {R"({"$schema": 1})", "$schema: 1 is not a string"},
        {R"({"journal": 4096})", "journal: 4096 is not an object"},
        {R"({"memory_max": "1G"})",
         R"(memory_max: "1G" is not an integer from 0 to 18446744073709551615)"},
        {R"({"connections_max": [1, {"a": null}]})",
         R"(connections_max: [1, {"a": null}] is not an integer from 1 to 1048576)"},
        {R"({"log_level": 3})", R"(log_level: 3 is not one of "debug", "info", "warn", "error")"},
        {R"({"socket_mode": 438})",
         R"(socket_mode: 438 is not a string of octal digits, "0000" to "0777")"},
    };
    expect_refusals(cases);
}

TEST(ConfigRefusal, NumbersThatDoNotFit) {
    const std::string limits = " is not an integer from 0 to 18446744073709551615";
    const Case cases[] = {
        {pool_with(R"("min": -3)"), "pools[0].min: -3" + limits},
        {pool_with(R"("min": -9223372036854775808)"),
         "pools[0].min: -9223372036854775808" + limits},
        {pool_with(R"("min": -99999999999999999999)"),
         "pools[0].min: -99999999999999999999" + limits},
        {pool_with(R"("max": 18446744073709551616)"),
         "pools[0].max: 18446744073709551616" + limits},
        {pool_with(R"("max": 1.0)"), "pools[0].max: 1.0" + limits},
        {pool_with(R"("max": 1e3)"), "pools[0].max: 1e3" + limits},
        {pool_with(R"("max": 1e18)"), "pools[0].max: 1e18" + limits},
        {pool_with(R"("lease_count_max": 0)"),
         "pools[0].lease_count_max: 0 is not an integer from 1 to 4294967295"},
        {pool_with(R"("lease_count_max": 4294967296)"),
         "pools[0].lease_count_max: 4294967296 is not an integer from 1 to 4294967295"},
        {pool_with(R"("grants": [{"gid": 1}, {"uid": 4294967295}])"),
         "pools[0].grants[1].uid: 4294967295 is not an integer from 0 to 4294967294"},
        {pool_with(R"("align": 0)"), "pools[0].align: 0 is not an integer from 1 to 4294967296"},
        {pool_with(R"("align": 4294967297)"),
         "pools[0].align: 4294967297 is not an integer from 1 to 4294967296"},
        {pool_with(R"("wrap_to": -1)"), "pools[0].wrap_to: -1" + limits},
        {pool_with(R"("quarantine": 31536001)"),
         "pools[0].quarantine: 31536001 is not an integer from 0 to 31536000"},
        {pool_with(R"("reserved": [{"first": 1, "last": 18446744073709551616}])"),
         "pools[0].reserved[0].last: 18446744073709551616" + limits},
        {pool_with(R"("limits": [{"everyone": true, "ids": -1}])"),
         "pools[0].limits[0].ids: -1" + limits},
        {pool_with(R"("limits": [{"everyone": true}, {"uid": 4294967295}])"),
         "pools[0].limits[1].uid: 4294967295 is not an integer from 0 to 4294967294"},
        {R"({"user_limits": [{"uid": 1, "connections": 4294967296}]})",
         "user_limits[0].connections: 4294967296 is not an integer from 0 to 4294967295"},
        {R"({"holders_max": 0})", "holders_max: 0 is not an integer from 1 to 4294967295"},
        {R"({"token_keep": 0})", "token_keep: 0 is not an integer from 1 to 31536000"},
        {R"({"token_count_max": 2147483648})",
         "token_count_max: 2147483648 is not an integer from 0 to 2147483647"},
        {R"({"restart_grace": 86401})", "restart_grace: 86401 is not an integer from 0 to 86400"},
        {R"({"poll_us": 1001})", "poll_us: 1001 is not an integer from 0 to 1000"},
        {R"({"threads": 0})", "threads: 0 is not an integer from 1 to 64"},
        {R"({"threads": 65})", "threads: 65 is not an integer from 1 to 64"},
        {R"({"connections_max": 0})", "connections_max: 0 is not an integer from 1 to 1048576"},
        {R"({"connections_max": 1048577})",
         "connections_max: 1048577 is not an integer from 1 to 1048576"},
        {R"({"journal": {"segment_size": 65535}})",
         "journal.segment_size: 65535 is not an integer from 65536 to 268435456"},
        {R"({"journal": {"segment_size": 65537}})",
         "journal.segment_size: 65537 is not a multiple of 4096"},
        {R"({"socket_mode": "1777"})",
         R"(socket_mode: "1777" is not a string of octal digits, "0000" to "0777")"},
        {R"({"socket_mode": "0888"})",
         R"(socket_mode: "0888" is not a string of octal digits, "0000" to "0777")"},
        {R"({"socket_mode": "666"})",
         R"(socket_mode: "666" is not a string of octal digits, "0000" to "0777")"},
    };
    expect_refusals(cases);
}

TEST(ConfigRefusal, UnknownKeysShowTheirValueAndWhatIsKnown) {
    const std::string pool_keys =
        R"("name", "policy", "min", "max", "durability", "lease_count_max", "tracking", "align", )"
        R"("wrap_to", "quarantine", "quarantine_yields", "reserved", "parent", "grants", "limits")";
    const Case cases[] = {
        {R"({"journal": {"segmentsize": 65536}})",
         R"(journal.segmentsize: unknown key, with the value 65536; known are "segment_size", "snapshot_age_max")"},
        {pool_with(R"("mni": {"x": [1, 2]})"),
         R"(pools[0].mni: unknown key, with the value {"x": [1, 2]}; known are )" + pool_keys},
        {pool_with(R"("grants": [{"user": "root"}])"),
         "pools[0].grants[0].user: unknown key, with the value \"root\"; known are "
         R"("uid", "gid", "everyone", "rights")"},
        {pool_with(R"("reserved": [{"count": 1}])"),
         R"(pools[0].reserved[0].count: unknown key, with the value 1; known are "first", "last")"},
        {pool_with(R"("limits": [{"gid": 1}])"),
         "pools[0].limits[0].gid: unknown key, with the value 1; known are "
         R"("uid", "everyone", "ids", "leases")"},
        {R"({"user_limits": [{"ids": 1}]})",
         "user_limits[0].ids: unknown key, with the value 1; known are "
         R"("uid", "everyone", "connections", "holders", "tokens")"},
        {R"({"Pools": []})",
         R"(Pools: unknown key, with the value []; known are "$schema", "pools", "state_dir", )"
         R"("witness_dir", "socket", "socket_mode", "memory_max", "connections_max", )"
         R"("holders_max", "user_limits", "token_keep", "token_count_max", "restart_grace", )"
         R"("poll_us", "threads", )"
         R"("journal", "log_level")"},
    };
    expect_refusals(cases);
}

TEST(ConfigRefusal, WhatIsGivenTwice) {
    const Case cases[] = {
        {R"({"memory_max": 1, "memory_max": 1})", "memory_max: given twice in one object"},
        {R"({"journal": {"segment_size": 65536, "segment_size": 65536}})",
         "journal.segment_size: given twice in one object"},
        {pool_with(R"("min": 1, "max": 2, "min": 3)"), "pools[0].min: given twice in one object"},
        {pool_with(R"("name": "b")"), "pools[0].name: given twice in one object"},
        {pool_with(R"("grants": [{"uid": 1, "rights": ["list"], "rights": ["list"]}])"),
         "pools[0].grants[0].rights: given twice in one object"},
        {pool_with(R"("limits": [{"uid": 1}, {"uid": 2}, {"uid": 1, "ids": 5}])"),
         "pools[0].limits[2].uid: 1 has an entry already"},
        {R"({"user_limits": [{"everyone": true}, {"uid": 2}, {"everyone": true}]})",
         "user_limits[2].everyone: true has an entry already"},
        {R"({"pools": [{"name": "a"}, {"name": "b"}, {"name": "a"}]})",
         R"(pools[2].name: "a" names a pool of the same file already)"},
    };
    expect_refusals(cases);
}

TEST(ConfigRefusal, PoolsThatCannotBeMeant) {
    const Case cases[] = {
        {"{}", "pools: no pool is described, and a daemon without one has nothing to hand out"},
        {R"({"pools": []})",
         "pools: no pool is described, and a daemon without one has nothing to hand out"},
        {R"({"pools": [{"policy": "unique", "min": 1, "max": 2}]})", "pools[0].name: is missing"},
        {pool_with(R"("min": 1, "max": 2)"), "pools[0].policy: is missing"},
        {pool_with(R"("policy": "unique", "max": 2)"), "pools[0].min: is missing"},
        {pool_with(R"("policy": "unique", "min": 2)"), "pools[0].max: is missing"},
        {pool_with(R"("policy": "uniq")"),
         R"(pools[0].policy: "uniq" is not one of "unique", "cyclic", "lowest")"},
        {pool_with(R"("durability": "none")"),
         R"(pools[0].durability: "none" is not one of "lease", "block")"},
        {pool_with(R"("policy": "unique", "min": 3, "max": 2)"), "pools[0].min: 3 is above max, 2"},
        {R"({"pools": [{"name": "a\nb", "policy": "unique", "min": 1, "max": 2}]})",
         "pools[0].name: 'a\\x0ab' must be 1 to 64 of a-z A-Z 0-9 . _ - and begin with a letter or "
         "digit"},
        {pool_with(R"("policy": "cyclic", "min": 2, "max": 9, "durability": "block")"),
         "pools[0].durability: 'block' makes only a high-water mark durable, and a pool whose "
         "numbers return has none: after a crash it could not tell which are held. Use 'lease'"},
        {pool_with(R"("grants": [{}])"),
         R"(pools[0].grants[0]: {} has not exactly one of "uid", "gid", "everyone")"},
        {pool_with(R"("grants": [{"uid": 1, "gid": 2}])"),
         "pools[0].grants[0]: {\"uid\": 1, \"gid\": 2} has not exactly one of "
         R"("uid", "gid", "everyone")"},
        {pool_with(R"("grants": [{"everyone": false}])"),
         "pools[0].grants[0].everyone: false is not true"},
        {pool_with(R"("grants": [{"everyone": 1}])"), "pools[0].grants[0].everyone: 1 is not true"},
    };
    expect_refusals(cases);
}

TEST(ConfigRefusal, RightsAndLimitsThatCannotBeMeant) {
    const std::string rights = R"("allocate", "lookup", "list", "release_others", "administer")";
    const Case cases[] = {
        {pool_with(R"("grants": [{"uid": 1}, {"gid": 1, "rights": []}])"),
         "pools[0].grants[1].rights: [] grants nothing; known are " + rights},
        {pool_with(R"("grants": [{"uid": 1, "rights": ["list", "watch"]}])"),
         "pools[0].grants[0].rights[1]: \"watch\" is not one of " + rights},
        {pool_with(R"("grants": [{"uid": 1, "rights": [true]}])"),
         "pools[0].grants[0].rights[0]: true is not one of " + rights},
        {pool_with(R"("grants": [{"rights": ["list"]}])"),
         "pools[0].grants[0]: {\"rights\": [\"list\"]} has not exactly one of "
         R"("uid", "gid", "everyone")"},
        {pool_with(R"("limits": [{"ids": 1}])"),
         R"(pools[0].limits[0]: {"ids": 1} has not exactly one of "uid", "everyone")"},
        {pool_with(R"("limits": [{"everyone": false}])"),
         "pools[0].limits[0].everyone: false is not true"},
        {R"({"user_limits": [{"uid": 1, "everyone": true}]})",
         R"(user_limits[0]: {"uid": 1, "everyone": true} has not exactly one of "uid", "everyone")"},
    };
    expect_refusals(cases);
}

// That validate() is asked, and what of its words depends on the parser; its own test has the rest.
TEST(ConfigRefusal, PoolsThatCannotRun) {
    const std::string cyclic = R"("policy": "cyclic", "min": 10, "max": 20, )";
    const Case cases[] = {
        {pool_with(cyclic + R"("align": 21)"),
         "pools[0].align: no multiple of 21 lies in 10 to 20"},
        {pool_with(cyclic + R"("wrap_to": 21)"), "pools[0].wrap_to: 21 is not within 10 to 20"},
        {pool_with(cyclic + R"("quarantine_yields": true)"),
         "pools[0].quarantine_yields: there is no quarantine that could yield"},
        {pool_with(cyclic + R"("reserved": [{"first": 11}])"),
         "pools[0].reserved[0].last: is missing"},
        {pool_with(cyclic + R"("reserved": [{"last": 11}])"),
         "pools[0].reserved[0].first: is missing"},
        {pool_with(cyclic + R"("reserved": [{"first": 12, "last": 11}])"),
         "pools[0].reserved: first, 12, is above last, 11"},
        {pool_with(cyclic +
                   R"("reserved": [{"first": 15, "last": 18}, {"first": 11, "last": 15}])"),
         "pools[0].reserved: 15 to 18 begins before 11 to 15 ends"},
        {pool_with(R"("policy": "lowest", "min": 1, "max": 9, "tracking": false)"),
         "pools[0].tracking: a pool that hands out the lowest free numbers must know which are "
         "free"},
        {pool_with(R"("policy": "unique", "min": 1, "max": 9, "quarantine": 1)"),
         "pools[0].quarantine: no number of a unique pool is handed out a second time"},
    };
    expect_refusals(cases);
}

// A pool named "a", and another with these keys.
std::string two_pools(const std::string& of_a, const std::string& of_b) {
    return R"({"pools": [{"name": "a", "policy": "lowest", )" + of_a +
           R"(}, {"name": "b", "policy": "lowest", )" + of_b + "}]}";
}

TEST(ConfigRefusal, ParentsThatCannotBe) {
    const std::string small = R"("min": 1, "max": 9)";
    const std::string below_a = small + R"(, "parent": "a")";
    std::string deep = R"({"pools": [{"name": "p0", "policy": "lowest", "min": 1, "max": 9})";
    for (int i = 1; i < 9; ++i) {
        deep += R"(, {"name": "p)" + std::to_string(i) + R"(", "policy": "lowest", )" + small +
                R"(, "parent": "p)" + std::to_string(i - 1) + "\"}";
    }
    const Case cases[] = {
        {two_pools(small, small + R"(, "parent": 1)"), "pools[1].parent: 1 is not a string"},
        {two_pools(small, small + R"(, "parent": "")"),
         R"(pools[1].parent: "" is no name of a pool)"},
        {two_pools(small, small + R"(, "parent": "c")"), "pools[1].parent: there is no pool 'c'"},
        {two_pools(small, small + R"(, "parent": "b")"),
         "pools[1].parent: a pool is not its own parent"},
        {two_pools(small + R"(, "parent": "b")", below_a),
         "pools[0].parent: above this pool are more than 7 others, or it is above itself"},
        {deep + "]}",
         "pools[8].parent: above this pool are more than 7 others, or it is above itself"},
        {R"({"pools": [{"name": "a", "policy": "unique", "min": 1, "max": 9, "tracking": false},
             {"name": "b", "policy": "unique", "min": 1, "max": 9, "parent": "a"}]})",
         "pools[1].parent: 'a' has no tracking, and a parent knows who holds what"},
        {R"({"pools": [{"name": "a", "policy": "unique", "min": 1, "max": 9, "durability": "block"},
             {"name": "b", "policy": "unique", "min": 1, "max": 9, "parent": "a"}]})",
         "pools[1].parent: 'a' has durability 'block', and a parent's is 'lease'"},
        {R"({"pools": [{"name": "a", "policy": "unique", "min": 1, "max": 9},
             {"name": "b", "policy": "unique", "min": 1, "max": 9, "parent": "a",
              "durability": "block"}]})",
         "pools[1].parent: numbers of all levels are recorded together, so durability is 'lease'"},
        {R"({"pools": [{"name": "a", "policy": "unique", "min": 1, "max": 9},
             {"name": "b", "policy": "unique", "min": 1, "max": 9, "parent": "a",
              "tracking": false}]})",
         "pools[1].parent: without tracking nobody knows which numbers go together"},
        {two_pools(R"("min": 1, "max": 4611686018427387906)", below_a),
         "pools[1].parent: its numbers, 1 to 9, and those of 'a', 1 to 4611686018427387906, lie "
         "more than 2^62 apart"},
    };
    expect_refusals(cases);
    const auto fits = parse_config(std::vector<Source>{
        {"inod.json", two_pools(R"("min": 1, "max": 4611686018427387905)", below_a)}});
    ASSERT_TRUE(fits);
    EXPECT_EQ(fits->pools[1].spec.parent, "a");
}

TEST(ConfigRefusal, PathsThatCannotBeMeant) {
    const std::string fits = "/" + std::string(socket_path_size_max - 1, 's');
    const std::string start = fits.substr(0, 60);
    const Case cases[] = {
        {R"({"state_dir": ""})", R"(state_dir: "" is not an absolute path)"},
        {R"({"state_dir": "ids"})", R"(state_dir: "ids" is not an absolute path)"},
        {R"({"witness_dir": ""})", R"(witness_dir: "" is not an absolute path)"},
        {R"({"witness_dir": "w"})", R"(witness_dir: "w" is not an absolute path)"},
        {R"({"socket": "/a\u0000b"})", R"(socket: "/a\x00b" is not an absolute path)"},
        {R"({"socket": ")" + fits + R"(s"})",
         "socket: \"" + start + "...\" has 108 bytes, and the path of a socket at most 107"},
    };
    expect_refusals(cases);
    EXPECT_EQ(refusal({{"inod.json", R"({"socket": ")" + fits + R"("})"}}),
              "inod.json: pools: no pool is described, and a daemon without one has nothing to "
              "hand out");
}

TEST(ConfigRefusal, ADropInIsNamed) {
    const Source main_file{"inod.json",
                           R"({"pools": [{"name": "a", "policy": "unique", "min": 5, "max": 9}]})"};
    const struct {
        const char* text;
        const char* want;
    } cases[] = {
        {R"({"pools": [{"name": "b"}, {"name": "a", "min": -3}]})",
         "inod.d/10-x.json: pools[1].min: -3 is not an integer from 0 to 18446744073709551615"},
        {R"({"pools": [{"name": "a", "max": 4}]})",
         "inod.d/10-x.json: pools[0].min: 5 is above max, 4 (merged with inod.json: pools[0])"},
        {R"({"pools": [{"name": "a", "reserved": [{"first": 4, "last": 5}]}]})",
         "inod.d/10-x.json: pools[0].reserved: 4 to 5 is not within 5 to 9 (merged with inod.json: "
         "pools[0])"},
        {R"({"pools": [{"name": "b", "min": 4}]})",
         "inod.d/10-x.json: pools[0].policy: is missing"},
        {"{,}",
         "inod.d/10-x.json: line 1, column 2: syntax error while parsing object key - unexpected "
         "','; expected string literal"},
    };
    for (const auto& c : cases) {
        SCOPED_TRACE(c.text);
        EXPECT_EQ(refusal({main_file, {"inod.d/10-x.json", c.text}}), c.want);
    }
}

TEST(ConfigRefusal, NoSourcesAtAll) {
    EXPECT_EQ(refusal({}),
              "configuration: pools: no pool is described, and a daemon without one has nothing to "
              "hand out");
}

}  // namespace
}  // namespace inod
