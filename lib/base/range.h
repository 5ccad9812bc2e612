// IDs and ranges of them, for every part of inod.
//
// A range is inclusive at both ends, so that the last 64-bit ID has a range too and no arithmetic
// at 2^64 is needed: what a half-open end would have to say does not fit 64 bits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

namespace inod {

using Id = std::uint64_t;

inline constexpr Id id_max = std::numeric_limits<Id>::max();

// The IDs `first` to `last`, both included. Requires first <= last wherever it is used.
struct Range {
    Id first;
    Id last;

    friend constexpr bool operator==(const Range&, const Range&) = default;

    [[nodiscard]] constexpr bool contains(Id id) const { return first <= id && id <= last; }
    [[nodiscard]] constexpr bool contains(Range other) const {
        return first <= other.first && other.last <= last;
    }
    [[nodiscard]] constexpr bool overlaps(Range other) const {
        return first <= other.last && other.first <= last;
    }

    // How many IDs, 1 to 2^64 - 1. The whole space counts 2^64, which does not fit and comes out as
    // 0: use span() where that can happen.
    [[nodiscard]] constexpr std::uint64_t count() const { return last - first + 1; }

    // How many IDs less one, 0 to 2^64 - 1: right for every range.
    [[nodiscard]] constexpr std::uint64_t span() const { return last - first; }
};

inline constexpr Range whole_space{0, id_max};

// `count` IDs from `first` on, or nothing if `count` is 0 or they would pass the last 64-bit ID.
constexpr std::optional<Range> range_of(Id first, std::uint64_t count) {
    if (count == 0 || count - 1 > id_max - first) return std::nullopt;
    return Range{first, first + (count - 1)};
}

// What two ranges share, if anything.
constexpr std::optional<Range> intersection(Range a, Range b) {
    if (!a.overlaps(b)) return std::nullopt;
    return Range{std::max(a.first, b.first), std::min(a.last, b.last)};
}

}  // namespace inod
