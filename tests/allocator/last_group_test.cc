// Promise: nothing is handed out twice even where the disk later damages the last group that was
// acknowledged, which nothing can tell from a torn tail.
// Method: a life whose last group has many raises of generations, moves of marks and leases in it;
// then that group is cut at every place, and the next life may hand out nothing that the world has.
#include <algorithm>
#include <map>

#include "tests/allocator/addition.h"
#include "tests/allocator/machine.h"

namespace inod {
namespace {

using Files = std::map<std::string, std::vector<std::byte>>;

Files files_of(const sim::MemStorage& disk) {
    Files files;
    for (const std::string& name : disk.list().value()) {
        files[name] = disk.content(name);
    }
    return files;
}

// What a group wrote: the one file that it changed, and from where to where. Files that were not
// there before are spares.
struct Written {
    std::string name;
    std::size_t begin = 0;
    std::size_t end = 0;
};

Written written_between(const Files& before, const Files& after) {
    Written written;
    for (const auto& [name, bytes] : after) {
        const auto found = before.find(name);
        if (found == before.end() || found->second == bytes) continue;
        EXPECT_TRUE(written.name.empty()) << "the group is in two files, " << written.name;
        written.name = name;
        written.begin = static_cast<std::size_t>(
            std::mismatch(bytes.begin(), bytes.end(), found->second.begin()).first - bytes.begin());
        written.end =
            bytes.size() -
            static_cast<std::size_t>(
                std::mismatch(bytes.rbegin(), bytes.rend(), found->second.rbegin()).first -
                bytes.rbegin());
    }
    return written;
}

// What the world was told: ranges by pool, with their generation.
class World {
public:
    void hear(PoolIndex pool, const Lease& lease) { leases_.push_back({pool, lease}); }
    [[nodiscard]] bool has(PoolIndex pool, const Lease& lease) const {
        return std::any_of(leases_.begin(), leases_.end(), [&](const auto& told) {
            return told.first == pool && told.second.generation == lease.generation &&
                   told.second.range.overlaps(lease.range);
        });
    }
    [[nodiscard]] std::size_t size() const { return leases_.size(); }

private:
    std::vector<std::pair<PoolIndex, Lease>> leases_;
};

// One of each kind; the third takes a stride of 5.
std::vector<PoolSpec> all_kinds() {
    return {unique_pool("inode"), unique_pool("blocks", {1, id_max}, Durability::block),
            unique_pool("small", {1, 6'000'000}), cyclic_pool("pid", {1, 3}),
            cyclic_pool("edge", {id_max, id_max})};
}

bool wraps(const Machine& machine, PoolIndex pool) {
    return machine.specs[pool].policy == Policy::cyclic;
}

// `rounds` of hand-outs from all pools, as sessions do it: who has to wait for a mark comes back in
// the next group. What is handed out in the pools that wrap is released, so that they wrap.
void hand_out(Machine& machine, World& world, int rounds, std::uint64_t lease_count) {
    const auto pool_count = static_cast<PoolIndex>(machine.specs.size());
    for (int round = 0; round < rounds; ++round) {
        for (PoolIndex pool = 0; pool < pool_count; ++pool) {
            const auto leased = machine.allocate_now(pool, wraps(machine, pool) ? 1 : lease_count);
            if (!leased.result) {
                ASSERT_EQ(leased.result.error().code, Errc::block_pending);
                continue;
            }
            ASSERT_FALSE(world.has(pool, *leased.result))
                << "pool " << pool << " repeats " << leased.result->range.first << "@"
                << leased.result->generation;
            world.hear(pool, *leased.result);
            if (wraps(machine, pool)) {
                ASSERT_TRUE(
                    machine.release(pool, leased.result->range, leased.result->generation).result);
            }
        }
    }
}

// The next life on `machine.disk` with the bytes of `written` from `cut` on as they were before.
void expect_no_repeat(const Machine& machine, const Files& before, const Written& written,
                      std::size_t cut, const World& world) {
    Machine next(machine.specs);
    const auto disk = machine.disk.clone();
    auto bytes = disk->content(written.name);
    const auto& old = before.at(written.name);
    const auto at = [](std::size_t offset) { return static_cast<std::ptrdiff_t>(offset); };
    std::copy(old.begin() + at(cut), old.begin() + at(written.end), bytes.begin() + at(cut));
    disk->set_content(written.name, bytes);
    const auto started = next.start_on(*disk);
    ASSERT_EQ(said(started), "recovered") << "cut at " << cut;
    World all = world;
    for (int group = 0; group < 3; ++group) {
        ASSERT_NO_FATAL_FAILURE(hand_out(next, all, 6, 100)) << "cut at " << cut;
        ASSERT_TRUE(next.flush());
    }
    ASSERT_GT(all.size(), world.size());
    next.allocator.reset();  // before its disk
}

TEST(LastGroup, LostInPartOrWholeRepeatsNothing) {
    // With each number of groups before it, the last one falls differently among the moves of marks.
    for (int groups = 1; groups <= 12; ++groups) {
        SCOPED_TRACE("group " + std::to_string(groups) + " is lost");
        Machine machine(all_kinds());
        ASSERT_STARTS(machine);
        World world;
        Files before;
        for (int group = 0; group <= groups; ++group) {
            before = files_of(machine.disk);
            ASSERT_NO_FATAL_FAILURE(hand_out(machine, world, 20, 900));
            ASSERT_TRUE(machine.flush());
        }
        const Written written = written_between(before, files_of(machine.disk));
        ASSERT_GT(written.end - written.begin, 500U);
        for (std::size_t cut = written.begin; cut <= written.end; ++cut) {
            // The frame's head at each byte, and then each record at some place.
            if (cut > written.begin + 64) cut = std::min(cut + 30, written.end);
            ASSERT_NO_FATAL_FAILURE(expect_no_repeat(machine, before, written, cut, world));
        }
    }
}

// Numbers of a pool that records no leases are told while nothing is written any more.
TEST(LastGroup, LostBehindNumbersThatNoRecordTellsRepeatsNothing) {
    // In some of these groups the mark moves, in others nothing but the proof of an earlier move is.
    for (int groups = 1; groups <= 40; ++groups) {
        SCOPED_TRACE("group " + std::to_string(groups) + " is lost");
        Machine machine({unique_pool("blocks", {1, id_max}, Durability::block)});
        ASSERT_STARTS(machine);
        World world;
        Files before = files_of(machine.disk);
        Files after;
        for (int group = 0; group < groups; ++group) {
            ASSERT_NO_FATAL_FAILURE(hand_out(machine, world, 7, 900));
            if (!machine.allocator->has_work()) continue;
            before = files_of(machine.disk);
            ASSERT_TRUE(machine.flush());
            after = files_of(machine.disk);
        }
        ASSERT_FALSE(after.empty());
        const std::size_t told = world.size();
        ASSERT_NO_FATAL_FAILURE(hand_out(machine, world, 60, 900));
        if (groups > 3) {
            ASSERT_GT(world.size(), told) << "of the stride that is left";
        }
        const Written written = written_between(before, after);
        ASSERT_NO_FATAL_FAILURE(expect_no_repeat(machine, before, written, written.begin, world));
    }
}

// As many raises as a group of the largest size has room for.
TEST(LastGroup, FullOfRaisesRepeatsNoGeneration) {
    Machine machine({cyclic_pool("pid", {1, 1})});
    machine.journal = JournalOptions();
    ASSERT_STARTS(machine);
    const Files before = files_of(machine.disk);
    World world;
    std::uint64_t raises = 0;
    for (; machine.allocator->has_room(); ++raises) {
        const auto leased = machine.allocate_now(0);
        ASSERT_TRUE(leased.result);
        ASSERT_TRUE(machine.release(0, {1, 1}, leased.result->generation).result);
    }
    const std::uint64_t highest = machine.allocator->pool(0)->sequence().generation;
    ASSERT_GT(raises, 30'000U);
    ASSERT_EQ(highest, raises);
    ASSERT_TRUE(machine.flush());
    const Written written = written_between(before, files_of(machine.disk));
    for (std::size_t part = 0; part <= 4; ++part) {
        const auto disk = machine.disk.clone();
        auto bytes = disk->content(written.name);
        const std::size_t cut = written.begin + (written.end - written.begin) / 5 * part;
        std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(cut),
                  bytes.begin() + static_cast<std::ptrdiff_t>(written.end), std::byte{0});
        disk->set_content(written.name, std::move(bytes));
        Machine next(machine.specs);
        next.journal = machine.journal;
        const auto started = next.start_on(*disk);
        ASSERT_EQ(said(started), "recovered");
        EXPECT_GT(next.allocator->pool(0)->sequence().generation, highest) << "part " << part;
        next.allocator.reset();  // before its disk
    }
}

// What the marks of a witness say is in the state once the group that they were made of is durable.
TEST(LastGroup, MarksAreInTheStateOnceItIsDurable) {
    Machine machine(all_kinds());
    ASSERT_STARTS(machine);
    World world;
    for (int group = 0; group < 8; ++group) {
        ASSERT_NO_FATAL_FAILURE(hand_out(machine, world, 20, 900));
        const std::vector<PoolMark> marks = machine.allocator->marks();
        ASSERT_EQ(marks.size(), 5U);
        ASSERT_TRUE(machine.flush());
        const auto copy = machine.disk.clone();

        Machine older(machine.specs);
        const auto started = older.start_on(*copy);
        ASSERT_EQ(said(started), "recovered");
        for (const PoolMark& mark : marks)
            EXPECT_LE(mark.mark, mark_of(mark.pool, *older.allocator->pool(mark.pool)).mark);
        older.allocator.reset();  // before its disk
    }
}

TEST(Adopted, SkipsAheadInAllPoolsAndStaysThereAfterAReplay) {
    Machine machine(all_kinds());
    machine.specs.push_back(unique_pool("none", {1, 900'000}));
    ASSERT_STARTS(machine);
    World world;
    ASSERT_NO_FATAL_FAILURE(hand_out(machine, world, 3, 10));
    ASSERT_TRUE(machine.flush());
    const auto older = machine.disk.clone();
    const int lost_groups = 40;
    for (int group = 0; group < lost_groups; ++group) {
        ASSERT_NO_FATAL_FAILURE(hand_out(machine, world, 20, 900));
        ASSERT_TRUE(machine.flush());
    }
    // The copy was put back.
    Machine adopted(machine.specs);
    ASSERT_EQ(said(adopted.start_on(*older)), "recovered");
    adopted.allocator->skip_ahead(std::uint64_t{lost_groups} * 20 * 900);
    adopted.allocator->skip_above(2, 1'000'000);
    ASSERT_TRUE(adopted.flush());
    const std::string before = adopted.state();
    ASSERT_TRUE(adopted.allocator->close());
    ASSERT_EQ(said(adopted.start_on(*older)), "recovered");
    EXPECT_EQ(adopted.state(), before);
    EXPECT_EQ(adopted.allocator->verify().value_or("sound"), "sound");
    ASSERT_NO_FATAL_FAILURE(hand_out(adopted, world, 20, 900));
    ASSERT_TRUE(adopted.flush());
    ASSERT_NO_FATAL_FAILURE(hand_out(adopted, world, 20, 900));
    adopted.allocator.reset();  // before its disk
}

// Of pools that were added before it nobody may be told in the group that defines them.
TEST(LastGroup, LostRightBehindAnAdditionRepeatsNothing) {
    Machine machine({unique_pool("first")});
    ASSERT_STARTS(machine);
    ASSERT_EQ(said(add_pools(machine, all_kinds())), "done");
    World world;
    const Files before = files_of(machine.disk);
    ASSERT_NO_FATAL_FAILURE(hand_out(machine, world, 20, 900));
    ASSERT_TRUE(machine.flush());
    ASSERT_GT(world.size(), 0U);
    const Written written = written_between(before, files_of(machine.disk));
    ASSERT_GT(written.end, written.begin);
    for (std::size_t cut = written.begin; cut < written.end; cut += 97)
        ASSERT_NO_FATAL_FAILURE(expect_no_repeat(machine, before, written, cut, world));
}

}  // namespace
}  // namespace inod
