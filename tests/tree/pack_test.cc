// Promise: the memory of what is released is there for what is stored later.
// Method: leases of every kind one behind the other, most of them released, in order and at random; the
// tree may then have twice the nodes of one in which what is left was stored anew.
#include <algorithm>
#include <random>

#include "tests/tree/support.h"

namespace inod {
namespace {

using Random = std::mt19937_64;

struct Leases {
    std::uint64_t width;      // IDs of each
    std::uint64_t odd_every;  // one of these is of a single ID, so that counts are not all even
};

std::uint64_t nodes_anew(const std::vector<Entry>& entries) {
    OwnTree<256> anew;
    for (const Entry& entry : entries)
        store(anew.tree, entry.range, entry.value);
    return anew.tree.node_count();
}

// Releases 7 of 8.
void release_most(RangeTree& tree, bool in_order, Random& random) {
    std::vector<Entry> entries = entries_of(tree);
    if (in_order) {
        for (std::size_t i = 0; i < entries.size(); ++i) {
            if (i % 8 != 0) tree.erase(entries[i].range);
        }
        return;
    }
    std::shuffle(entries.begin(), entries.end(), random);
    entries.resize(entries.size() / 8 * 7);
    for (const Entry& entry : entries)
        tree.erase(entry.range);
}

class Pack : public ::testing::TestWithParam<Leases> {};

TEST_P(Pack, MostReleased) {
    const Leases leases = GetParam();
    for (const bool in_order : {true, false}) {
        SCOPED_TRACE(in_order ? "in order" : "at random");
        OwnTree<256> own;
        Id id = 0;
        for (Value value = 1; value <= 30'000; ++value) {
            const bool is_odd = leases.odd_every != 0 && value % leases.odd_every == 0;
            const std::uint64_t width = is_odd ? 1 : leases.width;
            store(own.tree, {id, id + width - 1}, value);
            id += width;
        }
        Random random(leases.width);
        release_most(own.tree, in_order, random);
        INOD_ASSERT_SOUND(own.tree);
        EXPECT_LE(own.tree.node_count(), 2 * nodes_anew(entries_of(own.tree)) + 8);
    }
}
INSTANTIATE_TEST_SUITE_P(, Pack,
                         ::testing::Values(Leases{1, 0}, Leases{2, 0}, Leases{2, 100}, Leases{3, 0},
                                           Leases{4, 0}, Leases{4, 90}, Leases{16, 0},
                                           Leases{16, 50}, Leases{100, 0}, Leases{1'000, 0}),
                         [](const auto& instance) {
                             return "of_" + std::to_string(instance.param.width) + "_odd_" +
                                    std::to_string(instance.param.odd_every);
                         });

}  // namespace
}  // namespace inod
