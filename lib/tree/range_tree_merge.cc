// Fewer leaves for what releases have left.
#include <algorithm>

#include "lib/base/assert.h"
#include "lib/tree/range_tree_instances.h"
#include "lib/tree/range_tree_private.h"

namespace inod {
namespace {

constexpr unsigned window_max = 4;  // leaves that are looked at together

}  // namespace

// Where up to four neighbours fit one leaf less, packs them into it. Looked at with every sixteenth ID
// that a leaf loses only, since it costs a look at the neighbours. It had `live_before` IDs. The path is
// used up.
template <unsigned words>
void BasicRangeTree<words>::spread(Path& path, unsigned live_before) noexcept {
    constexpr unsigned interval = words / 16;
    constexpr unsigned wanted = Leaf::capacity() - Leaf::capacity() / 16;  // words in a leaf
    const unsigned live = Leaf(*path.leaf).live_count();
    if (path.height == 1 || live / interval == live_before / interval) return;
    const Inner parent = path.inner(1);
    const unsigned index = path.at[1].index;
    const unsigned first = index >= window_max - 1 ? index - (window_max - 1) : 0;
    const unsigned end = std::min(index + window_max, parent.count());
    std::array<unsigned, 2 * window_max> sizes{};
    for (unsigned i = first; i < end; ++i) {
        const Leaf leaf(*parent.child(i));
        sizes[i - first] = leaf.wide() ? window_max * wanted : leaf.packed_count();
    }
    for (unsigned count = 2; count <= window_max; ++count) {
        for (unsigned i = index >= count - 1 ? index - (count - 1) : 0; i <= index; ++i) {
            if (i < first || i + count > end) continue;
            unsigned size = 0;
            for (unsigned k = 0; k < count; ++k)
                size += sizes[i - first + k];
            if (size <= (count - 1) * wanted && pack_window(path, i, count, size)) return;
        }
    }
}

// Packs `count` children of the path's lowest inner node, from `first` on, into fewer, of which each has
// about as much room left as the others. They take `size` words. False, and nothing is changed, if they
// do not fit.
template <unsigned words>
bool BasicRangeTree<words>::pack_window(Path& path, unsigned first, unsigned count,
                                        unsigned size) noexcept {
    constexpr unsigned boundary = 8;  // words that an item which is cut in two can take more
    const unsigned share = size / (count - 1) + boundary;
    const unsigned spare = share < Leaf::capacity() ? Leaf::capacity() - share : 0;
    Inner parent = path.inner(1);
    std::array<Node, window_max - 1> scratch;  // NOLINT: its words are written before they are read
    unsigned used = 0;
    scratch[0].set_meta({});
    for (unsigned i = 0; i < count; ++i) {
        Range rest = whole_space;
        for (;;) {
            Leaf target(scratch[used], spare);
            const auto taken = target.take_over(Leaf(*parent.child(first + i)), rest, {});
            if (taken == rest.last) break;
            if (++used == count - 1) return false;
            if (taken) rest.first = *taken + 1;
            scratch[used].set_meta({});
        }
    }
    ++used;
    const StructureEdit edit(*this);
    Id low = lower_bound(path, 1, first);
    const Id pivot = parent.pivot(first + count - 1);
    for (unsigned i = 0; i < used; ++i) {
        Leaf leaf(*parent.child(first + i));
        const NodeEdit leaf_edit(leaf.node());
        leaf.assign(Leaf(scratch[i]));
        parent.set_gap(first + i, leaf.longest_gap(low));
        const Id last = *leaf.previous(id_max);
        if (i + 1 < used) parent.set_pivot(first + i, last);
        low = last + 1;
    }
    parent.set_pivot(first + used - 1, pivot);
    for (unsigned i = count; i-- > used;) {
        give_node(*parent.child(first + i));
        recount(parent, [&] { parent.remove(first + i); });
    }
    set_gap(path, 2, parent.max_gap());
    settle(path, 1);
    return true;
}

INOD_RANGE_TREE_INSTANCES

}  // namespace inod
