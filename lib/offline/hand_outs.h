// Was any number handed out twice? An account of what a journal tells, kept apart from pools, their
// sequences and their trees, so that it shares no mistake with them.
//
// Of each pool it keeps which IDs were handed out or burned in the present generation. Generations
// never fall, so an earlier one cannot return, and what it had is forgotten. It begins with what
// the snapshot says of the past: in a `unique` pool everything below the cursor and all claims, in
// one that wraps the stretch and the claims of its generation, in a `lowest` one the span of what it
// handed out in its generation, and whatever of it is live.
//
// It also keeps what is reserved: none of that may be handed out but by its number. In a `unique` pool
// an ID that was reserved before the cursor passed it may be claimed later, once, unless the pool skipped
// since.
//
// Thread safety: none of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/journal/recovery.h"
#include "lib/offline/intervals.h"
#include "lib/pool/pool.h"
#include "lib/pool/record.h"

namespace inod {

class HandOuts final : public ScanWatcher {
public:
    void on_segment(const std::string& /*file*/, const SegmentHeader& /*header*/) override {}
    void on_frame(const FramePlace& place, const Frame& frame) override;

    // The next start will find that the last life did not end by itself.
    void on_unclean_stop();

    // Does a pool, as it was replayed, come to what this account does? Belongs behind a whole scan.
    void compare(PoolIndex index, const Pool& pool);

    // What is wrong and where, in order; a few dozen at most.
    [[nodiscard]] const std::vector<std::string>& findings() const { return findings_; }
    // What was read.
    [[nodiscard]] std::uint64_t frame_count() const { return frame_count_; }
    [[nodiscard]] std::uint64_t record_count() const { return record_count_; }

private:
    struct Account {
        std::string name;
        Policy policy;
        Range range;
        std::uint64_t generation = 0;  // 0 in a unique pool
        std::optional<Id>
            passed{};  // no ID up to here comes next: in a cyclic pool, before it wraps
        std::optional<Id> mark{};
        Intervals used{};      // of this generation, what was passed and is reserved included
        Intervals reserved{};  // and what may be,
        std::optional<Range> unknown{};  // of which the snapshot is still to say whether it is

        [[nodiscard]] bool is_unique() const { return policy == Policy::unique; }
        void raise(std::uint64_t by);
        void pass_up_to(Id last);
        void pass_marked();
        void burn_reserved();
        void know_reserved(Id last);
    };

    void read(std::span<const std::byte> bytes);
    void apply(const PoolDefined& record);
    void apply(const Passed& record);
    void apply(const Reserved& record);
    void apply(const Unreserved& record);
    void apply(const Advanced& record);
    void apply(const Allocated& record);
    void apply(const Claimed& record);
    void apply(const MarkMoved& record);
    void apply(const UncleanStop& /*record*/) { on_unclean_stop(); }
    void apply(const SkippedAhead& record);
    void apply(const SkippedAbove& record);
    // Of what hands nothing out there is nothing to be said.
    void apply(const HolderDefined& /*record*/) {}
    void apply(const HolderEnded& /*record*/) {}
    void apply(const HolderRenewed& /*record*/) {}
    void apply(const Released& /*record*/) {}
    void apply(const Booted& /*record*/) {}
    void apply(const Rested& /*record*/) {}
    void apply(const RestingSaved& /*record*/) {}
    void apply(const Tokened& record);
    void apply(const EpochBegun& /*record*/) {}
    void apply(const EpochsSaved& /*record*/) {}
    void apply(const TokenSaved& /*record*/) {}
    void apply(const NestedReleased& /*record*/) {}
    void apply(const LinksSaved& /*record*/) {}
    void apply(const NestedAllocated& record);
    void apply(const SequenceSaved& record);
    void apply(const ClaimsSaved& record);
    void apply(const ReservedSaved& record);
    void apply(const LiveSaved& record);

    Account* account(PoolIndex index);
    void hand_out(PoolIndex index, Range range, bool raises);
    Account* raised(PoolIndex index, bool raises);
    void complain_of_repeat(const Account& pool, Range again);
    void compare_next(const Account& kept, const Pool& pool);
    void compare_reserved(const Account& kept, const Pool& pool);
    void complain(const std::string& what);

    std::vector<Account> accounts_;  // by PoolIndex
    bool is_restoring_ = false;  // a snapshot: pools without an account come with the past in it
    // Where the present record stands, if there is one.
    const FramePlace* place_ = nullptr;
    Lsn lsn_ = 0;
    std::vector<std::string> findings_;
    std::uint64_t frame_count_ = 0;
    std::uint64_t record_count_ = 0;
};

}  // namespace inod
