// What a journal says is shown in words, in order, and as far as it reads back.
#include "lib/offline/dump.h"

#include "tests/journal/support.h"
#include "tests/offline/support.h"

namespace inod {
namespace {

struct Dumped {
    Result<void, Failure> done;
    std::vector<DumpLine> lines;

    // All lines that have `key`, as JSON without their place.
    [[nodiscard]] std::vector<std::string> of(const std::string& key) const {
        std::vector<std::string> texts;
        for (DumpLine line : lines) {
            if (!line.contains(key)) continue;
            for (const char* place : {"file", "offset", "lsn"})
                line.erase(place);
            texts.push_back(line.dump());
        }
        return texts;
    }
};

Dumped dump_of(sim::MemStorage& disk) {
    const std::uint64_t changes = disk.changes();
    Dumped dumped;
    dumped.done = dump(disk, [&](const DumpLine& line) { dumped.lines.push_back(line); });
    EXPECT_EQ(disk.changes(), changes);
    return dumped;
}

const PoolSpec inode = unique_pool("inode", {1, 1000});
const PoolSpec pid = cyclic_pool("pid", {1, 20});

TEST(Dump, ShowsEachRecordInWords) {
    sim::MemStorage disk;
    Forged journal(disk);
    journal.log({defined(0, inode), defined(1, pid),
                 HolderDefined{0, {.id = 5, .uid = 7, .gid = 8}}, Allocated{0, {1, 5}, 0, false},
                 Claimed{1, {3, 3}, 9, true}, Released{0, {2, 3}}, MarkMoved{0, 100}, UncleanStop{},
                 SkippedAhead{id_max}, SkippedAbove{4, 50}});
    journal.close();
    const Dumped dumped = dump_of(disk);
    ASSERT_TRUE(dumped.done) << dumped.done.error().message;
    const std::vector<std::string> want{
        R"({"record":"PoolDefined","pool":"inode","index":0,"policy":"unique","durability":)"
        R"("lease","min":1,"max":1000,"tracking":true})",
        R"({"record":"PoolDefined","pool":"pid","index":1,"policy":"cyclic","durability":"lease",)"
        R"("min":1,"max":20,"tracking":true})",
        R"({"record":"HolderDefined","holder":0,"binding":"persistent","uid":7,"gid":8,)"
        R"("id":5,"name":""})",
        R"({"record":"Allocated","pool":"inode","first":1,"last":5,"holder":0,)"
        R"("binding":"persistent","uid":7,"gid":8,"raised_generation":false})",
        R"({"record":"Claimed","pool":"pid","first":3,"last":3,"holder":9,)"
        R"("raised_generation":true})",
        R"({"record":"Released","pool":"inode","first":2,"last":3})",
        R"({"record":"MarkMoved","pool":"inode","mark":100})",
        R"({"record":"UncleanStop"})",
        R"({"record":"SkippedAhead","count":18446744073709551615})",
        R"({"record":"SkippedAbove","pool":4,"floor":50})"};
    EXPECT_EQ(dumped.of("record"), want);
    // Each with its place.
    Lsn lsn = 0;
    for (const DumpLine& line : dumped.lines) {
        EXPECT_EQ(line["file"], "journal-0000000000000002");
        if (!line.contains("record")) continue;
        EXPECT_EQ(line["lsn"], ++lsn);
    }
    EXPECT_EQ(dumped.of("frame"),
              (std::vector<std::string>{R"({"frame":"log","count":10,"size":120,"synced":0})",
                                        R"({"frame":"clean","count":0,"size":0,"synced":10})"}));
    EXPECT_EQ(dumped.lines.front()["segment"], 1);
    EXPECT_EQ(dumped.lines.front()["begins_life"], true);
    EXPECT_EQ(dumped.lines.back()["end"], "clean stop");
    EXPECT_EQ(dumped.lines.back()["lsn"], 11);
}

TEST(Dump, ShowsHoldersAndWhatBecomesOfThem) {
    const HolderKey key{{0x1122334455667788, 0x99aabbccddeeff00}};
    const ProcessIdentity process{
        .pid = 12, .inode = 34, .start_time = 56, .pid_namespace = 4026531836};
    sim::MemStorage disk;
    Forged journal(disk);
    journal.log(
        {Booted{.boot = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}}, .next_holder = 3, .now = 70},
         HolderDefined{0, {.id = 3, .binding = Binding::connection, .uid = 7, .key = key}},
         HolderDefined{4, {.id = 4, .binding = Binding::process, .uid = 7, .process = process}},
         HolderDefined{2,
                       {.id = 5,
                        .binding = Binding::ttl,
                        .uid = 7,
                        .name = "a\nb\xff",
                        .key = key,
                        .ttl_ms = 500,
                        .deadline = 900}},
         HolderRenewed{2, 1400}, HolderEnded{2}, HolderEnded{2}, Booted{}});
    const Dumped dumped = dump_of(disk);
    ASSERT_TRUE(dumped.done) << dumped.done.error().message;
    const std::vector<std::string> want{
        R"({"record":"Booted","boot":"00010203-0405-0607-0809-0a0b0c0d0e0f","next_holder":3,)"
        R"("now":70})",
        R"({"record":"HolderDefined","holder":0,"binding":"connection","uid":7,"gid":0,"id":3,)"
        R"("name":""})",
        R"({"record":"HolderDefined","holder":4,"binding":"process","uid":7,"gid":0,"id":4,)"
        R"("name":"","pid":12,"inode":34,"start_time":56,"pid_namespace":4026531836})",
        R"({"record":"HolderDefined","holder":2,"binding":"ttl","uid":7,"gid":0,"id":5,)"
        R"("name":"a\\x0ab\\xff","ttl_ms":500,"deadline":900})",
        R"({"record":"HolderRenewed","holder":2,"binding":"ttl","uid":7,"gid":0,"deadline":1400})",
        R"({"record":"HolderEnded","holder":2,"binding":"ttl","uid":7,"gid":0})",
        R"({"record":"HolderEnded","holder":2})",
        R"({"record":"Booted","boot":null,"next_holder":0,"now":0})"};
    EXPECT_EQ(dumped.of("record"), want);
}

