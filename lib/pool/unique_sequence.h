// The sequence of a `unique` pool: ascending from `min` to `max`, no ID ever a second time.
//
// Claims above the cursor are remembered until the cursor has passed them, live or not, so that
// what was claimed and released stays burned. So is what is reserved there.
//
// The mark is durable a *stride* ahead of demand, so that a lost end of the journal cannot make a
// number return: after an unclean stop the pool goes on above the mark. For that a number must not be
// told while the mark above it is in the last group that is durable: else the loss of just that group
// would take both. So numbers are handed out up to the settled mark alone, and the next move is
// recorded while half a stride is left. Nobody waits then, unless more is asked for meanwhile than
// ever before in this run.
//
// A stride is sized by the rate, which needs no clock: by the most that was asked for while a move
// was on its way, in this run. It is at most a millionth of what is left. Where that is none, a
// pool takes none, and the mark travels in the allocation's own record. Marks never move back:
// after a clean stop the pool goes on in the stride that it had, and nothing is burned.
#pragma once

#include "lib/pool/sequence.h"

namespace inod {

// The bounds of a stride, IDs. Sixty-four clients with 64 requests under way each make groups of
// 4,096. A mark that is recorded while one group is synced is durable with the next and, where leases
// have no records, settled with the one after it: half of the smallest stride lasts for all three, so
// that they never wait from the start.
inline constexpr std::uint64_t stride_min = 32'768;
// More than the largest lease. Whoever asks for more in one group may wait for a sync.
inline constexpr std::uint64_t stride_max = std::uint64_t{1} << 32U;
// At most this part of what is left: one in so many.
inline constexpr std::uint64_t stride_part = 1'000'000;

class UniqueSequence final : public Sequence {
public:
    UniqueSequence(const PoolSpec& spec, MemoryBudget& budget);

    [[nodiscard]] std::optional<Next> next(Wanted wanted, const RangeTree& occupied) const override;
    void take(const Next& next) noexcept override;

    [[nodiscard]] Result<bool> check_claim(Range range) const override;
    Result<> prepare_claim(GuardRef guard, Range range) override;
    void claim(Range range, bool raises_generation) noexcept override;

    [[nodiscard]] Result<> check_reserve(Range range) const override;
    [[nodiscard]] std::optional<Range> next_unburned(Range range) const override;
    Result<> prepare_reserve(GuardRef guard, Range range) override;
    void reserve(Range range) noexcept override;
    void unreserve(Range range) noexcept override;
    [[nodiscard]] Result<bool> check_reserved_claim(Range range) const override;
    [[nodiscard]] bool advance(Id last) noexcept override;

    Result<> check_mark(const Next& next) noexcept override;
    std::optional<Id> move_mark(const Next& next) noexcept override;
    void settle_mark() noexcept override;
    void begin_run() noexcept override;
    [[nodiscard]] std::optional<Id> settled_mark() const noexcept override { return settled_; }

    void set_mark(Id mark) noexcept override;
    void after_unclean_stop() noexcept override;
    void skip_ahead(std::uint64_t count) noexcept override;
    void skip_above(std::uint64_t floor) noexcept override;

    [[nodiscard]] bool allows(const Next& next) const override;
    [[nodiscard]] bool is_past(Range range) const noexcept override;
    void widen(Id max) noexcept override;
    [[nodiscard]] SequenceState state() const override;
    [[nodiscard]] std::uint64_t generation() const noexcept override { return 0; }
    [[nodiscard]] std::optional<Id> highest() const noexcept override { return highest_; }
    [[nodiscard]] bool was_passed(Id id) const noexcept override;
    [[nodiscard]] bool restore(const SequenceState& state) noexcept override;
    [[nodiscard]] const RangeTree* claims() const override { return &claims_; }
    Result<> restore_claim(Range range, bool is_reserved) override;

private:
    [[nodiscard]] std::uint64_t stride_above(Id last) const noexcept;
    std::optional<Id> move_to(Id mark) noexcept;
    void pass(Id last) noexcept;
    [[nodiscard]] std::optional<Range> above_cursor(Range range) const noexcept;

    Range range_;
    const bool marks_every_lease_;  // No record of the lease itself carries the mark.
    std::optional<Id> cursor_;
    std::optional<Id> highest_;
    std::optional<Id> mark_;        // as it was moved last
    std::optional<Id> settled_;     // as it is known to be durable; not kept over a restart
    std::optional<Id> on_its_way_;  // moved here, and not settled yet
    std::uint64_t asked_ = 0;       // IDs that were asked for since, handed out or not
    std::uint64_t demand_ = 0;      // IDs that can be asked for while a move is on its way
    RangeTree claims_;              // what was claimed or is reserved above the cursor
};

}  // namespace inod
