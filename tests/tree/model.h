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
            if (entry.range.first < range.first) {
                put({{entry.range.first, range.first - 1}, entry.value});
            }
            if (entry.range.last > range.last) {
                put({{range.last + 1, entry.range.last}, entry.value});
            }
        }
    }
    void store(Range range, Value value) {
        erase(range);
        put({range, value});
    }
    void store_merged(Range range, Value value) {
        erase(range);
        if (range.first != 0) {
            if (auto left = find(range.first - 1); left && left->value == value) {
                entries_.erase(left->range.first);
                range.first = left->range.first;
            }
        }
        if (range.last != id_max) {
            if (auto right = find(range.last + 1); right && right->value == value) {
                entries_.erase(right->range.first);
                range.last = right->range.last;
            }
        }
        put({range, value});
    }
    void clear() { entries_.clear(); }

    std::optional<Entry> find(Id id) const {
        auto entry = previous(id);
        return entry && entry->range.contains(id) ? entry : std::nullopt;
    }
    std::optional<Entry> next(Id id) const {
        if (auto entry = find(id)) return entry;
        auto it = entries_.lower_bound(id);
        if (it == entries_.end()) return std::nullopt;
        return it->second;
    }
    std::optional<Entry> previous(Id id) const {
        auto it = entries_.upper_bound(id);
        if (it == entries_.begin()) return std::nullopt;
        return std::prev(it)->second;
    }

    std::optional<Range> find_gap(const GapRequest& request, Id from) const {
        for (Range gap : gaps(std::max(request.window.first, from), request.window.last)) {
            const std::uint64_t odd = gap.first % request.align;
            const std::uint64_t skipped = odd == 0 ? 0 : request.align - odd;
            if (gap.span() < skipped || gap.span() - skipped < request.count - 1) continue;
            const Id first = gap.first + skipped;
            return Range{first, first + (request.count - 1)};
        }
        return std::nullopt;
    }
    std::optional<Range> find_gap_down(const GapRequest& request, Id to) const {
        std::vector<Range> downward = gaps(request.window.first, std::min(request.window.last, to));
        std::reverse(downward.begin(), downward.end());
        for (const Range& gap : downward) {
            if (gap.span() < request.count - 1) continue;
            const Id highest = gap.last - (request.count - 1);
            if (highest - gap.first < highest % request.align) continue;
            const Id first = highest - highest % request.align;
            return Range{first, first + (request.count - 1)};
        }
        return std::nullopt;
    }

    std::vector<Entry> entries() const {
        std::vector<Entry> result;
        for (const auto& [first, entry] : entries_)
            result.push_back(entry);
        return result;
    }
    std::size_t size() const { return entries_.size(); }

private:
    void put(const Entry& entry) { entries_.emplace(entry.range.first, entry); }

    // All runs of free IDs in the window, cut at its ends.
    std::vector<Range> gaps(Id low, Id high) const {
        std::vector<Range> result;
        if (low > high) return result;
        for (const auto& [first, entry] : entries_) {
            if (entry.range.last < low) continue;
            if (entry.range.first > high) break;
            if (entry.range.first > low) result.push_back({low, entry.range.first - 1});
            if (entry.range.last >= high) return result;
            low = entry.range.last + 1;
        }
        result.push_back({low, high});
        return result;
    }

    std::map<Id, Entry> entries_;
};

}  // namespace inod
