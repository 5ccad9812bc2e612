// A sorted list that does what a RangeTree does: too slow to ship, hard to get wrong.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "lib/tree/range_tree.h"

namespace inod {

class Model {
public:
    void erase(Range range) {
        auto it = entries_.lower_bound(range.first);
        if (it != entries_.begin() && std::prev(it)->second.range.last >= range.first) --it;
        while (it != entries_.end() && it->second.range.first <= range.last) {
            const Entry entry = it->second;
            it = entries_.erase(it);
            id_count_ -= entry.range.count();
            if (entry.range.first < range.first) {
                put({{entry.range.first, range.first - 1}, entry.value});
            }
            if (entry.range.last > range.last) {
                put({{range.last + 1, entry.range.last}, entry.value});
            }
        }
    }
    std::optional<Entry> erase_at(Id id) {
        const auto entry = find_occupied(id);
        if (entry) erase(entry->range);
        return entry;
    }
    void store(Range range, Value value) {
        erase(range);
        put({range, value});
    }
    void store_merged(Range range, Value value) {
        erase(range);
        if (range.first != 0) {
            if (auto left = find_occupied(range.first - 1); left && left->value == value) {
                erase(left->range);
                range.first = left->range.first;
            }
        }
        if (range.last != id_max) {
            if (auto right = find_occupied(range.last + 1); right && right->value == value) {
                erase(right->range);
                range.last = right->range.last;
            }
        }
        put({range, value});
    }
    void clear() {
        entries_.clear();
        id_count_ = 0;
    }

    std::optional<Entry> find_occupied(Id id) const {
        auto entry = previous_occupied(id);
        return entry && entry->range.contains(id) ? entry : std::nullopt;
    }
    std::optional<Entry> next_occupied(Id id) const {
        if (auto entry = find_occupied(id)) return entry;
        auto it = entries_.lower_bound(id);
        if (it == entries_.end()) return std::nullopt;
        return it->second;
    }
    std::optional<Entry> previous_occupied(Id id) const {
        auto it = entries_.upper_bound(id);
        if (it == entries_.begin()) return std::nullopt;
        return std::prev(it)->second;
    }
    std::optional<Entry> find(Id id) const {
        auto entry = find_occupied(id);
        return entry && entry->value != reserved ? entry : std::nullopt;
    }
    std::optional<Entry> next(Id id) const {
        if (auto entry = find(id)) return entry;
        for (auto it = entries_.lower_bound(id); it != entries_.end(); ++it) {
            if (it->second.value != reserved) return it->second;
        }
        return std::nullopt;
    }
    std::optional<Entry> previous(Id id) const {
        for (auto it = entries_.upper_bound(id); it != entries_.begin();) {
            if ((--it)->second.value != reserved) return it->second;
        }
        return std::nullopt;
    }

    std::optional<Range> next_gap(Id id) const {
        std::optional<Range> found;
        for_each_gap({id, id_max}, [&](Range gap) {
            found = gap;
            return true;
        });
        return whole(found);
    }
    std::optional<Range> previous_gap(Id id) const {
        std::optional<Range> found;
        for_each_gap_down({0, id}, [&](Range gap) {
            found = gap;
            return true;
        });
        return whole(found);
    }
    std::optional<Range> find_gap(const GapRequest& request, Id from) const {
        std::optional<Range> found;
        const Range window{std::max(request.window.first, from), request.window.last};
        for_each_gap(window, [&](Range gap) {
            const std::uint64_t odd = gap.first % request.align;
            const std::uint64_t skipped = odd == 0 ? 0 : request.align - odd;
            if (gap.span() < skipped || gap.span() - skipped < request.count - 1) return false;
            const Id first = gap.first + skipped;
            found = {first, first + (request.count - 1)};
            return true;
        });
        return found;
    }
    std::optional<Range> find_gap_down(const GapRequest& request, Id to) const {
        std::optional<Range> found;
        const Range window{request.window.first, std::min(request.window.last, to)};
        for_each_gap_down(window, [&](Range gap) {
            if (gap.span() < request.count - 1) return false;
            const Id highest = gap.last - (request.count - 1);
            if (highest - gap.first < highest % request.align) return false;
            const Id first = highest - highest % request.align;
            found = {first, first + (request.count - 1)};
            return true;
        });
        return found;
    }

    // Without the reserved ones, as for_each() of the tree has them.
    std::vector<Entry> entries() const {
        std::vector<Entry> result;
        for (const auto& [first, entry] : entries_) {
            if (entry.value != reserved) result.push_back(entry);
        }
        return result;
    }
    std::vector<Entry> occupied_entries() const {
        std::vector<Entry> result;
        for (const auto& [first, entry] : entries_)
            result.push_back(entry);
        return result;
    }
    std::size_t size() const { return entries_.size(); }  // reserved ones too
    std::uint64_t id_count() const { return id_count_; }  // modulo 2^64

private:
    void put(const Entry& entry) {
        entries_.emplace(entry.range.first, entry);
        id_count_ += entry.range.count();
    }

    // Calls f(Range) for the runs of free IDs in the window, cut at its ends, ascending, until one
    // call returns true.
    template <class F>
    void for_each_gap(Range window, F&& f) const {
        if (window.first > window.last) return;
        Id low = window.first;
        auto it = entries_.upper_bound(low);
        if (it != entries_.begin()) --it;
        for (; it != entries_.end() && it->first <= window.last; ++it) {
            const Range taken = it->second.range;
            if (taken.last < low) continue;
            if (taken.first > low && f(Range{low, taken.first - 1})) return;
            if (taken.last >= window.last) return;
            low = taken.last + 1;
        }
        f(Range{low, window.last});
    }
    // The same, descending.
    template <class F>
    void for_each_gap_down(Range window, F&& f) const {
        if (window.first > window.last) return;
        Id high = window.last;
        for (auto it = entries_.upper_bound(high); it != entries_.begin();) {
            const Range taken = (--it)->second.range;
            if (taken.last < window.first) break;
            if (taken.last < high && f(Range{taken.last + 1, high})) return;
            if (taken.first <= window.first) return;
            high = taken.first - 1;
        }
        f(Range{window.first, high});
    }
    // The run that a part of it was found of.
    std::optional<Range> whole(std::optional<Range> part) const {
        if (!part) return std::nullopt;
        const auto before = previous_occupied(part->first);
        const auto behind = next_occupied(part->last);
        return Range{before ? before->range.last + 1 : 0,
                     behind ? behind->range.first - 1 : id_max};
    }

    std::map<Id, Entry> entries_;
    std::uint64_t id_count_ = 0;
};

// Stores in both. Requires that the tree has what it needs in its reserve.
template <class Tree>
void store_in_both(Tree& tree, Model& model, Range range, Value value, bool merged) {
    if (merged) {
        tree.store_merged(range, value);
        model.store_merged(range, value);
    } else {
        tree.store(range, value);
        model.store(range, value);
    }
}

}  // namespace inod