TEST(Dump, ShowsWhatAnAdministratorDid) {
    sim::MemStorage disk;
    Forged journal(disk);
    journal.log({defined(0, untracked(unique_pool("counter", {1, 9}))),
                 defined(1, lowest_pool("slot", {1, 9})), Passed{0, {1, 5}, false},
                 Reserved{1, {3, 4}}, Unreserved{1, {4, 4}}, Advanced{0, 7}});
    const Dumped dumped = dump_of(disk);
    ASSERT_TRUE(dumped.done) << dumped.done.error().message;
    const std::vector<std::string> want{
        R"({"record":"PoolDefined","pool":"counter","index":0,"policy":"unique","durability":)"
        R"("lease","min":1,"max":9,"tracking":false})",
        R"({"record":"PoolDefined","pool":"slot","index":1,"policy":"lowest","durability":)"
        R"("lease","min":1,"max":9,"tracking":true})",
        R"({"record":"Passed","pool":"counter","first":1,"last":5,"raised_generation":false})",
        R"({"record":"Reserved","pool":"slot","first":3,"last":4})",
        R"({"record":"Unreserved","pool":"slot","first":4,"last":4})",
        R"({"record":"Advanced","pool":"counter","last":7})"};
    EXPECT_EQ(dumped.of("record"), want);
}

TEST(Dump, ShowsTheItemsOfASnapshotOneByOne) {
    const SavedRuns live({{1, 1}, {3, 3}, {15, 18}}, 3);
    const SavedRuns claims({{80, 81}}, 0);
    const SavedRuns reserved_above({{90, 91}}, 0, ClaimsSaved::reserved_only, 82);
    const SavedRuns kept({{7, 8}}, 0);
    const SavedRuns none({}, 0);
    const std::vector<Record> snapshot{
        holder_of(0, 7),
        defined(0, inode),
        SequenceSaved{
            0,
            {.cursor = 50, .highest = 81, .mark = 60, .generation = 0, .swept = {}, .claims = {}}},
        ClaimsSaved{0, {0, 81}, claims.items()},
        ClaimsSaved{0, {82, id_max}, reserved_above.items()},
        ReservedSaved{0, whole_space, kept.items()},
        LiveSaved{0, whole_space, 0, none.items()},
        defined(1, pid),
        SequenceSaved{1,
                      {.cursor = {},
                       .highest = 20,
                       .mark = {},
                       .generation = 3,
                       .swept = 5,
                       .claims = Range{12, 13},
                       .passed = 20}},
        LiveSaved{1, whole_space, 3, live.items()}};
    sim::MemStorage disk;
    Forged journal(disk);
    journal.log({defined(0, unique_pool("superfluous"))});
    journal.snapshot(snapshot);
    const Dumped dumped = dump_of(disk);
    ASSERT_TRUE(dumped.done) << dumped.done.error().message;
    EXPECT_EQ(
        dumped.of("item"),
        (std::vector<std::string>{
            R"({"item":"claim","pool":"inode","first":80,"last":81,"reserved":false})",
            R"({"item":"claim","pool":"inode","first":90,"last":91,"reserved":true})",
            R"({"item":"reserved","pool":"inode","first":7,"last":8})",
            R"({"item":"live","pool":"pid","first":1,"last":1,"generation":3,"claimed":false,)"
            R"("holder":0,"binding":"persistent","uid":7,"gid":7})",
            R"({"item":"live","pool":"pid","first":3,"last":3,"generation":3,"claimed":false,)"
            R"("holder":0,"binding":"persistent","uid":7,"gid":7})",
            R"({"item":"live","pool":"pid","first":15,"last":18,"generation":3,)"
            R"("claimed":false,"holder":0,"binding":"persistent","uid":7,"gid":7})"}));
    const auto records = dumped.of("record");
    ASSERT_EQ(records.size(), snapshot.size()) << "what came before the snapshot is superfluous";
    EXPECT_EQ(
        records[8],
        R"({"record":"SequenceSaved","pool":"pid","cursor":null,"highest":20,"mark":null,)"
        R"("generation":3,"swept":5,"claims_first":12,"claims_last":13,"passed":20,"claimed":null})");
    EXPECT_EQ(dumped.of("frame")[0],
              R"({"frame":"snapshot_begin","count":0,"size":0,"synced":1,"in_use":true})");
    EXPECT_EQ(dumped.lines.back()["end"], "unclean stop");
}

