// Disjoint inclusive ranges of IDs, each with a 64-bit value that is not 0. What lies between them
// is free. The whole space has room: ID 0 and ID 2^64 - 1 are IDs like any other.
//
// It is a B+ tree. Leaves hold entries as lib/tree/leaf.h says, inner nodes hold for each child the
// last live ID below it and the longest run of free IDs that it answers for, so that "the lowest free
// run of n in a window" is one descent and no scan. docs/tree.md has a picture.
//
// A release is prepaid. A store needs preallocate() before it, which may fail; from then on every
// erase() of whatever is stored, in any pieces and any order, succeeds without memory from outside.
// worst_case_nodes() says how many nodes the worst order of releases could still ask for, and after
// every call reserve_size() >= worst_case_nodes(). The proof stands in lib/tree/prepaid.h.
//
// An entry may carry the value `reserved`: it occupies its IDs and reads as not live. Nothing guards
// it: a store may overlap it, an erase may take it out. It is not prepaid: to erase a part of it, call
// preallocate(part, reserved) first. IDs that are neither live nor reserved are free.
//
// Thread safety: one writer at a time, behind a lock of whoever owns the tree. Beside it any number of
// threads may read through lib/tree/tree_reader.h; all other calls, const ones too, are the lock
// holder's. A refused call has changed nothing.
//
// In all calls a range has first <= last; where that is not checked, the process ends (assert.h).
//
// Invariants, all checked by verify():
//   (1) Entries ascend, do not overlap, have first <= last and a value that is not 0.
//   (2) pivot(i) of an inner node is the last live ID below its child i, not merely a bound (of the last
//       child the node's parent says it), so every gap but the one behind the last entry ends at a live
//       ID and lies below one slot.
//   (3) gap(i) of an inner node is the longest run of free IDs between the last live ID before its
//       child i and the last live ID below it.
//   (4) All leaves have the same depth. No node is empty, and an inner root has two children.
//   (5) The counters are what counting everything gives.
//   (6) The reserve suffices for the worst order of releases.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <limits>
#include <optional>
#include <string>

#include "lib/base/guard.h"
#include "lib/base/memory_budget.h"
#include "lib/base/range.h"
#include "lib/base/result.h"
#include "lib/tree/inner_node.h"
#include "lib/tree/leaf.h"
#include "lib/tree/node_reserve.h"
#include "lib/tree/prepaid.h"

namespace inod {

// The value of entries that occupy and read as free.
inline constexpr Value reserved = std::numeric_limits<Value>::max();

struct Entry {
    Range range;
    Value value;

    friend bool operator==(const Entry&, const Entry&) = default;
};

// A run of free IDs that is looked for. The ways to look are those of RangeTree::allocate().
struct GapRequest {
    static constexpr std::uint64_t align_max = std::uint64_t{1} << 32U;

    std::uint64_t count = 1;     // how many IDs in a row, not 0
    std::uint64_t align = 1;     // the first is a multiple of this, 1 to align_max; any number
    Range window = whole_space;  // all lie in it

    // Errors, the first of: count_zero; align_invalid; range_reversed, the window, with its first ID;
    // window_too_small. That no multiple of `align` in the window has room is not looked for here.
    [[nodiscard]] Result<> check() const noexcept;
};

// `words` is the size of a node in words of 8 bytes. Everyone uses RangeTree below; tests use tiny
// nodes, where splits and merges happen early. The instances are listed in
// lib/tree/range_tree_instances.h.
template <unsigned words>
class BasicRangeTree {
    using Node = inod::Node<words>;
    using Inner = InnerNode<words>;
    using Slot = TreeSlot<words>;
    using Leaf = inod::Leaf<words>;

public:
    // Takes memory from `budget`, and then from `memory`, in slabs of 16 nodes and a cache line: 32,832
    // bytes. Both outlive the tree.
    explicit BasicRangeTree(MemoryBudget& budget, NodeMemory& memory = NodeMemory::system());
    BasicRangeTree(const BasicRangeTree&) = delete;
    BasicRangeTree& operator=(const BasicRangeTree&) = delete;

    // Lookups: one descent each, and one more for each further leaf that an entry goes on in.

