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

std::optional<Sequence::Next> UniqueSequence::next(std::uint64_t count,
                                                   const RangeTree& /*live*/) const {
    if (!cursor_) return std::nullopt;
    const auto gap = claims_.find_gap({.count = count, .window = range_}, *cursor_);
    if (!gap) return std::nullopt;
    return Next{.range = *gap, .raises_generation = false};
}

void UniqueSequence::take(const Next& next) noexcept {
    pass(next.range.last);
}

Result<bool> UniqueSequence::check_claim(Range range) const {
    if (!cursor_ || range.first < *cursor_) return Error{Errc::id_burned, range.first};
    const auto earlier = claims_.next(range.first);
    if (earlier && earlier->range.overlaps(range)) {
        return Error{Errc::id_burned, std::max(earlier->range.first, range.first)};
    }
    return false;
}

Result<> UniqueSequence::prepare_claim(GuardRef guard, Range range) {
    return claims_.preallocate(guard, range);
}

void UniqueSequence::claim(Range range, bool raises_generation) noexcept {
    INOD_ASSERT(!raises_generation);
    claims_.store_merged(range, claimed);
    highest_ = std::max(highest_.value_or(0), range.last);
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
            .claims = std::nullopt};
}

bool UniqueSequence::restore(const SequenceState& state) noexcept {
    if (state.generation != 0 || state.swept || state.claims) return false;
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

Result<> UniqueSequence::restore_claim(Range range) {
    NoGuard nobody_else;
    if (auto prepared = claims_.preallocate(nobody_else, range); !prepared) return prepared;
    claims_.store_merged(range, claimed);
    return {};
}

}  // namespace inod
