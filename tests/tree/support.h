// What the tests of the tree share.
#pragma once

#include <cstdlib>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lib/tree/range_tree.h"

namespace inod {

inline std::ostream& operator<<(std::ostream& out, const Range& range) {
    return out << range.first << '-' << range.last;
}
inline std::ostream& operator<<(std::ostream& out, const Entry& entry) {
    return out << entry.range << '=' << entry.value;
}

inline constexpr std::uint64_t budget_of_tests = std::uint64_t{1} << 30;  // bytes

// A tree with a budget of its own.
template <unsigned words>
struct OwnTree {
    MemoryBudget budget{budget_of_tests};
    BasicRangeTree<words> tree{budget};
};

// Preallocates and stores; nobody else is there.
template <class Tree>
void store(Tree& tree, Range range, Value value) {
    NoGuard guard;
    ASSERT_TRUE(tree.preallocate(guard, range).has_value()) << range;
    tree.store(range, value);
}
template <class Tree>
void store_merged(Tree& tree, Range range, Value value) {
    NoGuard guard;
    ASSERT_TRUE(tree.preallocate(guard, range).has_value()) << range;
    tree.store_merged(range, value);
}

template <class Tree>
std::vector<Entry> entries_of(const Tree& tree) {
    std::vector<Entry> entries;
    tree.for_each([&](const Entry& entry) { entries.push_back(entry); });
    return entries;
}

// Reserved ones too.
template <class Tree>
std::vector<Entry> occupied_entries_of(const Tree& tree) {
    std::vector<Entry> entries;
    for (auto entry = tree.next_occupied(0); entry;) {
        entries.push_back(*entry);
        if (entry->range.last == id_max) break;
        entry = tree.next_occupied(entry->range.last + 1);
    }
    return entries;
}

// Memory that refuses on demand, as a machine does that has none left.
class RefusingMemory final : public NodeMemory {
public:
    void* take(std::size_t size) noexcept override {
        ++asked;
        return refuses ? nullptr : NodeMemory::system().take(size);
    }
    void give(void* memory, std::size_t size) noexcept override {
        NodeMemory::system().give(memory, size);
    }

    bool refuses = false;
    std::uint64_t asked = 0;
};

// How many operations a test does in all: the variable INOD_TREE_OPERATIONS, or 5,000,000.
inline std::uint64_t operation_count() {
    const char* text = std::getenv("INOD_TREE_OPERATIONS");
    return text == nullptr ? 5'000'000 : std::strtoull(text, nullptr, 10);
}

// Does the variable INOD_TEST_LONG ask for the long sizes?
inline bool is_long_test() {
    const char* const is_long = std::getenv("INOD_TEST_LONG");
    return is_long != nullptr && *is_long == '1';
}

#define INOD_EXPECT_SOUND(tree) EXPECT_EQ((tree).verify(), std::nullopt)
#define INOD_ASSERT_SOUND(tree) ASSERT_EQ((tree).verify(), std::nullopt)

}  // namespace inod
