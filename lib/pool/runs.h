// Runs of IDs with their tags, as a snapshot stores them: a few bytes a run, and where one tag's
// runs lie so close that it is shorter, a bit an ID. So what is left of a lease that was given back
// in pieces never takes more than about a byte for eight of its IDs, whatever the pattern: the
// writer gathers runs over as many IDs as a bitmap covers, and writes them in whichever form is
// shorter.
//
// Thread safety: none of its own. No call allocates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "lib/base/bytes.h"
#include "lib/base/range.h"
#include "lib/pool/tags.h"

namespace inod {

// Items in ascending order. Integers are LEB128 varints, as in lib/pool/record.h.
//
//   gap      free IDs between the end of the item before and this one; of the first: between the
//            first ID that is covered and this item
//   shape    bit 0: a bitmap follows; bit 1: a tag follows, otherwise it is that of the item before;
//            the rest: span (last - first), or 31 for 31 and more
//   more     only of a span of 31 and more: span - 31
//   tag      only if shape says so: the holder's index times 2, plus 1 if it was claimed; then by how
//            much its generation is below the one that stands in front of all items
//   bitmap   only if shape says so: a bit for each ID of the span, the lowest first, 1 if it is live;
//            the first and the last are
inline constexpr std::uint64_t short_span_max = 31;
// IDs that one bitmap covers at most, a multiple of 8.
inline constexpr std::uint64_t bitmap_bits_max = 2048;

// Bytes of `count` gaps, or spans, that are `extent` IDs together, but for what their varints
// waste: on average each is an equal part of it, and the size is concave, so that no other parts
// take more. Requires count > 0.
[[nodiscard]] std::uint64_t gaps_size_max(std::uint64_t count, std::uint64_t extent) noexcept;
// Bytes that `count` runs take at most, of `ids` IDs that lie within `extent` + 1, each with a tag of
// `tag_size` bytes.
[[nodiscard]] std::uint64_t runs_size_max(std::uint64_t count, std::uint64_t ids,
                                          std::uint64_t extent, std::uint64_t tag_size) noexcept;
// By how much more holes in `ids` IDs can make it: an ID costs a bit, and the bitmaps' heads and the
// records'.
[[nodiscard]] constexpr std::uint64_t holes_size_max(std::uint64_t ids) noexcept {
    constexpr std::uint64_t per_thousand = 135;
    return ids / 1024 * per_thousand + per_thousand;
}
// Bytes of the heads of the records that `items` bytes of items are in: a record is as good as full, at
// about a thousand, with a head of at most 32.
[[nodiscard]] constexpr std::uint64_t heads_size_max(std::uint64_t items) noexcept {
    return items / 24;
}
// An item's shape, and what the varint of its gap wastes; and what the varint of a wide one's span does.
inline constexpr std::uint64_t item_size = 2;
inline constexpr std::uint64_t more_size = 1;

struct Run {
    Range range;
    Tag tag;

    friend bool operator==(const Run&, const Run&) = default;
};

class RunWriter {
public:
    // `out` is where the items go; no run that is added begins before `from`, or has a generation
    // above `generation`.
    RunWriter(std::span<std::byte> out, Id from, std::uint64_t generation)
        : out_(out), from_(from), generation_(generation) {}

    // Adds a run behind all others. False, and nothing has changed, if there is no room for it.
    [[nodiscard]] bool add(const Run& run) noexcept;

    // Completes the last item. Returns all of them; only reading is allowed afterwards.
    [[nodiscard]] std::span<const std::byte> finish() noexcept;

private:
    // Runs of one tag that are not written yet, within bitmap_bits_max IDs, unless it is but one.
    struct Group {
        // Offsets from the group's first ID; of the first run the last one may be cut.
        struct Part {
            std::uint16_t first;
            std::uint16_t last;
        };

        Range range{};
        Tag tag{};
        std::size_t count = 0;      // of runs; 0: there is none
        std::size_t runs_size = 0;  // as items of their own, but for gap and tag of the first
        std::array<Part, bitmap_bits_max / 2> parts;
    };

    [[nodiscard]] bool extends_group(const Run& run) const noexcept;
    [[nodiscard]] std::size_t group_size_max() const noexcept;
    void write_group() noexcept;
    void write_bitmap() noexcept;
    void write_runs() noexcept;
    void put_head(Range range, bool is_bitmap) noexcept;

    ByteWriter out_;
    Id from_;  // behind the last item that was written
    const std::uint64_t generation_;
    std::optional<Tag> tag_;  // of that item
    Group group_;
};

class RunReader {
public:
    // With what the writer was given.
    RunReader(std::span<const std::byte> items, Id from, std::uint64_t generation)
        : in_(items), from_(from), generation_(generation) {}

    // The next run; nothing at the end, or where the items are not what the format says.
    std::optional<Run> next() noexcept;

    // True if all items were read and are what the format says.
    [[nodiscard]] bool complete() const noexcept {
        return sound_ && bitmap_.empty() && in_.complete();
    }

private:
    [[nodiscard]] bool read_item() noexcept;
    [[nodiscard]] bool read_tag() noexcept;
    [[nodiscard]] std::optional<Run> next_of_bitmap() noexcept;

    ByteReader in_;
    Id from_;
    bool is_first_ = true;
    const std::uint64_t generation_;
    bool sound_ = true;
    std::optional<Tag> tag_;
    Range item_{};
    std::span<const std::byte> bitmap_;  // of item_; empty: it is one run
    std::uint64_t bit_ = 0;              // the next one to look at
};

}  // namespace inod
