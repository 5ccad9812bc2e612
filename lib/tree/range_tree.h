// Disjoint inclusive ranges of IDs, each with a 64-bit value that is not 0. What lies between them
// is free. The whole space has room: ID 0 and ID 2^64 - 1 are IDs like any other.
//
// It is a B+ tree. Leaves hold entries, inner nodes hold for each child the last ID stored below it
// and the longest run of free IDs that it answers for, so that "the lowest free run of n in a
// window" is one descent and no scan. docs/tree.md has a picture.
//
// A release is prepaid. A store needs preallocate() before it, which may fail; from then on every
// erase() of whatever is stored, in any pieces and any order, succeeds without memory from outside.
// worst_case_nodes() says how many nodes the worst order of releases could still ask for, and after
// every call reserve_size() >= worst_case_nodes(). The proof stands in lib/tree/range_tree_node.h.
//
// Thread safety: none of its own. Whoever owns the tree also owns the lock: shared suffices for
// const calls. A refused call has changed nothing.
//
// Invariants, all checked by verify():
//   (1) Entries ascend, do not overlap, have first <= last and a value that is not 0.
//   (2) last(i) of an inner node is the last ID stored below its child i, not merely a bound, so
//       every gap but the one behind the last entry ends at an entry and lies below one slot.
//   (3) gap(i) of an inner node is the longest run of free IDs between last(i - 1), which for i == 0
//       comes from the ancestors, and last(i).
//   (4) All leaves have the same depth. No node is empty, and an inner root has two children.
//   (5) The counters are what counting everything gives.
//   (6) The reserve suffices for the worst order of releases.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include "lib/base/guard.h"
#include "lib/base/memory_budget.h"
#include "lib/base/range.h"
#include "lib/base/result.h"
#include "lib/tree/node_reserve.h"
#include "lib/tree/range_tree_node.h"

namespace inod {

using Value = std::uint64_t;  // what an entry carries; never 0

struct Entry {
    Range range;
    Value value;

    friend bool operator==(const Entry&, const Entry&) = default;
};

// `capacity` is how many entries or children a node has, 3 to 64. Everyone uses RangeTree below;
// tests use tiny nodes, where splits and merges happen early. The instances are listed in
// lib/tree/range_tree_instances.h.
template <std::size_t capacity>
class BasicRangeTree {
    using Node = TreeNode<capacity>;
    using Path = TreePath<capacity>;

public:
    // Takes the bytes of its nodes from `budget`, and then from `memory`. Both outlive the tree.
    explicit BasicRangeTree(MemoryBudget& budget, NodeMemory& memory = NodeMemory::system());
    BasicRangeTree(const BasicRangeTree&) = delete;
    BasicRangeTree& operator=(const BasicRangeTree&) = delete;

    // Lookups: one descent each.

    // The entry that covers `id`.
    [[nodiscard]] std::optional<Entry> find(Id id) const noexcept;
    // The entry that covers `id`, or else the first one after it.
    [[nodiscard]] std::optional<Entry> next(Id id) const noexcept;
    // The entry that covers `id`, or else the last one before it.
    [[nodiscard]] std::optional<Entry> previous(Id id) const noexcept;

    // The lowest run of `count` free IDs that lies in max(min, from) to `max`. Does not wrap: for a
    // cyclic search ask again from `min`. Requires count > 0; a window that is too small or turned
    // round (from > max, too) has no such run.
    [[nodiscard]] std::optional<Range> find_gap(std::uint64_t count, Id min, Id max,
                                                Id from) const noexcept;
    // The highest run of `count` free IDs that lies in `min` to min(max, from). Requires count > 0.
    [[nodiscard]] std::optional<Range> find_gap_down(std::uint64_t count, Id min, Id max,
                                                     Id from) const noexcept;

    // Goes over entries in ascending order. Any change of the tree makes it invalid: code that
    // gives up the lock in between asks next() for where it stood.
    class Cursor {
    public:
        explicit operator bool() const noexcept { return valid_; }  // false: past the last entry
        Entry operator*() const noexcept;                           // requires true
        Cursor& operator++() noexcept;                              // requires true

    private:
        friend class BasicRangeTree;
        Path path_;
        bool valid_ = false;
    };
    // At the entry that covers `id`, or else at the first one after it.
    [[nodiscard]] Cursor begin_at(Id id) const noexcept;

    // Calls f(Entry) for every entry in ascending order.
    template <class F>
    void for_each(F&& f) const {
        for (Cursor cursor = begin_at(0); cursor; ++cursor)
            f(*cursor);
    }

    // Changes.

    // Sees to it that one store() or store_merged() of `range`, and after it every release, find
    // their nodes in the reserve. The store comes next, under the same lock, before any other
    // change.
    //
    // Drops and retakes `guard` while it gets memory, and only then; whatever the caller had
    // decided before it looks at again. Another writer may come in: what is needed is worked out
    // anew afterwards. Also gives back memory that is far more than the worst case asks for.
    // Errors: out_of_memory, from the budget or the system. The tree and its reserve are as before,
    //   or as other writers left them. The client asks again later.
    [[nodiscard]] Result<> preallocate(GuardRef guard, Range range);

    // Maps `range` to `value` in an entry of its own, whatever its neighbours carry, in place of
    // all that it overlaps. Requires preallocate(range) just before, and value != 0.
    void store(Range range, Value value) noexcept;
    // The same, but joined with neighbours that touch it and carry the same value.
    void store_merged(Range range, Value value) noexcept;

