// The sequence of a `cyclic` pool: ascending, from `max` on again from `min`, skipping what is
// live.
//
// Numbers return, so each carries the pool's generation, and (ID, generation) never repeats. That
// takes O(1) state: the stretch that was handed out in this generation (from `swept` to the cursor)
// and a range that spans all that was claimed in it. Whatever may already have had this generation
// is handed out with the next one.
//
// A lost end of the journal may have held the records of several raises, so after an unclean stop
// the generation rises by more than one group can hold. At the last generation of all the pool is
// exhausted for good: the counter never wraps.
#pragma once

#include "lib/pool/sequence.h"

namespace inod {

// How far the generation rises after an unclean stop: further than the records of one group can
// raise it, since that many raises may be lost. A group has at most 1 MiB, and each raise takes a
// record of at least 9 bytes in it, so that 2^17 would do; eight times that leaves room for larger
// groups. 2^44 unclean stops use up a pool's generations. The allocator checks it against the
// journal's options.
inline constexpr std::uint64_t generations_per_unclean_stop = std::uint64_t{1} << 20U;

// A pool that has come to this generation hands out nothing more.
inline constexpr std::uint64_t generation_used_up = ~std::uint64_t{0};

class CyclicSequence final : public Sequence {
public:
    explicit CyclicSequence(const PoolSpec& spec);

    [[nodiscard]] std::optional<Next> next(std::uint64_t count,
                                           const RangeTree& live) const override;
    void take(const Next& next) noexcept override;

    [[nodiscard]] Result<bool> check_claim(Range range) const override;
    Result<> prepare_claim(GuardRef guard, Range range) override;
    void claim(Range range, bool raises_generation) noexcept override;

    Result<> check_mark(const Next& next) noexcept override;
    std::optional<Id> move_mark(const Next& next) noexcept override;
    void settle_mark() noexcept override;
    void begin_run() noexcept override;
    [[nodiscard]] std::optional<Id> settled_mark() const noexcept override { return std::nullopt; }

    void set_mark(Id mark) noexcept override;
    void after_unclean_stop() noexcept override;
    void skip_ahead(std::uint64_t count) noexcept override;
    void skip_above(std::uint64_t floor) noexcept override;

    [[nodiscard]] bool allows(const Next& next) const override;
    [[nodiscard]] bool is_past(Range range) const noexcept override;
    void widen(Id max) noexcept override;
    [[nodiscard]] SequenceState state() const override;
    [[nodiscard]] std::uint64_t generation() const noexcept override { return generation_; }
    [[nodiscard]] std::optional<Id> highest() const noexcept override { return highest_; }
    [[nodiscard]] bool restore(const SequenceState& state) noexcept override;
    [[nodiscard]] const RangeTree* claims() const override { return nullptr; }
    Result<> restore_claim(Range range) override;

private:
    [[nodiscard]] bool had_this_generation(Range range) const;
    // Can something be handed out, with the next generation if `raises`?
    [[nodiscard]] bool has_generation(bool raises) const noexcept;
    void raise_generation(std::uint64_t by = 1) noexcept;

    Range range_;
    std::optional<Id> cursor_;
    std::optional<Id> highest_;
    std::uint64_t generation_ = 1;
    std::optional<Id> swept_;
    std::optional<Range> claims_;
};

}  // namespace inod
