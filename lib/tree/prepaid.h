// What releases may still need, and why the reserve suffices.
//
// Leaves first. Only a hole in a wide entry needs nodes. Cut the ID space into cells, of as many IDs
// as the bits of one leaf cover wherever they begin (Leaf::cell_size). An entry that reaches into k
// cells and is wide (Leaf::is_wide(), so k >= 2) is alone in its leaf, and owes k - 1 leaves:
//
//   - Shortened at an end it reaches into as many cells or fewer. When it is no longer wide, it
//     becomes a leaf with bits, where it stands, and owes nothing.
//   - A hole that begins and ends in the same cell turns what the entry has of that cell into a leaf
//     with bits. What is left of it and what is right of it have k - 1 cells together. With both, two
//     more leaves are in use and (k1 - 1) + (k2 - 1) = k - 3 are owed; with one of them, one more is
//     in use and k - 2 are owed. (With neither, the entry was not wide.)
//   - Any other hole leaves two entries which reach into k cells together at most: one more leaf is in
//     use and at most (k1 - 1) + (k2 - 1) = k - 2 are owed.
//
// So leaves in use and leaves owed, together, never rise: let L be those owed by all wide entries.
//
// Inner nodes. A leaf more is a slot more in the node above it, and a full node is split for it. Let
//
//   C   the capacity of an inner node
//   h   ceil((C + 1) / 2), the larger half of a full node that is split for one slot more
//   d   C - h, so that both halves have at most C - d slots
//   N   inner nodes in use
//   s   of an inner node: max(0, count - (C - d)), and of the root instead
//       max(0, count - (C - 2d + 1)). Full, they are d and 2d - 1.
//   S   the sum of s over all inner nodes
//
// Claim: no release makes d N + S + L larger. So at most floor((S + L) / d) inner nodes are ever taken
// on balance, and as a release that takes t nodes on balance leaves (S + L) / d smaller by at least t,
// the reserve suffices again afterwards. All that a release does to inner nodes, step by step:
//
//   - It makes t leaves out of one, which L has paid: L goes down by t at least, and each of the t
//     slots makes s larger by at most 1.
//   - The node is full. Then s was d, and both halves have 0: that pays for the new node, and what the
//     slot brought pays for the slot more in the parent. And so on upward.
//   - The root is full. Then s was 2d - 1, and with the 1 from below that pays for two nodes, the
//     other half and the new root, whose two slots are at most C - 2d + 1 since 2d <= C - 1.
//   - It merges two inner nodes that fit one. One node less is d; s of the merged node is at most d.
//     The parent has one slot less.
//   - It takes a leaf or an empty node out: one slot less in the parent.
//   - The root has one child and goes. If the child is an inner node, it is the root now: s goes up
//     by at most d - 1, and one node less is d. If it is a leaf, that node is the one that may come back:
//
// A tree whose root is a leaf has no inner node. If that leaf is wide, its first hole makes one, which
// nothing above pays for: one node more is owed then.
//
// What a store adds: at most `leaves_per_store` leaves, each with a slot, for which a whole way to the
// root may be split; what its range owes; and some cells, where it touches entries that it joins.
//
// Thread safety: none of its own.
#pragma once

#include <cstdint>

namespace inod {

// `rise` is d of the proof.
template <unsigned rise>
class Debt {
public:
    // A store splits a leaf at its middle and again at the new range, which gets a leaf of its own;
    // and it makes a hole in at most one reserved entry, which is not prepaid: two more.
    static constexpr unsigned leaves_per_store = 5;
    // Joining makes one wide entry of up to two and of a leaf with bits on both sides. Each brings
    // what it owes and a cell that was not counted, bits reach into two.
    static constexpr unsigned cells_joined = 5;

    void add_leaves(std::uint64_t count) noexcept { leaves_ += count; }
    void remove_leaves(std::uint64_t count) noexcept { leaves_ -= count; }
    void add_surplus(std::uint64_t count) noexcept { surplus_ += count; }
    void remove_surplus(std::uint64_t count) noexcept { surplus_ -= count; }
    void clear() noexcept { leaves_ = surplus_ = 0; }

    [[nodiscard]] std::uint64_t leaves() const noexcept { return leaves_; }    // L of the proof
    [[nodiscard]] std::uint64_t surplus() const noexcept { return surplus_; }  // S of the proof

    // How many nodes releases can take on balance, in a tree of this height.
    [[nodiscard]] std::uint64_t worst_case(unsigned height) const noexcept {
        if (leaves_ == 0) return 0;
        const bool makes_root = height == 1;
        return leaves_ + (surplus_ + leaves_) / rise + (makes_root ? 1 : 0);
    }
    // How many nodes a store and then all releases can take, in a tree of this height, if the range
    // of the store owes `owed` leaves. Fits 64 bits: the whole space owes less than 2^55 leaves.
    [[nodiscard]] std::uint64_t with_store(std::uint64_t owed, unsigned height) const noexcept {
        const std::uint64_t leaves = leaves_ + owed + cells_joined;
        const std::uint64_t slots = surplus_ + leaves + leaves_per_store;
        return leaves_per_store * (std::uint64_t{height} + 2) + leaves + slots / rise;
    }

private:
    std::uint64_t leaves_ = 0;
    std::uint64_t surplus_ = 0;
};

}  // namespace inod
