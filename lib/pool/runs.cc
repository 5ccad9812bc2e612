#include "lib/pool/runs.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "lib/base/assert.h"

namespace inod {
namespace {

constexpr std::uint64_t has_bitmap = 1;
constexpr std::uint64_t has_tag = 2;

// Of an item's head, but for its shape and more.
constexpr std::size_t gap_and_tag_size_max = 3 * varint_size_max;

constexpr std::size_t varint_size(std::uint64_t value) {
    return (static_cast<std::size_t>(std::bit_width(value | 1U)) + 6) / 7;
}

constexpr std::size_t bitmap_size(Range range) {
    return static_cast<std::size_t>(range.span() / 8 + 1);
}

bool get_bit(std::span<const std::byte> bits, std::uint64_t index) {
    return (std::to_integer<unsigned>(bits[index / 8]) >> (index % 8) & 1U) != 0;
}

// std::bit_width(dividend / divisor), without the division, which would take as long as all else that is worked
// out with each hand-out and release. Requires divisor > 0.
constexpr std::uint64_t quotient_width(std::uint64_t dividend, std::uint64_t divisor) {
    const int width =
        static_cast<int>(std::bit_width(dividend)) - static_cast<int>(std::bit_width(divisor));
    if (width < 0) return 0;
    return static_cast<std::uint64_t>(width) + (divisor << width <= dividend ? 1U : 0U);
}
static_assert(quotient_width(0, 1) == 0 && quotient_width(6, 7) == 0 && quotient_width(7, 7) == 1);
static_assert(quotient_width(13, 7) == 1 && quotient_width(14, 7) == 2);
static_assert(quotient_width(~std::uint64_t{0}, 1) == 64);

// Shape and more.
std::size_t shape_size(Range range) {
    const std::uint64_t span = range.span();
    return 1 + (span < short_span_max ? 0 : varint_size(span - short_span_max));
}

std::size_t bitmap_item_size(Range range) {
    return shape_size(range) + bitmap_size(range);
}

}  // namespace

std::uint64_t gaps_size_max(std::uint64_t count, std::uint64_t extent) noexcept {
    return count * quotient_width(extent, count) / 7 + 1;
}

std::uint64_t runs_size_max(std::uint64_t count, std::uint64_t ids, std::uint64_t extent,
                            std::uint64_t tag_size) noexcept {
    if (count == 0) return 0;
    std::uint64_t size = count * (item_size + tag_size) + gaps_size_max(count, extent);
    const std::uint64_t wide_count = std::min(count, ids / (short_span_max + 1));
    if (wide_count > 0) size += wide_count * more_size + gaps_size_max(wide_count, ids);
    return size;
}

bool RunWriter::extends_group(const Run& run) const noexcept {
    return group_.count > 0 && run.tag == group_.tag &&
           run.range.last - group_.range.first < bitmap_bits_max;
}

bool RunWriter::add(const Run& run) noexcept {
    INOD_ASSERT(run.tag.generation <= generation_);
    const bool extends = extends_group(run);
    const Range range{extends ? group_.range.first : run.range.first, run.range.last};
    const std::size_t gap_size = extends ? varint_size(run.range.first - group_.range.last - 1) : 0;
    const std::size_t runs_size =
        (extends ? group_.runs_size : 0) + gap_size + shape_size(run.range);
    const bool may_be_bitmap = range.span() < bitmap_bits_max;
    const std::size_t size =
        may_be_bitmap ? std::min(runs_size, bitmap_item_size(range)) : runs_size;
    const std::size_t size_before = extends || group_.count == 0 ? 0 : group_size_max();
    if (size_before + gap_and_tag_size_max + size > out_.room()) return false;
    if (!extends) {
        write_group();
        group_.tag = run.tag;
        group_.count = 0;
    }
    group_.range = range;
    group_.runs_size = runs_size;
    const auto offset = [&](Id id) {
        return static_cast<std::uint16_t>(std::min(id - range.first, bitmap_bits_max));
    };
    group_.parts[group_.count++] = {offset(run.range.first), offset(run.range.last)};
    return true;
}

// Of the group as it is, however long its gap and tag are.
std::size_t RunWriter::group_size_max() const noexcept {
    const bool is_bitmap = group_.count > 1 && bitmap_item_size(group_.range) <= group_.runs_size;
    return gap_and_tag_size_max + (is_bitmap ? bitmap_item_size(group_.range) : group_.runs_size);
}

std::span<const std::byte> RunWriter::finish() noexcept {
    write_group();
    INOD_ASSERT(!out_.overflowed());
    return out_.written();
}

void RunWriter::write_group() noexcept {
    if (group_.count == 0) return;
    if (group_.count == 1) {
        put_head(group_.range, false);
    } else if (bitmap_item_size(group_.range) <= group_.runs_size) {
        write_bitmap();
    } else {
        write_runs();
    }
    group_.count = 0;
}

void RunWriter::write_bitmap() noexcept {
    put_head(group_.range, true);
    std::array<std::byte, bitmap_bits_max / 8> bitmap{};
    for (const Group::Part part : std::span(group_.parts).first(group_.count)) {
        for (std::size_t bit = part.first; bit <= part.last; ++bit)
            bitmap[bit / 8] |= std::byte{1} << (bit % 8);
    }
    out_.put_bytes(std::span(bitmap).first(bitmap_size(group_.range)));
}

void RunWriter::write_runs() noexcept {
    const Id base = group_.range.first;
    for (const Group::Part part : std::span(group_.parts).first(group_.count))
        put_head({base + part.first, base + part.last}, false);
}

void RunWriter::put_head(Range range, bool is_bitmap) noexcept {
    const bool same_tag = tag_ == group_.tag;
    const std::uint64_t span = std::min(range.span(), short_span_max);
    out_.put_varint(range.first - from_);
    out_.put_varint(span << 2U | (same_tag ? 0 : has_tag) | (is_bitmap ? has_bitmap : 0));
    if (span == short_span_max) out_.put_varint(range.span() - short_span_max);
    if (!same_tag) {
        out_.put_varint(std::uint64_t{group_.tag.holder} << 1U | (group_.tag.claimed ? 1U : 0U));
        out_.put_varint(generation_ - group_.tag.generation);
        tag_ = group_.tag;
    }
    from_ = range.last + 1;  // 0 behind the last ID of all, where nothing follows
}

std::optional<Run> RunReader::next() noexcept {
    if (!sound_) return std::nullopt;
    if (!bitmap_.empty()) return next_of_bitmap();
    if (in_.left() == 0) return std::nullopt;
    sound_ = read_item();
    if (!sound_) return std::nullopt;
    return bitmap_.empty() ? Run{item_, *tag_} : *next_of_bitmap();
}

bool RunReader::read_item() noexcept {
    const std::uint64_t gap = in_.get_varint();
    const std::uint64_t shape = in_.get_varint();
    std::uint64_t span = shape >> 2U;
    if (span == short_span_max) {
        const std::uint64_t more = in_.get_varint();
        if (more > id_max - span) return false;
        span += more;
    }
    if (in_.overflowed() || shape >> 2U > short_span_max) return false;
    if ((shape & has_tag) != 0 && !read_tag()) return false;
    if (!tag_) return false;
    const bool is_past_the_end = from_ == 0 && !is_first_;
    if (is_past_the_end || gap > id_max - from_ || span > id_max - from_ - gap) return false;
    item_ = {from_ + gap, from_ + gap + span};
    from_ = item_.last + 1;
    is_first_ = false;
    if ((shape & has_bitmap) == 0) return true;
    if (span >= bitmap_bits_max) return false;
    bitmap_ = in_.get_bytes(bitmap_size(item_));
    bit_ = 0;
    if (in_.overflowed() || !get_bit(bitmap_, 0) || !get_bit(bitmap_, span)) return false;
    const unsigned used_bits = span % 8 + 1;
    return std::to_integer<unsigned>(bitmap_.back()) >> used_bits == 0;
}

bool RunReader::read_tag() noexcept {
    const std::uint64_t holder = in_.get_varint();
    const std::uint64_t age = in_.get_varint();
    if (in_.overflowed() || age > generation_) return false;
    if (holder >> 1U > std::numeric_limits<HolderIndex>::max()) return false;
    tag_ = Tag{.holder = static_cast<HolderIndex>(holder >> 1U),
               .claimed = (holder & 1U) != 0,
               .generation = generation_ - age};
    return true;
}

std::optional<Run> RunReader::next_of_bitmap() noexcept {
    const std::uint64_t end = item_.span() + 1;
    std::uint64_t last = bit_;
    while (last + 1 < end && get_bit(bitmap_, last + 1))
        ++last;
    const Run run{{item_.first + bit_, item_.first + last}, *tag_};
    bit_ = last + 1;
    while (bit_ < end && !get_bit(bitmap_, bit_))
        ++bit_;
    if (bit_ == end) bitmap_ = {};
    return run;
}

}  // namespace inod
