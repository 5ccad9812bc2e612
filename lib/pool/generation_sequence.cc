#include "lib/pool/generation_sequence.h"

#include <algorithm>

#include "lib/base/assert.h"

namespace inod {

Result<bool> GenerationSequence::check_claim(Range range) const {
    const bool raises = had_this_generation(range);
    if (!has_generation(raises)) return Errc::pool_exhausted;
    return raises;
}

bool GenerationSequence::had_this_generation(Range range) const noexcept {
    return was_handed_out_now(range) || (claims_ && claims_->overlaps(range));
}

Result<> GenerationSequence::prepare_claim(GuardRef /*guard*/, Range /*range*/) {
    return {};
}

void GenerationSequence::claim(Range range, bool raises_generation) noexcept {
    if (raises_generation) raise_generation();
    span_claims(range);
    highest_ = std::max(highest_.value_or(0), range.last);
    if (!passed_ || range.last > *passed_) {
        const Id first = passed_ ? std::max(range.first, *passed_ + 1) : range.first;
        claimed_ = std::min(claimed_.value_or(first), first);
    }
}

void GenerationSequence::span_claims(Range range) noexcept {
    claims_ =
        claims_ ? Range{std::min(claims_->first, range.first), std::max(claims_->last, range.last)}
                : range;
}

// What is occupied is never looked at here.
Result<> GenerationSequence::check_reserve(Range /*range*/) const {
    return {};
}

std::optional<Range> GenerationSequence::next_unburned(Range range) const {
    return range;
}

Result<> GenerationSequence::prepare_reserve(GuardRef /*guard*/, Range /*range*/) {
    return {};
}

void GenerationSequence::reserve(Range /*range*/) noexcept {}

void GenerationSequence::unreserve(Range /*range*/) noexcept {}

Result<bool> GenerationSequence::check_reserved_claim(Range range) const {
    return check_claim(range);
}

Result<> GenerationSequence::check_mark(const Next& /*next*/) noexcept {
    return {};
}

std::optional<Id> GenerationSequence::move_mark(const Next& /*next*/) noexcept {
    return std::nullopt;
}

void GenerationSequence::settle_mark() noexcept {}

void GenerationSequence::begin_run() noexcept {}

void GenerationSequence::set_mark(Id /*mark*/) noexcept {
    INOD_UNREACHABLE("only a unique pool has a high-water mark");
}

bool GenerationSequence::has_generation(bool raises) const noexcept {
    return generation_used_up - generation_ > (raises ? 1U : 0U);
}

void GenerationSequence::raise_generation(std::uint64_t by) noexcept {
    generation_ += std::min(by, generation_used_up - generation_);
    claims_.reset();
    begin_generation();
}

void GenerationSequence::pass(Range range) noexcept {
    highest_ = std::max(highest_.value_or(0), range.last);
    passed_ = std::max(passed_.value_or(0), range.last);
    if (claimed_ && *claimed_ <= *passed_) {
        claimed_ = *passed_ < *highest_ ? std::optional(*passed_ + 1) : std::nullopt;
    }
}

bool GenerationSequence::was_passed(Id id) const noexcept {
    return (passed_ && id <= *passed_) || (claimed_ && id >= *claimed_ && id <= *highest_);
}

void GenerationSequence::after_unclean_stop() noexcept {
    raise_generation(generations_per_unclean_stop);
}

void GenerationSequence::skip_ahead(std::uint64_t count) noexcept {
    raise_generation(std::max<std::uint64_t>(count, 1));
}

void GenerationSequence::skip_above(std::uint64_t floor) noexcept {
    generation_ = std::max(generation_, floor);
    raise_generation();
}

SequenceState GenerationSequence::common_state() const {
    return {.cursor = std::nullopt,
            .highest = highest_,
            .mark = std::nullopt,
            .generation = generation_,
            .swept = std::nullopt,
            .claims = claims_,
            .passed = passed_,
            .claimed = claimed_};
}

bool GenerationSequence::restore_common(const SequenceState& state) noexcept {
    if (state.generation == 0 || state.mark) return false;
    if (state.claims && (!state.highest || *state.highest < state.claims->last)) return false;
    if (state.passed && (!state.highest || *state.highest < *state.passed)) return false;
    if (state.claimed && (!state.highest || *state.claimed > *state.highest)) return false;
    if (state.claimed && state.passed && *state.claimed <= *state.passed) return false;
    highest_ = state.highest;
    generation_ = state.generation;
    claims_ = state.claims;
    passed_ = state.passed;
    claimed_ = state.claimed;
    return true;
}

Result<> GenerationSequence::restore_claim(Range /*range*/, bool /*is_reserved*/) {
    INOD_UNREACHABLE("where numbers return, claims are in the state");
    return {};
}

}  // namespace inod
