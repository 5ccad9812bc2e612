#include "lib/pool/unique_sequence.h"

#include <algorithm>

#include "lib/base/assert.h"

namespace inod {
namespace {

constexpr Value claimed = 1;

// A stride lasts for so many times what is asked for while a move is on its way. Half of it is left
// when the next move is recorded, so the rate may double meanwhile.
constexpr std::uint64_t stride_to_demand = 4;

}  // namespace

UniqueSequence::UniqueSequence(const PoolSpec& spec, MemoryBudget& budget)
    : range_(spec.range),
      marks_every_lease_(spec.durability == Durability::block),
      cursor_(spec.range.first),
      claims_(budget) {}

std::optional<Sequence::Next> UniqueSequence::next(Wanted wanted,
                                                   const RangeTree& /*occupied*/) const {
    if (!cursor_) return std::nullopt;
    const auto gap = claims_.find_gap(
        {.count = wanted.count, .align = wanted.align, .window = range_}, *cursor_);
    if (!gap) return std::nullopt;
    return Next{.range = *gap, .raises_generation = false};
}

void UniqueSequence::take(const Next& next) noexcept {
    pass(next.range.last);
}

Result<bool> UniqueSequence::check_claim(Range range) const {
    if (!cursor_ || range.first < *cursor_) return Error{Errc::id_burned, range.first};
    const auto earlier = claims_.next_occupied(range.first);
    if (earlier && earlier->range.overlaps(range)) {
        return Error{Errc::id_burned, std::max(earlier->range.first, range.first)};
    }
    return false;
}

// The part of it that has not been passed yet, and so is looked for in claims_.
std::optional<Range> UniqueSequence::above_cursor(Range range) const noexcept {
    if (!cursor_ || range.last < *cursor_) return std::nullopt;
    return Range{std::max(range.first, *cursor_), range.last};
}

Result<> UniqueSequence::prepare_claim(GuardRef guard, Range range) {
    const auto above = above_cursor(range);
    return above ? claims_.preallocate(guard, *above) : Result<>();
}

void UniqueSequence::claim(Range range, bool raises_generation) noexcept {
    INOD_ASSERT(!raises_generation);
    if (const auto above = above_cursor(range)) claims_.store_merged(*above, claimed);
    highest_ = std::max(highest_.value_or(0), range.last);
}

Result<> UniqueSequence::check_reserve(Range range) const {
    const auto as_claim = check_claim(range);
    return as_claim ? Result<>() : as_claim.error();
}

std::optional<Range> UniqueSequence::next_unburned(Range range) const {
    const auto above = above_cursor(range);
    const auto gap = above ? claims_.next_gap(above->first) : std::nullopt;
    return gap ? intersection(*gap, *above) : std::nullopt;
}

Result<> UniqueSequence::prepare_reserve(GuardRef guard, Range range) {
    const auto above = above_cursor(range);
    return above ? claims_.preallocate(guard, *above, reserved) : Result<>();
}

void UniqueSequence::reserve(Range range) noexcept {
    if (const auto above = above_cursor(range)) claims_.store_merged(*above, reserved);
}

void UniqueSequence::unreserve(Range range) noexcept {
    if (const auto above = above_cursor(range)) claims_.erase(*above);
}

// No number of it was ever handed out: it is no longer reserved once it was.
Result<bool> UniqueSequence::check_reserved_claim(Range /*range*/) const {
    return false;
}

bool UniqueSequence::advance(Id last) noexcept {
    if (cursor_ && last >= *cursor_) pass(last);
    return true;
}

// How far the mark is made durable ahead of `last`; 0 where the pool takes no stride any more.
std::uint64_t UniqueSequence::stride_above(Id last) const noexcept {
    const std::uint64_t by_rate = stride_to_demand * std::min(demand_, stride_max);
    return std::min(std::clamp(by_rate, stride_min, stride_max),
                    (range_.last - last) / stride_part);
}

Result<> UniqueSequence::check_mark(const Next& next) noexcept {
    const Id last = next.range.last;
    const std::uint64_t stride = stride_above(last);
    if (stride == 0 || (settled_ && last <= *settled_)) return {};
    if (!on_its_way_) move_to(last + stride);
    asked_ += next.range.count();
    return Error{Errc::block_pending, *on_its_way_};
}

std::optional<Id> UniqueSequence::move_mark(const Next& next) noexcept {
    const Id last = next.range.last;
    const std::uint64_t stride = stride_above(last);
    if (stride == 0) {
        if (mark_ && *mark_ >= last) return std::nullopt;
        if (marks_every_lease_) return move_to(last);
        mark_ = last;
        return std::nullopt;
    }
    asked_ += next.range.count();
    if (on_its_way_ || *mark_ - last > stride / 2) return std::nullopt;
    return move_to(last + stride);
}

std::optional<Id> UniqueSequence::move_to(Id mark) noexcept {
    mark_ = std::max(mark_.value_or(0), mark);
    on_its_way_ = mark_;
    asked_ = 0;
    return mark_;
}

void UniqueSequence::settle_mark() noexcept {
    if (!on_its_way_) return;
    settled_ = on_its_way_;
    on_its_way_.reset();
    // Where a group ends shortly after the move, little was asked for. That can happen any number of
    // times in a row, so that nothing which was measured in this run is forgotten.
    demand_ = std::max(demand_, asked_);
}

void UniqueSequence::begin_run() noexcept {
    settled_ = mark_;
    on_its_way_.reset();
}

void UniqueSequence::set_mark(Id mark) noexcept {
    mark_ = std::max(mark_.value_or(0), mark);
}

void UniqueSequence::after_unclean_stop() noexcept {
    if (mark_ && cursor_ && *mark_ >= *cursor_) pass(*mark_);
}

void UniqueSequence::skip_ahead(std::uint64_t count) noexcept {
    after_unclean_stop();
    if (!cursor_ || count == 0) return;
    const Id left = range_.last - *cursor_;  // one less than the IDs that are left
    pass(count > left ? range_.last : *cursor_ + (count - 1));
}

void UniqueSequence::skip_above(std::uint64_t floor) noexcept {
    after_unclean_stop();
    if (cursor_ && floor >= *cursor_) pass(std::min(floor, range_.last));
}

void UniqueSequence::pass(Id last) noexcept {
    if (claims_.entry_count() > 0) claims_.erase({range_.first, last});
    cursor_ = last < range_.last ? std::optional(last + 1) : std::nullopt;
    highest_ = std::max(highest_.value_or(0), last);
    mark_ = std::max(mark_.value_or(0), last);
}

bool UniqueSequence::allows(const Next& next) const {
    return !next.raises_generation && check_claim(next.range).has_value();
}

bool UniqueSequence::is_past(Range range) const noexcept {
    if (!cursor_ || range.last < *cursor_) return true;
    const auto claim = claims_.find(std::max(range.first, *cursor_));
    return claim && claim->range.last >= range.last;
}

bool UniqueSequence::was_passed(Id id) const noexcept {
    return !cursor_ || id < *cursor_ || claims_.load(id) != 0;
}

void UniqueSequence::widen(Id max) noexcept {
    if (!cursor_ && max > range_.last) cursor_ = range_.last + 1;
    range_.last = max;
}

SequenceState UniqueSequence::state() const {
    return {.cursor = cursor_,
            .highest = highest_,
            .mark = mark_,
            .generation = 0,
            .swept = std::nullopt,
            .claims = std::nullopt,
            .passed = std::nullopt,
            .claimed = std::nullopt};
}

bool UniqueSequence::restore(const SequenceState& state) noexcept {
    if (state.generation != 0 || state.swept || state.claims || state.passed || state.claimed) {
        return false;
    }
    if (state.cursor != range_.first) {
        const Id passed = state.cursor ? *state.cursor - 1 : range_.last;
        if (!state.highest || *state.highest < passed) return false;
        if (!state.mark || *state.mark < passed) return false;
    }
    cursor_ = state.cursor;
    highest_ = state.highest;
    mark_ = state.mark;
    return true;
}

Result<> UniqueSequence::restore_claim(Range range, bool is_reserved) {
    const Value value = is_reserved ? reserved : claimed;
    NoGuard nobody_else;
    if (auto prepared = claims_.preallocate(nobody_else, range, value); !prepared) return prepared;
    claims_.store_merged(range, value);
    return {};
}

}  // namespace inod
