// A state directory that inod 0.1 left behind is opened, says what it said then, and is gone on with.
//
// upgrade/*.bytes are files of such a directory as it was: a line `file`, its name and its size, then its
// bytes that are not zero, by their offsets. upgrade/*.lines is what the inoctl of that time exported of
// it. `crashed` was ended by kill -9 twice; `clean` had one more life, which was stopped.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "lib/allocator/adopt.h"
#include "lib/base/hex.h"
#include "lib/journal/recovery.h"
#include "tests/allocator/witnessed.h"

namespace inod {
namespace {

const std::filesystem::path folder(INOD_UPGRADE_DIR);

constexpr PoolIndex inode = 0;
constexpr PoolIndex pid = 1;
constexpr PoolIndex fast = 2;

std::vector<std::string> lines_of(const std::string& name) {
    std::ifstream file(folder / name);
    EXPECT_TRUE(file) << name;
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);)
        lines.push_back(line);
    return lines;
}

// Makes the files that are listed.
void unpack(const std::string& name, sim::MemStorage& disk) {
    std::string file;
    std::vector<std::byte> content;
    for (const std::string& line : lines_of(name)) {
        std::istringstream words(line);
        std::string first;
        words >> first;
        if (first == "file") {
            if (!file.empty()) disk.set_content(file, content);
            std::size_t size = 0;
            words >> file >> size;
            content.assign(size, std::byte{0});
            continue;
        }
        std::size_t at = std::stoull(first);
        std::string digits;
        words >> digits;
        for (std::size_t i = 0; i < digits.size(); i += 2)
            content.at(at++) = static_cast<std::byte>(std::stoi(digits.substr(i, 2), nullptr, 16));
    }
    disk.set_content(file, content);
}

std::string text(std::optional<Id> id) {
    return id ? std::to_string(*id) : "null";
}

std::string range_of(const Pool& pool, const char* type, Range range) {
    return std::string(R"({"type":")") + type + R"(","pool":")" + pool.spec().name +
           R"(","first":)" + std::to_string(range.first) + R"(,"last":)" +
           std::to_string(range.last);
}

void tell_pool(const Pool& pool, std::vector<std::string>& lines) {
    const PoolSpec& spec = pool.spec();
    const SequenceState at = pool.sequence();
    const std::string claims =
        at.claims ? "[" + text(at.claims->first) + "," + text(at.claims->last) + "]" : "null";
    lines.push_back(R"({"type":"pool","name":")" + spec.name + R"(","policy":")" +
                    std::string(name(spec.policy)) + R"(","durability":")" +
                    std::string(name(spec.durability)) + R"(","min":)" + text(spec.range.first) +
                    R"(,"max":)" + text(spec.range.last) + R"(,"cursor":)" + text(at.cursor) +
                    R"(,"highest":)" + text(at.highest) + R"(,"mark":)" + text(at.mark) +
                    R"(,"generation":)" + text(at.generation) + R"(,"swept":)" + text(at.swept) +
                    R"(,"claims":)" + claims + "}");
    if (const RangeTree* const tree = pool.claims()) {
        tree->for_each([&](const Entry& claim) {
            lines.push_back(range_of(pool, "claim", claim.range) + "}");
        });
    }
    pool.for_each_run([&](const Run& run) {
        lines.push_back(range_of(pool, "live", run.range) + R"(,"generation":)" +
                        std::to_string(run.tag.generation) + R"(,"holder":)" +
                        std::to_string(run.tag.holder) + R"(,"claimed":)" +
                        (run.tag.claimed ? "true" : "false") + "}");
    });
}

// The state in the lines of that time.
std::vector<std::string> told_by(const Allocator& allocator, const Recovery& store) {
    std::vector<std::string> lines{R"({"format":"inod-state","version":1,"store":")" +
                                   uuid(store.id) + R"(","run":)" + std::to_string(store.run) +
                                   "}"};
    const Holders& holders = allocator.holders();
    for (HolderIndex index = 0; index < holders.index_end(); ++index) {
        const Holder holder = holders[index];
        lines.push_back(R"({"type":"holder","index":)" + std::to_string(index) + R"(,"binding":")" +
                        std::string(name(holder.binding)) + R"(","uid":)" +
                        std::to_string(holder.uid) + R"(,"gid":)" + std::to_string(holder.gid) +
                        "}");
    }
    for (std::size_t i = 0; i < allocator.pool_index_end(); ++i)
        tell_pool(allocator.any_pool(static_cast<PoolIndex>(i)), lines);
    lines.push_back(R"({"type":"end","lines":)" + std::to_string(lines.size()) + "}");
    return lines;
}

