// The sequence of a `cyclic` pool: ascending, from `max` on again from `wrap_to`, skipping what is
// occupied. So no number returns before all others had their turn; and what lies below `wrap_to` is
// handed out once, on the first way up.
//
// What was handed out in the present generation is the stretch from `swept` to the cursor; the
// generation rises at each wrap.
#pragma once

#include "lib/pool/generation_sequence.h"

namespace inod {

class CyclicSequence final : public GenerationSequence {
public:
    explicit CyclicSequence(const PoolSpec& spec);

    [[nodiscard]] std::optional<Next> next(Wanted wanted, const RangeTree& occupied) const override;
    void take(const Next& next) noexcept override;
    [[nodiscard]] bool advance(Id last) noexcept override;

    [[nodiscard]] bool allows(const Next& next) const override;
    [[nodiscard]] bool is_past(Range range) const noexcept override;
    void widen(Id max) noexcept override;
    [[nodiscard]] SequenceState state() const override;
    [[nodiscard]] bool restore(const SequenceState& state) noexcept override;

private:
    [[nodiscard]] bool was_handed_out_now(Range range) const noexcept override;
    void begin_generation() noexcept override { swept_ = cursor_; }
    void move_behind(Id last) noexcept;

    const Id wrap_to_;
    std::optional<Id> cursor_;
    std::optional<Id> swept_;
};

}  // namespace inod
