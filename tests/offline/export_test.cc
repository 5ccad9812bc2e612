// The state of a store as lines: all of it, and nothing of a store that is damaged.
#include "lib/offline/export.h"

#include "tests/journal/support.h"
#include "tests/offline/support.h"

namespace inod {
namespace {

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
        R"({"format":"inod-state","version":1,"store":)"
        R"("5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a","run":1})",
        R"({"type":"holder","index":0,"binding":"persistent","uid":7,"gid":7})",
        R"({"type":"holder","index":1,"binding":"persistent","uid":8,"gid":8})",
        R"({"type":"pool","name":"inode","policy":"unique","durability":"lease","min":1,)"
        R"("max":1000,"cursor":11,"highest":501,"mark":10,"generation":0,"swept":null,)"
        R"("claims":null})",
        R"({"type":"claim","pool":"inode","first":500,"last":501})",
        R"({"type":"live","pool":"inode","first":1,"last":2,"generation":0,)"
        R"("holder":0,"claimed":false})",
        R"({"type":"live","pool":"inode","first":4,"last":10,"generation":0,)"
        R"("holder":0,"claimed":false})",
        R"({"type":"live","pool":"inode","first":500,"last":501,"generation":0,)"
        R"("holder":1,"claimed":false})",
        R"({"type":"pool","name":"edge","policy":"cyclic","durability":"lease",)"
        R"("min":18446744073709551606,"max":18446744073709551615,"cursor":null,)"
        R"("highest":18446744073709551615,"mark":null,"generation":1,)"
        R"("swept":18446744073709551606,"claims":null})",
        R"({"type":"live","pool":"edge","first":18446744073709551606,"last":18446744073709551615,)"
        R"("generation":1,"holder":0,"claimed":false})",
        R"({"type":"pool","name":"blocks","policy":"unique","durability":"block","min":1,)"
        R"("max":18446744073709551615,"cursor":3,"highest":9,"mark":32770,"generation":0,)"
        R"("swept":null,"claims":null})",
        R"({"type":"claim","pool":"blocks","first":9,"last":9})",
        R"({"type":"live","pool":"blocks","first":1,"last":2,"generation":0,)"
        R"("holder":1,"claimed":false})",
        R"({"type":"live","pool":"blocks","first":9,"last":9,"generation":0,)"
        R"("holder":1,"claimed":true})",
        R"({"type":"end","lines":14})"};
    EXPECT_EQ(lines_of(machine.disk), want);
    EXPECT_TRUE(content_of(machine.disk) == before);
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
