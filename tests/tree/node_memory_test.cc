// Promise: the process's node memory gives out slabs that are apart, and goes back to the system with the
// last of them; refused memory is said, not died of.
// Method: more slabs than several arenas hold, each full of a number of its own; the kernel is asked
// what is mapped; an address space limit that nothing more fits into.
#include "lib/tree/node_memory.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

namespace inod {
namespace {

constexpr std::size_t slab_size = 64 + 16 * std::size_t{2048};  // as the tree's
constexpr std::size_t arena_size = std::size_t{2} << 20U;

using Words = std::uint64_t*;
constexpr std::size_t word_count(std::size_t size) {
    return size / sizeof(std::uint64_t);
}

// Slabs that are given back by clear(), in the order of their taking or the other way round.
class Slabs {
public:
    explicit Slabs(std::size_t size) : size_(size) {}

    void take(std::size_t count) {
        for (; count > 0; --count) {
            auto* const words = static_cast<Words>(NodeMemory::system().take(size_));
            ASSERT_NE(words, nullptr);
            ASSERT_EQ(reinterpret_cast<std::uintptr_t>(words) % NodeMemory::cache_line_size, 0U);
            std::fill_n(words, word_count(size_), taken_.size());
            taken_.push_back(words);
        }
    }
    // Every slab still has its number in each word.
    void check() const {
        for (std::size_t i = 0; i < taken_.size(); ++i) {
            const auto is_own = [&](std::uint64_t word) { return word == i; };
            ASSERT_TRUE(std::all_of(taken_[i], taken_[i] + word_count(size_), is_own)) << i;
        }
    }
    void clear(bool in_order) {
        if (!in_order) std::reverse(taken_.begin(), taken_.end());
        for (Words words : taken_)
            NodeMemory::system().give(words, size_);
        taken_.clear();
    }
    [[nodiscard]] void* at(std::size_t index) const { return taken_[index]; }
    [[nodiscard]] std::vector<void*> arenas() const {
        std::map<std::uintptr_t, void*> found;
        for (Words words : taken_)
            found.emplace(reinterpret_cast<std::uintptr_t>(words) / arena_size, words);
        std::vector<void*> result;
        for (const auto& [number, slab] : found)
            result.push_back(slab);
        return result;
    }

private:
    std::size_t size_;
    std::vector<Words> taken_;
};

void* arena_of(void* slab) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): arenas begin at multiples of their size
    return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(slab) / arena_size *
                                   arena_size);
}
bool is_mapped(void* slab) {
    return ::msync(arena_of(slab), 4096, MS_ASYNC) == 0 || errno != ENOMEM;
}
// Of the slab's arena.
std::size_t resident_pages(void* slab) {
    std::vector<unsigned char> pages(arena_size / 4096);
    if (::mincore(arena_of(slab), arena_size, pages.data()) != 0) return 0;
    return static_cast<std::size_t>(std::count_if(
        pages.begin(), pages.end(), [](unsigned char page) { return page % 2 == 1; }));
}

class NodeMemoryOrder : public ::testing::TestWithParam<bool> {};

TEST_P(NodeMemoryOrder, SlabsAreApartAndArenasGoBack) {
    Slabs slabs(slab_size);
    slabs.take(200);
    slabs.check();
    const std::vector<void*> arenas = slabs.arenas();
    EXPECT_GE(arenas.size(), 200 * slab_size / arena_size);
    EXPECT_LE(arenas.size(), 5U);
    for (void* arena : arenas)
        EXPECT_TRUE(is_mapped(arena));
    slabs.clear(GetParam());
    // All but one, which has only the pages that slabs begin in.
    EXPECT_LE(std::count_if(arenas.begin(), arenas.end(), is_mapped), 1);
    slabs.take(1);
    EXPECT_EQ(slabs.arenas().size(), 1U);
    slabs.clear(true);
}
INSTANTIATE_TEST_SUITE_P(, NodeMemoryOrder, ::testing::Bool(), [](const auto& instance) {
    return instance.param ? "first_first" : "last_first";
});

TEST(NodeMemory, SizesDoNotMix) {
    Slabs small(NodeMemory::cache_line_size);
    Slabs large(NodeMemory::size_max);
    for (int i = 0; i < 40; ++i) {
        small.take(17);
        large.take(1);
    }
    small.check();
    large.check();
    small.clear(true);
    large.check();
    large.clear(false);
}

TEST(NodeMemory, WhatIsGivenBackIsNotResident) {
    Slabs slabs(slab_size);
    Slabs others(slab_size);
    slabs.take(100);
    others.take(1);  // so that the second arena does not go
    slabs.take(100);
    void* const second = slabs.at(90);
    const std::size_t full = resident_pages(second);
    EXPECT_GT(full, arena_size / 4096 * 9 / 10);
    slabs.clear(true);
    ASSERT_TRUE(is_mapped(second));
    EXPECT_LT(resident_pages(second), full / 4);
    others.clear(true);
}

TEST(NodeMemory, ARefusalIsSaid) {
    // Arenas that are there may still have room: fewer places than this.
    std::vector<void*> taken;
    taken.reserve(10'000);
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_AS, &limit), 0);
    const rlimit none{.rlim_cur = 0, .rlim_max = limit.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_AS, &none), 0);
    bool is_refused = false;
    while (!is_refused && taken.size() < taken.capacity()) {
        void* const slab = NodeMemory::system().take(slab_size);
        if (slab != nullptr) taken.push_back(slab);
        is_refused = slab == nullptr;
    }
    ASSERT_EQ(::setrlimit(RLIMIT_AS, &limit), 0);
    EXPECT_TRUE(is_refused);
    for (void* slab : taken)
        NodeMemory::system().give(slab, slab_size);
    Slabs slabs(slab_size);
    slabs.take(1);  // is no longer refused
    slabs.clear(true);
}

TEST(NodeMemory, AnyThreadMayCall) {
    const auto work = [] {
        Slabs slabs(slab_size);
        for (int round = 0; round < 20; ++round) {
            slabs.take(70);
            slabs.check();
            slabs.clear(round % 2 == 0);
        }
    };
    std::thread other(work);
    work();
    other.join();
}

}  // namespace
}  // namespace inod
