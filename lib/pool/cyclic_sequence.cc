#include "lib/pool/cyclic_sequence.h"

#include <algorithm>

#include "lib/base/assert.h"

namespace inod {

CyclicSequence::CyclicSequence(const PoolSpec& spec)
    : range_(spec.range), cursor_(spec.range.first), swept_(spec.range.first) {}

std::optional<Sequence::Next> CyclicSequence::next(std::uint64_t count,
                                                   const RangeTree& live) const {
    if (cursor_) {
        const auto gap = live.find_gap({.count = count, .window = range_}, *cursor_);
        if (gap) {
            // What lies behind the cursor was swept, so only a claim can have had this generation.
            const bool raises = claims_ && claims_->overlaps(*gap);
            if (!has_generation(raises)) return std::nullopt;
            return Next{.range = *gap, .raises_generation = raises};
        }
    }
    const auto gap = live.find_gap({.count = count, .window = range_});
    if (!gap || !has_generation(true)) return std::nullopt;
    return Next{.range = *gap, .raises_generation = true};
}

void CyclicSequence::take(const Next& next) noexcept {
    if (next.raises_generation) {
        raise_generation();
        swept_ = next.range.first;
    }
    const Id last = next.range.last;
    cursor_ = last < range_.last ? std::optional(last + 1) : std::nullopt;
    highest_ = std::max(highest_.value_or(0), last);
}

Result<bool> CyclicSequence::check_claim(Range range) const {
    const bool raises = had_this_generation(range);
    if (!has_generation(raises)) return Errc::pool_exhausted;
    return raises;
}

bool CyclicSequence::had_this_generation(Range range) const {
    const bool below_cursor = !cursor_ || range.first < *cursor_;
    const bool was_swept = swept_ && range.last >= *swept_ && below_cursor;
    return was_swept || (claims_ && claims_->overlaps(range));
}

Result<> CyclicSequence::prepare_claim(GuardRef /*guard*/, Range /*range*/) {
    return {};
}

void CyclicSequence::claim(Range range, bool raises_generation) noexcept {
    if (raises_generation) raise_generation();
    claims_ =
        claims_ ? Range{std::min(claims_->first, range.first), std::max(claims_->last, range.last)}
                : range;
    highest_ = std::max(highest_.value_or(0), range.last);
}

Result<> CyclicSequence::check_mark(const Next& /*next*/) noexcept {
    return {};
}

std::optional<Id> CyclicSequence::move_mark(const Next& /*next*/) noexcept {
    return std::nullopt;
}

void CyclicSequence::settle_mark() noexcept {}

void CyclicSequence::begin_run() noexcept {}

void CyclicSequence::set_mark(Id /*mark*/) noexcept {
    INOD_UNREACHABLE("a cyclic pool has no high-water mark");
}

bool CyclicSequence::has_generation(bool raises) const noexcept {
    return generation_used_up - generation_ > (raises ? 1U : 0U);
}

void CyclicSequence::raise_generation(std::uint64_t by) noexcept {
    generation_ += std::min(by, generation_used_up - generation_);
    swept_ = cursor_;
    claims_.reset();
}

void CyclicSequence::after_unclean_stop() noexcept {
    raise_generation(generations_per_unclean_stop);
}

void CyclicSequence::skip_ahead(std::uint64_t count) noexcept {
    raise_generation(std::max<std::uint64_t>(count, 1));
}

void CyclicSequence::skip_above(std::uint64_t floor) noexcept {
    generation_ = std::max(generation_, floor);
    raise_generation();
}

bool CyclicSequence::allows(const Next& next) const {
    if (!has_generation(next.raises_generation)) return false;
    if (next.raises_generation) return true;
    return cursor_ && next.range.first >= *cursor_ && !had_this_generation(next.range);
}

bool CyclicSequence::is_past(Range range) const noexcept {
    const auto is_swept = [this](Id id) {
        return swept_ && id >= *swept_ && (!cursor_ || id < *cursor_);
    };
    for (Id id = range.first;;) {
        const bool is_claimed = claims_ && claims_->contains(id);
        if (!is_swept(id) && !is_claimed) return false;
        const Id swept_last = cursor_ ? *cursor_ - 1 : range_.last;
        const Id last = is_swept(id) ? swept_last : claims_->last;
        if (last >= range.last) return true;
        id = last + 1;
    }
}

void CyclicSequence::widen(Id max) noexcept {
    if (!cursor_ && max > range_.last) {
        cursor_ = range_.last + 1;
        // No stretch of this generation was begun: it begins here.
        if (!swept_) swept_ = cursor_;
    }
    range_.last = max;
}

SequenceState CyclicSequence::state() const {
    return {.cursor = cursor_,
            .highest = highest_,
            .mark = std::nullopt,
            .generation = generation_,
            .swept = swept_,
            .claims = claims_};
}

bool CyclicSequence::restore(const SequenceState& state) noexcept {
    if (state.generation == 0 || state.mark) return false;
    if (state.cursor != range_.first) {
        const Id passed = state.cursor ? *state.cursor - 1 : range_.last;
        if (!state.highest || *state.highest < passed) return false;
    }
    if (state.cursor && (!state.swept || *state.swept > *state.cursor)) return false;
    if (state.claims && (!state.highest || *state.highest < state.claims->last)) return false;
    cursor_ = state.cursor;
    highest_ = state.highest;
    generation_ = state.generation;
    swept_ = state.swept;
    claims_ = state.claims;
    return true;
}

Result<> CyclicSequence::restore_claim(Range /*range*/) {
    INOD_UNREACHABLE("a cyclic pool keeps its claims in its state");
    return {};
}

}  // namespace inod