    // The value of the entry that covers `id`, or 0.
    [[nodiscard]] Value load(Id id) const noexcept;
    // The entry that covers `id`.
    [[nodiscard]] std::optional<Entry> find(Id id) const noexcept;
    // What lies in `range` of the entry that covers its first ID. No more of it is looked at, however far it
    // reaches.
    [[nodiscard]] std::optional<Entry> find_within(Range range) const noexcept;
    // The entry that covers `id`, or else the first one after it.
    [[nodiscard]] std::optional<Entry> next(Id id) const noexcept {
        if (root_ == nullptr || id > last_id_) return std::nullopt;
        return next_stored(id);
    }
    // The entry that covers `id`, or else the last one before it.
    [[nodiscard]] std::optional<Entry> previous(Id id) const noexcept;
    // The same three, reserved entries included.
    [[nodiscard]] std::optional<Entry> find_occupied(Id id) const noexcept;
    [[nodiscard]] std::optional<Entry> next_occupied(Id id) const noexcept;
    [[nodiscard]] std::optional<Entry> previous_occupied(Id id) const noexcept;

    // The whole run of free IDs that covers `id`, or else the first one after it, or before it.
    // Reserved IDs are not free.
    [[nodiscard]] std::optional<Range> next_gap(Id id) const noexcept;
    [[nodiscard]] std::optional<Range> previous_gap(Id id) const noexcept;

    // The lowest run that `request` asks for at or after `from`. Does not wrap: for a cyclic search
    // ask again from the window's start. With `from` below the window all of it is looked at, with
    // `from` above it there is nothing. Requires that request.check() succeeds.
    [[nodiscard]] std::optional<Range> find_gap(const GapRequest& request,
                                                Id from = 0) const noexcept {
        // One ID behind all that is stored: what cyclic allocation asks for all day.
        const bool is_behind = root_ != nullptr && from > last_id_;
        if (is_behind && request.count == 1 && request.align == 1 && request.window.contains(from))
            return Range{from, from};
        return search_gap(request, from);
    }
    // The highest run that ends at or before `to`. Below the window there is nothing.
    [[nodiscard]] std::optional<Range> find_gap_down(const GapRequest& request,
                                                     Id to = id_max) const noexcept;

    // Goes over entries in ascending order, reserved ones left out. Any change of the tree makes it
    // invalid: code that gives up the lock in between asks next() for where it stood.
    class Cursor {
    public:
        explicit operator bool() const noexcept {
            return entry_.has_value();
        }                                                            // false: past the last
        const Entry& operator*() const noexcept { return *entry_; }  // requires true
        Cursor& operator++() noexcept;                               // requires true

    private:
        friend class BasicRangeTree;
        const BasicRangeTree* tree_ = nullptr;
        std::optional<Entry> entry_;
        const Node* leaf_ = nullptr;  // the entry ends in it
        Id leaf_last_ = 0;            // its last live ID
    };
    // At the entry that covers `id`, or else at the first one after it.
    [[nodiscard]] Cursor begin_at(Id id) const noexcept;

    // Calls f(Entry) for every entry in ascending order.
    template <class F>
    void for_each(F&& f) const {
        for (Cursor cursor = begin_at(0); cursor; ++cursor)
            f(*cursor);
    }

    // Changes that get their memory themselves. `guard` is any object with lock() and unlock(), which
    // throw nothing (lib/base/guard.h); it is locked before and afterwards. Each call may drop and
    // retake it to get memory, and only for that; what it had decided before it decides again
    // afterwards, since another writer may have been there. All require value != 0. Error of all:
    // out_of_memory, from the budget or the system or because the guard must not be dropped.

    // Maps `range` to `value` in an entry of its own, in place of all that it overlaps. Error:
    // range_reversed.
    [[nodiscard]] Result<> store(GuardRef guard, Range range, Value value);
    // The same where all of `range` is free. Errors: range_reversed; id_taken, with the first ID that
    // is live or reserved.
    [[nodiscard]] Result<> insert(GuardRef guard, Range range, Value value);
    // Finds a run and maps it to `value` in an entry of its own: the lowest, the highest, or the first
    // at or after `cursor`, or else from the window's start on. The cursor then stands behind the run,
    // or at the window's start if the run ends where the window does; if refused, where it stood.
    // Errors: those of GapRequest::check(); cursor_outside, with the cursor; pool_exhausted.
    [[nodiscard]] Result<Range> allocate_lowest(GuardRef guard, const GapRequest& request,
                                                Value value);
    [[nodiscard]] Result<Range> allocate_highest(GuardRef guard, const GapRequest& request,
                                                 Value value);
    [[nodiscard]] Result<Range> allocate_cyclic(GuardRef guard, const GapRequest& request,
                                                Id& cursor, Value value);

