#include "lib/offline/intervals.h"

#include <algorithm>

namespace inod {

void Intervals::add(Range range) {
    // The first that may overlap it or end just before it.
    auto at = ranges_.upper_bound(range.first);
    if (at != ranges_.begin()) {
        const auto before = std::prev(at);
        const bool touches = range.first == 0 || before->second >= range.first - 1;
        if (touches) at = before;
    }
    while (at != ranges_.end() && (range.last == id_max || at->first <= range.last + 1)) {
        range = {std::min(range.first, at->first), std::max(range.last, at->second)};
        at = ranges_.erase(at);
    }
    ranges_.emplace_hint(at, range.first, range.last);
}

void Intervals::remove(Range range) {
    auto at = ranges_.upper_bound(range.first);
    if (at != ranges_.begin() && std::prev(at)->second >= range.first) --at;
    while (at != ranges_.end() && at->first <= range.last) {
        const Range there{at->first, at->second};
        at = ranges_.erase(at);
        if (there.first < range.first) ranges_.emplace(there.first, range.first - 1);
        if (there.last > range.last) ranges_.emplace(range.last + 1, there.last);
    }
}

std::optional<Range> Intervals::first_outside(const Intervals& other, Range range) const {
    for (;;) {
        const auto here = common(range);
        if (!here) return std::nullopt;
        const auto there = other.common(*here);
        if (!there) return here;
        if (there->first > here->first) return Range{here->first, there->first - 1};
        if (there->last == range.last) return std::nullopt;
        range.first = there->last + 1;
    }
}

std::optional<Range> Intervals::common(Range range) const {
    auto at = ranges_.upper_bound(range.first);
    if (at != ranges_.begin() && std::prev(at)->second >= range.first) --at;
    if (at == ranges_.end()) return std::nullopt;
    return intersection({at->first, at->second}, range);
}

}  // namespace inod
