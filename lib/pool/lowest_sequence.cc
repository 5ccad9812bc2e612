#include "lib/pool/lowest_sequence.h"

namespace inod {

std::optional<Sequence::Next> LowestSequence::next(Wanted wanted, const RangeTree& occupied) const {
    const auto gap =
        occupied.find_gap({.count = wanted.count, .align = wanted.align, .window = range_});
    if (!gap) return std::nullopt;
    const bool raises = had_this_generation(*gap);
    if (!has_generation(raises)) return std::nullopt;
    return Next{.range = *gap, .raises_generation = raises};
}

void LowestSequence::take(const Next& next) noexcept {
    if (next.raises_generation) raise_generation();
    span_claims(next.range);
    pass(next.range);
}

bool LowestSequence::advance(Id /*last*/) noexcept {
    return false;
}

bool LowestSequence::allows(const Next& next) const {
    if (!has_generation(next.raises_generation)) return false;
    return next.raises_generation || !had_this_generation(next.range);
}

bool LowestSequence::is_past(Range range) const noexcept {
    return claims_ && claims_->contains(range);
}

bool LowestSequence::restore(const SequenceState& state) noexcept {
    return !state.cursor && !state.swept && restore_common(state);
}

}  // namespace inod
