// The sequence of a `unique` pool: ascending from `min` to `max`, no ID ever a second time.
//
// Claims above the cursor are remembered until the cursor has passed them, live or not, so that
// what was claimed and released stays burned.
#pragma once

#include "lib/pool/sequence.h"

namespace inod {

class UniqueSequence final : public Sequence {
public:
    UniqueSequence(const PoolSpec& spec, MemoryBudget& budget);

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
    void pass(Id last) noexcept;

    Range range_;
    const bool marks_every_lease_;  // No record of the lease itself carries the mark.
    std::optional<Id> cursor_;
    std::optional<Id> highest_;
    std::optional<Id> mark_;
    RangeTree claims_;  // what was claimed above the cursor
};

}  // namespace inod
