// A leaf of a range tree: entries packed into the words of one node, so that single IDs with values of
// their own cost little more than those values, and so that a release needs no memory.
//
// A leaf is a row of items, ascending and disjoint. Each has two words in a directory, which grows
// downward from the end of the body, and a payload; payloads stand one behind the other from word 0:
//
//   0 to end - 1    payloads, in the order of the items
//   ...             free
//   B - 2 - 2 i     item i: shape and sizes, and `at`, where its payload begins
//   B - 1 - 2 i     item i: its first ID. All its live IDs are at or above it, and below the next item's
//
//   shape    payload                                           for
//   single   value                                             an ID with none near it
//   many     for each group of 64 IDs three words: slots,      IDs near each other, each with a value
//            live, joined; then a value for each slot
//   one      value; for each group a word: live                IDs with the same value, and the holes
//                                                              between them
//   wide     value; last ID                                    a range too wide for the bits of a leaf;
//                                                              it is alone in its leaf
//
// A release clears bits of `many` and `one`, where it stands. What it leaves of them never takes more
// words than before, so a range that is stored as one or the other owes nothing. The value of a
// released ID keeps its slot until something else needs the word, or until leaves are put together:
// so a release touches the cache line of the bits and no value.
//
// Entries. A live ID is *joined* if it goes on the entry of the ID before it: that is said by a bit
// of `many`, in the directory of an item's first ID, and is so within a `one`. It means something only
// while the ID before is live, in this leaf or as the last of the leaf before; who stores an ID says
// it anew of that ID and of the one behind.
//
// Thread safety: that of Node. Reads are right when nobody writes meanwhile. Beside a writer they
// return something, after a bounded time and with no step outside the leaf, and the version tells
// whether it counts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include "lib/base/range.h"
#include "lib/tree/bits.h"
#include "lib/tree/node.h"

namespace inod {

using Value = std::uint64_t;  // what an entry carries; never 0

struct TakeOver {
    // Items may go on in the last one that is there, which is denser in the long run. Without it no
    // item takes more words than it took before.
    bool bridges = true;
    // Whether the first ID of the part, if live, is to be joined; as it was, if that is not said.
    std::optional<bool> joins = std::nullopt;
};

// A view of a node. Copies view the same node.
template <unsigned words>
class Leaf {
    static constexpr unsigned body_count = Node<words>::body_count;

public:
    using Node = inod::Node<words>;

    // How many groups of 64 IDs a leaf has bits for, if it holds a `one` and nothing else.
    static constexpr unsigned group_count_max = body_count - 3;
    // The bits of a leaf cover at least this many IDs wherever they begin; a multiple of 64.
    static constexpr std::uint64_t cell_size = std::uint64_t{word_bits} * group_count_max;
    // Must the range be stored as `wide`? Otherwise an empty leaf has the bits for it.
    static constexpr bool is_wide(Range range) {
        return range.last / word_bits - range.first / word_bits >= group_count_max;
    }

    // Stores through this view leave `spare` words free.
    explicit Leaf(Node& node, unsigned spare = 0) noexcept : node_(&node), spare_(spare) {}

    [[nodiscard]] Node& node() const noexcept { return *node_; }

    // Asks the memory for what will be read of an ID, `distance` behind the first one that the leaf
    // answers for: where that is if IDs are near each other. A guess; costs nothing if it is wrong.
    [[gnu::always_inline]] void prefetch_bits(std::uint64_t distance) const noexcept {
        node_->prefetch(body_count);  // the sizes, and the directory's first items
        node_->prefetch(3 * static_cast<unsigned>(std::min(distance / word_bits, far)));
    }
    [[gnu::always_inline]] void prefetch_value(std::uint64_t distance) const noexcept {
        node_->prefetch(body_count);
        node_->prefetch(0);
        node_->prefetch(8);
        node_->prefetch(static_cast<unsigned>(std::min(distance, far)) + 15);
    }

    // leaf_find.cc: what is in it. `id` may be any ID, in the leaf or not.

