// The state of a store as lines: all of it, and nothing of a store that is damaged.
#include "lib/offline/export.h"

#include "tests/journal/support.h"
#include "tests/offline/support.h"

namespace inod {
namespace {

// A line has no way yet to say which numbers of several pools go together.
TEST(Export, OfPoolsWithAParentIsRefused) {
    Machine machine({unique_pool("top", {1, 1000}), unique_pool("low", {1, 1000})});
    machine.specs[1].parent = "top";
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocator->close());
    const auto refused = export_state(machine.disk, [](const std::string& /*line*/) {
        ADD_FAILURE() << "something was printed";
    });
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::not_offered);
    EXPECT_NE(refused.error().message.find("'low' has a parent, 'top'"), std::string::npos);
}

TEST(Export, SaysAllThatIsThere) {
    Machine machine({unique_pool("inode", {1, 1000}), cyclic_pool("edge", {id_max - 9, id_max}),
                     unique_pool("blocks", {1, id_max}, Durability::block)});
    machine.journal.fresh_id.fill(std::byte{0x5a});
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(0, 10, 7).result);
    ASSERT_TRUE(machine.release(0, {3, 3}, 0, 7).result);
    ASSERT_TRUE(machine.allocate_at(0, {500, 501}, 8).result);
    ASSERT_TRUE(machine.allocate(1, 10, 7).result);
    ASSERT_TRUE(machine.allocate(2, 2, 8).result);
    ASSERT_TRUE(machine.allocate_at(2, {9, 9}, 8).result);
    ASSERT_TRUE(machine.allocator->close());
    const Content before = content_of(machine.disk);
    const Lines want{
        R"({"format":"inod-state","version":2,"store":)"
        R"("5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a","run":1,"boot":null,"next_holder":3})",
        R"({"type":"holder","index":0,"id":1,"binding":"persistent","uid":7,"gid":7,"name":"",)"
        R"("key":null,"process":null,"ttl_ms":0,"deadline":0})",
        R"({"type":"holder","index":1,"id":2,"binding":"persistent","uid":8,"gid":8,"name":"",)"
        R"("key":null,"process":null,"ttl_ms":0,"deadline":0})",
        R"({"type":"pool","name":"inode","policy":"unique","durability":"lease",)"
        R"("tracking":true,"min":1,"max":1000,"cursor":11,"highest":501,"mark":10,"generation":0,"swept":null,)"
        R"("claims":null,"passed":null,"claimed":null})",
        R"({"type":"claim","pool":"inode","first":500,"last":501})",
        R"({"type":"live","pool":"inode","first":1,"last":2,"generation":0,)"
        R"("holder":0,"claimed":false})",
        R"({"type":"live","pool":"inode","first":4,"last":10,"generation":0,)"
        R"("holder":0,"claimed":false})",
        R"({"type":"live","pool":"inode","first":500,"last":501,"generation":0,)"
        R"("holder":1,"claimed":false})",
        R"({"type":"pool","name":"edge","policy":"cyclic","durability":"lease",)"
        R"("tracking":true,"min":18446744073709551606,"max":18446744073709551615,"cursor":null,)"
        R"("highest":18446744073709551615,"mark":null,"generation":1,)"
        R"("swept":18446744073709551606,"claims":null,"passed":18446744073709551615,)"
        R"("claimed":null})",
        R"({"type":"live","pool":"edge","first":18446744073709551606,"last":18446744073709551615,)"
        R"("generation":1,"holder":0,"claimed":false})",
        R"({"type":"pool","name":"blocks","policy":"unique","durability":"block",)"
        R"("tracking":true,"min":1,"max":18446744073709551615,"cursor":3,"highest":9,"mark":32770,"generation":0,)"
        R"("swept":null,"claims":null,"passed":null,"claimed":null})",
        R"({"type":"claim","pool":"blocks","first":9,"last":9})",
        R"({"type":"live","pool":"blocks","first":1,"last":2,"generation":0,)"
        R"("holder":1,"claimed":false})",
        R"({"type":"live","pool":"blocks","first":9,"last":9,"generation":0,)"
        R"("holder":1,"claimed":true})",
        R"({"type":"end","lines":14})"};
    EXPECT_EQ(lines_of(machine.disk), want);
    EXPECT_TRUE(content_of(machine.disk) == before);
}

