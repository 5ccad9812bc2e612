// Pools with parents, and what tests ask of them.
#pragma once

#include <string>
#include <vector>

#include "tests/allocator/machine.h"

namespace inod {

inline PoolSpec below(std::string parent, PoolSpec spec) {
    spec.parent = std::move(parent);
    return spec;
}

// As PID namespaces: `host` above `box` above `inner`; and `other` beside `box`. Configured from the
// lowest up, so that the order in the configuration is not the one that is needed.
inline constexpr PoolIndex host = 0;
inline constexpr PoolIndex box = 1;
inline constexpr PoolIndex inner = 2;
inline constexpr PoolIndex other = 3;

inline std::vector<PoolSpec> boxes() {
    return {below("box", lowest_pool("inner", {1, 100})),
            below("host", cyclic_pool("box", {1, 1'000})), cyclic_pool("host", {300, 4'000}),
            below("host", lowest_pool("other", {1, 100}))};
}

// "host 301@1, box 5@1": the numbers at all levels, or why there are none.
inline std::string numbers(Machine& machine, PoolIndex pool, Id id, std::uint64_t generation = 0) {
    const auto answer = machine.allocator->lookup_levels(pool, id, generation);
    if (!answer.result) return std::string(name(answer.result.error().code));
    std::string text;
    for (const LevelNumber& level : *answer.result) {
        text += text.empty() ? "" : ", ";
        text += machine.allocator->any_pool(level.pool).spec().name + " " +
                std::to_string(level.id) + "@" + std::to_string(level.generation);
    }
    return text;
}

inline std::uint64_t live(const Machine& machine, PoolIndex pool) {
    return machine.allocator->any_pool(pool).live_count().ids;
}

inline std::string soundness(const Machine& machine) {
    return machine.allocator->verify().value_or("sound");
}

// What a refused request must leave as it was.
inline std::string all_of(Machine& machine) {
    std::string text = machine.state();
    for (std::size_t i = 0; i < machine.allocator->pool_index_end(); ++i) {
        for (std::uint32_t uid = 0; uid < 4; ++uid) {
            const TagCount has = machine.allocator->account(static_cast<PoolIndex>(i), uid);
            text += std::to_string(has.ids) + "/" + std::to_string(has.runs) + " ";
        }
    }
    return text;
}

// All of a user's leases, whatever they are in, come to their end with his holder.
inline void end_user(Machine& machine, std::uint32_t uid) {
    const Holders& holders = machine.allocator->holders();
    const auto index = holders.find(Holder{.binding = Binding::persistent, .uid = uid});
    if (!index) return;
    const auto done = machine.allocator->release_all({.index = *index, .id = holders.id(*index)});
    ASSERT_TRUE(done.result);
}

}  // namespace inod
