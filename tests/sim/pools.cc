#include "tests/sim/pools.h"

#include <algorithm>
#include <string>

#include "tests/pool/spec_changes.h"

namespace inod::sim {
namespace {

constexpr std::size_t pools_at_first = 10;
constexpr Id small_pool_end = 10'000;

PoolSpec pool_of(std::string name, Policy policy, Range range) {
    return {.name = std::move(name), .policy = policy, .range = range, .lease_count_max = 5'000};
}

PoolSpec block_of(std::string name, Range range) {
    PoolSpec spec = pool_of(std::move(name), Policy::unique, range);
    spec.durability = Durability::block;
    return spec;
}

// All kinds, small ones among them, and those that end at the ends of the space.
std::vector<PoolSpec> catalogue() {
    return {
        pool_of("inode", Policy::unique, {1, id_max}),
        pool_of("small", Policy::unique, {0, 4'000}),
        aligned(pool_of("pages", Policy::unique, {3, id_max}), 8),
        banded(pool_of("kept", Policy::unique, {1, id_max}), {{3, 9}, {40, 60}}),
        block_of("block", {1, id_max}),
        block_of("top", {id_max - 3'000, id_max}),
        pool_of("pid", Policy::cyclic, {1, 40}),
        pool_of("edge", Policy::cyclic, {id_max - 9, id_max}),
        pool_of("zero", Policy::cyclic, {0, 20}),
        pool_of("all", Policy::cyclic, {0, id_max}),
        wrapping(banded(pool_of("round", Policy::cyclic, {1, 60}), {{30, 33}, {58, 60}}), 20),
        aligned(pool_of("even", Policy::cyclic, {1, 70}), 4),
        pool_of("slot", Policy::lowest, {0, 50}),
        pool_of("high", Policy::lowest, {id_max - 200, id_max}),
        banded(aligned(pool_of("pair", Policy::lowest, {1, 90}), 2), {{1, 1}, {11, 20}}),
        resting(pool_of("rest", Policy::cyclic, {1, 40}), 3'000, false),
        resting(pool_of("worn", Policy::cyclic, {1, 25}), 30'000, true),
        resting(pool_of("calm", Policy::lowest, {0, 60}), 2'000, true),
        resting(banded(pool_of("nap", Policy::lowest, {1, 120}), {{5, 9}}), 800, false),
        untracked(pool_of("count", Policy::unique, {1, id_max})),
        untracked(block_of("tick", {1, id_max})),
        untracked(pool_of("turn", Policy::cyclic, {1, 30})),
    };
}

// Behind the last band, as far as it lies in the pool.
bool add_band(PoolSpec& spec, Dice& dice) {
    if (!spec.tracking || spec.reserved.size() == 4) return false;
    const Id from = spec.reserved.empty() ? spec.range.first : spec.reserved.back().last + 1;
    const Id first = from + dice.below(15);
    const Id last = first + dice.below(4);
    if (first < from || last < first || !spec.range.contains(Range{first, last})) return false;
    spec.reserved.push_back({first, last});
    return true;
}

bool widen(PoolSpec& spec, Dice& dice) {
    if (spec.range.last > small_pool_end) return false;
    spec.range.last += 1 + dice.below(spec.range.last / 8);
    return true;
}

}  // namespace

std::vector<PoolSpec> draw_pools(Dice& dice) {
    std::vector<PoolSpec> all = catalogue();
    for (std::size_t i = 0; i < pools_at_first; ++i)
        std::swap(all[i], all[i + dice.below(all.size() - i)]);
    all.resize(pools_at_first);
    return all;
}

std::string_view change_pools(std::vector<PoolSpec>& pools, Dice& dice) {
    if (!dice.one_in(8)) return {};
    PoolSpec& some = pools[dice.below(pools.size())];
    switch (dice.below(3)) {
        case 0: return widen(some, dice) ? "A pool is wider" : "";
        case 1: return add_band(some, dice) ? "A pool has a band more that is reserved" : "";
        default: break;
    }
    if (pools.size() == pools_max) return {};
    pools.push_back(pool_of("late" + std::to_string(pools.size()), Policy::cyclic, {5, 25}));
    return "A pool more";
}

}  // namespace inod::sim