TEST(Export, SaysWhoHoldsWhat) {
    sim::MemStorage disk;
    Forged journal(disk);
    const HolderKey key{{0x0706050403020100, 0x0f0e0d0c0b0a0908}};
    const ProcessIdentity process{
        .pid = 12, .inode = id_max, .start_time = 56, .pid_namespace = 78};
    journal.log({Booted{.boot = {{1, 2}}, .next_holder = 1, .now = 70},
                 HolderDefined{3, {.id = 9, .binding = Binding::connection, .uid = 7, .key = key}},
                 HolderDefined{5, {.id = 4, .binding = Binding::process, .process = process}},
                 HolderDefined{6,
                               {.id = 5,
                                .binding = Binding::ttl,
                                .name = "caf\xc3\xa9\x01\"",
                                .key = key,
                                .ttl_ms = 500,
                                .deadline = 900}},
                 HolderRenewed{6, 1400}, HolderDefined{7, {.id = 10}}, HolderEnded{7}});
    journal.close();
    const Lines want{
        R"({"format":"inod-state","version":2,"store":"00000000-0000-0000-0000-000000000000",)"
        R"("run":1,"boot":"01000000-0000-0000-0200-000000000000","next_holder":11})",
        R"({"type":"holder","index":3,"id":9,"binding":"connection","uid":7,"gid":0,"name":"",)"
        R"("key":"000102030405060708090a0b0c0d0e0f","process":null,"ttl_ms":0,"deadline":0})",
        R"({"type":"holder","index":5,"id":4,"binding":"process","uid":0,"gid":0,"name":"",)"
        R"("key":null,"process":{"pid":12,"inode":18446744073709551615,"start_time":56,)"
        R"("pid_namespace":78},"ttl_ms":0,"deadline":0})",
        R"({"type":"holder","index":6,"id":5,"binding":"ttl","uid":0,"gid":0,)"
        "\"name\":\"caf\u00c3\u00a9\\u0001\\\"\","
        R"("key":"000102030405060708090a0b0c0d0e0f","process":null,"ttl_ms":500,)"
        R"("deadline":1400})",
        R"({"type":"end","lines":4})"};
    EXPECT_EQ(lines_of(disk), want);
}

TEST(Export, SaysWhatIsReservedAndWhatOnlyPassed) {
    sim::MemStorage disk;
    Forged journal(disk);
    journal.log({defined(0, unique_pool("inode", {1, 100})), Reserved{0, {3, 4}},
                 Reserved{0, {9, 12}}, holder_of(0, 7), Allocated{0, {1, 2}, 0, false},
                 Allocated{0, {5, 6}, 0, false}, Claimed{0, {11, 11}, 0, false},
                 defined(1, untracked(cyclic_pool("turn", {1, 9}))), Passed{1, {1, 5}, false},
                 defined(2, lowest_pool("slot", {1, 9})), Reserved{2, {1, 1}},
                 Claimed{2, {1, 1}, 0, false}});
    journal.close();
    Lines lines = lines_of(disk);
    lines.erase(lines.begin(), lines.begin() + 2);
    const Lines want{
        R"({"type":"pool","name":"inode","policy":"unique","durability":"lease","tracking":true,)"
        R"("min":1,"max":100,"cursor":7,"highest":11,"mark":6,"generation":0,"swept":null,)"
        R"("claims":null,"passed":null,"claimed":null})",
        R"({"type":"claim","pool":"inode","first":11,"last":11})",
        R"({"type":"reserved","pool":"inode","first":3,"last":4})",
        R"({"type":"reserved","pool":"inode","first":9,"last":10})",
        R"({"type":"reserved","pool":"inode","first":12,"last":12})",
        R"({"type":"live","pool":"inode","first":1,"last":2,"generation":0,"holder":0,)"
        R"("claimed":false})",
        R"({"type":"live","pool":"inode","first":5,"last":6,"generation":0,"holder":0,)"
        R"("claimed":false})",
        R"({"type":"live","pool":"inode","first":11,"last":11,"generation":0,"holder":0,)"
        R"("claimed":false})",
        R"({"type":"pool","name":"turn","policy":"cyclic","durability":"lease","tracking":false,)"
        R"("min":1,"max":9,"cursor":6,"highest":5,"mark":null,"generation":1,"swept":1,)"
        R"("claims":null,"passed":5,"claimed":null})",
        R"({"type":"pool","name":"slot","policy":"lowest","durability":"lease","tracking":true,)"
        R"("min":1,"max":9,"cursor":null,"highest":1,"mark":null,"generation":1,"swept":null,)"
        R"("claims":[1,1],"passed":null,"claimed":1})",
        R"({"type":"reserved","pool":"slot","first":1,"last":1})",
        R"({"type":"live","pool":"slot","first":1,"last":1,"generation":1,"holder":0,)"
        R"("claimed":false})",
        R"({"type":"end","lines":14})"};
    EXPECT_EQ(lines, want);
}

TEST(Export, IsWhatTheNextStartFinds) {
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Machine machine(five_pools());
        ASSERT_STARTS(machine);
        ASSERT_NO_FATAL_FAILURE(use(machine, seed));
        machine.crash(seed);
        Lines before = lines_of(machine.disk);
        ASSERT_STARTS(machine);
        ASSERT_TRUE(machine.allocator->close());
        Lines after = lines_of(machine.disk);
        before.front() = after.front();
        EXPECT_EQ(before, after);
    }
}

TEST(Export, NothingIsSaidOfADamagedStore) {
    Machine machine(four_pools());
    ASSERT_STARTS(machine);
    ASSERT_NO_FATAL_FAILURE(use(machine, 1));
    ASSERT_TRUE(machine.allocator->close());
    machine.disk.flip(names_of(machine.disk, "journal-").front(), frames_offset + 40, std::byte{1});
    std::size_t count = 0;
    const auto refused = export_state(machine.disk, [&](const std::string&) { ++count; });
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::journal_damaged);
    EXPECT_EQ(count, 0U);
    sim::MemStorage empty;
    EXPECT_EQ(export_state(empty, [&](const std::string&) { ++count; }).error().code,
              Errc::io_error);
    EXPECT_EQ(count, 0U);
}

}  // namespace
}  // namespace inod