    // Changes in two steps, for a caller with more to prepare than this tree.

    // Sees to it that one store() or store_merged() of `range`, and after it every release, find
    // their nodes in the reserve. The store comes next, under the same lock, before any other
    // change.
    //
    // Drops and retakes `guard` while it gets memory, and only then; whatever the caller had
    // decided before it looks at again. Another writer may come in: what is needed is worked out
    // anew afterwards.
    // Errors: range_reversed. out_of_memory, as above: the tree and its reserve are as before, or as
    //   other writers left them; the client asks again later.
    // Of `value`, what the store will map the range to, only `reserved` makes a difference: such an
    // entry is not prepaid, so that even the whole space can be reserved.
    [[nodiscard]] Result<> preallocate(GuardRef guard, Range range, Value value = 1) {
        if (range.first > range.last) return Error{Errc::range_reversed, range.first};
        if (reserve_.size() >= wanted_ && !Leaf::is_wide(range)) [[likely]]
            return {};
        return fill_reserve(guard, range, value);
    }

    // Maps `range` to `value` in an entry of its own, whatever its neighbours carry, in place of
    // all that it overlaps. Requires preallocate(range) just before, and value != 0.
    void store(Range range, Value value) noexcept;
    // The same, but joined with neighbours that touch it and carry the same value.
    void store_merged(Range range, Value value) noexcept;

    // Makes `range` free, whatever it overlaps; where nothing is stored there is nothing to do.
    // Never needs a node that is not in the reserve, if what it has of a reserved entry is prepared.
    void erase(Range range) noexcept;
    // Erases the entry that covers `id`, if any, and says what it was. A reserved one too.
    std::optional<Entry> erase_at(Id id) noexcept;
    void clear() noexcept;

    // Gives memory back to the system if twice what the next store asks for, and four slabs, would
    // still be there; a half more, and four slabs, stay. Requires that no TreeReader reads meanwhile:
    // only here, and at the tree's end, does a node stop being one.
    void trim() noexcept;

    // Numbers.

    [[nodiscard]] std::uint64_t entry_count() const noexcept { return entry_count_; }
    // IDs stored, modulo 2^64: the whole space comes out as 0, with entry_count() > 0.
    [[nodiscard]] std::uint64_t id_count() const noexcept { return id_count_; }
    [[nodiscard]] std::uint64_t node_count() const noexcept { return reserve_.in_use(); }
    static constexpr std::size_t node_size = sizeof(Node);  // bytes
    // Levels of nodes; 0 of an empty tree.
    [[nodiscard]] unsigned height() const noexcept { return root_ ? root_->meta().level + 1U : 0U; }
    [[nodiscard]] std::uint64_t reserve_size() const noexcept { return reserve_.size(); }  // nodes
    // What the budget counts for this tree: slabs with nodes in use and set aside.
    [[nodiscard]] std::uint64_t bytes() const noexcept { return reserve_.bytes(); }
    // The nodes that the worst order of releases of all that is stored can take at most.
    [[nodiscard]] std::uint64_t worst_case_nodes() const noexcept {
        return debt_.worst_case(height());
    }

    // Checks every invariant by going over everything. Nothing, or what is wrong and where.
    [[nodiscard]] std::optional<std::string> verify() const;
    // Draws the tree, one node a line, children indented.
    void dump(std::ostream& out) const;

private:
    template <unsigned, class>
    friend class BasicTreeReader;

    static constexpr unsigned height_max = 40;

