// What a node of a range tree looks like, and why the reserve suffices.
//
//   leaf    last  first  value    one entry a slot
//   inner   last  gap    child    last ID below the child, longest free run before it, the child
//
// Each slot is three words in three arrays, so that a search reads one array in a row. With 10
// slots a node is 256 bytes: 16 of header, 3 * 10 words.
//
// The proof of the reserve. A slot or an entry is *wide* if a hole can still be made in what it
// stands for: an entry of three IDs or more, a child with such an entry below it. Let
//
//   C   the capacity of a node
//   h   ceil((C + 1) / 2), the larger half of a full node that is split for one slot more
//   d   C - h, so that both halves have at most C - d slots
//   N   nodes in use
//   A   the sum of floor((w - 1) / 2) over all entries of w IDs: the holes that releases can make
//   s   of a node with a wide slot: max(0, count - (C - d)), and of the root instead
//       max(0, count - (C - 2d + 1)). Of a node without a wide slot: 0. Full, they are d and 2d
//       - 1.
//   S   the sum of s over all nodes
//
// Claim: no release makes U = d N + S + A larger. So from now on at most floor((S + A) / d) nodes
// are ever taken on balance, which is worst_case_nodes(); and as a release that takes t nodes on
// balance leaves (S + A) / d smaller by at least t, the reserve suffices again afterwards.
//
// All that a release does, step by step:
//   - It takes away or shortens entries: A, counts and wide slots only go down.
//   - It makes a hole in an entry of w >= 3 IDs, which leaves v + w' <= w - 1 IDs in two entries:
//     floor((v-1)/2) + floor((w'-1)/2) <= floor((w-3)/2), so A goes down by 1 or more. The leaf,
//     which has a wide slot, gets one slot more: s goes up by at most 1. Together: not up.
//   - The leaf is full. Then s was d, and both halves have 0: that pays for the new node, and the 1
//     from A pays for the slot more in the parent, which has a wide slot, too. And so on upward.
//   - The root is full. Then s was 2d - 1, and with the 1 from below that pays for two nodes, the
//     other half and the new root, whose two slots are at most C - 2d + 1 since 2d <= C - 1.
//   - It merges two neighbours that fit one node. One node less is d; s of the merged node is at
//     most d. The parent has one slot less.
//   - It takes an empty node out: one node less, and one slot less in the parent.
//   - The root has one child and goes. The child is the root now: s goes up by at most d - 1, and
//     one node less is d.
//   - Nothing else. Above all no slots move between neighbours: a node without a wide slot could
//     fill one that has some, and nobody would have paid for that.
//
// What a store adds to U is in nodes_for_store().
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "lib/base/range.h"
#include "lib/tree/node_reserve.h"

namespace inod {

// One slot on its way into a node.
struct TreeSlot {
    Id last;
    std::uint64_t low;      // leaf: first ID; inner: gap
    std::uint64_t payload;  // leaf: value; inner: child
    bool wide;
};

template <std::size_t capacity>
struct alignas(NodeReserve::cache_line_size) TreeNode {
    static_assert(capacity >= 3 && capacity <= 64, "wide has a bit for each slot");

    static constexpr unsigned half = (capacity + 2) / 2;  // h of the proof: ceil((C + 1) / 2)
    static constexpr unsigned rise = capacity - half;     // d of the proof
    static_assert(rise >= 1 && rise <= (capacity - 1) / 2);

    NodePlace place;
    std::uint16_t level;  // 0 for leaves
    std::uint32_t count;  // slots in use
    std::uint64_t wide;   // bit i: slot i is wide
    Id last[capacity];
    std::uint64_t low[capacity];
    std::uint64_t payload[capacity];

    [[nodiscard]] bool is_leaf() const { return level == 0; }
    [[nodiscard]] bool is_full() const { return count == capacity; }

    [[nodiscard]] Id first(std::size_t index) const { return low[index]; }
    [[nodiscard]] std::uint64_t gap(std::size_t index) const { return low[index]; }
    [[nodiscard]] TreeNode* child(std::size_t index) const {
        // The word was made of such a pointer. NOLINTNEXTLINE(performance-no-int-to-ptr)
        return reinterpret_cast<TreeNode*>(payload[index]);
    }

