// Changes that get their memory themselves.
#include <algorithm>

#include "lib/tree/range_tree_instances.h"
#include "lib/tree/range_tree_private.h"

namespace inod {

// Stores where `decide` says. As long as getting memory gave up the guard, what was decided is looked
// at again: another writer may have been there.
template <unsigned words>
template <class Decide>
Result<Range> BasicRangeTree<words>::allocate(GuardRef guard, Value value, Decide&& decide) {
    for (;;) {
        const Result<Range> range = decide();
        if (!range) return range;
        WatchedGuard watched(guard);
        if (auto prepared = preallocate(watched, *range, value); !prepared) return prepared.error();
        if (watched.was_dropped()) continue;
        store(*range, value);
        return range;
    }
}

template <unsigned words>
Result<> BasicRangeTree<words>::store(GuardRef guard, Range range, Value value) {
    const auto stored = allocate(guard, value, [&]() -> Result<Range> {
        if (range.first > range.last) return Error{Errc::range_reversed, range.first};
        return range;
    });
    if (!stored) return stored.error();
    return {};
}

template <unsigned words>
Result<> BasicRangeTree<words>::insert(GuardRef guard, Range range, Value value) {
    const auto stored = allocate(guard, value, [&]() -> Result<Range> {
        if (range.first > range.last) return Error{Errc::range_reversed, range.first};
        const auto taken = next_occupied(range.first);
        if (taken && taken->range.first <= range.last) {
            return Error{Errc::id_taken, std::max(taken->range.first, range.first)};
        }
        return range;
    });
    if (!stored) return stored.error();
    return {};
}

// Stores where `search` finds a run.
template <unsigned words>
template <class Search>
Result<Range> BasicRangeTree<words>::allocate_gap(GuardRef guard, const GapRequest& request,
                                                  Value value, Search&& search) {
    if (auto sound = request.check(); !sound) return sound.error();
    return allocate(guard, value, [&]() -> Result<Range> {
        const std::optional<Range> gap = search();
        if (!gap) return Errc::pool_exhausted;
        return *gap;
    });
}

template <unsigned words>
Result<Range> BasicRangeTree<words>::allocate_lowest(GuardRef guard, const GapRequest& request,
                                                     Value value) {
    return allocate_gap(guard, request, value, [&] { return find_gap(request); });
}

template <unsigned words>
Result<Range> BasicRangeTree<words>::allocate_highest(GuardRef guard, const GapRequest& request,
                                                      Value value) {
    return allocate_gap(guard, request, value, [&] { return find_gap_down(request); });
}

template <unsigned words>
Result<Range> BasicRangeTree<words>::allocate_cyclic(GuardRef guard, const GapRequest& request,
                                                     Id& cursor, Value value) {
    if (auto sound = request.check(); !sound) return sound.error();
    const auto range = allocate(guard, value, [&]() -> Result<Range> {
        // Another writer may have moved it, too.
        if (!request.window.contains(cursor)) return Error{Errc::cursor_outside, cursor};
        auto gap = find_gap(request, cursor);
        if (!gap) gap = find_gap(request);
        if (!gap) return Errc::pool_exhausted;
        return *gap;
    });
    if (!range) return range;
    cursor = range->last == request.window.last ? request.window.first : range->last + 1;
    return range;
}

INOD_RANGE_TREE_INSTANCES

}  // namespace inod
