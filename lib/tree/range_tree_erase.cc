// Fewer entries, and never a node from outside the reserve: prepaid.h has the proof, which goes
// through the steps of this file.
#include <algorithm>

#include "lib/base/assert.h"
#include "lib/tree/range_tree_instances.h"
#include "lib/tree/range_tree_private.h"

namespace inod {

template <unsigned words>
void BasicRangeTree<words>::erase(Range range) noexcept {
    INOD_ASSERT(range.first <= range.last);
    // Readers see all of it or none.
    std::optional<StructureEdit> edit;
    // Once for each leaf that may have some of it.
    while (root_ != nullptr && range.first <= last_id_) {
        Path path = descend(range.first);
        const Id high = path.high;
        if (range.span() == 0 && erase_one(path, range.first)) return;
        if (high < range.last && !edit) edit.emplace(*this);
        erase_part(path, {range.first, std::min(range.last, high)});
        if (high >= range.last) return;
        range.first = high + 1;
    }
}

template <unsigned words>
std::optional<Entry> BasicRangeTree<words>::erase_at(Id id) noexcept {
    const auto entry = find_occupied(id);
    if (entry) erase(entry->range);
    return entry;
}

// The common case of a release. False, and nothing is changed, if it is another.
template <unsigned words>
bool BasicRangeTree<words>::erase_one(Path& path, Id id) noexcept {
    if (id == path.high) return false;
    const auto released = Leaf(*path.leaf).clear_one(id, path.low);
    if (!released) return false;
    --id_count_;
    entry_count_ += std::uint64_t{!released->was_last} - std::uint64_t{released->was_first};
    raise_gap(path, released->gap);
    spread(path, Leaf(*path.leaf).live_count() + 1);
    return true;
}

// Erases what the path's leaf has of `part`, which the leaf answers for.
template <unsigned words>
void BasicRangeTree<words>::erase_part(Path& path, Range part) noexcept {
    Leaf leaf(*path.leaf);
    const auto wide = leaf.wide();
    if (wide) {
        if (wide->overlaps(part)) erase_in_wide(path, *wide, *intersection(*wide, part));
        return;
    }
    const bool joins = part.first == path.low ? part.first > 0 : leaf.load(part.first - 1) != 0;
    const std::uint64_t starts = leaf.starts_in(part, joins);
    const bool goes_on =
        leaf.load(part.last) != 0 && part.last < id_max &&
        (part.last < path.high ? leaf.is_joined(part.last + 1) : continues(part.last + 1));
    const unsigned live = leaf.live_count();
    // Together with its pivot, so that a reader does not take the one for the other's.
    std::optional<StructureEdit> structure_edit;
    if (part.last == path.high) structure_edit.emplace(*this);
    {
        const NodeEdit edit(*path.leaf);
        leaf.clear(part);
    }
    if (leaf.live_count() == live) return;
    id_count_ -= live - leaf.live_count();
    entry_count_ += std::uint64_t{goes_on} - starts;
    leaf_shrank(path, part, live);
}

// After `part` of the path's leaf was made free, which had `live_before` IDs.
template <unsigned words>
void BasicRangeTree<words>::leaf_shrank(Path& path, Range part, unsigned live_before) noexcept {
    const Leaf leaf(*path.leaf);
    if (leaf.live_count() == 0) {
        remove_leaf(path);
        return;
    }
    if (part.last == path.high) {
        end_moved(path, *leaf.previous(part.last));
    } else {
        const auto before = part.first > path.low ? leaf.previous(part.first) : std::nullopt;
        raise_gap(path, *leaf.next(part.last) - (before ? *before + 1 : path.low));
    }
    spread(path, live_before);
}

// The last live ID of the path's leaf is `last` now: the gap behind it is the next leaf's.
template <unsigned words>
void BasicRangeTree<words>::end_moved(const Path& path, Id last) noexcept {
    const bool is_last = path.high == last_id_;
    set_pivot(path, 1, last);
    set_gap(path, 1, Leaf(*path.leaf).longest_gap(path.low));
    if (!is_last) refresh_gap(path.high + 1);
}

// `part` is of the wide entry, which is alone in the path's leaf.
template <unsigned words>
void BasicRangeTree<words>::erase_in_wide(Path& path, Range wide, Range part) noexcept {
    const StructureEdit edit(*this);
    Leaf leaf(*path.leaf);
    const Value value = leaf.load(wide.first);
    const bool joined = leaf.is_joined(wide.first);
    id_count_ -= part.count();
    if (part.first > wide.first && part.last < wide.last) {
        ++entry_count_;
        make_hole(path, wide, part);
    } else if (part.first > wide.first) {
        if (part.last < id_max && continues(part.last + 1)) ++entry_count_;
        fill(leaf, {wide.first, part.first - 1}, value, joined);
        end_moved(path, part.first - 1);
    } else {
        const bool was_start = !joined || wide.first != path.low || path.low == 0;
        const bool goes_on =
            part.last < wide.last || (part.last < id_max && continues(part.last + 1));
        entry_count_ += std::uint64_t{goes_on} - std::uint64_t{was_start};
        if (part.last == wide.last) {
            owes(owed_by(leaf), 0);
            remove_leaf(path);
        } else {
            fill(leaf, {part.last + 1, wide.last}, value, false);
            raise_gap(path, part.last + 1 - path.low);
        }
    }
}

// Of the wide entry, the cell with the hole becomes a leaf with bits; or the hole reaches from one
// cell into another. What is left and right of that goes into leaves of its own.
template <unsigned words>
void BasicRangeTree<words>::make_hole(Path& path, Range wide, Range hole) noexcept {
    struct Piece {
        Range range;
        bool joined;  // to the ID before
    };
    Leaf left(*path.leaf);
    const Value value = left.load(wide.first);
    const bool joined = left.is_joined(wide.first);
    const Range middle = middle_of(wide, hole);
    std::array<Piece, 3> pieces{};
    unsigned count = 0;
    if (middle.first > wide.first) pieces[count++] = {{wide.first, middle.first - 1}, joined};
    const bool is_first = count == 0;
    if (middle != hole) pieces[count++] = {middle, is_first ? joined : true};
    if (middle.last < wide.last) {
        pieces[count++] = {{middle.last + 1, wide.last}, hole.last < middle.last};
    }

    const StructureEdit edit(*this);
    // The first stands where the whole was.
    fill_around(left, pieces[0].range, value, pieces[0].joined, hole);
    set_gap(path, 1, left.longest_gap(path.low));
    for (unsigned i = 1; i < count; ++i) {
        const Id left_last = *left.previous(id_max);
        Path behind = descend(wide.last);
        Leaf fresh(*new_node(0));
        fill_around(fresh, pieces[i].range, value, pieces[i].joined, hole);
        const std::uint64_t gap = fresh.longest_gap(left_last + 1);
        insert_slot(behind, 1, true, left_last, {0, &fresh.node(), gap}, false);
        left = fresh;
    }
}

// What goes neither into what is left of the hole nor into what is right of it: the cell that the hole
// lies in, or the hole, if it is of several.
template <unsigned words>
Range BasicRangeTree<words>::middle_of(Range wide, Range hole) noexcept {
    constexpr Id cell_size = Leaf::cell_size;
    if (hole.first / cell_size != hole.last / cell_size) return hole;
    const Id cell = hole.first - hole.first % cell_size;
    const Id cell_last = cell_size - 1 <= id_max - cell ? cell + (cell_size - 1) : id_max;
    return {std::max(wide.first, cell), std::min(wide.last, cell_last)};
}

// Makes `range` without the hole all that the leaf holds.
template <unsigned words>
void BasicRangeTree<words>::fill_around(Leaf leaf, Range range, Value value, bool joined,
                                        Range hole) noexcept {
    const NodeEdit edit(leaf.node());
    fill(leaf, range, value, joined);
    if (range.overlaps(hole)) leaf.clear(hole);
}

// Takes the path's leaf out. The path is used up.
template <unsigned words>
void BasicRangeTree<words>::remove_leaf(Path& path) noexcept {
    const StructureEdit edit(*this);
    const Id high = path.high;
    const bool is_last = high == last_id_;
    give_node(*path.leaf);
    if (path.height == 1) {
        set_root(nullptr);
        return;
    }
    remove_slot(path, 1);
    if (!is_last) refresh_gap(high + 1);
}

INOD_RANGE_TREE_INSTANCES

}  // namespace inod