    [[nodiscard]] bool empty() const noexcept { return node_->meta().count == 0; }
    // The range of the wide entry that is alone in this leaf, if it is such a leaf.
    [[nodiscard]] std::optional<Range> wide() const noexcept;
    // The value of a live ID; 0 if the ID is free.
    [[nodiscard]] Value load(Id id) const noexcept;
    // Is it live and joined to the ID before, if that is live?
    [[nodiscard]] bool is_joined(Id id) const noexcept;
    // The nearest live ID at or after `id`, and at or before it.
    [[nodiscard]] std::optional<Id> next(Id id) const noexcept;
    [[nodiscard]] std::optional<Id> previous(Id id) const noexcept;
    // The range of all its live IDs, if they are one entry.
    [[nodiscard]] std::optional<Range> only_entry() const noexcept;
    // How far the entry reaches that covers `id`, in this leaf; no further than `limit`, from `id` on, is looked.
    // Requires that `id` is live.
    [[nodiscard]] Id entry_first(Id id) const noexcept;
    [[nodiscard]] Id entry_last(Id id, Id limit = id_max) const noexcept;
    // How many entries begin in `range`; `joins` says whether the ID before it is live.
    [[nodiscard]] std::uint64_t starts_in(Range range, bool joins) const noexcept;
    // An ID to split at, so that about half of what the leaf holds is on either side. Requires two
    // live IDs and no wide entry.
    [[nodiscard]] Id middle() const noexcept;

    // leaf_gap.cc: free runs in it, those that end at a live ID. `low` is the first ID that the leaf
    // answers for.

    // `longest` is a length that none exceeds, so that the search ends with the first of that length.
    [[nodiscard]] std::uint64_t longest_gap(Id low, std::uint64_t longest = id_max) const noexcept;
    // The lowest multiple of `align` at or after `from` with `count` free IDs from there on.
    [[nodiscard]] std::optional<Id> lowest_gap(std::uint64_t count, std::uint64_t align,
                                               Id from) const noexcept;
    // The highest multiple of `align`, at or after `low`, with `count` free IDs from there on that
    // end at or before `to`, behind which the leaf answers for nothing.
    [[nodiscard]] std::optional<Id> highest_gap(std::uint64_t count, std::uint64_t align, Id low,
                                                Id to) const noexcept;

    // leaf_store.cc, leaf_pack.cc: putting IDs into it. Each is false if there is no room; the leaf
    // is then as it was.

    void make_empty() noexcept;
    // Stores a range behind all live IDs. A wide one needs an empty leaf; behind one is no room.
    [[nodiscard]] bool append(Range range, Value value, bool joined) noexcept;
    // The same for who knows which ID is the last live one.
    [[nodiscard]] bool append_behind(Id before, Range range, Value value, bool joined) noexcept;
    // The same for one ID that joins nothing, in the common case: it is one more of the last group.
    // With `merged` it would join one that it touches and that has the same value. False, and nothing
    // is changed, if this is another case, or there is no room.
    [[nodiscard]] bool append_next(Id before, Id id, Value value, bool merged) noexcept;
    // The same for one ID that touches the last live one, and joins it if it has the same value, in the common
    // case: that is of a `one`, in whose last group the ID is, or in the next.
    [[nodiscard]] bool append_joined(Id id, Value value) noexcept;
    // Makes a wide entry with this value end at `last`, behind its end. False, and nothing is changed, if
    // the leaf has another or none.
    [[nodiscard]] bool extend_wide(Id last, Value value) noexcept;
    // Stores a range that is free and not wide before the last live ID. The ID behind the range, if
    // live, is to be joined to it or not. Not for leaves with a wide entry.
    [[nodiscard]] bool insert(Range range, Value value, bool joined, bool joins_next) noexcept;
    // Stores a range in an entry of its own, if that moves little: if all of it is free and of one
    // group of a `many` with room. Returns how many IDs were free in a row there; nothing if this is
    // another case, and what is live is as before. Requires a live ID behind the range's first. `low`
    // is the first ID that the leaf answers for.
    [[nodiscard]] std::optional<std::uint64_t> insert_near(Range range, Value value,
                                                           Id low) noexcept;
    // Says of a live ID whether it is joined to the one before.
    void set_joined(Id id, bool joined) noexcept;
    // Takes over what another leaf holds of `part`, behind all live IDs, and leaves out what is dead.
    // Returns the last ID up to which there was room, if there was any; part.last if that is all.
    [[nodiscard]] std::optional<Id> take_over(const Leaf& source, Range part,
                                              const TakeOver& how) noexcept;
    // Becomes a copy of the other.
    void assign(const Leaf& other) noexcept;

    // leaf_erase.cc: taking IDs out of it. Not for leaves with a wide entry.

    // Makes `range` free.
    void clear(Range range) noexcept;
    // What the release of one ID did.
    struct Released {
        std::uint64_t gap;  // how many IDs are free in a row now
        bool was_first;     // of its entry
        bool was_last;
    };
    // Makes one ID free if that moves nothing: if it is live, and of a `many` or `one` that has others
    // in the same 64. Otherwise nothing has happened. `low` is the first ID that the leaf answers for.
    // Requires that there is a live ID behind it.
    [[nodiscard]] std::optional<Released> clear_one(Id id, Id low) noexcept;
    // How many words all that is live takes at most once dead values are left out, of capacity(). With
    // groups that have no live ID it can be fewer.
    [[nodiscard]] unsigned packed_count() const noexcept;
    static constexpr unsigned capacity() { return body_count; }
    [[nodiscard]] unsigned live_count() const noexcept { return node_->meta().live; }

