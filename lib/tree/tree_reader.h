// Reading a range tree beside its one writer, from any number of threads.
//
// A read takes no lock. It goes down as the writer does, and what it saw counts only if nothing that it
// passed has changed meanwhile: the tree's structure word on the way to a leaf, the leaf's version
// from before its words were read to the end. Then all of it was true at one moment. Otherwise it
// begins again, and after `attempts_max` times takes the writer's lock for that one read. So it does at
// once if an entry goes on over more than `leaves_max` leaves, or as many leaves of reserved entries lie
// before the next one. So a reader never holds the writer up for longer than a few descents, and mostly
// not at all.
//
// Nodes may be reused at once, since nothing waits for readers: their memory stays node memory until
// trim() or the tree's end, a version never goes back, and words are read atomically. A reader that
// looks at a node which has become another one reads words that mean nothing, but stays inside it.
//
// Thread safety: all calls from any thread that does not hold `lock` itself, beside one writer that does,
// and not beside RangeTree::trim().
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "lib/tree/range_tree.h"

namespace inod {

// `Lock` is what the writer holds while it changes the tree: lock() and unlock().
template <unsigned words, class Lock>
class BasicTreeReader {
    using Tree = BasicRangeTree<words>;
    using Node = inod::Node<words>;
    using Leaf = inod::Leaf<words>;

public:
    // Both outlive the reader.
    BasicTreeReader(const Tree& tree, Lock& lock) noexcept : tree_(tree), lock_(lock) {}

    // As the tree's calls of the same names, of which these are the ones that are here.
    [[nodiscard]] Value load(Id id) const {
        return read<Value>([&](Sight& sight) { return load_in(sight, id); },
                           [&] { return tree_.load(id); });
    }
    [[nodiscard]] std::optional<Entry> find(Id id) const {
        return read<std::optional<Entry>>([&](Sight& sight) { return find_in(sight, id); },
                                          [&] { return tree_.find(id); });
    }
    [[nodiscard]] std::optional<Entry> next(Id id) const {
        return read<std::optional<Entry>>([&](Sight& sight) { return next_in(sight, id); },
                                          [&] { return tree_.next(id); });
    }
    // Calls f(Entry) for the entries that overlap `range`, whole, in ascending order, and holds no lock
    // meanwhile. Each is true at some moment, and no two at the same one: long walks go in slices of
    // one entry.
    template <class F>
    void for_each(Range range, F&& f) const {
        for (auto entry = next(range.first); entry && entry->range.first <= range.last;
             entry = next(entry->range.last + 1)) {
            f(*entry);
            if (entry->range.last >= range.last) return;
        }
    }

private:
    static constexpr unsigned attempts_max = 16;
    static constexpr std::size_t leaves_max = 8;  // that one read may look at; more take the lock

    // Where a leaf stands in the tree.
    struct Place {
        const Node* node;  // nullptr: the tree is empty
        std::uint64_t version;
        Id low;   // the first ID that it answers for
        Id high;  // the last one: of the last leaf 2^64 - 1

        [[nodiscard]] Leaf leaf() const { return Leaf(*const_cast<Node*>(node)); }  // NOLINT: reads
    };
    // What one attempt has looked at.
    class Sight {
    public:
        explicit Sight(const Tree& tree) noexcept
            : tree_(tree), structure_(tree.structure_.load(std::memory_order_acquire)) {}

        // The leaf that answers for `id`, or nothing if something has changed meanwhile.
        [[nodiscard]] std::optional<Place> descend(Id id) noexcept {
            has_too_many_ = count_ == leaves_max;
            if (structure_ % 2 != 0 || has_too_many_) return std::nullopt;
            const Node* node = tree_.shared_root_.load(std::memory_order_acquire);
            if (node == nullptr) return stands() ? std::optional(Place{}) : std::nullopt;
            Place place{nullptr, 0, 0, id_max};
            unsigned level = node->meta().level;
            if (!stands()) return std::nullopt;
            for (; level > 0; --level) {
                const InnerNode<words> inner(*const_cast<Node*>(node));  // NOLINT: reads
                const unsigned index = inner.search(id);
                if (index > 0) place.low = inner.pivot(index - 1) + 1;
                place.high = std::min(place.high, inner.pivot(index));
                node = inner.child(index);
                if (!stands()) return std::nullopt;
            }
            place.node = node;
            place.leaf().prefetch_value(id - std::min(id, place.low));
            place.version = node->version();
            if (place.version % 2 != 0 || !stands()) return std::nullopt;
            places_[count_++] = place;
            return place;
        }
        // Did it ask for more leaves than one attempt may look at? Another one would, too.
        [[nodiscard]] bool has_too_many() const noexcept { return has_too_many_; }
        // Was all that was looked at there at one moment?
        [[nodiscard]] bool counts() const noexcept {
            for (std::size_t i = 0; i < count_; ++i) {
                if (places_[i].node->version() != places_[i].version) return false;
            }
            return count_ <= 1 || stands();
        }

