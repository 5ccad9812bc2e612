// Runs of free IDs: one descent to the window's edge, and from there one descent to the nearest slot
// that has one.
#include <algorithm>

#include "lib/base/assert.h"
#include "lib/tree/range_tree_instances.h"
#include "lib/tree/range_tree_private.h"

namespace inod {
namespace {

// The lowest multiple of `align` at or after `id`.
std::optional<Id> aligned_up(Id id, std::uint64_t align) {
    const std::uint64_t odd = align == 1 ? 0 : id % align;
    if (odd == 0) return id;
    if (align - odd > id_max - id) return std::nullopt;
    return id + (align - odd);
}

}  // namespace

Result<> GapRequest::check() const noexcept {
    if (count == 0) return Errc::count_zero;
    if (align == 0 || align > align_max) return Error{Errc::align_invalid, align_max};
    if (window.first > window.last) return Error{Errc::range_reversed, window.first};
    if (window.span() < count - 1) return Error{Errc::window_too_small, window.span()};
    return {};
}

template <unsigned words>
std::optional<Range> BasicRangeTree<words>::search_gap(const GapRequest& request,
                                                       Id from) const noexcept {
    INOD_ASSERT(request.count > 0 && request.align > 0);
    const Id low = std::max(request.window.first, from);
    const Id high = request.window.last;
    std::optional<Id> first;
    if (root_ != nullptr && low <= last_id_) {
        first = lowest_gap(request, low);
        if (!first && last_id_ != id_max) first = aligned_up(last_id_ + 1, request.align);
    } else {
        first = aligned_up(low, request.align);
    }
    // The lowest run begins at `first`: one that does not fit has none above it that does.
    if (!first || *first > high || high - *first < request.count - 1) return std::nullopt;
    return Range{*first, *first + (request.count - 1)};
}

template <unsigned words>
std::optional<Range> BasicRangeTree<words>::find_gap_down(const GapRequest& request,
                                                          Id to) const noexcept {
    INOD_ASSERT(request.count > 0 && request.align > 0);
    const Id low = request.window.first;
    const Id high = std::min(request.window.last, to);
    if (high < low || high - low < request.count - 1) return std::nullopt;
    std::optional<Id> first;
    const Id highest = high - (request.count - 1);
    const Id aligned = highest - highest % request.align;
    // Behind the last entry is a gap that no slot answers for.
    if (root_ == nullptr || aligned > last_id_) {
        first = aligned;
    } else {
        first = highest_gap(request, std::min(high, last_id_));
    }
    if (!first || *first < low) return std::nullopt;
    return Range{*first, *first + (request.count - 1)};
}

// Does what the path leads through at `level` answer for a gap of this length?
template <unsigned words>
bool BasicRangeTree<words>::may_have(const Path& path, unsigned level,
                                     std::uint64_t count) noexcept {
    return level >= path.height || path.inner(level).gap(path.at[level].index) >= count;
}

// The first ID of the lowest run at or after `from` that ends before an entry. Requires
// from <= last_id_.
template <unsigned words>
std::optional<Id> BasicRangeTree<words>::lowest_gap(const GapRequest& request,
                                                    Id from) const noexcept {
    Path path = descend(from);
    if (may_have(path, 1, request.count)) {
        const Leaf leaf(*path.leaf);
        if (const auto found = leaf.lowest_gap(request.count, request.align, from)) return found;
    }
    const auto behind = [&](const Inner& inner, unsigned index) {
        const unsigned count = inner.count();
        while (index < count && inner.gap(index) < request.count)
            ++index;
        return index;
    };
    for (unsigned level = 1; level < path.height;) {
        const unsigned end = path.inner(level).count();
        const unsigned next = may_have(path, level + 1, request.count)
                                  ? behind(path.inner(level), path.at[level].index + 1)
                                  : end;
        if (next == end) {
            ++level;
            continue;
        }
        path.at[level].index = next;
        while (level > 1) {
            const Inner child(*path.inner(level).child(path.at[level].index));
            path.at[--level] = {&child.node(), behind(child, 0)};
        }
        const unsigned index = path.at[1].index;
        const Id low = lower_bound(path, 1, index);
        if (low > request.window.last) break;
        const Leaf leaf(*path.inner(1).child(index));
        // With an alignment a gap that is long enough may still have no place.
        if (const auto found = leaf.lowest_gap(request.count, request.align, low)) return found;
    }
    return std::nullopt;
}

// The first ID of the highest run at or before `to`, which ends before an entry or at `to`. Requires
// to <= last_id_.
template <unsigned words>
std::optional<Id> BasicRangeTree<words>::highest_gap(const GapRequest& request,
                                                     Id to) const noexcept {
    Path path = descend(to);
    if (may_have(path, 1, request.count)) {
        const Leaf leaf(*path.leaf);
        const auto found = leaf.highest_gap(request.count, request.align, path.low, to);
        if (found) return found;
    }
    const auto before = [&](const Inner& inner, unsigned left) {
        while (left > 0 && inner.gap(left - 1) < request.count)
            --left;
        return left;  // one more than the index, so that none is 0
    };
    for (unsigned level = 1; level < path.height;) {
        const unsigned left = may_have(path, level + 1, request.count)
                                  ? before(path.inner(level), path.at[level].index)
                                  : 0;
        if (left == 0) {
            ++level;
            continue;
        }
        path.at[level].index = left - 1;
        while (level > 1) {
            const Inner child(*path.inner(level).child(path.at[level].index));
            path.at[--level] = {&child.node(), before(child, child.count()) - 1};
        }
        const unsigned index = path.at[1].index;
        const Id low = lower_bound(path, 1, index);
        const Leaf leaf(*path.inner(1).child(index));
        const Id last = *leaf.previous(id_max);
        if (last < request.window.first) break;
        if (const auto found = leaf.highest_gap(request.count, request.align, low, last)) {
            return found;
        }
    }
    return std::nullopt;
}

INOD_RANGE_TREE_INSTANCES

}  // namespace inod