TEST(Dump, ShowsWhatGoesTogetherAtSeveralLevels) {
    sim::MemStorage disk;
    Forged journal(disk);
    PoolDefined lower = defined(1, pid);
    lower.parent = 0;
    Levels<LevelAllocated> allocated;
    allocated.push_back({.pool = 0, .first = 100, .raised_generation = false});
    allocated.push_back({.pool = 1, .first = 5, .raised_generation = true});
    Levels<LevelReleased> released;
    released.push_back({.pool = 0, .rest_ms = 0});
    released.push_back({.pool = 1, .rest_ms = 9});
    journal.log({defined(0, inode), lower, HolderDefined{0, {.id = 5, .uid = 7, .gid = 8}},
                 NestedAllocated{0, true, 2, allocated}, NestedReleased{{5, 6}, 300, released}});
    journal.close();
    const Dumped dumped = dump_of(disk);
    ASSERT_TRUE(dumped.done) << dumped.done.error().message;
    const std::vector<std::string> records = dumped.of("record");
    ASSERT_EQ(records.size(), 5U);
    EXPECT_EQ(records[1],
              R"({"record":"PoolDefined","pool":"pid","index":1,"policy":"cyclic","durability":)"
              R"("lease","min":1,"max":20,"tracking":true,"parent":"inode"})");
    EXPECT_EQ(records[3],
              R"({"record":"NestedAllocated","holder":0,"binding":"persistent","uid":7,)"
              R"("gid":8,"claim":true})");
    EXPECT_EQ(records[4], R"({"record":"NestedReleased","first":5,"last":6,"at":300})");
    const std::vector<std::string> items{
        R"({"item":"level","pool":"inode","first":100,"last":102,"raised_generation":false})",
        R"({"item":"level","pool":"pid","first":5,"last":7,"raised_generation":true})",
        R"({"item":"level","pool":"inode","rest_ms":0})",
        R"({"item":"level","pool":"pid","rest_ms":9})"};
    EXPECT_EQ(dumped.of("item"), items);
}

TEST(Dump, ShowsTheLinksOfASnapshot) {
    Machine machine({cyclic_pool("top", {101, 200}), lowest_pool("low", {150, 250})});
    machine.specs[1].parent = "top";
    ASSERT_STARTS(machine);
    ASSERT_TRUE(machine.allocate(1, 3).result);
    ASSERT_TRUE(machine.allocate(0, 60).result);
    ASSERT_TRUE(machine.allocate(1, 1).result);
    machine.allocator->request_snapshot();
    while (machine.allocator->has_work())
        ASSERT_TRUE(machine.flush());
    const Dumped dumped = dump_of(machine.disk);
    ASSERT_TRUE(dumped.done) << dumped.done.error().message;
    std::vector<std::string> links;
    for (const std::string& item : dumped.of("item")) {
        if (item.find("\"link\"") != std::string::npos) links.push_back(item);
    }
    EXPECT_EQ(
        links,
        (std::vector<std::string>{
            R"({"item":"link","pool":1,"first":150,"last":152,"above_first":101,"above_last":103})",
            R"({"item":"link","pool":1,"first":153,"last":153,"above_first":164,"above_last":164})"}));
}

