// More entries: each taken node was put into the reserve by preallocate().
#include <algorithm>

#include "lib/base/assert.h"
#include "lib/tree/leaf_item.h"
#include "lib/tree/range_tree_instances.h"
#include "lib/tree/range_tree_private.h"

namespace inod {

template <unsigned words>
void BasicRangeTree<words>::store(Range range, Value value) noexcept {
    if (!append_one(range, value, false)) put(range, value, false);
}

template <unsigned words>
void BasicRangeTree<words>::store_merged(Range range, Value value) noexcept {
    if (!append_one(range, value, true) && !append_joined(range, value)) put(range, value, true);
}

// What allocation does all day. False, and nothing is changed, if it is another case.
template <unsigned words>
[[gnu::always_inline]] inline bool BasicRangeTree<words>::append_one(Range range, Value value,
                                                                     bool merged) noexcept {
    INOD_ASSERT(range.first <= range.last && value != 0);
    const bool is_behind = range.span() == 0 && root_ != nullptr && range.first > last_id_;
    if (!is_behind || !Leaf(*tail_).append_next(last_id_, range.first, value, merged)) return false;
    ++entry_count_;
    ++id_count_;
    advance_end(range);
    return true;
}

// What allocation does all day for one holder. False, and nothing is changed, if it is another case.
template <unsigned words>
[[gnu::always_inline]] inline bool BasicRangeTree<words>::append_joined(Range range,
                                                                        Value value) noexcept {
    if (root_ == nullptr || range.first <= last_id_ || range.first - last_id_ != 1) return false;
    Leaf leaf(*tail_);
    if (leaf.extend_wide(range.last, value)) {
        if (value != reserved) owes_more_cells(range);
    } else if (range.span() != 0 || !leaf.append_joined(range.first, value)) {
        return false;
    }
    id_count_ += range.count();
    last_id_ = range.last;
    return true;
}

// The last entry, a wide one, has the range behind it as well.
template <unsigned words>
void BasicRangeTree<words>::owes_more_cells(Range range) noexcept {
    owes(0, range.last / Leaf::cell_size - (range.first - 1) / Leaf::cell_size);
}

// The last leaf has the range now, which is behind all that was stored.
template <unsigned words>
void BasicRangeTree<words>::advance_end(Range range) noexcept {
    const Id before = last_id_;
    last_id_ = range.last;
    if (range.first - before > 1) raise_gap(descend(before), range.first - before - 1);
}

template <unsigned words>
void BasicRangeTree<words>::put(Range range, Value value, bool merged) noexcept {
    INOD_ASSERT(range.first <= range.last && value != 0);
    INOD_ASSERT(reserve_.size() >= debt_.with_store(owed_by(range, value), height()));
    if (root_ != nullptr && range.first > last_id_) {
        put_behind(range, value, merged);
        return;
    }
    std::optional<StructureEdit> edit;
    if (root_ != nullptr) {
        Path path = descend(range.first);
        if (!merged && insert_near(path, range, value)) return;
        if (*Leaf(*path.leaf).next(range.first) <= range.last) {
            edit.emplace(*this);  // readers see the old or the new
            erase(range);
        } else if (!merged) {
            entry_count_ += 1;
            id_count_ += range.count();
            insert(path, range, value, false, false);
            return;
        }
    }
    const bool joined = merged && range.first > 0 && load_occupied(range.first - 1) == value;
    const bool joins_next = merged && range.last < id_max && load_occupied(range.last + 1) == value;
    entry_count_ += 1 - std::uint64_t{joined} - std::uint64_t{joins_next};
    id_count_ += range.count();
    if (root_ == nullptr) {
        put_first(range, value);
    } else if ((joined || joins_next) && extend_wide(range, value, joined, joins_next)) {
        return;
    } else if (range.first > last_id_) {
        append(range, value, joined);  // what it overlapped was the end
    } else {
        Path path = descend(range.first);
        insert(path, range, value, joined, joins_next);
    }
}

// Stores behind all that is stored, without a descent where the last leaf has room.
template <unsigned words>
void BasicRangeTree<words>::put_behind(Range range, Value value, bool merged) noexcept {
    const bool touches = range.first - last_id_ == 1;
    const bool joined = merged && touches && Leaf(*tail_).load(last_id_) == value;
    entry_count_ += joined ? 0 : 1;
    id_count_ += range.count();
    append(range, value, joined);
}

template <unsigned words>
void BasicRangeTree<words>::put_first(Range range, Value value) noexcept {
    const StructureEdit edit(*this);
    Leaf leaf(*new_node(0));
    fill(leaf, range, value, false);
    last_id_ = range.last;
    set_root(&leaf.node());
}

// Stores behind `before`, the last live ID of the leaf. False if there is no room.
template <unsigned words>
bool BasicRangeTree<words>::append_to_leaf(Leaf leaf, Id before, Range range, Value value,
                                           bool joined) noexcept {
    {
        const NodeEdit edit(leaf.node());
        if (leaf.append_behind(before, range, value, joined)) return true;
    }
    // An entry that fills a leaf and goes on becomes wide.
    const auto entry = joined ? leaf.only_entry() : std::nullopt;
    if (!entry || !Leaf::is_wide({entry->first, range.last})) return false;
    fill(leaf, {entry->first, range.last}, value, leaf.is_joined(entry->first));
    return true;
}

// Stores behind all that is stored.
template <unsigned words>
void BasicRangeTree<words>::append(Range range, Value value, bool joined) noexcept {
    if (!append_to_leaf(Leaf(*tail_), last_id_, range, value, joined)) {
        append_leaf(range, value, joined);
        return;
    }
    advance_end(range);
}

template <unsigned words>
void BasicRangeTree<words>::append_leaf(Range range, Value value, bool joined) noexcept {
    const StructureEdit edit(*this);
    const Id before = last_id_;
    Path path = descend(before);
    Leaf leaf(*new_node(0));
    fill(leaf, range, value, joined);
    insert_slot(path, 1, true, before, {0, &leaf.node(), range.first - before - 1}, true);
    last_id_ = range.last;
}

// The common case among others: there is room beside its neighbours. False, and what is stored is as
// before, if it is another.
template <unsigned words>
bool BasicRangeTree<words>::insert_near(const Path& path, Range range, Value value) noexcept {
    const auto gap = Leaf(*path.leaf).insert_near(range, value, path.low);
    if (!gap) return false;
    ++entry_count_;
    id_count_ += range.count();
    filled_gap(path, *gap);
    return true;
}

// Something was stored in a gap of the path's leaf that had this length.
template <unsigned words>
void BasicRangeTree<words>::filled_gap(const Path& path, std::uint64_t gap) noexcept {
    if (path.height > 1 && path.inner(1).gap(path.at[1].index) == gap) {
        set_gap(path, 1, Leaf(*path.leaf).longest_gap(path.low, gap));
    }
}

// Stores before the last live ID.
template <unsigned words>
void BasicRangeTree<words>::insert(Path& path, Range range, Value value, bool joined,
                                   bool joins_next) noexcept {
    Leaf leaf(*path.leaf);
    if (!leaf.wide()) {
        const bool is_wide = Leaf::is_wide(range);
        if (!is_wide && insert_in_leaf(path, range, value, joined, joins_next)) return;
        if (!is_wide && leaf.live_count() > 1) {
            split_leaf(path, leaf.middle());
            path = descend(range.first);
            leaf = Leaf(*path.leaf);
            if (insert_in_leaf(path, range, value, joined, joins_next)) return;
        }
        const auto before = range.first > path.low ? leaf.previous(range.first - 1) : std::nullopt;
        if (before) {
            split_leaf(path, range.last + 1);
            path = descend(range.first);
        }
    }
    insert_before_leaf(path, range, value, joined, joins_next);
}

// Stores among what the path's leaf holds. False, and nothing is changed, if there is no room.
template <unsigned words>
bool BasicRangeTree<words>::insert_in_leaf(const Path& path, Range range, Value value, bool joined,
                                           bool joins_next) noexcept {
    Leaf leaf(*path.leaf);
    const auto before = range.first > path.low ? leaf.previous(range.first - 1) : std::nullopt;
    const Id gap_first = before ? *before + 1 : path.low;
    const std::uint64_t gap = *leaf.next(range.last) - gap_first;
    {
        const NodeEdit edit(*path.leaf);
        if (!leaf.insert(range, value, joined, joins_next)) return false;
    }
    filled_gap(path, gap);
    return true;
}

// Stores in the gap before the first live ID of the path's leaf: in the leaf before, or in a new one.
template <unsigned words>
void BasicRangeTree<words>::insert_before_leaf(Path& path, Range range, Value value, bool joined,
                                               bool joins_next) noexcept {
    const StructureEdit edit(*this);
    const Id behind = path.high;
    set_joined(range.last + 1, joins_next);
    if (!append_to_leaf_before(path, range, value, joined)) {
        Leaf leaf(*new_node(0));
        fill(leaf, range, value, joined);
        insert_slot(path, 1, false, range.last, {0, &leaf.node(), range.first - path.low}, false);
    }
    refresh_gap(behind);
}

template <unsigned words>
bool BasicRangeTree<words>::append_to_leaf_before(const Path& path, Range range, Value value,
                                                  bool joined) noexcept {
    if (path.low == 0 || Leaf::is_wide(range)) return false;
    const Path before = descend(path.low - 1);
    Leaf leaf(*before.leaf);
    if (leaf.wide() || !append_to_leaf(leaf, path.low - 1, range, value, joined)) return false;
    raise_gap(before, range.first - path.low);
    set_pivot(before, 1, range.last);
    return true;
}

// Says of an ID that is live, or else of none, whether it is joined to the one before.
template <unsigned words>
void BasicRangeTree<words>::set_joined(Id id, bool joined) noexcept {
    if (id > last_id_) return;
    Leaf leaf(*descend(id).leaf);
    if (leaf.load(id) == 0) return;
    const NodeEdit edit(leaf.node());
    leaf.set_joined(id, joined);
}

// Where `range` is to be joined to a wide entry, makes that entry longer. False if there is none.
template <unsigned words>
bool BasicRangeTree<words>::extend_wide(Range range, Value value, bool joined,
                                        bool joins_next) noexcept {
    if (joined) {
        const auto left = Leaf(*descend(range.first - 1).leaf).wide();
        if (left) {
            extend_wide_up(*left, range, value, joins_next);
            return true;
        }
    }
    if (!joins_next) return false;
    const Path path = descend(range.last + 1);
    Leaf leaf(*path.leaf);
    const auto right = leaf.wide();
    if (!right) return false;
    fill(leaf, {range.first, right->last}, value, joined);
    set_gap(path, 1, leaf.longest_gap(path.low));
    return true;
}

// The wide entry before `range` goes on to its end, and on over the wide one behind, if it joins it.
template <unsigned words>
void BasicRangeTree<words>::extend_wide_up(Range wide, Range range, Value value,
                                           bool joins_next) noexcept {
    const StructureEdit edit(*this);
    Id last = range.last;
    if (joins_next) {
        Path behind = descend(range.last + 1);
        Leaf leaf(*behind.leaf);
        if (const auto right = leaf.wide()) {
            last = right->last;
            owes(owed_by(leaf), 0);
            remove_leaf(behind);
        }
    }
    if (last == range.last && last < id_max) set_joined(last + 1, joins_next);
    const Path path = descend(wide.first);
    Leaf leaf(*path.leaf);
    const bool joined = leaf.is_joined(wide.first);
    fill(leaf, {wide.first, last}, value, joined);
    const bool is_last = path.high == last_id_;
    set_pivot(path, 1, last);
    if (!is_last) refresh_gap(last + 1);
}

// Makes two leaves of the path's: what is live before `id`, and the rest. Requires that both have
// some. The path is used up.
template <unsigned words>
void BasicRangeTree<words>::split_leaf(Path& path, Id id) noexcept {
    const StructureEdit edit(*this);
    Leaf left(*path.leaf);
    Leaf right(*new_node(0));
    Node scratch;  // NOLINT(cppcoreguidelines-pro-type-member-init): its words are written first
    scratch.set_meta({});
    Leaf kept(scratch);
    const TakeOver as_it_was{.bridges = false};
    const NodeEdit left_edit(left.node());
    const NodeEdit right_edit(right.node());
    const bool fits = kept.take_over(left, {0, id - 1}, as_it_was) == id - 1 &&
                      right.take_over(left, {id, id_max}, as_it_was) == id_max;
    INOD_ASSERT(fits);
    left.assign(kept);
    const Id left_last = *left.previous(id_max);
    set_gap(path, 1, left.longest_gap(path.low));
    insert_slot(path, 1, true, left_last, {0, &right.node(), right.longest_gap(left_last + 1)},
                false);
}

INOD_RANGE_TREE_INSTANCES

}  // namespace inod
