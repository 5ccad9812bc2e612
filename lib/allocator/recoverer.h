// Takes the state of an allocator back: told each record of the journal, in order, it applies it as it was
// when it was written, and refuses it where it contradicts what came before. Then it fits the configuration to
// the state (recovery.cc).
//
// For the allocator's own files alone.
//
// Thread safety: none; nobody else has the allocator yet.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "lib/allocator/allocator.h"
#include "lib/journal/recovery.h"

namespace inod {

class Allocator::Recoverer final : public Replay {
public:
    explicit Recoverer(Allocator& allocator) : allocator_(allocator) {}

    Result<void, Failure> snapshot_begin() override {
        restoring_ = Restoring::links;
        next_holder_ = 0;
        knows_tokens_ = false;
        return {};
    }
    Result<void, Failure> snapshot_record(std::span<const std::byte> bytes) override {
        return apply(bytes, Place::snapshot);
    }
    Result<void, Failure> snapshot_end() override;
    Result<void, Failure> log_record(Lsn /*lsn*/, std::span<const std::byte> bytes) override {
        return apply(bytes, Place::log);
    }

    void later_snapshot_begin() override {
        later_position_.emplace();
        allocator_.tokens_.unmark_all();
    }
    void later_snapshot_record(std::span<const std::byte> bytes) override;

    // How far the snapshot has come that a crash cut short, if it can be gone on with.
    [[nodiscard]] std::optional<SnapshotPosition> cut_snapshot() const {
        const bool can_go_on = later_position_ && later_position_->is_between_records();
        return can_go_on ? later_position_ : std::nullopt;
    }

    // Makes the configured pools that the journal does not know, and widens those that it knows
    // narrower; says so in the journal.
    Result<void, Failure> define_pools();
    // Keeps out of circulation what the configuration says, as far as it is free.
    Result<void, Failure> reserve_bands();
    // Says in the journal that the machine was started since, if it was, and lets those go that did not
    // outlast that; the others have their time.
    Result<void, Failure> begin_boot();
    void apply_unclean_stop();
    // Sees to it that something is written in this life before anybody is told anything. Numbers of a
    // pool that records no leases are told with nothing written, up to the mark that is settled; if
    // then damage took the frame that names this life's segment, the life would be forgotten, and they
    // would return. With something behind that frame such damage is noticed.
    void leave_trace();
    // All that was recorded is durable now, the high-water marks too.
    Result<void, Failure> begin_runs();
    // What each user has of each pool.
    Result<void, Failure> count_accounts();

private:
    // What the records say cannot be, be it by itself or by what came before.
    static Failure damaged(const std::string& what);
    // What an error means here, for `what`, which the records tell of.
    static Failure failure_of(const Error& error, const std::string& what);
    // A newer version wrote it.
    static Failure unknown(const std::string& what);

    enum class Place { snapshot, log };
    Result<void, Failure> apply(std::span<const std::byte> bytes, Place place);
    static bool belongs(const Record& record, Place place);