TEST(Dump, SaysWhichSnapshotIsNotInUse) {
    Machine machine(four_pools());
    machine.journal.snapshot_size_per_group = 768;
    ASSERT_STARTS(machine);
    ASSERT_NO_FATAL_FAILURE(use(machine, 1));
    machine.allocator->request_snapshot();
    ASSERT_TRUE(machine.flush());
    const Dumped dumped = dump_of(machine.disk);
    ASSERT_TRUE(dumped.done);
    std::size_t aside = 0;
    for (const DumpLine& line : dumped.lines)
        aside += line.contains("in_use") && line["in_use"] == false ? 1U : 0U;
    EXPECT_GE(aside, 2U);
    EXPECT_GT(dumped.of("item").size(), 0U);
}

TEST(Dump, GoesAsFarAsItCan) {
    Machine machine(four_pools());
    ASSERT_STARTS(machine);
    ASSERT_NO_FATAL_FAILURE(use(machine, 1));
    const Dumped whole = dump_of(machine.disk);
    ASSERT_TRUE(whole.done);
    const std::string file = segment_file(machine.disk, 1);
    // The last group alone: nothing proves that it was synced.
    machine.disk.flip(file, used_size(machine.disk.content(file)) - 1, std::byte{1});
    const Dumped torn = dump_of(machine.disk);
    ASSERT_TRUE(torn.done);
    EXPECT_EQ(torn.lines.back()["end"], "torn tail");
    EXPECT_LT(torn.lines.size(), whole.lines.size());
    EXPECT_TRUE(std::equal(torn.lines.begin(), torn.lines.end() - 1, whole.lines.begin()));
}

TEST(Dump, SaysWhereAndWhyItStops) {
    sim::MemStorage disk;
    Forged journal(disk);
    journal.log({defined(0, inode)});
    journal.log({holder_of(0, 1)});
    journal.log({Allocated{0, {1, 5}, 0, false}});
    const Dumped whole = dump_of(disk);
    const std::uint64_t second = whole.lines[3]["offset"];
    disk.flip(segment_file(disk, 1), second + frame_header_size, std::byte{1});
    const Dumped dumped = dump_of(disk);
    ASSERT_FALSE(dumped.done);
    EXPECT_EQ(dumped.done.error().code, Errc::journal_damaged);
    EXPECT_NE(dumped.done.error().message.find("offset " + std::to_string(second)),
              std::string::npos)
        << dumped.done.error().message;
    EXPECT_EQ(dumped.lines.size(), 3U) << "a segment, a frame, a record";
}

// A version to come has the key too.
TEST(Dump, ShowsNoByteOfAHolderThatItDoesNotKnow) {
    sim::MemStorage disk;
    {
        NoReplay nobody;
        Journal journal(disk, small_journal());
        ASSERT_TRUE(journal.recover(nobody));
        const std::array<std::byte, 3> newer{std::byte{2}, std::byte{99}, std::byte{0xab}};
        journal.append(newer);
        const std::array<std::byte, 3> not_whole{std::byte{2}, std::byte{2}, std::byte{0xab}};
        journal.append(not_whole);
        ASSERT_TRUE(flush_group(journal));
    }
    EXPECT_EQ(dump_of(disk).of("record"),
              (std::vector<std::string>{R"({"record":"record_unknown","bytes":null})",
                                        R"({"record":"journal_damaged","bytes":null})"}));
}

TEST(Dump, ShowsWhatItDoesNotKnowAndGoesOn) {
    sim::MemStorage disk;
    {
        NoReplay nobody;
        Journal journal(disk, small_journal());
        ASSERT_TRUE(journal.recover(nobody));
        const std::array<std::byte, 3> unknown{std::byte{77}, std::byte{1}, std::byte{0xab}};
        journal.append(unknown);
        const std::array<std::byte, 2> known{std::byte{7}, std::byte{1}};  // UncleanStop
        journal.append(known);
        ASSERT_TRUE(flush_group(journal));
    }
    const Dumped dumped = dump_of(disk);
    ASSERT_FALSE(dumped.done);
    EXPECT_EQ(dumped.done.error().code, Errc::record_unknown);
    EXPECT_EQ(dumped.of("record"),
              (std::vector<std::string>{R"({"record":"record_unknown","bytes":"4d01ab"})",
                                        R"({"record":"UncleanStop"})"}));
    sim::MemStorage empty;
    EXPECT_EQ(dump_of(empty).done.error().code, Errc::io_error);
}

}  // namespace
}  // namespace inod