std::vector<PoolSpec> pools_then() {
    return {unique_pool("inode"), cyclic_pool("pid", {2, 40}),
            unique_pool("fast", {1, id_max}, Durability::block)};
}

AllocatorOptions options_then(std::vector<PoolSpec> pools) {
    AllocatorOptions options;
    options.pools = std::move(pools);
    options.journal = small_journal();
    options.memory_max = std::uint64_t{64} << 20U;
    return options;
}

TEST(Upgrade, AnOldStoreSaysWhatItSaidThen) {
    for (const std::string name : {"crashed", "clean"}) {
        SCOPED_TRACE(name);
        sim::MemStorage disk;
        unpack(name + ".bytes", disk);
        const std::uint64_t changes = disk.changes();
        Allocator allocator(disk, options_then({}));
        const auto scan = allocator.load();
        ASSERT_TRUE(scan) << scan.error().message;
        EXPECT_EQ(scan->recovery.clean, name == "clean");
        EXPECT_TRUE(scan->recovery.had_witness);
        EXPECT_EQ(told_by(allocator, scan->recovery), lines_of(name + ".lines"));
        EXPECT_EQ(allocator.verify().value_or("sound"), "sound");
        EXPECT_EQ(disk.changes(), changes);
        ASSERT_EQ(allocator.holders().size(), 1U);
        const Holder holder = allocator.holders()[0];
        EXPECT_EQ(holder, (Holder{.id = 1, .binding = Binding::persistent, .uid = 0, .gid = 0}));
        for (std::size_t i = 0; i < allocator.pool_index_end(); ++i)
            EXPECT_TRUE(allocator.any_pool(static_cast<PoolIndex>(i)).spec().tracking);
    }
}

// All that was told then and is told now.
class Upgraded : public Machine {
public:
    Upgraded() : Machine(pools_then()) { has_witness = true; }

    void remember_live() {
        for (PoolIndex pool = 0; pool < specs.size(); ++pool) {
            allocator->any_pool(pool).for_each_run([&](const Run& run) {
                for (Id id = run.range.first; id <= run.range.last; ++id)
                    told_.emplace(pool, id, run.tag.generation);
            });
        }
    }
    void expect_new(PoolIndex pool, const Lease& lease) {
        for (Id id = lease.range.first; id <= lease.range.last; ++id) {
            EXPECT_TRUE(told_.emplace(pool, id, lease.generation).second)
                << specs[pool].name << " told of " << id << "@" << lease.generation << " twice";
        }
    }
    // Some of all pools, and some of it back.
    void go_on() {
        for (PoolIndex pool = 0; pool < specs.size(); ++pool) {
            for (int i = 0; i < 50; ++i) {
                const auto answer = allocate(pool);
                ASSERT_TRUE(answer.result);
                expect_new(pool, *answer.result);
                const Lease& lease = *answer.result;
                if (pool == pid || i % 2 == 0) {
                    ASSERT_TRUE(release(pool, lease.range, lease.generation).result);
                }
            }
        }
        ASSERT_TRUE(flush());
    }

private:
    std::set<std::tuple<PoolIndex, Id, std::uint64_t>> told_;
};

// As a start opens it, with the witness that it had.
void open(Upgraded& machine) {
    unpack("clean.bytes", machine.disk);
    unpack("clean_witness.bytes", machine.witness_disk);
    const auto witnessed = Witness(machine.witness_disk).load();
    ASSERT_TRUE(witnessed && *witnessed);
    machine.here.machine = (*witnessed)->facts.machine;
    ASSERT_STARTS(machine);
}

