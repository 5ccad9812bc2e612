// Promise: whoever reads beside the writer sees a state that was there, never a torn one.
// Method: IDs in blocks, in each at most one entry, whose value spells its range; some blocks are never
// touched. One writer stores and erases in the others, so that nodes split, merge and change their
// shape all the time; readers check every answer against what it says of itself. Run it under the
// thread sanitizer as well.
#include <atomic>
#include <mutex>
#include <random>
#include <thread>

#include "lib/tree/tree_reader.h"
#include "tests/tree/support.h"

namespace inod {
namespace {

using Random = std::mt19937_64;

constexpr std::uint64_t block_count = 300;

// Of the IDs of a block some are one entry.
struct Blocks {
    std::uint64_t size;  // IDs

    [[nodiscard]] Range any_range(Random& random, std::uint64_t block) const {
        const std::uint64_t width_max = random() % 4 == 0 ? size : std::min<std::uint64_t>(size, 6);
        const std::uint64_t width = 1 + random() % width_max;
        const Id first = block * size + random() % (size - width + 1);
        return {first, first + width - 1};
    }
    [[nodiscard]] static Value value_of(Range range) {
        return (range.first << 24U) | range.count();
    }
    [[nodiscard]] static Range range_of(Value value) {
        const Id first = value >> 24U;
        return {first, first + (value & 0xffffffU) - 1};
    }
    [[nodiscard]] static bool is_kept(std::uint64_t block) { return block % 10 == 5; }
    [[nodiscard]] Range whole(std::uint64_t block) const {
        return {block * size, block * size + size - 1};
    }
    // The one entry of a block that is never touched.
    [[nodiscard]] Range kept(std::uint64_t block) const {
        return {block * size + 1, block * size + 1 + block % 3};
    }
};

// The standard's own has no way to know that it was taken.
class CountingMutex {
public:
    void lock() {
        mutex_.lock();
        ++taken;
    }
    void unlock() { mutex_.unlock(); }
    std::atomic<std::uint64_t> taken{0};

private:
    std::mutex mutex_;
};

// What is wrong with an answer, or nothing.
std::string fault_of(const Blocks& blocks, const char* call, Id id, std::optional<Entry> entry) {
    std::ostringstream text;
    text << call << '(' << id << "): ";
    const std::uint64_t block = id / blocks.size;
    const Range kept = blocks.kept(block);
    const bool must_be =
        Blocks::is_kept(block) && (call[0] == 'n' ? id <= kept.last : kept.contains(id));
    if (!entry) return must_be ? text.str() + "a kept entry is missing" : "";
    text << *entry << ' ';
    if (Blocks::range_of(entry->value) != entry->range) return text.str() + "torn";
    if (must_be && entry->range != kept) return text.str() + "a kept entry was passed over";
    if (call[0] == 'f' && !entry->range.contains(id)) return text.str() + "elsewhere";
    if (call[0] == 'n' && entry->range.last < id) return text.str() + "before";
    return "";
}

struct Tally {
    std::uint64_t reads = 0;
    std::uint64_t found = 0;
    std::string fault;
};

template <unsigned words>
void read_until(const std::atomic<bool>& done, const Blocks& blocks,
                const BasicTreeReader<words, CountingMutex>& reader, std::uint64_t seed,
                Tally& tally) {
    Random random(seed);
    while ((!done.load() || tally.reads < 1'000) && tally.fault.empty()) {
        const Id id = random() % (block_count * blocks.size);
        ++tally.reads;
        switch (random() % 3) {
            case 0: {
                const Value value = reader.load(id);
                if (value != 0 && !Blocks::range_of(value).contains(id)) tally.fault = "load: torn";
                tally.found += value != 0 ? 1 : 0;
                break;
            }
            case 1: tally.fault = fault_of(blocks, "find", id, reader.find(id)); break;
            default: tally.fault = fault_of(blocks, "next", id, reader.next(id));
        }
    }
}

template <unsigned words>
void write(std::uint64_t steps, const Blocks& blocks, BasicRangeTree<words>& tree,
           CountingMutex& mutex) {
    Random random(1);
    for (std::uint64_t step = 0; step < steps; ++step) {
        // Full and empty by turns, so that the tree grows and shrinks.
        const bool fills = step / (4 * block_count) % 2 == 0;
        const std::uint64_t block = random() % block_count;
        if (Blocks::is_kept(block)) continue;
        const std::lock_guard lock(mutex);
        tree.erase(blocks.whole(block));
        if (!fills && random() % 4 != 0) continue;
        const Range range = blocks.any_range(random, block);
        NoGuard guard;  // nobody else writes
        ASSERT_TRUE(tree.preallocate(guard, range).has_value());
        tree.store(range, Blocks::value_of(range));
    }
}

template <unsigned words>
void read_beside_a_writer(std::uint64_t block_size, std::uint64_t steps) {
    SCOPED_TRACE("blocks of " + std::to_string(block_size));
    const Blocks blocks{block_size};
    OwnTree<words> own;
    for (std::uint64_t block = 0; block < block_count; ++block) {
        if (Blocks::is_kept(block)) {
            store(own.tree, blocks.kept(block), Blocks::value_of(blocks.kept(block)));
        }
    }
    CountingMutex mutex;
    const BasicTreeReader<words, CountingMutex> reader(own.tree, mutex);
    std::atomic<bool> done{false};
    std::array<Tally, 3> tallies;
    std::vector<std::thread> threads;
    for (std::uint64_t i = 0; i < tallies.size(); ++i) {
        threads.emplace_back([&, i] { read_until<words>(done, blocks, reader, i, tallies[i]); });
    }
    write<words>(steps, blocks, own.tree, mutex);
    done = true;
    for (std::thread& thread : threads)
        thread.join();
    for (const Tally& tally : tallies) {
        EXPECT_EQ(tally.fault, "");
        EXPECT_GE(tally.reads, 1'000U);
    }
    INOD_EXPECT_SOUND(own.tree);
}

TEST(TreeReader, SeesNoTornStateNodesOfSixteenWords) {
    read_beside_a_writer<16>(8, 60'000);
    read_beside_a_writer<16>(3'000, 60'000);
}
TEST(TreeReader, SeesNoTornStateNodesOfTwentyFourWords) {
    read_beside_a_writer<24>(70, 60'000);
    read_beside_a_writer<24>(5'000, 60'000);
}
TEST(TreeReader, SeesNoTornStateNodesThatShip) {
    read_beside_a_writer<256>(8, 60'000);
    read_beside_a_writer<256>(200, 60'000);
    read_beside_a_writer<256>(50'000, 60'000);
}

TEST(TreeReader, AnswersAsTheTreeDoes) {
    OwnTree<16> own;
    std::mutex mutex;
    const BasicTreeReader<16, std::mutex> reader(own.tree, mutex);
    EXPECT_EQ(reader.load(0), 0U);
    EXPECT_EQ(reader.next(0), std::nullopt);
    Random random(3);
    for (int i = 0; i < 500; ++i) {
        const Id first = random() % 20'000;
        const Value value = random() % 5 == 0 ? reserved : 1 + random() % 3;
        store_merged(own.tree, {first, first + random() % 1'000}, value);
        own.tree.erase({first + random() % 500, first + 500 + random() % 500});
        for (int k = 0; k < 20; ++k) {
            const Id id = random() % 4 == 0 ? id_max - random() % 3 : random() % 22'000;
            ASSERT_EQ(reader.load(id), own.tree.load(id));
            ASSERT_EQ(reader.find(id), own.tree.find(id));
            ASSERT_EQ(reader.next(id), own.tree.next(id));
        }
    }
    std::vector<Entry> entries;
    reader.for_each(whole_space, [&](const Entry& entry) { entries.push_back(entry); });
    EXPECT_EQ(entries, entries_of(own.tree));
}

TEST(TreeReader, GoesOverReservedEntriesWithoutTheLock) {
    OwnTree<256> own;
    CountingMutex mutex;
    for (Id id = 0; id < 100; ++id)
        store(own.tree, {2 * id, 2 * id}, id % 50 == 0 ? id + 1 : reserved);
    const BasicTreeReader<256, CountingMutex> reader(own.tree, mutex);
    EXPECT_EQ(reader.next(1), (Entry{{100, 100}, 51}));
    EXPECT_EQ(reader.next(101), std::nullopt);
    EXPECT_EQ(mutex.taken, 0U);
}

TEST(TreeReader, GoesOverWhatOverlapsARange) {
    OwnTree<16> own;
    std::mutex mutex;
    for (Id id = 0; id < 40; ++id)
        store(own.tree, {10 * id, 10 * id + 4}, id + 1);
    const BasicTreeReader<16, std::mutex> reader(own.tree, mutex);
    const auto seen = [&](Range range) {
        std::vector<Value> values;
        reader.for_each(range, [&](const Entry& entry) { values.push_back(entry.value); });
        return values;
    };
    EXPECT_EQ(seen({14, 30}), (std::vector<Value>{2, 3, 4}));
    EXPECT_EQ(seen({15, 19}), std::vector<Value>{});
    EXPECT_EQ(seen({394, id_max}), std::vector<Value>{40});
}

// A writer that stopped in the middle of a change: the lock is what a reader then waits for.
TEST(TreeReader, TakesTheLockWhenReadingFails) {
    OwnTree<16> own;
    CountingMutex mutex;
    for (Id id = 0; id < 100; ++id)
        store(own.tree, {1'000 * id, 1'000 * id}, id + 1);
    const BasicTreeReader<16, CountingMutex> reader(own.tree, mutex);
    EXPECT_EQ(reader.load(5'000), 6U);
    EXPECT_EQ(mutex.taken, 0U);
    // An entry in so many leaves that no attempt looks at all of them.
    store(own.tree, {1'000'000, 1'020'000}, 7);
    for (Id id = 1'000'100; id < 1'020'000; id += 704) {
        own.tree.erase({id, id});
        store_merged(own.tree, {id, id}, 7);
    }
    EXPECT_EQ(reader.find(1'010'000), (Entry{{1'000'000, 1'020'000}, 7}));
    EXPECT_EQ(mutex.taken, 1U);
}

}  // namespace
}  // namespace inod