    // A way from the root to a leaf.
    struct Path {
        Path() noexcept {}  // NOLINT: of `at` only what is used is ever written
        Path(const Path& other) noexcept { *this = other; }
        Path& operator=(const Path& other) noexcept {
            if (this == &other) return *this;
            for (unsigned level = 1; level < other.height; ++level)
                at[level] = other.at[level];
            leaf = other.leaf;
            height = other.height;
            low = other.low;
            high = other.high;
            return *this;
        }
        ~Path() = default;

        struct Step {
            Node* node;
            unsigned index;  // of the child that the way goes on to
        };
        std::array<Step, height_max> at;  // by level, from 1 on
        Node* leaf;
        unsigned height;  // levels, the leaf's included
        Id low;           // the first ID that the leaf answers for: behind the last live one before
        Id high;          // its last live ID

        [[nodiscard]] Inner inner(unsigned level) const noexcept { return Inner(*at[level].node); }
    };
    struct Counts;        // what verify() counts
    class StructureEdit;  // stands around changes that readers must notice on their way down

    // range_tree_find.cc: ways through the tree
    [[nodiscard]] Path descend(Id id) const noexcept;
    [[nodiscard]] const Path& way_to(Id id) const noexcept;
    void go(Id id, Path& path) const noexcept;
    [[nodiscard]] static Id lower_bound(const Path& path, unsigned level, unsigned index) noexcept;
    [[nodiscard]] Value load_occupied(Id id) const noexcept;
    [[nodiscard]] std::optional<Entry> next_stored(Id id) const noexcept;
    [[nodiscard]] bool continues(Id id) const noexcept;
    [[nodiscard]] Entry entry_at(const Path& path, Id id) const noexcept;

    // range_tree_gap.cc
    [[nodiscard]] std::optional<Range> search_gap(const GapRequest& request,
                                                  Id from) const noexcept;
    [[nodiscard]] static bool may_have(const Path& path, unsigned level,
                                       std::uint64_t count) noexcept;
    [[nodiscard]] std::optional<Id> lowest_gap(const GapRequest& request, Id from) const noexcept;
    [[nodiscard]] std::optional<Id> highest_gap(const GapRequest& request, Id to) const noexcept;

    // range_tree_allocate.cc: find, preallocate, store
    template <class Decide>
    Result<Range> allocate(GuardRef guard, Value value, Decide&& decide);
    template <class Search>
    Result<Range> allocate_gap(GuardRef guard, const GapRequest& request, Value value,
                               Search&& search);

    // range_tree_store.cc: more
    [[nodiscard]] bool append_one(Range range, Value value, bool merged) noexcept;
    [[nodiscard]] bool append_joined(Range range, Value value) noexcept;
    void owes_more_cells(Range range) noexcept;
    void put(Range range, Value value, bool merged) noexcept;
    void put_first(Range range, Value value) noexcept;
    void advance_end(Range range) noexcept;
    void put_behind(Range range, Value value, bool merged) noexcept;
    void append(Range range, Value value, bool joined) noexcept;
    [[nodiscard]] bool append_to_leaf(Leaf leaf, Id before, Range range, Value value,
                                      bool joined) noexcept;
    void append_leaf(Range range, Value value, bool joined) noexcept;
    [[nodiscard]] bool insert_near(const Path& path, Range range, Value value) noexcept;
    void filled_gap(const Path& path, std::uint64_t gap) noexcept;
    void insert(Path& path, Range range, Value value, bool joined, bool joins_next) noexcept;
    [[nodiscard]] bool insert_in_leaf(const Path& path, Range range, Value value, bool joined,
                                      bool joins_next) noexcept;
    void insert_before_leaf(Path& path, Range range, Value value, bool joined,
                            bool joins_next) noexcept;
    [[nodiscard]] bool append_to_leaf_before(const Path& path, Range range, Value value,
                                             bool joined) noexcept;
    void set_joined(Id id, bool joined) noexcept;
    [[nodiscard]] bool extend_wide(Range range, Value value, bool joined, bool joins_next) noexcept;
    void extend_wide_up(Range wide, Range range, Value value, bool joins_next) noexcept;
    void split_leaf(Path& path, Id id) noexcept;