    Result<void, Failure> apply(const PoolDefined& record);
    Result<void, Failure> apply(const HolderDefined& record);
    Result<void, Failure> apply(const Allocated& record);
    Result<void, Failure> apply(const Claimed& record);
    Result<void, Failure> apply(const Released& record);
    Result<void, Failure> apply(const MarkMoved& record);
    Result<void, Failure> apply(const UncleanStop& record);
    Result<void, Failure> apply(const SkippedAhead& record);
    Result<void, Failure> apply(const SkippedAbove& record);
    Result<void, Failure> apply(const Passed& record);
    Result<void, Failure> apply(const Reserved& record);
    Result<void, Failure> apply(const Unreserved& record);
    Result<void, Failure> apply(const Advanced& record);
    Result<void, Failure> apply(const HolderEnded& record);
    Result<void, Failure> apply(const HolderRenewed& record);
    Result<void, Failure> apply(const SequenceSaved& record);
    Result<void, Failure> apply(const ClaimsSaved& record);
    Result<void, Failure> apply(const LiveSaved& record);
    Result<void, Failure> apply(const ReservedSaved& record);
    Result<void, Failure> apply(const Booted& record);
    Result<void, Failure> apply(const Rested& record);
    Result<void, Failure> apply(const RestingSaved& record);
    Result<void, Failure> apply(const Tokened& record);
    Result<void, Failure> apply(const EpochBegun& record);
    Result<void, Failure> apply(const EpochsSaved& record);
    Result<void, Failure> apply(const TokenSaved& record);
    Result<void, Failure> apply_lease(const Tokened& record);
    Result<void, Failure> restore_token(const TokenSaved& record);
    Result<void, Failure> apply(const NestedAllocated& record);
    Result<void, Failure> apply(const NestedReleased& record);
    Result<void, Failure> apply(const LinksSaved& record);

    Result<void, Failure> replay_links(const NestedAllocated& record);
    Result<void, Failure> replay_level(const NestedAllocated& record, std::size_t level);
    Result<void, Failure> replay_release(const NestedReleased& record, std::size_t level,
                                         Range range);
    Result<void, Failure> set_parent(PoolIndex pool, PoolIndex parent);
    void forget_links(PoolIndex pool, Range range) noexcept;
    void purge_links(const ServedPool& served) noexcept;
    // Runs `change` on the pool with this index, and puts what it refuses into words.
    template <class Change>
    Result<void, Failure> with_pool(PoolIndex index, const char* what, Change change);
    [[nodiscard]] const PoolSpec* configured(std::string_view name) const;
    [[nodiscard]] bool has_transient_holders() const;
    [[nodiscard]] bool knows(HolderIndex holder) const {
        return allocator_.holders_.contains(holder);
    }
    // Likewise of holders: one that comes later in the snapshot.
    [[nodiscard]] bool will_be_restored_holder(HolderIndex holder) const {
        return restoring_ == Restoring::links ||
               (restoring_ == Restoring::holders && holder >= next_holder_);
    }
    void end_holder(HolderIndex index) noexcept;
    void tell_progress();
    Result<void, Failure> reboot(const BootId& boot);
    void sweep_much() noexcept;

    Result<void, Failure> define_again(Pool& pool, const PoolDefined& record);
    Result<void, Failure> define(PoolIndex index, const PoolSpec& spec);
    Result<void, Failure> define_new(const PoolSpec& spec);

    // How far a snapshot has come; in order. A log record between its pieces tells of what is restored already,
    // or of what will be, with the record in it: the latter is left out. Within a pool that is the
    // pool's own business.
    enum class Restoring { nothing, links, holders, pools };
    [[nodiscard]] bool will_be_restored(PoolIndex pool) const {
        return restoring_ != Restoring::nothing && pool >= allocator_.pools_.size();
    }

    Allocator& allocator_;
    Restoring restoring_ = Restoring::nothing;
    HolderIndex next_holder_ = 0;  // behind the last that was restored
    bool knows_tokens_ = true;     // the epochs that the snapshot has are restored, if it has any
    Place place_ = Place::log;     // of the record that is applied
    std::uint64_t records_ = 0;    // so far
    std::optional<SnapshotPosition> later_position_;
};

template <class Change>
Result<void, Failure> Allocator::Recoverer::with_pool(PoolIndex index, const char* what,
                                                      Change change) {
    if (place_ == Place::log && will_be_restored(index)) return {};
    if (index >= allocator_.pools_.size()) {
        return damaged(std::string(what) + " names pool " + std::to_string(index) +
                       ", which is not defined");
    }
    Pool& pool = allocator_.pools_[index]->pool;
    const Result<> done = change(pool);
    if (!done) return failure_of(done.error(), std::string(what) + " in pool " + pool.spec().name);
    return {};
}

}  // namespace inod
