// What the sequences of pools have in common where numbers return: the generation.
//
// Each number carries the pool's generation, and (ID, generation) never repeats. That takes O(1) state:
// besides what a policy knows of its own hand-outs, a range that spans all that was claimed in this
// generation. Whatever may already have had this generation is handed out with the next one.
//
// A lost end of the journal may have held the records of several raises, so after an unclean stop the
// generation rises by more than one group can hold. At the last generation of all the pool is exhausted
// for good: the counter never wraps.
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

class GenerationSequence : public Sequence {
public:
    [[nodiscard]] Result<bool> check_claim(Range range) const final;
    Result<> prepare_claim(GuardRef guard, Range range) final;
    void claim(Range range, bool raises_generation) noexcept final;

    [[nodiscard]] Result<> check_reserve(Range range) const final;
    [[nodiscard]] std::optional<Range> next_unburned(Range range) const final;
    Result<> prepare_reserve(GuardRef guard, Range range) final;
    void reserve(Range range) noexcept final;
    void unreserve(Range range) noexcept final;
    [[nodiscard]] Result<bool> check_reserved_claim(Range range) const final;

    Result<> check_mark(const Next& next) noexcept final;
    std::optional<Id> move_mark(const Next& next) noexcept final;
    void settle_mark() noexcept final;
    void begin_run() noexcept final;
    [[nodiscard]] std::optional<Id> settled_mark() const noexcept final { return std::nullopt; }
    void set_mark(Id mark) noexcept final;

    void after_unclean_stop() noexcept final;
    void skip_ahead(std::uint64_t count) noexcept final;
    void skip_above(std::uint64_t floor) noexcept final;

    [[nodiscard]] std::uint64_t generation() const noexcept final { return generation_; }
    [[nodiscard]] std::optional<Id> highest() const noexcept final { return highest_; }
    [[nodiscard]] bool was_passed(Id id) const noexcept final;

    [[nodiscard]] const RangeTree* claims() const final { return nullptr; }
    Result<> restore_claim(Range range, bool is_reserved) final;

protected:
    explicit GenerationSequence(Range range) : range_(range) {}

    // Was any of it handed out in this generation, claims aside?
    [[nodiscard]] virtual bool was_handed_out_now(Range range) const noexcept = 0;
    // A generation begins with nothing handed out.
    virtual void begin_generation() noexcept = 0;

    [[nodiscard]] bool had_this_generation(Range range) const noexcept;
    // Can something be handed out, with the next generation if `raises`?
    [[nodiscard]] bool has_generation(bool raises) const noexcept;
    void raise_generation(std::uint64_t by = 1) noexcept;
    // It was handed out, by the policy's own choice.
    void pass(Range range) noexcept;
    void span_claims(Range range) noexcept;

    // The part of the state that is kept here; the rest is empty.
    [[nodiscard]] SequenceState common_state() const;
    // False, and nothing has changed, if no such sequence can have been there.
    [[nodiscard]] bool restore_common(const SequenceState& state) noexcept;

    Range range_;
    std::optional<Range> claims_;  // spans what was claimed in this generation

private:
    std::optional<Id> highest_;
    std::optional<Id> passed_;
    std::optional<Id> claimed_;
    std::uint64_t generation_ = 1;
};

}  // namespace inod
