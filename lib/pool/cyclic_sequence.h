// The sequence of a `cyclic` pool: ascending, from `max` on again from `min`, skipping what is
// live.
//
// Numbers return, so each carries the pool's generation, and (ID, generation) never repeats. That
// takes O(1) state: the stretch that was handed out in this generation (from `swept` to the cursor)
// and a range that spans all that was claimed in it. Whatever may already have had this generation
// is handed out with the next one.
#pragma once

#include "lib/pool/sequence.h"

namespace inod {

class CyclicSequence final : public Sequence {
public:
    explicit CyclicSequence(const PoolSpec& spec);

    [[nodiscard]] std::optional<Next> next(std::uint64_t count,
                                           const RangeTree& live) const override;
    void take(const Next& next) noexcept override;

    [[nodiscard]] Result<bool> check_claim(Range range) const override;
    Result<> prepare_claim(GuardRef guard, Range range) override;
    void claim(Range range, bool raises_generation) noexcept override;

    std::optional<Id> move_mark(Id last) noexcept override;
    void set_mark(Id mark) noexcept override;
    void after_unclean_stop() noexcept override;

    [[nodiscard]] bool allows(const Next& next) const override;
    void widen(Id max) noexcept override;
    [[nodiscard]] SequenceState state() const override;
    [[nodiscard]] bool restore(const SequenceState& state) noexcept override;
    Result<void, Failure> for_each_claim(
        const std::function<Result<void, Failure>(Range)>& visit) const override;
    Result<> restore_claim(Range range) override;

private:
    [[nodiscard]] bool had_this_generation(Range range) const;
    void raise_generation() noexcept;

    Range range_;
    std::optional<Id> cursor_;
    std::optional<Id> highest_;
    std::uint64_t generation_ = 1;
    std::optional<Id> swept_;
    std::optional<Range> claims_;
};

}  // namespace inod
