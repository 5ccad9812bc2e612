// A set of IDs as disjoint ranges: the plainest there is, which owes nothing to the pools' trees.
//
// Thread safety: none of its own.
#pragma once

#include <map>
#include <optional>

#include "lib/base/range.h"

namespace inod {

class Intervals {
public:
    // Adds all of `range`, whatever of it is there already.
    void add(Range range);
    // Takes all of `range` out, whatever of it is there.
    void remove(Range range);
    void clear() { ranges_.clear(); }

    // The lowest run of IDs of `range` that are in the set, if any.
    [[nodiscard]] std::optional<Range> common(Range range) const;
    [[nodiscard]] bool contains(Range range) const { return common(range) == range; }
    // The lowest run of IDs of `range` that are in this set and not in `other`, if any.
    [[nodiscard]] std::optional<Range> first_outside(const Intervals& other, Range range) const;

private:
    std::map<Id, Id> ranges_;  // the last ID by the first; none touch
};

}  // namespace inod
