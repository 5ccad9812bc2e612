// What was exported from one store makes another one in the same state; what cannot be right makes
// none, and nor does an import that was cut off.
#include "lib/offline/import.h"

#include "lib/base/hex.h"
#include "lib/offline/check.h"
#include "lib/offline/export.h"
#include "tests/offline/support.h"

namespace inod {
namespace {

ImportOptions options_of(std::optional<std::uint64_t> skip_ahead = {}) {
    ImportOptions options{.journal = small_journal(), .skip_ahead = skip_ahead};
    options.journal.fresh_id.fill(std::byte{0xa5});
    return options;
}

Result<Imported, Failure> import_lines(Storage& disk, const Lines& lines,
                                       const ImportOptions& options = options_of()) {
    std::size_t next = 0;
    const auto source = [&]() -> Result<std::optional<std::string>, Failure> {
        if (next == lines.size()) return std::optional<std::string>();
        return std::optional(lines[next++]);
    };
    return import_state(disk, source, options);
}

std::string said(const Result<Imported, Failure>& imported) {
    return imported ? "imported"
                    : std::string(name(imported.error().code)) + ": " + imported.error().message;
}

// A store that was used, as lines.
Lines used_lines(std::uint64_t seed = 1, bool is_clean = true) {
    Machine machine(five_pools());
    EXPECT_EQ(said(machine.start()), "recovered");
    use(machine, seed);
    if (is_clean) {
        EXPECT_TRUE(machine.allocator->close());
    }
    machine.allocator.reset();
    return lines_of(machine.disk);
}

TEST(Import, WhatWasExportedIsThereAgain) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Lines before = used_lines(seed, seed % 2 == 0);
        Machine twin(five_pools());
        const auto imported = import_lines(twin.disk, before);
        ASSERT_EQ(said(imported), "imported");
        EXPECT_EQ(imported->pools, 5U);
        EXPECT_EQ(imported->holders, 3U);
        const Lines after = lines_of(twin.disk);
        EXPECT_NE(after.front(), before.front()) << "a store of its own";
        before.front() = after.front();
        EXPECT_EQ(after, before);
        const auto report = check(twin.disk);
        ASSERT_TRUE(report);
        EXPECT_TRUE(report->damage.empty());
        EXPECT_TRUE(report->store->clean);
        EXPECT_EQ(report->store->run, 1U);
        EXPECT_FALSE(report->store->had_witness);
        // A daemon goes on with it, and has a witness from then on.
        twin.has_witness = true;
        ASSERT_STARTS(twin);
        EXPECT_EQ(twin.allocator->verify().value_or("sound"), "sound");
        ASSERT_NO_FATAL_FAILURE(use(twin, seed + 100));
        ASSERT_TRUE(twin.allocator->close());
        ASSERT_STARTS(twin);
    }
}

TEST(Import, GoesOnWhereTheOtherStoreWouldHave) {
    Machine machine(five_pools());
    ASSERT_STARTS(machine);
    ASSERT_NO_FATAL_FAILURE(use(machine, 3));
    ASSERT_TRUE(machine.allocator->close());
    Machine twin(five_pools());
    ASSERT_EQ(said(import_lines(twin.disk, lines_of(machine.disk))), "imported");
    ASSERT_STARTS(machine);
    ASSERT_STARTS(twin);
    EXPECT_EQ(twin.state(), machine.state());
    for (PoolIndex pool = 0; pool < 5; ++pool) {
        for (int i = 0; i < 20; ++i) {
            const auto one = machine.allocate(pool).result;
            const auto other = twin.allocate(pool).result;
            ASSERT_EQ(one.has_value(), other.has_value());
            if (!one) continue;
            ASSERT_EQ(*one, *other);
        }
    }
}

TEST(Import, LargeStatesTakeManySegments) {
    Machine machine({unique_pool("inode")});
    ASSERT_STARTS(machine);
    for (std::uint32_t i = 0; i < 60'000; ++i) {
        if (!machine.allocator->has_room()) {
            ASSERT_TRUE(machine.flush());
        }
        ASSERT_TRUE(machine.allocate(0, 1, i % 1000).result);
    }
    ASSERT_TRUE(machine.flush());
    ASSERT_TRUE(machine.allocator->close());
    Lines before = lines_of(machine.disk);
    sim::MemStorage disk;
    ASSERT_EQ(said(import_lines(disk, before)), "imported");
    EXPECT_GE(check(disk)->segments, 3U);
    const Lines after = lines_of(disk);
    before.front() = after.front();
    EXPECT_EQ(after, before);
}

