#include "lib/pool/cyclic_sequence.h"

namespace inod {

CyclicSequence::CyclicSequence(const PoolSpec& spec)
    : GenerationSequence(spec.range),
      wrap_to_(spec.wrap_to.value_or(spec.range.first)),
      cursor_(spec.range.first),
      swept_(spec.range.first) {}

std::optional<Sequence::Next> CyclicSequence::next(Wanted wanted, const RangeTree& occupied) const {
    if (cursor_) {
        const auto gap = occupied.find_gap(
            {.count = wanted.count, .align = wanted.align, .window = range_}, *cursor_);
        if (gap) {
            // What lies behind the cursor was swept, so only a claim can have had this generation.
            const bool raises = claims_ && claims_->overlaps(*gap);
            if (!has_generation(raises)) return std::nullopt;
            return Next{.range = *gap, .raises_generation = raises};
        }
    }
    const Range again{wrap_to_, range_.last};
    const auto gap =
        occupied.find_gap({.count = wanted.count, .align = wanted.align, .window = again});
    if (!gap || !has_generation(true)) return std::nullopt;
    return Next{.range = *gap, .raises_generation = true};
}

void CyclicSequence::take(const Next& next) noexcept {
    if (next.raises_generation) {
        raise_generation();
        swept_ = next.range.first;
    }
    move_behind(next.range.last);
    pass(next.range);
}

void CyclicSequence::move_behind(Id last) noexcept {
    cursor_ = last < range_.last ? std::optional(last + 1) : std::nullopt;
}

bool CyclicSequence::advance(Id last) noexcept {
    if (!cursor_ || last < *cursor_) return true;
    pass({*cursor_, last});
    move_behind(last);
    return true;
}

bool CyclicSequence::was_handed_out_now(Range range) const noexcept {
    const bool below_cursor = !cursor_ || range.first < *cursor_;
    return swept_ && range.last >= *swept_ && below_cursor;
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
    SequenceState state = common_state();
    state.cursor = cursor_;
    state.swept = swept_;
    return state;
}

bool CyclicSequence::restore(const SequenceState& state) noexcept {
    if (state.cursor != range_.first) {
        const Id passed = state.cursor ? *state.cursor - 1 : range_.last;
        if (!state.highest || *state.highest < passed) return false;
    }
    if (state.cursor && (!state.swept || *state.swept > *state.cursor)) return false;
    if (!restore_common(state)) return false;
    cursor_ = state.cursor;
    swept_ = state.swept;
    return true;
}

}  // namespace inod