    // leaf_verify.cc

    // Nothing, or what is wrong.
    [[nodiscard]] std::optional<std::string> verify() const;
    // Draws the items: "[10=7 20-90=one:40 ...]".
    void dump(std::ostream& out) const;

private:
    static constexpr std::uint64_t far = words;  // behind what a guess can find

    enum class Shape : std::uint8_t { single, many, one, wide };
    struct Item;
    struct Group;

    [[nodiscard]] unsigned item_count() const noexcept;
    [[nodiscard]] Item item(unsigned index) const noexcept;
    void set_item(unsigned index, const Item& item) noexcept;
    [[nodiscard]] unsigned search(Id id) const noexcept;
    [[nodiscard]] Group group(const Item& item, unsigned index) const noexcept;
    [[nodiscard]] std::uint64_t joined(const Group& group) const noexcept;
    [[nodiscard]] unsigned rank(const Item& item, unsigned group,
                                std::uint64_t below) const noexcept;
    [[nodiscard]] Range gap_around(const Group& group, Range range, Id low) const noexcept;
    template <class F>
    void for_each_group(Range range, F&& f) const noexcept;
    template <class F>
    void for_each_group_down(Range range, F&& f) const noexcept;

    [[nodiscard]] unsigned free_count() const noexcept;
    void open_words(unsigned index, unsigned position, unsigned count) noexcept;
    void close_words(unsigned index, unsigned position, unsigned count) noexcept;
    [[nodiscard]] bool open_item(Item& item) noexcept;
    [[nodiscard]] bool has_live(const Item& item, unsigned from, unsigned to) const noexcept;
    void remove_item(unsigned index) noexcept;
    void count_live(unsigned live) noexcept;

    [[nodiscard]] bool append_item(Range range, Value value, bool joined) noexcept;
    [[nodiscard]] bool append_to_single(const Item& item, Range range, Value value,
                                        bool joined) noexcept;
    [[nodiscard]] bool append_to_many(const Item& item, Range range, Value value,
                                      bool joined) noexcept;
    [[nodiscard]] bool append_to_one(const Item& item, Range range) noexcept;
    [[nodiscard]] bool append_run_of_many(const Item& item, Range range, Value value) noexcept;
    void lengthen(unsigned index, Item& item, unsigned more) noexcept;
    void put_into_many(unsigned index, Item& item, Range range, Value value, bool joined) noexcept;
    void compact(unsigned index, Item& item) noexcept;
    [[nodiscard]] bool make_room(unsigned index, Item& item, unsigned group,
                                 std::uint64_t mask) noexcept;
    void begin_item_at(unsigned index, Id id, bool joined) noexcept;
    void put_into_one(const Item& item, Range range) noexcept;
    [[nodiscard]] bool insert_in_place(Range range, Value value, bool joined) noexcept;
    [[nodiscard]] bool repack_with(Range range, Value value, bool joined, bool joins_next) noexcept;

    struct Piece;
    [[nodiscard]] std::optional<Id> take_over_many(const Piece& piece) noexcept;
    [[nodiscard]] std::uint64_t take_over_group(const Piece& piece, unsigned group,
                                                std::uint64_t rest, bool& is_own) noexcept;
    [[nodiscard]] std::uint64_t extend_many(const Piece& piece, unsigned group, std::uint64_t rest,
                                            unsigned more) noexcept;
    [[nodiscard]] unsigned groups_that_fit(const Piece& piece, unsigned group,
                                           std::uint64_t mask) const noexcept;
    [[nodiscard]] std::optional<Id> take_over_one(const Piece& piece) noexcept;
    [[nodiscard]] bool can_go_on(const Item& last, const Piece& piece, Id first) const noexcept;
    void copy_group(const Piece& piece, unsigned group, std::uint64_t mask) noexcept;
    [[nodiscard]] bool repack(Range range, Value value, bool joined, bool joins_next,
                              bool bridges) noexcept;

    struct Tally;  // what verify() counts
    [[nodiscard]] const char* count(unsigned index, Tally& tally) const noexcept;
    [[nodiscard]] const char* wrong_with(const Item& item, unsigned at) const noexcept;
    [[nodiscard]] std::optional<std::string> wrong_with_joins() const;

    Node* node_;
    unsigned spare_;
};

}  // namespace inod