    private:
        [[nodiscard]] bool stands() const noexcept {
            return tree_.structure_.load(std::memory_order_acquire) == structure_;
        }

        const Tree& tree_;
        const std::uint64_t structure_;
        std::array<Place, leaves_max> places_;
        std::size_t count_ = 0;
        bool has_too_many_ = false;
    };
    // What an attempt answers, or nothing if it has to be made again.
    template <class T>
    using Answer = std::optional<T>;

    template <class T, class Attempt, class Locked>
    T read(Attempt&& attempt, Locked&& locked) const {
        for (unsigned i = 0; i < attempts_max; ++i) {
            Sight sight(tree_);
            const Answer<T> answer = attempt(sight);
            if (answer && sight.counts()) return *answer;
            if (sight.has_too_many()) break;
        }
        lock_.lock();
        const T answer = locked();
        lock_.unlock();
        return answer;
    }

    static Answer<Value> load_in(Sight& sight, Id id) noexcept {
        const auto place = sight.descend(id);
        if (!place) return std::nullopt;
        const Value value = place->node == nullptr ? 0 : place->leaf().load(id);
        return value == reserved ? 0 : value;
    }

    static Answer<std::optional<Entry>> find_in(Sight& sight, Id id) noexcept {
        const auto place = sight.descend(id);
        if (!place) return std::nullopt;
        if (place->node == nullptr) return std::optional<Entry>();
        const Value value = place->leaf().load(id);
        if (value == 0 || value == reserved) return std::optional<Entry>();
        return entry_at(sight, *place, id, value);
    }

    static Answer<std::optional<Entry>> next_in(Sight& sight, Id id) noexcept {
        for (;; ++id) {
            const auto place = sight.descend(id);
            if (!place) return std::nullopt;
            if (place->node == nullptr) return std::optional<Entry>();
            const auto found = next_live(*place, id);
            if (found) return entry_at(sight, *place, *found, place->leaf().load(*found));
            id = place->high;
            if (id == id_max) return std::optional<Entry>();
        }
    }

    // The nearest ID at or after `id` in the leaf that is live and not reserved. In words that mean
    // nothing IDs need not rise; then there is none.
    static std::optional<Id> next_live(const Place& place, Id id) noexcept {
        const Leaf leaf = place.leaf();
        for (auto found = leaf.next(id); found; found = leaf.next(id)) {
            if (*found < id || *found > place.high) return std::nullopt;
            if (leaf.load(*found) != reserved) return found;
            id = std::max(*found, leaf.entry_last(*found));
            if (id >= place.high) return std::nullopt;
            ++id;
        }
        return std::nullopt;
    }

    // The entry of a live ID, which may go on in the leaves on both sides.
    static Answer<std::optional<Entry>> entry_at(Sight& sight, const Place& place, Id id,
                                                 Value value) noexcept {
        Entry entry{{place.leaf().entry_first(id), place.leaf().entry_last(id)}, value};
        std::optional<Place> left = place;
        while (entry.range.first == left->low && left->low > 0 &&
               left->leaf().is_joined(left->low)) {
            const Id last = left->low - 1;
            left = sight.descend(last);
            if (!left || left->node == nullptr) return std::nullopt;
            entry.range.first = left->leaf().entry_first(last);
        }
        std::optional<Place> right = place;
        while (entry.range.last == right->high && right->high < id_max) {
            const Id first = right->high + 1;
            right = sight.descend(first);
            if (!right || right->node == nullptr) return std::nullopt;
            if (!right->leaf().is_joined(first)) break;
            entry.range.last = right->leaf().entry_last(first);
        }
        return std::optional<Entry>(entry);
    }

    const Tree& tree_;
    Lock& lock_;
};

template <class Lock>
using TreeReader = BasicTreeReader<256, Lock>;

}  // namespace inod
