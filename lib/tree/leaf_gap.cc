// Free runs in a leaf.
#include "lib/tree/leaf_item.h"

namespace inod {
namespace {

// The lowest multiple of `align` in `free` with `count` IDs from there on in it.
std::optional<Id> lowest_in(Range free, std::uint64_t count, std::uint64_t align) {
    const std::uint64_t odd = align == 1 ? 0 : free.first % align;
    const std::uint64_t skipped = odd == 0 ? 0 : align - odd;
    if (free.span() < skipped || free.span() - skipped < count - 1) return std::nullopt;
    return free.first + skipped;
}

std::optional<Id> highest_in(Range free, std::uint64_t count, std::uint64_t align) {
    if (free.span() < count - 1) return std::nullopt;
    const Id highest = free.last - (count - 1);
    const std::uint64_t odd = align == 1 ? 0 : highest % align;
    if (highest - free.first < odd) return std::nullopt;
    return highest - odd;
}

// What is free between live IDs of one group.
std::uint64_t free_inside(std::uint64_t live) {
    return ~live & mask_between(lowest_bit(live), highest_bit(live));
}

}  // namespace

template <unsigned words>
std::uint64_t Leaf<words>::longest_gap(Id low, std::uint64_t longest) const noexcept {
    if (const auto range = wide()) return range->first - low;
    std::uint64_t found_so_far = 0;
    Id next = low;  // behind the last live ID seen
    for_each_group({low, id_max}, [&](const Group& found) {
        found_so_far = std::max(found_so_far, found.base + lowest_bit(found.live) - next);
        const std::uint64_t inside = free_inside(found.live);
        if (found_so_far < word_bits &&
            run_starts(inside, static_cast<unsigned>(found_so_far) + 1) != 0) {
            found_so_far = longest_run(inside);
        }
        next = found.base + highest_bit(found.live) + 1;
        return next == 0 || found_so_far >= longest;
    });
    return found_so_far;
}

template <unsigned words>
std::optional<Id> Leaf<words>::lowest_gap(std::uint64_t count, std::uint64_t align,
                                          Id from) const noexcept {
    if (const auto range = wide()) {
        if (range->first <= from) return std::nullopt;
        return lowest_in({from, range->first - 1}, count, align);
    }
    std::optional<Id> result;
    Id next = from;
    for_each_group({from, id_max}, [&](const Group& found) {
        const Id first = found.base + lowest_bit(found.live);
        if (first > next) result = lowest_in({next, first - 1}, count, align);
        if (result) return true;
        next = found.base + highest_bit(found.live) + 1;
        std::uint64_t starts = count > word_bits ? 0 : free_inside(found.live);
        if (starts != 0) starts = run_starts(starts, static_cast<unsigned>(count));
        for (; starts != 0 && !result; starts &= starts - 1) {
            const Id start = found.base + lowest_bit(starts);
            if (align == 1 || start % align == 0) result = start;
        }
        return result || next == 0;
    });
    return result;
}

template <unsigned words>
std::optional<Id> Leaf<words>::highest_gap(std::uint64_t count, std::uint64_t align, Id low,
                                           Id to) const noexcept {
    if (const auto range = wide()) {
        if (range->first <= low) return std::nullopt;
        return highest_in({low, std::min(to, range->first - 1)}, count, align);
    }
    std::optional<Id> result;
    Id end = to;  // the last ID that may be free below what was seen
    bool is_over = to < low;
    for_each_group_down({low, to}, [&](const Group& found) {
        const Id last = found.base + highest_bit(found.live);
        if (end > last) result = highest_in({last + 1, end}, count, align);
        std::uint64_t starts =
            result || count > word_bits
                ? 0
                : run_starts(free_inside(found.live), static_cast<unsigned>(count));
        for (; starts != 0 && !result; starts &= ~(std::uint64_t{1} << highest_bit(starts))) {
            const Id start = found.base + highest_bit(starts);
            if (align == 1 || start % align == 0) result = start;
        }
        const Id first = found.base + lowest_bit(found.live);
        is_over = first <= low;
        end = first - 1;
        return result || is_over;
    });
    if (result || is_over) return result;
    return highest_in({low, end}, count, align);
}

INOD_LEAF_INSTANCES

}  // namespace inod