    static std::uint64_t word_of(TreeNode* child) { return reinterpret_cast<std::uint64_t>(child); }

    [[nodiscard]] bool is_wide(std::size_t index) const { return ((wide >> index) & 1U) != 0; }
    void set_wide(std::size_t index, bool is) {
        wide = (wide & ~(std::uint64_t{1} << index)) | (std::uint64_t{is} << index);
    }

    [[nodiscard]] TreeSlot slot(std::size_t index) const {
        return {last[index], low[index], payload[index], is_wide(index)};
    }
    void set(std::size_t index, const TreeSlot& slot) {
        last[index] = slot.last;
        low[index] = slot.low;
        payload[index] = slot.payload;
        set_wide(index, slot.wide);
    }

    // How many slots end before `id`, which is the index of the first that does not. Without
    // branches: where it stops cannot be predicted.
    [[nodiscard]] unsigned search(Id id) const {
        unsigned index = 0;
        for (std::size_t i = 0; i < count; ++i)
            index += last[i] < id ? 1U : 0U;
        return index;
    }

    void insert(std::size_t index, const TreeSlot& slot);  // requires room
    void remove(std::size_t from, std::size_t to);         // slots from <= i < to
    void move_tail(std::size_t from, TreeNode& other);     // slots i >= from, behind those of other
};

// A way from the root to a slot of a leaf. index[0] may be one past the last slot, where an entry
// behind all others would go.
template <std::size_t capacity>
struct TreePath {
    // Far more than memory has room for: a root of capacity 3 splits when 2 more children came
    // below it, and each of those took 2 more below itself.
    static constexpr unsigned height_max = 48;

    unsigned height = 0;
    std::uint8_t index[height_max];  // by level, 0 being the leaf's
    TreeNode<capacity>* node[height_max];

    TreePath() = default;
    TreePath(const TreePath& other) { *this = other; }
    // NOLINTNEXTLINE(bugprone-unhandled-self-assignment): copies each part onto itself
    TreePath& operator=(const TreePath& other) {
        height = other.height;
        std::copy_n(other.index, height, index);
        std::copy_n(other.node, height, node);
        return *this;
    }
    [[nodiscard]] TreeNode<capacity>& leaf() const { return *node[0]; }
    void set(unsigned level, TreeNode<capacity>* at, std::size_t slot) {
        node[level] = at;
        index[level] = static_cast<std::uint8_t>(slot);
    }
};

template <std::size_t capacity>
void TreeNode<capacity>::insert(std::size_t index, const TreeSlot& slot) {
    for (std::size_t i = count; i > index; --i) {
        last[i] = last[i - 1];
        low[i] = low[i - 1];
        payload[i] = payload[i - 1];
    }
    const std::uint64_t below = (std::uint64_t{1} << index) - 1;
    wide = (wide & below) | ((wide & ~below) << 1U);
    ++count;
    set(index, slot);
}

template <std::size_t capacity>
void TreeNode<capacity>::remove(std::size_t from, std::size_t to) {
    const std::size_t removed = to - from;
    for (std::size_t i = to; i < count; ++i) {
        last[i - removed] = last[i];
        low[i - removed] = low[i];
        payload[i - removed] = payload[i];
    }
    const std::uint64_t below = (std::uint64_t{1} << from) - 1;
    // Two shifts, since one by 64 means nothing.
    const std::uint64_t above = to == 0 ? wide : (wide >> (to - 1)) >> 1U;
    wide = (wide & below) | (from == 64 ? 0 : above << from);
    count -= static_cast<std::uint32_t>(removed);
}

template <std::size_t capacity>
void TreeNode<capacity>::move_tail(std::size_t from, TreeNode& other) {
    for (std::size_t i = from; i < count; ++i)
        other.set(other.count++, slot(i));
    remove(from, count);
}

}  // namespace inod
