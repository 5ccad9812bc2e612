// Looking up, and ways through the tree.
#include "lib/tree/range_tree.h"
#include "lib/tree/range_tree_instances.h"

namespace inod {

template <std::size_t capacity>
std::optional<Entry> BasicRangeTree<capacity>::find(Id id) const noexcept {
    const std::optional<Entry> entry = next(id);
    if (!entry || entry->range.first > id) return std::nullopt;
    return entry;
}

template <std::size_t capacity>
std::optional<Entry> BasicRangeTree<capacity>::next(Id id) const noexcept {
    if (root_ == nullptr || id > last_id()) return std::nullopt;
    const Node* node = root_;
    while (!node->is_leaf())
        node = node->child(node->search(id));
    const unsigned index = node->search(id);
    return Entry{{node->first(index), node->last[index]}, node->payload[index]};
}

template <std::size_t capacity>
std::optional<Entry> BasicRangeTree<capacity>::previous(Id id) const noexcept {
    Path path;
    if (seek(path, id) && entry_at(path).range.first <= id) return entry_at(path);
    if (root_ == nullptr || !step_back(path)) return std::nullopt;
    return entry_at(path);
}

template <std::size_t capacity>
typename BasicRangeTree<capacity>::Cursor BasicRangeTree<capacity>::begin_at(Id id) const noexcept {
    Cursor cursor;
    cursor.valid_ = seek(cursor.path_, id);
    return cursor;
}

template <std::size_t capacity>
Entry BasicRangeTree<capacity>::Cursor::operator*() const noexcept {
    return entry_at(path_);
}

template <std::size_t capacity>
typename BasicRangeTree<capacity>::Cursor& BasicRangeTree<capacity>::Cursor::operator++() noexcept {
    valid_ = step_forward(path_);
    return *this;
}

template <std::size_t capacity>
Entry BasicRangeTree<capacity>::entry_at(const Path& path) noexcept {
    const Node& leaf = path.leaf();
    const unsigned index = path.index[0];
    return {{leaf.first(index), leaf.last[index]}, leaf.payload[index]};
}

// To the first entry that ends at or after `id`. Without one: false, and the path leads to the
// place behind the last entry, if there is a tree.
template <std::size_t capacity>
bool BasicRangeTree<capacity>::seek(Path& path, Id id) const noexcept {
    if (root_ == nullptr) return false;
    if (id > last_id()) {
        seek_end(path);
        return false;
    }
    Node* node = root_;
    path.height = height();
    for (unsigned level = root_->level; level > 0; --level) {
        path.set(level, node, node->search(id));
        node = node->child(path.index[level]);
    }
    path.set(0, node, node->search(id));
    return true;
}

// The right edge: what cyclic allocation asks for all day, hence without a search.
template <std::size_t capacity>
void BasicRangeTree<capacity>::seek_end(Path& path) const noexcept {
    Node* node = root_;
    path.height = height();
    for (unsigned level = root_->level; level > 0; --level) {
        path.set(level, node, node->count - 1U);
        node = node->child(node->count - 1U);
    }
    path.set(0, node, node->count);
}

template <std::size_t capacity>
bool BasicRangeTree<capacity>::step_forward(Path& path) noexcept {
    unsigned level = 0;
    while (level < path.height && path.index[level] + 1U >= path.node[level]->count)
        ++level;
    if (level == path.height) return false;
    ++path.index[level];
    for (; level > 0; --level) {
        path.set(level - 1, path.node[level]->child(path.index[level]), 0);
    }
    return true;
}

template <std::size_t capacity>
bool BasicRangeTree<capacity>::step_back(Path& path) noexcept {
    unsigned level = 0;
    while (level < path.height && path.index[level] == 0)
        ++level;
    if (level == path.height) return false;
    --path.index[level];
    for (; level > 0; --level) {
        Node* child = path.node[level]->child(path.index[level]);
        path.set(level - 1, child, child->count - 1U);
    }
    return true;
}

// The first ID that the path's node at `level` answers for: one after what ends before it.
template <std::size_t capacity>
Id BasicRangeTree<capacity>::lower_bound(const Path& path, unsigned level) noexcept {
    for (unsigned above = level + 1; above < path.height; ++above) {
        const unsigned index = path.index[above];
        if (index > 0) return path.node[above]->last[index - 1] + 1;
    }
    return 0;
}

INOD_RANGE_TREE_INSTANCES

}  // namespace inod