TEST(Import, SkipsAheadOfWhatWasHandedOutSince) {
    Machine machine({unique_pool("inode"), cyclic_pool("pid", {1, 20})});
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(0, 10).result);
    ASSERT_TRUE(machine.allocate(1, 3).result);
    ASSERT_TRUE(machine.allocator->close());
    const Lines lines = lines_of(machine.disk);
    const Id mark = *machine.allocator->pool(0)->sequence().mark;
    Machine twin(machine.specs);
    ASSERT_EQ(said(import_lines(twin.disk, lines, options_of(1000))), "imported");
    ASSERT_STARTS(twin);
    EXPECT_EQ(twin.allocate(0).result->range.first, mark + 1001);
    EXPECT_EQ(twin.allocate(1).result->generation, 1001U);
    EXPECT_EQ(twin.allocator->lookup(0, 3, 0).result->range, (Range{1, 10})) << "leases stay";
}

// Neither of the stores may hand out what the other did, and the check sees none of it.
TEST(Import, BurnsWhatIsReservedInWhatItSkips) {
    Machine machine({unique_pool("inode", {1, 10'000})});
    machine.specs[0].reserved = {{100, 199}};
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(0, 10).result);
    ASSERT_TRUE(machine.allocator->close());
    Machine twin(machine.specs);
    ASSERT_EQ(said(import_lines(twin.disk, lines_of(machine.disk), options_of(150))), "imported");
    for (int life = 0; life < 2; ++life) {
        ASSERT_STARTS(twin);
        EXPECT_EQ(twin.allocator->any_pool(0).next_reserved(0), (Range{161, 199}));
        twin.crash();
    }
}

// --- what is refused -----------------------------------------------------------------------------

const char* const first = R"({"format":"inod-state","version":1,"store":"s","run":1})";
const char* const holder = R"({"type":"holder","index":0,"binding":"persistent","uid":7,"gid":7})";
const char* const inode =
    R"({"type":"pool","name":"inode","policy":"unique","durability":"lease","min":1,"max":1000,)"
    R"("cursor":11,"highest":501,"mark":10,"generation":0,"swept":null,"claims":null})";
const char* const pid =
    R"({"type":"pool","name":"pid","policy":"cyclic","durability":"lease","min":1,"max":20,)"
    R"("cursor":5,"highest":20,"mark":null,"generation":3,"swept":2,"claims":[14,15]})";

std::string claim(Id first_id, Id last, const std::string& pool = "inode") {
    return R"({"type":"claim","pool":")" + pool + R"(","first":)" + std::to_string(first_id) +
           R"(,"last":)" + std::to_string(last) + "}";
}
std::string live(const std::string& pool, Id first_id, Id last, std::uint64_t generation,
                 std::uint64_t of = 0) {
    return R"({"type":"live","pool":")" + pool + R"(","first":)" + std::to_string(first_id) +
           R"(,"last":)" + std::to_string(last) + R"(,"generation":)" + std::to_string(generation) +
           R"(,"holder":)" + std::to_string(of) + R"(,"claimed":false})";
}
std::string reserved(const std::string& pool, Id first_id, Id last) {
    return R"({"type":"reserved","pool":")" + pool + R"(","first":)" + std::to_string(first_id) +
           R"(,"last":)" + std::to_string(last) + "}";
}
std::string end(std::uint64_t lines) {
    return R"({"type":"end","lines":)" + std::to_string(lines) + "}";
}
// `text` with `what` in it replaced.
std::string with(std::string text, const std::string& what, const std::string& by) {
    const auto at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return text.replace(at, what.size(), by);
}

Lines good_lines() {
    return {first,
            holder,
            inode,
            claim(500, 501),
            live("inode", 1, 2, 0),
            live("inode", 4, 10, 0),
            live("inode", 500, 501, 0),
            pid,
            live("pid", 2, 4, 3),
            live("pid", 14, 15, 3),
            live("pid", 18, 19, 2),
            end(11)};
}

struct Case {
    const char* name;
    std::size_t line;  // from 1: `text` stands there, in front of it if `is_added`
    std::string text;
    bool is_added;
    std::string want;
};

void expect_refused(const Lines& good, const Case& c) {
    Lines lines = good;
    const auto at = lines.begin() + static_cast<std::ptrdiff_t>(c.line - 1);
    if (c.is_added) {
        lines.insert(at, c.text);
        if (c.line <= good.size()) lines.back() = end(good.size());
    } else {
        *at = c.text;
    }
    sim::MemStorage disk;
    const auto refused = import_lines(disk, lines);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::import_invalid);
    EXPECT_NE(refused.error().message.find(c.want), std::string::npos) << refused.error().message;
    EXPECT_TRUE(disk.names().empty());
    EXPECT_EQ(disk.changes(), 0U) << "nothing is written before all was read";
}

TEST(Import, WhatCannotBeRightIsRefusedWithItsLine) {
    const Case cases[] = {
        {"no JSON", 3, "pool", false, "line 3, column 1"},
        {"cut short", 3, std::string(inode).substr(0, 60), false, "line 3, column"},
        {"no object", 2, "7", false, "line 2: 7 is not an object"},
        {"no type", 2, "{}", false, "line 2: 'type' is missing"},
        {"an unknown type", 2, R"({"type":"token"})", false,
         R"(line 2: type: "token" is not one of "holder", "pool", "claim", "live", "end")"},
        {"another format", 1, R"({"format":"inod-backup","version":1})", false,
         "line 1: it does not begin"},
        {"another version", 1, with(first, ":1,", ":3,"), false,
         "line 1: version 3 of the format is unknown"},
        {"version 0", 1, with(first, ":1,", ":0,"), false, "line 1: version 0 of the format"},
        {"what came with version 2", 4, with(claim(500, 501), "claim", "reserved"), false,
         "is not one of"},
        {"no version", 1, R"({"format":"inod-state"})", false, "line 1: 'version' is missing"},
        {"an unknown member", 4, with(claim(500, 501), "}", R"(,"colour":1})"), false,
         "line 4: colour: unknown key"},
        {"a member twice", 4, with(claim(500, 501), "}", R"(,"last":501})"), false,
         "line 4: last: given twice"},
        {"a member missing", 4, with(claim(500, 501), R"(,"last":501)", ""), false,
         "line 4: 'last' is missing"},
        {"rounded", 4, with(claim(500, 501), "501", "501.0"), false,
         "line 4: last: 501.0 is not an integer"},
        {"a negative number", 4, with(claim(500, 501), "500", "-5"), false,
         "line 4: first: -5 is not"},
        {"beyond 64 bits", 4, with(claim(500, 501), "501", "18446744073709551616"), false,
         "line 4: last: 18446744073709551616 is not an integer"},
        {"a number as text", 4, with(claim(500, 501), "501", "\"501\""), false,
         "line 4: last: \"501\" is not"},
        {"a truth as a number", 5, with(live("inode", 1, 2, 0), "false", "0"), false,
         "line 5: claimed: 0 is not true or false"},
        {"a reversed span", 8, with(pid, "[14,15]", "[15,14]"), false,
         "line 8: claims[1]: 14 is not"},
        {"holders out of order", 2, with(holder, ":0,", ":1,"), false,
         "line 2: the next holder has index 0"},
        {"a holder twice", 3, with(holder, ":0,", ":1,"), true, "line 3: it contradicts"},
        {"a holder behind a pool", 4, with(holder, ":0,", ":1,"), true,
         "line 4: holders come before"},
        {"an unknown binding", 2, with(holder, "persistent", "ttl"), false,
         R"(line 2: binding: "ttl" is not one of "persistent")"},
        {"a UID beyond 32 bits", 2, with(holder, "\"uid\":7", "\"uid\":4294967296"), false,
         "line 2: uid: 4294967296 is not an integer from 0 to 4294967295"},
        {"an unknown policy", 3, with(inode, "unique", "highest"), false,
         "line 3: policy 'highest' is unknown"},
        {"an unknown durability", 3, with(inode, "\"lease\"", "\"none\""), false,
         "line 3: durability 'none'"},
        {"a bad name", 3, with(inode, "\"inode\"", "\"in ode\""), false,
         "line 3: name: 'in ode' must be"},
        {"min above max", 3, with(inode, "\"min\":1,", "\"min\":1001,"), false,
         "line 3: min: 1001 is above max"},
        {"a pool twice", 8, inode, false, "line 8: it contradicts"},
        {"a cursor beyond max", 3, with(inode, "\"cursor\":11", "\"cursor\":1001"), false,
         "line 3: it contradicts"},
        {"a mark below the cursor", 3, with(inode, "\"mark\":10", "\"mark\":9"), false,
         "line 3: it contradicts"},
        {"generation 0 in a pool that wraps", 8, with(pid, "\"generation\":3", "\"generation\":0"),
         false, "line 8: it contradicts"},
        {"a claim below the cursor", 4, claim(5, 5), true, "line 4: it contradicts"},
        {"claims out of order", 5, claim(499, 499), true, "line 5: runs ascend"},
        {"a claim behind live runs", 6, claim(503, 503), true, "line 6: claims come before"},
        {"a claim of another pool", 4, claim(500, 501, "pid"), false,
         "line 4: it is of pool 'pid'"},
        {"live in another pool", 7, live("pid", 2, 4, 3), false, "line 7: it is of pool 'pid'"},
        {"live before any pool", 3, live("inode", 1, 2, 0), true, "line 3: it is of pool 'inode'"},
        {"live twice", 6, live("inode", 2, 3, 0), true, "line 6: runs ascend"},
        {"live out of order", 7, live("inode", 3, 3, 0), true, "line 7: runs ascend"},
        {"reversed", 5, live("inode", 2, 1, 0), false, "line 5: 'first' is above 'last'"},
        {"live below min", 5, live("inode", 0, 2, 0), false, "line 5: runs ascend"},
        {"live above the highest", 7, live("inode", 502, 502, 0), false, "line 7: it contradicts"},
        {"no such holder", 5, live("inode", 1, 2, 0, 1), false,
         "line 5: there is no holder with index 1"},
        {"a generation in a unique pool", 5, live("inode", 1, 2, 1), false,
         "line 5: the pool is at generation 0"},
        {"a generation to come", 9, live("pid", 2, 4, 4), false,
         "line 9: the pool is at generation 3"},
        {"too few lines", 12, end(12), false, "line 12: it says that 12 lines"},
        {"behind the end", 13, end(12), true, "line 13: it is behind the line"},
        // Numbers that would be handed out a second time.
        {"live above the cursor", 7, live("inode", 400, 400, 0), true,
         "400-400 is live and may be handed out"},
        {"live and not swept", 10, live("pid", 6, 6, 3), true, "6-6 is live and may be handed out"},
    };
    sim::MemStorage good;
    ASSERT_EQ(said(import_lines(good, good_lines())), "imported");
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        ASSERT_NO_FATAL_FAILURE(expect_refused(good_lines(), c));
    }
}

// A store with all that version 2 of the lines has more than the first.
Lines newer_lines() {
    const char* const head = R"({"format":"inod-state","version":2,"store":)"
                             R"("a5a5a5a5-a5a5-a5a5-a5a5-a5a5a5a5a5a5","run":1,"boot":)"
                             R"("01000000-0000-0000-0200-000000000000","next_holder":90})";
    const char* const gone = R"({"type":"holder","index":3,"id":9,"binding":"connection","uid":7,)"
                             R"("gid":0,"name":"","key":"000102030405060708090a0b0c0d0e0f",)"
                             R"("process":null,"ttl_ms":0,"deadline":0})";
    const char* const process =
        R"({"type":"holder","index":5,"id":4,"binding":"process","uid":8,"gid":0,"name":"",)"
        R"("key":null,"process":{"pid":12,"inode":34,"start_time":56,"pid_namespace":78},)"
        R"("ttl_ms":0,"deadline":0})";
    const char* const timed =
        "{\"type\":\"holder\",\"index\":6,\"id\":5,\"binding\":\"ttl\","
        "\"uid\":9,\"gid\":0,\"name\":\"caf\u00c3\u00a9\\u0001\","
        R"("key":"100102030405060708090a0b0c0d0e0f","process":null,)"
        R"("ttl_ms":500,"deadline":1400})";
    const char* const unique =
        R"({"type":"pool","name":"inode","policy":"unique","durability":"lease","tracking":true,)"
        R"("min":1,"max":100,"cursor":7,"highest":11,"mark":6,"generation":0,"swept":null,)"
        R"("claims":null,"passed":null,"claimed":null})";
    const char* const counter =
        R"({"type":"pool","name":"turn","policy":"cyclic","durability":"lease","tracking":false,)"
        R"("min":1,"max":9,"cursor":6,"highest":5,"mark":null,"generation":1,"swept":1,)"
        R"("claims":null,"passed":5,"claimed":null})";
    const char* const lowest =
        R"({"type":"pool","name":"slot","policy":"lowest","durability":"lease","tracking":true,)"
        R"("min":1,"max":18446744073709551615,"cursor":null,"highest":1,"mark":null,)"
        R"("generation":1,"swept":null,"claims":[1,1],"passed":null,"claimed":1})";
    return {head,
            gone,
            process,
            timed,
            unique,
            claim(11, 11),
            reserved("inode", 3, 4),
            reserved("inode", 6, 10),
            live("inode", 1, 2, 0, 3),
            live("inode", 11, 11, 0, 6),
            counter,
            lowest,
            reserved("slot", 1, 2),
            reserved("slot", id_max, id_max),
            live("slot", 1, 1, 1, 5),
            end(15)};
}

TEST(Import, HoldersAndReservesAreThereAgain) {
    sim::MemStorage disk;
    const auto imported = import_lines(disk, newer_lines());
    ASSERT_EQ(said(imported), "imported");
    EXPECT_EQ(imported->holders, 3U);
    EXPECT_EQ(imported->live_runs, 3U);
    EXPECT_EQ(lines_of(disk), newer_lines());
    const auto report = check(disk);
    ASSERT_TRUE(report);
    EXPECT_TRUE(report->damage.empty()) << report->damage.front();
    // In a store of its own again.
    sim::MemStorage other;
    ASSERT_EQ(said(import_lines(other, lines_of(disk))), "imported");
    EXPECT_EQ(lines_of(other), newer_lines());
}

// What ends with a process or a connection does not outlast the way to another machine.
TEST(Import, AnotherMachineEndsWhatCannotHaveComeWithIt) {
    for (const bool is_same : {true, false}) {
        SCOPED_TRACE(is_same ? "the same start of the machine" : "another");
        Machine twin({});
        ASSERT_EQ(said(import_lines(twin.disk, newer_lines())), "imported");
        twin.boot = {{1, is_same ? 2U : 3U}};
        ASSERT_STARTS(twin);
        const Allocator& allocator = *twin.allocator;
        EXPECT_EQ(allocator.holders().contains(3), is_same);
        EXPECT_EQ(allocator.holders().contains(5), is_same);
        EXPECT_TRUE(allocator.holders().contains(6));
        EXPECT_EQ(allocator.any_pool(0).live_count().ids, is_same ? 3U : 1U);
        EXPECT_EQ(allocator.verify().value_or("sound"), "sound");
    }
}

TEST(Import, WhatCannotBeRightInTheNewerLinesIsRefusedToo) {
    const Lines good = newer_lines();
    const std::string key = R"("000102030405060708090a0b0c0d0e0f")";
    const Case cases[] = {
        {"no boot", 1, with(good[0], R"("boot")", R"("shoe")"), false, "line 1: shoe: unknown key"},
        {"a bad boot", 1, with(good[0], "01000000-", "0100000-"), false, "line 1: boot: it is not"},
        {"a boot of nobody", 1, with(good[0], "01000000-0000-0000-02", "00000000-0000-0000-00"),
         false, "line 1: boot: it"},
        {"a holder's index twice", 3, with(good[2], ":5,", ":3,"), false,
         "line 3: the next holder has index 4 or more"},
        {"an index that is none", 4, with(good[3], ":6,", ":4294967295,"), false,
         "line 4: the next"},
        {"an ID that is none", 3, with(good[2], R"("id":4)", R"("id":0)"), false,
         "line 3: it contradicts"},
        {"an unknown binding", 2, with(good[1], "connection", "marriage"), false,
         "line 2: binding: \"marriage\" is not one of"},
        {"a key cut short", 2, with(good[1], key, R"("00")"), false, "line 2: key: it is not 32"},
        {"a key of nothing", 2, with(good[1], key, "\"" + std::string(32, '0') + "\""), false,
         "line 2: key: it is not 32"},
        {"a key that is a number", 2, with(good[1], key, "7"), false, "line 2: key: it is not 32"},
        {"a name beyond bytes", 4, with(good[3], "\u00c3", "\u0100"), false, "line 4: name: "},
        {"a name with an end in it", 4, with(good[3], "\\u0001", "\\u0000"), false,
         "line 4: name: "},
        {"a name too long", 4, with(good[3], "caf", std::string(63, 'a')), false, "line 4: name: "},
        {"a name of a connection", 2, with(good[1], R"("name":"")", R"("name":"a")"), false,
         "line 2: a holder with this binding has no name"},
        {"a process of a connection", 2,
         with(good[1], "null", R"({"pid":1,"inode":2,"start_time":3,"pid_namespace":4})"), false,
         "line 2: 'process' says"},
        {"a process with too little", 3, with(good[2], R"("pid":12,)", ""), false,
         "line 3: process: 'pid' is missing"},
        {"no process", 3, with(good[2], R"("pid":12)", R"("pid":0)"), false,
         "line 3: 'process' says"},
        {"no time limit", 4, with(good[3], R"("ttl_ms":500)", R"("ttl_ms":0)"), false,
         "line 4: 'ttl_ms' says"},
        {"a time limit of a connection", 2, with(good[1], R"("deadline":0)", R"("deadline":9)"),
         false, "line 2: 'ttl_ms' says"},
        {"one that is two", 5, with(with(good[3], ":6,", ":8,"), R"("id":5)", R"("id":6)"), true,
         "line 5: it contradicts"},
        {"a live run in a gap of the holders", 9, live("inode", 1, 2, 0, 4), false,
         "line 9: there is no holder with index 4"},
        {"reserved and claimed", 8, reserved("inode", 5, 11), false, "line 8: 11 was claimed"},
        {"reserved out of order", 8, reserved("inode", 4, 10), false, "line 8: runs ascend"},
        {"a claim behind what is reserved", 8, claim(12, 12), true, "line 8: claims come before"},
        {"reserved behind what is live", 10, reserved("inode", 20, 20), true,
         "line 10: what is reserved comes before"},
        {"reserved beyond max", 8, reserved("inode", 12, 101), false, "line 8: it contradicts"},
        {"reserved and live in a unique pool", 7, reserved("inode", 2, 4), false,
         "line 9: it contradicts"},
        {"reserved without tracking", 12, reserved("turn", 3, 3), true, "line 12: it contradicts"},
        {"live without tracking", 12, live("turn", 3, 3, 1, 3), true, "line 12: it contradicts"},
        {"passed beyond the highest", 11, with(good[10], R"("passed":5)", R"("passed":6)"), false,
         "line 11: it contradicts"},
        {"a cursor in a lowest pool", 12, with(good[11], R"("cursor":null)", R"("cursor":2)"),
         false, "line 12: it contradicts"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        ASSERT_NO_FATAL_FAILURE(expect_refused(good, c));
    }
}

// So much cannot be live in a daemon that has memory as any other.
TEST(Import, ALineThatTakesMoreMemoryThanThereMayBeIsRefused) {
    Lines lines = good_lines();
    lines[2] = with(lines[2], R"("max":1000)", R"("max":18446744073709551615)");
    lines[2] = with(lines[2], R"("cursor":11)", R"("cursor":1000000000000001)");
    lines[2] = with(lines[2], R"("highest":501)", R"("highest":1000000000000000)");
    lines[2] = with(lines[2], R"("mark":10)", R"("mark":1000000000000000)");
    lines.erase(lines.begin() + 3);
    lines[5] = live("inode", 500, 1'000'000'000'000'000, 0);
    lines.back() = end(10);
    sim::MemStorage disk;
    ImportOptions options = options_of();
    options.memory_max = std::uint64_t{64} << 20U;
    const auto refused = import_lines(disk, lines, options);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::out_of_memory);
    EXPECT_NE(refused.error().message.find("line 6: "), std::string::npos)
        << refused.error().message;
    EXPECT_TRUE(disk.names().empty());
}

TEST(Import, APartIsRefused) {
    const Lines lines = used_lines();
    for (std::size_t count = 0; count < lines.size(); count += 1 + count / 8) {
        SCOPED_TRACE(std::to_string(count) + " lines");
        sim::MemStorage disk;
        const auto refused =
            import_lines(disk, Lines(lines.begin(), lines.begin() + static_cast<long>(count)));
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Errc::import_invalid);
        EXPECT_TRUE(disk.names().empty());
    }
    sim::MemStorage disk;
    const auto broken = import_state(
        disk,
        []() -> Result<std::optional<std::string>, Failure> {
            return Failure{Errc::io_error, "the pipe is broken"};
        },
        options_of());
    ASSERT_FALSE(broken);
    EXPECT_EQ(broken.error().message, "the pipe is broken");
}

TEST(Import, OnlyAnEmptyDirectoryWillDo) {
    const Lines lines = used_lines();
    sim::MemStorage disk;
    disk.set_content("lock", {});
    ASSERT_EQ(said(import_lines(disk, lines)), "imported");
    const Content before = content_of(disk);
    EXPECT_EQ(import_lines(disk, lines).error().code, Errc::state_in_use);
    EXPECT_TRUE(content_of(disk) == before);
    sim::MemStorage other;
    other.set_content("notes", {});
    EXPECT_EQ(import_lines(other, lines).error().code, Errc::state_in_use);
    // What an import that was cut off has left.
    sim::MemStorage left;
    left.set_content("import-journal-0000000000000002", {});
    EXPECT_EQ(import_lines(left, lines).error().code, Errc::state_in_use);
}

// Whatever a crash or an error leaves: no store, one that a start refuses, or all of it.
void expect_all_or_nothing(sim::MemStorage& disk, const Lines& lines, bool has_succeeded) {
    const auto report = check(disk);
    if (!report) {
        EXPECT_EQ(report.error().code, Errc::io_error) << report.error().message;
        EXPECT_FALSE(has_succeeded);
    } else if (!report->damage.empty()) {
        EXPECT_FALSE(has_succeeded);
    } else {
        Lines there = lines_of(disk);
        there.front() = lines.front();
        EXPECT_EQ(there, lines);
    }
    const bool is_there = report && report->damage.empty();
    // A start says the same.
    Machine machine(five_pools());
    const auto started = machine.start_on(disk);
    const bool is_refused = !started;
    if (is_refused) {
        EXPECT_EQ(started.error().code, Errc::journal_damaged) << started.error().message;
    } else {
        EXPECT_EQ(started->created, !is_there);
    }
    EXPECT_EQ(is_refused, report && !report->damage.empty());
    machine.allocator.reset();
}

TEST(Import, CutOffAnywhereItLeavesNoPartOfAStore) {
    const Lines lines = used_lines(5);
    for (const bool is_power_cut : {false, true}) {
        bool has_succeeded = false;
        int refused = 0;
        int there = 0;
        for (std::uint64_t call = 1; !has_succeeded; ++call) {
            SCOPED_TRACE("call " + std::to_string(call) + (is_power_cut ? ", power cut" : ""));
            sim::MemStorage disk;
            disk.die_at_call(call);
            has_succeeded = import_lines(disk, lines).has_value();
            if (is_power_cut) {
                std::mt19937_64 random(call);
                disk.crash(random);
            } else {
                disk.kill();
            }
            const auto report = check(disk);
            refused += report && !report->damage.empty() ? 1 : 0;
            there += report && report->damage.empty() ? 1 : 0;
            ASSERT_NO_FATAL_FAILURE(expect_all_or_nothing(disk, lines, has_succeeded));
            ASSERT_FALSE(testing::Test::HasFailure());
        }
        EXPECT_GT(refused, 0) << "while files get their names";
        EXPECT_GT(there, 0);
    }
}

// Each call in turn, and what was done is undone.
TEST(Import, AFailedCallLeavesNothing) {
    const Lines lines = used_lines(6);
    bool has_succeeded = false;
    for (std::uint64_t call = 1; !has_succeeded; ++call) {
        SCOPED_TRACE("call " + std::to_string(call));
        sim::MemStorage disk;
        disk.fail_call(call, call % 2 == 0 ? Errc::io_error : Errc::no_space);
        has_succeeded = import_lines(disk, lines).has_value();
        if (disk.failures() == 0) {
            EXPECT_TRUE(has_succeeded);
            break;
        }
        ASSERT_FALSE(has_succeeded) << "a failure was passed over";
        EXPECT_TRUE(disk.names().empty()) << disk.names().front();
    }
}

}  // namespace
}  // namespace inod