TEST(Upgrade, AnOldStoreIsGoneOnWithAndRepeatsNothing) {
    Upgraded machine;
    ASSERT_NO_FATAL_FAILURE(open(machine));
    auto want = lines_of("clean.lines");
    const auto told = told_by(*machine.allocator, Recovery{});
    want.front() = told.front();
    EXPECT_EQ(told, want);
    machine.remember_live();
    // What was released, or burned, at that time is not in the lines; the pools say how far it goes.
    EXPECT_EQ(machine.allocate(inode).result->range.first, 32'771U);
    EXPECT_EQ(machine.allocate(fast).result->range.first, 32'775U);
    EXPECT_EQ(machine.allocate_at(inode, {1'000'000, 1'000'000}).result.error().code,
              Errc::id_taken);
    EXPECT_EQ(machine.allocate_at(inode, {2'000'000, 2'000'000}).result.error().code,
              Errc::id_burned);
    const auto next = machine.allocate(pid).result;
    ASSERT_TRUE(next);
    EXPECT_EQ(next->generation, 1'048'578U);
    EXPECT_EQ(next->range.first, 17U);
    for (int life = 0; life < 4; ++life) {
        SCOPED_TRACE("life " + std::to_string(life));
        ASSERT_NO_FATAL_FAILURE(machine.go_on());
        EXPECT_EQ(machine.allocator->verify().value_or("sound"), "sound");
        if (life == 1) {
            machine.allocator->request_snapshot();  // which has the records of today
            ASSERT_TRUE(machine.flush());
        }
        if (life % 2 == 0) {
            machine.crash(1);
        } else {
            ASSERT_TRUE(machine.allocator->close());
        }
        ASSERT_STARTS(machine);
    }
    EXPECT_EQ(machine.allocator->lookup(inode, 6, 0).result->range, (Range{6, 11}));
    EXPECT_EQ(machine.allocator->lookup(inode, 6, 0).result->holder.id, 1U);
}

// Its witness is of a later time, so that it is an old copy.
TEST(Upgrade, AnOldStoreThatCrashedIsAdopted) {
    Upgraded machine;
    unpack("crashed.bytes", machine.disk);
    unpack("clean_witness.bytes", machine.witness_disk);
    const auto stale = machine.start();
    ASSERT_FALSE(stale);
    EXPECT_EQ(stale.error().code, Errc::state_stale);
    machine.allocator.reset();
    const auto adopted = adopt(machine.disk, machine.witness_disk, options_then({}),
                               {.count = 2'000'000}, machine.here);
    ASSERT_TRUE(adopted) << adopted.error().message;
    ASSERT_EQ(adopted->pools.size(), 3U);
    ASSERT_STARTS(machine);
    EXPECT_EQ(machine.allocator->verify().value_or("sound"), "sound");
    EXPECT_EQ(machine.allocator->lookup(inode, 6, 0).result->range, (Range{6, 11}));
    machine.remember_live();
    ASSERT_NO_FATAL_FAILURE(machine.go_on());
    EXPECT_GT(machine.allocate(inode).result->range.first, 2'065'538U);
}

TEST(Upgrade, LookupsAnswerAsTheyDidThen) {
    Upgraded machine;
    ASSERT_NO_FATAL_FAILURE(open(machine));
    const auto code = [&](PoolIndex pool, Id id, std::uint64_t generation) {
        const auto answer = machine.allocator->lookup(pool, id, generation).result;
        return answer ? Errc{} : answer.error().code;
    };
    EXPECT_EQ(code(inode, 1, 0), Errc{});
    EXPECT_EQ(code(inode, 5, 0), Errc::released);
    EXPECT_EQ(code(inode, 12, 0), Errc::released) << "burned";
    // That was `released` then, since it is below the highest. A unique pool knows better.
    EXPECT_EQ(code(inode, 500'000, 0), Errc::never_allocated) << "below a claim";
    EXPECT_EQ(code(inode, 2'000'000, 0), Errc::released);
    EXPECT_EQ(code(inode, 2'000'001, 0), Errc::never_allocated);
    EXPECT_EQ(code(pid, 2, 1), Errc{});
    EXPECT_EQ(code(pid, 2, 2), Errc::stale_generation);
    EXPECT_EQ(code(pid, 17, 1), Errc::released);
    EXPECT_EQ(code(pid, 39, 1), Errc::released);
    EXPECT_EQ(code(fast, 777, 0), Errc{});
    EXPECT_EQ(code(fast, 778, 0), Errc::released);
}

}  // namespace
}  // namespace inod
