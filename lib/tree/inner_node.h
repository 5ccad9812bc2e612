// An inner node of a range tree: for each child what is below it.
//
//   pivot[i]   the last live ID below child i; of the last child, and behind it, 2^64 - 1: its
//              parent's pivot says it, and at the right edge of the tree the tree itself
//   child[i]   the node
//   gap[i]     the longest run of free IDs that child i answers for: those between the last live ID
//              before it and the last live ID below it
//   fence[k]   pivot[8 k + 7], so that a search reads few cache lines
//
// So a gap lies below exactly one slot, that of the live ID behind it.
//
// Thread safety: that of Node. Changes of pivots and children stand between two changes of the tree's
// structure word, by which readers notice; gaps are the writer's alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "lib/base/range.h"
#include "lib/tree/node.h"

namespace inod {

template <unsigned words>
struct TreeSlot {
    Id pivot;
    Node<words>* child;
    std::uint64_t gap;
};

// A view of a node. Copies view the same node.
template <unsigned words>
class InnerNode {
public:
    using Slot = TreeSlot<words>;

    static constexpr unsigned stride = 8;  // pivots for each fence
    static constexpr unsigned capacity = [] {
        constexpr unsigned most = Node<words>::body_count * stride / (3 * stride + 1);
        return most < stride ? most : most - most % stride;
    }();
    // Of a full node that is split, each half has at most this many slots, one more included.
    static constexpr unsigned half = (capacity + 2) / 2;
    // What a node takes between a split and the next: d of the proof in lib/tree/prepaid.h.
    static constexpr unsigned rise = capacity - half;
    static_assert(rise >= 1 && 2 * rise <= capacity - 1);

    explicit InnerNode(Node<words>& node) noexcept : node_(&node) {}

    [[nodiscard]] Node<words>& node() const noexcept { return *node_; }
    // At most `capacity`, whatever a reader beside a writer finds.
    [[nodiscard]] unsigned count() const noexcept {
        return std::min(node_->meta().count, capacity);
    }
    [[nodiscard]] bool is_full() const noexcept { return count() == capacity; }

    [[nodiscard]] Id pivot(unsigned index) const noexcept { return node_->get(index); }
    [[nodiscard]] Node<words>* child(unsigned index) const noexcept {
        // The word was made of such a pointer. NOLINTNEXTLINE(performance-no-int-to-ptr)
        return reinterpret_cast<Node<words>*>(node_->get(capacity + index));
    }
    [[nodiscard]] std::uint64_t gap(unsigned index) const noexcept {
        return node_->get(2 * capacity + index);
    }
    [[nodiscard]] Slot slot(unsigned index) const noexcept {
        return {pivot(index), child(index), gap(index)};
    }
    [[nodiscard]] std::uint64_t max_gap() const noexcept {
        std::uint64_t longest = 0;
        for (unsigned i = 0; i < count(); ++i)
            longest = std::max(longest, gap(i));
        return longest;
    }

    void set_pivot(unsigned index, Id pivot) noexcept {
        node_->set(index, pivot);
        if (index % stride == stride - 1) node_->set(fence_at(index / stride), pivot);
    }
    // The pivot of the last child, before it becomes that.
    [[nodiscard]] Id take_last_pivot() noexcept {
        const Id last = pivot(count() - 1);
        set_pivot(count() - 1, id_max);
        return last;
    }
    void set_gap(unsigned index, std::uint64_t gap) noexcept {
        node_->set(2 * capacity + index, gap);
    }
    void set(unsigned index, const Slot& slot) noexcept {
        set_pivot(index, slot.pivot);
        node_->set(capacity + index, reinterpret_cast<std::uint64_t>(slot.child));
        set_gap(index, slot.gap);
    }
    void set_count(unsigned count) noexcept {
        NodeMeta meta = node_->meta();
        meta.count = count;
        node_->set_meta(meta);
    }
    // Makes a new node one without children.
    void make_empty() noexcept {
        for (unsigned i = 0; i < capacity; ++i)
            set_pivot(i, id_max);
        set_count(0);
    }

    // The child that answers for `id`: the first whose pivot is not below it. Counts the pivots below,
    // by their fences first: without branches that could be mispredicted, and in few cache lines.
    [[gnu::always_inline, nodiscard]] unsigned search(Id id) const noexcept {
        const Node<words>& node = *node_;  // which the compiler would fetch anew for each word
        const std::size_t fences = count_below<fence_count>(node, fence_at(0), id);
        const std::size_t begin = std::min<std::size_t>(stride * fences, capacity - pivots_counted);
        node.prefetch(capacity + begin);  // the child, while the pivots are on their way
        const std::size_t index = begin + count_below<pivots_counted>(node, begin, id);
        return static_cast<unsigned>(std::min<std::size_t>(index, capacity - 1));
    }

    // Asks the memory for all that search() may read, which would otherwise wait for one after the
    // other.
    [[gnu::always_inline]] void prefetch() const noexcept {
        node_->prefetch(fence_at(0));
        node_->prefetch(words - 1);
        for (unsigned i = 0; i < capacity; i += stride)
            node_->prefetch(i);
    }

    [[gnu::always_inline]] void prefetch_gap(unsigned index) const noexcept {
        node_->prefetch(2 * capacity + index);
    }

    // Requires room.
    void insert(unsigned index, const Slot& slot) noexcept {
        for (unsigned array = 0; array < 3; ++array) {
            const unsigned at = array * capacity + index;
            node_->move(at, at + 1, count() - index);
        }
        set(index, slot);
        set_count(count() + 1);
        set_fences(index);
    }
    void remove(unsigned index) noexcept {
        for (unsigned array = 0; array < 3; ++array) {
            const unsigned at = array * capacity + index;
            node_->move(at + 1, at, count() - index - 1);
        }
        node_->set(count() - 1, id_max);
        set_count(count() - 1);
        set_fences(index);
    }
    // Moves the slots from `index` on behind those of `other`, which has room.
    void move_tail(unsigned index, InnerNode other) noexcept {
        const unsigned behind = other.count();
        for (unsigned i = index; i < count(); ++i) {
            other.set(behind + i - index, slot(i));
            set_pivot(i, id_max);
        }
        other.set_count(behind + count() - index);
        set_count(index);
    }

    // Is each fence the pivot that it stands for?
    [[nodiscard]] bool has_fences() const noexcept {
        for (unsigned k = 0; k < fence_count; ++k) {
            if (node_->get(fence_at(k)) != pivot(k * stride + stride - 1)) return false;
        }
        return true;
    }

private:
    static constexpr unsigned fence_count = capacity / stride;
    static constexpr unsigned pivots_counted = std::min(stride, capacity);
    static constexpr unsigned fence_at(unsigned index) { return 3 * capacity + index; }
    static_assert(3 * capacity + fence_count <= Node<words>::body_count);

    // How many of `count` words from `at` on are below `id`. Written out, since it is most of a search.
    template <unsigned count>
    [[gnu::always_inline, nodiscard]] static std::size_t count_below(const Node<words>& node,
                                                                     std::size_t at,
                                                                     Id id) noexcept {
        if constexpr (count == 0) {
            return 0;
        } else {
            return (node.get(at) < id ? 1U : 0U) + count_below<count - 1>(node, at + 1, id);
        }
    }
    void set_fences(unsigned index) noexcept {
        for (unsigned k = index / stride; k < fence_count; ++k)
            node_->set(fence_at(k), pivot(k * stride + stride - 1));
    }

    Node<words>* node_;
};

}  // namespace inod