    // range_tree_erase.cc: less
    [[nodiscard]] bool erase_one(Path& path, Id id) noexcept;
    void erase_part(Path& path, Range part) noexcept;
    void leaf_shrank(Path& path, Range part, unsigned live_before) noexcept;
    void end_moved(const Path& path, Id last) noexcept;
    void erase_in_wide(Path& path, Range wide, Range part) noexcept;
    void make_hole(Path& path, Range wide, Range hole) noexcept;
    [[nodiscard]] static Range middle_of(Range wide, Range hole) noexcept;
    void fill_around(Leaf leaf, Range range, Value value, bool joined, Range hole) noexcept;
    void remove_leaf(Path& path) noexcept;

    // range_tree_merge.cc: fewer leaves for what is left
    void spread(Path& path, unsigned live_before) noexcept;
    [[nodiscard]] bool pack_window(Path& path, unsigned first, unsigned count,
                                   unsigned size) noexcept;

    // range_tree_inner.cc: the inner nodes
    void insert_slot(Path& path, unsigned level, bool behind, Id left_pivot, Slot slot,
                     bool at_end) noexcept;
    void grow(Path& path) noexcept;
    void remove_slot(Path& path, unsigned level) noexcept;
    void settle(Path& path, unsigned level) noexcept;
    bool merge_with_neighbour(Path& path, unsigned level) noexcept;
    void merge_inner(Path& path, unsigned level, unsigned left_index) noexcept;
    void collapse_root() noexcept;
    void set_pivot(const Path& path, unsigned level, Id pivot) noexcept;
    void set_gap(const Path& path, unsigned level, std::uint64_t gap) noexcept;
    void raise_gap(const Path& path, std::uint64_t gap) noexcept;
    void refresh_gap(Id id) noexcept;

    // range_tree.cc: keeping the books
    [[nodiscard]] Result<> fill_reserve(GuardRef guard, Range range, Value value);
    void work_out_wanted() noexcept;
    [[nodiscard]] Node* new_node(unsigned level) noexcept;
    void give_node(Node& node) noexcept;
    void fill(Leaf leaf, Range range, Value value, bool joined) noexcept;
    void set_root(Node* root) noexcept;
    void find_tail() noexcept;
    [[nodiscard]] static std::uint64_t owed_by(Range range, Value value) noexcept;
    [[nodiscard]] static std::uint64_t owed_by(Leaf leaf) noexcept;
    void owes(std::uint64_t before, std::uint64_t now) noexcept;
    [[nodiscard]] std::uint64_t surplus_of(Inner inner) const noexcept;
    // Calls `change`, which changes how many slots an inner node has.
    template <class F>
    void recount(Inner inner, F&& change) noexcept {
        debt_.remove_surplus(surplus_of(inner));
        change();
        debt_.add_surplus(surplus_of(inner));
        work_out_wanted();
    }

    // range_tree_verify.cc
    [[nodiscard]] bool is_last_way_good() const;
    [[nodiscard]] std::optional<std::string> verify_leaf(const Node& node, Counts& counts) const;
    [[nodiscard]] std::optional<std::string> verify_inner(const Node& node, Counts& counts) const;
    [[nodiscard]] std::optional<std::string> verify_node(const Node& node, Counts& counts) const;
    void dump_node(std::ostream& out, const Node& node, unsigned indent) const;

    NodeReserve reserve_;
    Debt<Inner::rise> debt_;
    std::uint64_t wanted_ = 0;  // nodes in the reserve before a store that owes nothing itself
    Node* root_ = nullptr;
    Node* tail_ = nullptr;  // the last leaf, which appending goes to
    Id last_id_ = 0;        // the last live ID, if there is a root
    std::uint64_t entry_count_ = 0;
    std::uint64_t id_count_ = 0;  // modulo 2^64

    // The way that was gone last, good for as long as `structure` is that of the tree: what is asked for
    // next is often near by.
    struct Way {
        static constexpr std::uint64_t none = ~std::uint64_t{0};  // which no structure comes to

        Path path;
        std::uint64_t structure = none;
    };
    mutable Way last_way_;

    // For readers: odd while the way to leaves changes, and higher after each change; and the root.
    std::atomic<std::uint64_t> structure_{0};
    std::atomic<Node*> shared_root_{nullptr};
};

// 2 KiB a node. docs/tree.md says what other sizes gave.
using RangeTree = BasicRangeTree<256>;

}  // namespace inod
