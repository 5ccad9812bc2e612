// Looking up, and ways through the tree.
#include <algorithm>

#include "lib/tree/range_tree_instances.h"
#include "lib/tree/range_tree_private.h"

namespace inod {

// To the leaf that answers for `id`; for an ID behind all that is stored, the last leaf. Requires a
// root.
template <unsigned words>
typename BasicRangeTree<words>::Path BasicRangeTree<words>::descend(Id id) const noexcept {
    return way_to(id);
}

// The same, good until the tree changes or is asked for another.
template <unsigned words>
const typename BasicRangeTree<words>::Path& BasicRangeTree<words>::way_to(Id id) const noexcept {
    Path& path = last_way_.path;
    const std::uint64_t structure = structure_.load(std::memory_order_relaxed);
    if (last_way_.structure == structure) {
        if (path.leaf == tail_) path.high = last_id_;  // which appending moves
        if (id >= path.low && id <= path.high) return path;
    }
    go(id, path);
    const bool is_changing = structure % 2 != 0;
    last_way_.structure = is_changing ? Way::none : structure;
    return path;
}

template <unsigned words>
void BasicRangeTree<words>::go(Id id, Path& path) const noexcept {
    path.height = height();
    path.low = 0;
    path.high = last_id_;
    Node* node = root_;
    for (unsigned level = path.height - 1; level > 0; --level) {
        const Inner inner(*node);
        const unsigned index = inner.search(id);
        path.at[level] = {node, index};
        if (index > 0) path.low = inner.pivot(index - 1) + 1;
        path.high = std::min(path.high, inner.pivot(index));
        node = inner.child(index);
        if (level > 1) {
            Inner(*node).prefetch();
        } else {
            inner.prefetch_gap(index);
        }
    }
    path.leaf = node;
    Leaf(*node).prefetch_bits(id - std::min(id, path.low));
}

template <unsigned words>
Value BasicRangeTree<words>::load_occupied(Id id) const noexcept {
    if (root_ == nullptr || id > last_id_) return 0;
    const Path& path = way_to(id);
    const Leaf leaf(*path.leaf);
    leaf.prefetch_value(id - path.low);
    return leaf.load(id);
}

template <unsigned words>
Value BasicRangeTree<words>::load(Id id) const noexcept {
    const Value value = load_occupied(id);
    return value == reserved ? 0 : value;
}

// Is `id` live and joined to the ID before?
template <unsigned words>
bool BasicRangeTree<words>::continues(Id id) const noexcept {
    if (id == 0 || root_ == nullptr || id > last_id_) return false;
    const Path path = descend(id);
    const Leaf leaf(*path.leaf);
    if (!leaf.is_joined(id)) return false;
    return id == path.low ? id > 0 : leaf.load(id - 1) != 0;
}

// The entry that covers `id`, which is live in the path's leaf.
template <unsigned words>
Entry BasicRangeTree<words>::entry_at(const Path& path, Id id) const noexcept {
    const Leaf leaf(*path.leaf);
    Entry entry{{leaf.entry_first(id), leaf.entry_last(id)}, leaf.load(id)};
    Id low = path.low;
    for (Leaf left = leaf; entry.range.first == low && low > 0 && left.is_joined(low);) {
        const Path before = descend(low - 1);
        left = Leaf(*before.leaf);
        entry.range.first = left.entry_first(low - 1);
        low = before.low;
    }
    Id high = path.high;
    while (entry.range.last == high && high < last_id_) {
        const Path behind = descend(high + 1);
        const Leaf right(*behind.leaf);
        if (!right.is_joined(high + 1)) break;
        entry.range.last = right.entry_last(high + 1);
        high = behind.high;
    }
    return entry;
}

template <unsigned words>
std::optional<Entry> BasicRangeTree<words>::find_occupied(Id id) const noexcept {
    if (root_ == nullptr || id > last_id_) return std::nullopt;
    const Path path = descend(id);
    if (Leaf(*path.leaf).load(id) == 0) return std::nullopt;
    return entry_at(path, id);
}

template <unsigned words>
std::optional<Entry> BasicRangeTree<words>::find_within(Range range) const noexcept {
    if (root_ == nullptr || range.first > last_id_) return std::nullopt;
    Path path = descend(range.first);
    Leaf leaf(*path.leaf);
    const Value value = leaf.load(range.first);
    if (value == 0 || value == reserved) return std::nullopt;
    Id last = leaf.entry_last(range.first, range.last);
    while (last == path.high && last < std::min(range.last, last_id_)) {
        path = descend(last + 1);
        leaf = Leaf(*path.leaf);
        if (!leaf.is_joined(last + 1)) break;
        last = leaf.entry_last(last + 1, range.last);
    }
    return Entry{{range.first, last}, value};
}

template <unsigned words>
std::optional<Entry> BasicRangeTree<words>::next_occupied(Id id) const noexcept {
    if (root_ == nullptr || id > last_id_) return std::nullopt;
    const Path path = descend(id);
    return entry_at(path, *Leaf(*path.leaf).next(id));
}

template <unsigned words>
std::optional<Entry> BasicRangeTree<words>::previous_occupied(Id id) const noexcept {
    if (root_ == nullptr) return std::nullopt;
    id = std::min(id, last_id_);
    const Path path = descend(id);
    if (const auto found = Leaf(*path.leaf).previous(id)) return entry_at(path, *found);
    if (path.low == 0) return std::nullopt;
    return entry_at(descend(path.low - 1), path.low - 1);
}

template <unsigned words>
std::optional<Entry> BasicRangeTree<words>::find(Id id) const noexcept {
    const auto entry = find_occupied(id);
    return entry && entry->value == reserved ? std::nullopt : entry;
}

template <unsigned words>
std::optional<Entry> BasicRangeTree<words>::next_stored(Id id) const noexcept {
    auto entry = next_occupied(id);
    while (entry && entry->value == reserved) {
        if (entry->range.last == id_max) return std::nullopt;
        entry = next_occupied(entry->range.last + 1);
    }
    return entry;
}

template <unsigned words>
std::optional<Entry> BasicRangeTree<words>::previous(Id id) const noexcept {
    auto entry = previous_occupied(id);
    while (entry && entry->value == reserved) {
        if (entry->range.first == 0) return std::nullopt;
        entry = previous_occupied(entry->range.first - 1);
    }
    return entry;
}

template <unsigned words>
std::optional<Range> BasicRangeTree<words>::next_gap(Id id) const noexcept {
    while (const auto entry = find_occupied(id)) {
        if (entry->range.last == id_max) return std::nullopt;
        id = entry->range.last + 1;
    }
    const auto before = id > 0 ? previous_occupied(id - 1) : std::nullopt;
    const auto behind = next_occupied(id);
    return Range{before ? before->range.last + 1 : 0, behind ? behind->range.first - 1 : id_max};
}

template <unsigned words>
std::optional<Range> BasicRangeTree<words>::previous_gap(Id id) const noexcept {
    while (const auto entry = find_occupied(id)) {
        if (entry->range.first == 0) return std::nullopt;
        id = entry->range.first - 1;
    }
    return next_gap(id);
}

template <unsigned words>
typename BasicRangeTree<words>::Cursor BasicRangeTree<words>::begin_at(Id id) const noexcept {
    Cursor cursor;
    cursor.tree_ = this;
    cursor.entry_ = next(id);
    if (!cursor.entry_) return cursor;
    const Path path = descend(cursor.entry_->range.last);
    cursor.leaf_ = path.leaf;
    cursor.leaf_last_ = path.high;
    return cursor;
}

// In the same leaf as long as the next entry ends in it.
template <unsigned words>
typename BasicRangeTree<words>::Cursor& BasicRangeTree<words>::Cursor::operator++() noexcept {
    const Id last = entry_->range.last;
    if (last < leaf_last_) {
        const Leaf leaf(*const_cast<Node*>(leaf_));  // NOLINT: a view that only reads
        const Id first = *leaf.next(last + 1);
        const Entry entry{{first, leaf.entry_last(first)}, leaf.load(first)};
        if (entry.range.last < leaf_last_ && entry.value != reserved) {
            entry_ = entry;
            return *this;
        }
    }
    if (last == id_max) {
        entry_.reset();
    } else {
        *this = tree_->begin_at(last + 1);
    }
    return *this;
}

INOD_RANGE_TREE_INSTANCES

}  // namespace inod