    // Makes `range` free, whatever it overlaps; where nothing is stored there is nothing to do.
    // Never needs a node that is not in the reserve.
    void erase(Range range) noexcept;
    void clear() noexcept;

    // Numbers.

    [[nodiscard]] std::uint64_t entry_count() const noexcept { return entry_count_; }
    // IDs stored, modulo 2^64: the whole space comes out as 0, with entry_count() > 0.
    [[nodiscard]] std::uint64_t id_count() const noexcept { return id_count_; }
    [[nodiscard]] std::uint64_t node_count() const noexcept { return reserve_.in_use(); }
    [[nodiscard]] unsigned height() const noexcept { return root_ ? root_->level + 1U : 0U; }
    [[nodiscard]] std::uint64_t reserve_size() const noexcept { return reserve_.size(); }  // nodes
    // What the budget counts for this tree: nodes in use and set aside.
    [[nodiscard]] std::uint64_t bytes() const noexcept { return reserve_.bytes(); }
    // The nodes that the worst order of releases of all that is stored can take at most.
    [[nodiscard]] std::uint64_t worst_case_nodes() const noexcept;

    // Checks every invariant by going over everything. Nothing, or what is wrong and where.
    [[nodiscard]] std::optional<std::string> verify() const;
    // Draws the tree, one node a line, children indented.
    void dump(std::ostream& out) const;

private:
    struct Summary {  // what a parent keeps of a node
        Id last;
        std::uint64_t gap;
        bool wide;
    };
    struct Counts;  // what verify() counts
    class Change;   // keeps surplus_ right while a node changes

    // range_tree_find.cc: ways through the tree
    [[nodiscard]] Id last_id() const noexcept { return root_->last[root_->count - 1U]; }
    [[nodiscard]] static Entry entry_at(const Path& path) noexcept;
    bool seek(Path& path, Id id) const noexcept;
    void seek_end(Path& path) const noexcept;
    static bool step_forward(Path& path) noexcept;
    static bool step_back(Path& path) noexcept;
    [[nodiscard]] static Id lower_bound(const Path& path, unsigned level) noexcept;

    // range_tree_gap.cc
    static std::optional<Range> gap_before(const Path& path, unsigned index) noexcept;
    static std::optional<Id> lowest_gap_of_leaf(const Path& path, unsigned index,
                                                std::uint64_t count, Id low) noexcept;
    static std::optional<Id> highest_gap_of_leaf(const Path& path, unsigned left,
                                                 std::uint64_t count, Id high) noexcept;
    std::optional<Id> lowest_gap(std::uint64_t count, Id low) const noexcept;
    std::optional<Id> highest_gap(std::uint64_t count, Id high) const noexcept;

    // range_tree_store.cc: more
    void make_room(Path& path, Range range) noexcept;
    bool join(Path& path, Range range, Value value) noexcept;
    void insert_entry(Path& path, Entry entry) noexcept;
    void insert_slot(Path& path, unsigned level, unsigned index, const TreeSlot& slot,
                     bool at_end) noexcept;
    void split(Path& path, unsigned level, unsigned index, const TreeSlot& slot,
               bool at_end) noexcept;
    void grow(Path& path) noexcept;

    // range_tree_erase.cc: less
    void erase_in_leaf(Path& path, Range range) noexcept;
    void make_hole(Path& path, Range hole) noexcept;
    void remove_entries(Node& leaf, unsigned from, unsigned to) noexcept;
    void settle(Path& path) noexcept;
    bool merge_with_neighbour(Path& path, unsigned level) noexcept;
    void merge(Path& path, unsigned level, unsigned left_index) noexcept;
    void collapse_root() noexcept;

    // range_tree.cc: keeping the books
    [[nodiscard]] std::uint64_t nodes_for_store(Range range) const noexcept;
    [[nodiscard]] std::uint64_t surplus_of(const Node& node) const noexcept;
    [[nodiscard]] static Summary summary_of(const Node& node, Id lower) noexcept;
    bool set_summary(Node& parent, unsigned index, const Summary& summary) noexcept;
    void set_range(Node& leaf, unsigned index, Range range) noexcept;
    void refresh(const Path& path, unsigned level) noexcept;
    void refresh_at(Id id) noexcept;
    void set_root(Node* root) noexcept;
    void count_in(Range range) noexcept;
    void count_out(Range range) noexcept;
    [[nodiscard]] Node* new_node(unsigned level) noexcept;

    // range_tree_verify.cc
    [[nodiscard]] std::optional<std::string> verify_leaf(const Node& leaf, Counts& counts) const;
    [[nodiscard]] std::optional<std::string> verify_inner(const Node& node, Counts& counts) const;
    [[nodiscard]] std::optional<std::string> verify_node(const Node& node, Counts& counts) const;
    void dump_node(std::ostream& out, const Node& node, unsigned indent) const;

    NodeReserve reserve_;
    Node* root_ = nullptr;
    std::uint64_t entry_count_ = 0;
    std::uint64_t id_count_ = 0;  // modulo 2^64
    // Of the proof: holes that releases can still make, and slots that fill nodes beyond a half.
    std::uint64_t holes_ = 0;
    std::uint64_t surplus_ = 0;
};

// 256 bytes a node. docs/tree.md says what other sizes gave.
using RangeTree = BasicRangeTree<10>;

}  // namespace inod
