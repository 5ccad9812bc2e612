// The sequence of a `lowest` pool: the lowest IDs that are free, each time (first fit).
//
// A range spans all that was handed out in the present generation; what it touches is handed out with
// the next one. So where numbers come and go the generation rises at about every hand-out that reaches
// back: 2^64 of them outlast any machine, but IDs that touch are then seldom of one generation, and each
// generation in use takes some bytes of its own (lib/pool/tags.h).
#pragma once

#include "lib/pool/generation_sequence.h"

namespace inod {

class LowestSequence final : public GenerationSequence {
public:
    explicit LowestSequence(const PoolSpec& spec) : GenerationSequence(spec.range) {}

    [[nodiscard]] std::optional<Next> next(Wanted wanted, const RangeTree& occupied) const override;
    void take(const Next& next) noexcept override;
    [[nodiscard]] bool advance(Id last) noexcept override;

    [[nodiscard]] bool allows(const Next& next) const override;
    [[nodiscard]] bool is_past(Range range) const noexcept override;
    void widen(Id max) noexcept override { range_.last = max; }
    [[nodiscard]] SequenceState state() const override { return common_state(); }
    [[nodiscard]] bool restore(const SequenceState& state) noexcept override;

private:
    // Hand-outs are in the span of claims.
    [[nodiscard]] bool was_handed_out_now(Range /*range*/) const noexcept override { return false; }
    void begin_generation() noexcept override {}
};

}  // namespace inod
