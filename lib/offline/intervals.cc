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

std::optional<Range> Intervals::common(Range range) const {
    auto at = ranges_.upper_bound(range.first);
    if (at != ranges_.begin() && std::prev(at)->second >= range.first) --at;
    if (at == ranges_.end()) return std::nullopt;
    return intersection({at->first, at->second}, range);
}

}  // namespace inod
