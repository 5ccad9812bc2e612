// How the allocator takes its state back: each record is applied as it was when it was written, and
// refused where it contradicts what came before.
#include "lib/journal/recovery.h"

#include <algorithm>
#include <limits>

#include <boost/container/static_vector.hpp>

#include "lib/allocator/allocator.h"
#include "lib/base/assert.h"

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
    std::optional<SnapshotPosition> later_position_;
};

namespace {

Failure damaged(const std::string& what) {
    return {Errc::journal_damaged, what};
}

Failure failure_of(const Error& error, const std::string& what) {
    if (error.code == Errc::journal_damaged) {
        return damaged(what + " contradicts earlier records at ID " + std::to_string(error.detail));
    }
    return {error.code, what + ": " + std::string(explanation(error.code))};
}

std::string text(Range range) {
    return std::to_string(range.first) + " to " + std::to_string(range.last);
}

Failure changed(const PoolSpec& spec, const std::string& what) {
    return {Errc::pool_changed,
            "pool '" + spec.name + "': " + what +
                ". Undo the change in the configuration, or give the new pool another name"};
}

Failure unknown(const std::string& what) {
    return {Errc::record_unknown,
            what + " which this version of inod does not know: use the newer one that wrote it"};
}

// May a pool that the journal knows as `record` be run as `spec`?
Result<void, Failure> check_unchanged(const PoolDefined& record, const PoolSpec& spec) {
    if (record.policy != spec.policy) {
        return changed(spec, "its policy was " + std::string(name(record.policy)) + " and is now " +
                                 std::string(name(spec.policy)));
    }
    if (record.durability != spec.durability) {
        return changed(spec, "its durability was " + std::string(name(record.durability)) +
                                 " and is now " + std::string(name(spec.durability)));
    }
    if (record.tracking != spec.tracking) {
        return changed(spec, record.tracking ? "it tracked who holds what, and now does not"
                                             : "it did not track who holds what, and now does");
    }
    if (record.range.first != spec.range.first || record.range.last > spec.range.last) {
        return changed(spec, "its IDs were " + text(record.range) + " and are now " +
                                 text(spec.range) + ", but only max may change, and only rise");
    }
    return {};
}

Failure parent_changed(const PoolSpec& spec, const std::string& before) {
    const auto text = [](const std::string& parent) {
        return parent.empty() ? "none" : "'" + parent + "'";
    };
    return changed(spec, "its parent was " + text(before) + " and is now " + text(spec.parent) +
                             ", but its numbers go with those of the parent that it had");
}

}  // namespace

Result<Recovery, Failure> Allocator::recover(const Journal::Accept& accept) {
    const MemoryBudget::Overdraft overdraft(budget_);
    Recoverer recoverer(*this);
    const Journal::Accept by_witness = [this](const Recovery& found) { return ask_witness(found); };
    INOD_ASSERT(!(accept && witness_));
    auto recovery = journal_.recover(recoverer, witness_ ? by_witness : accept);
    if (!recovery) return recovery;
    if (!recovery->clean) {
        recoverer.apply_unclean_stop();
        append(UncleanStop{});
    }
    if (recovery->clean) recoverer.leave_trace();
    if (auto defined = recoverer.define_pools(); !defined) return defined.error();
    if (auto begun = recoverer.begin_boot(); !begun) return begun.error();
    if (auto kept = recoverer.reserve_bands(); !kept) return kept.error();
    if (options_.fresh_token_epoch != 0 && is_token_epoch_due()) {
        begin_token_epoch(options_.fresh_token_epoch);
    }
    // What this start appended is durable before anything is handed out.
    if (auto flushed = flush_all(); !flushed) return flushed.error();
    if (auto begun = recoverer.begin_runs(); !begun) return begun.error();
    if (auto counted = recoverer.count_accounts(); !counted) return counted.error();
    resize_all();
    size_told_ = state_size();
    journal_.set_state_size(size_told_);
    if (auto begun = begin_witness(*recovery); !begun) return begun.error();
    if (recovery->has_cut_snapshot) cut_snapshot_ = recoverer.cut_snapshot();
    events_.begin(pools_.size(), journal_.last_lsn());
    return recovery;
}

void Allocator::Recoverer::later_snapshot_record(std::span<const std::byte> bytes) {
    if (!later_position_) return;
    const auto record = decode_record(bytes);
    if (!record || !later_position_->follow(*record)) later_position_.reset();
    if (!record) return;
    // Whoever goes on with it need not write that again.
    if (const auto* const saved = std::get_if<TokenSaved>(&*record)) {
        allocator_.tokens_.mark(key_of(saved->token));
    }
}

Result<Scan, Failure> Allocator::load() {
    Recoverer recoverer(*this);
    auto scan = journal_.load(recoverer);
    const bool is_store = scan && scan->recovery.run != 0;
    if (is_store && !scan->recovery.clean) recoverer.apply_unclean_stop();
    return scan;
}

Result<Recovery, Failure> Allocator::create(const Source& source,
                                            std::optional<std::uint64_t> skip_ahead) {
    Recoverer recoverer(*this);
    if (auto told = source(recoverer); !told) return told.error();
    if (skip_ahead) {
        holders_.skip_lost_ids();
        for (const auto& served_pool : pools_)
            served_pool->pool.skip_ahead(*skip_ahead);
    }
    auto recovery = journal_.recover(recoverer, {});
    if (!recovery) return recovery;
    INOD_ASSERT(recovery->created);
    if (auto begun = recoverer.begin_runs(); !begun) return begun.error();
    begin_snapshot(true);
    if (auto flushed = flush_all(); !flushed) return flushed.error();
    if (auto closed = journal_.close(); !closed) return closed.error();
    return recovery;
}

Result<void, Failure> Allocator::Recoverer::apply(std::span<const std::byte> bytes, Place place) {
    const auto record = decode_record(bytes);
    if (!record && record.error().code == Errc::record_unknown) {
        return unknown("a record of type " + std::to_string(record.error().detail % 256) +
                       ", version " + std::to_string(record.error().detail / 256) + ",");
    }
    if (!record) return damaged("a record is not whole");
    if (!belongs(*record, place)) return damaged("a record is where its kind has no place");
    place_ = place;
    // A snapshot of a version that had no tokens says nothing of them.
    const bool is_head = std::holds_alternative<Booted>(*record);
    if (place == Place::snapshot && !is_head && !knows_tokens_) {
        knows_tokens_ = !std::holds_alternative<EpochsSaved>(*record);
    }
    return std::visit([this](const auto& r) { return apply(r); }, *record);
}

bool Allocator::Recoverer::belongs(const Record& record, Place place) {
    if (std::holds_alternative<PoolDefined>(record)) return true;
    if (std::holds_alternative<HolderDefined>(record)) return true;
    if (std::holds_alternative<Booted>(record)) return true;
    const bool saved =
        std::holds_alternative<SequenceSaved>(record) ||
        std::holds_alternative<ClaimsSaved>(record) ||
        std::holds_alternative<ReservedSaved>(record) ||
        std::holds_alternative<RestingSaved>(record) ||
        std::holds_alternative<EpochsSaved>(record) || std::holds_alternative<TokenSaved>(record) ||
        std::holds_alternative<LinksSaved>(record) || std::holds_alternative<LiveSaved>(record);
    return saved == (place == Place::snapshot);
}

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

Result<void, Failure> Allocator::Recoverer::apply(const PoolDefined& record) {
    if (place_ == Place::log && will_be_restored(record.pool)) return {};
    if (name(record.policy) == "unknown" || name(record.durability) == "unknown") {
        return unknown("pool '" + std::string(record.name) + "' has a policy or durability");
    }
    PoolSpec made{.name = std::string(record.name),
                  .policy = record.policy,
                  .range = record.range,
                  .durability = record.durability,
                  .tracking = record.tracking};
    if (auto valid = validate(made); !valid) return damaged("a pool is defined that cannot be");
    auto& pools = allocator_.pools_;
    if (record.parent) {
        if (*record.parent >= record.pool || *record.parent >= pools.size()) {
            return damaged("a pool is defined before its parent");
        }
        made.parent = pools[*record.parent]->pool.spec().name;
    }
    const PoolSpec* const spec = configured(record.name);
    if (spec != nullptr) {
        if (auto unchanged = check_unchanged(record, *spec); !unchanged) return unchanged;
        if (spec->parent != made.parent) return parent_changed(*spec, made.parent);
        made = *spec;
        // What the configuration names of what was added is not looked at before the pool has it.
        made.range = record.range;
    }
    if (record.pool < pools.size()) return define_again(pools[record.pool]->pool, record);
    if (record.pool != pools.size()) return damaged("pools are not defined in order");
    const bool named_before = std::any_of(pools.begin(), pools.end(), [&](const auto& other) {
        return other->pool.spec().name == record.name;
    });
    if (named_before) return damaged("two pools are named '" + std::string(record.name) + "'");
    const bool follows = pools.empty() || pools.back()->pool.is_restored();
    if (place_ == Place::snapshot && !follows) return damaged("a snapshot leaves out leases");
    pools.push_back(std::make_unique<ServedPool>(made, record.pool, allocator_, spec != nullptr));
    pools.back()->pool.begin_replay();
    if (place_ == Place::snapshot) {
        restoring_ = Restoring::pools;
        pools.back()->pool.begin_restore();
    }
    pools.back()->parent = record.parent.value_or(no_pool);
    const PoolIndex linked_to = allocator_.links_.parent_of(record.pool);
    if (linked_to != no_pool && !record.parent) return damaged("a pool without a parent has links");
    if (!record.parent) return {};
    if (allocator_.levels_of(*record.parent).size() == levels_max) {
        return damaged("pools are defined at too many levels");
    }
    return set_parent(record.pool, *record.parent);
}

// The pool has this parent; what a snapshot has of links comes before the pool.
Result<void, Failure> Allocator::Recoverer::set_parent(PoolIndex pool, PoolIndex parent) {
    const auto& pools = allocator_.pools_;
    if (pool < pools.size() && pools[pool]->parent != parent) {
        return damaged("numbers go together of pools that are not each other's parent");
    }
    const auto set = allocator_.links_.set_parent(pool, parent);
    return set ? Result<void, Failure>() : failure_of(set.error(), "the parent of a pool");
}

// A pool is defined once more when its range was widened. What comes before it is replayed with the
// range as it was, since where a cyclic pool wrapped depends on it.
Result<void, Failure> Allocator::Recoverer::define_again(Pool& pool, const PoolDefined& record) {
    const PoolSpec& spec = pool.spec();
    if (record.name != spec.name || record.policy != spec.policy ||
        record.durability != spec.durability || record.tracking != spec.tracking ||
        record.range.first != spec.range.first || record.range.last < spec.range.last ||
        record.parent.value_or(no_pool) != allocator_.parent_of(record.pool)) {
        return damaged("pool '" + spec.name + "' is defined a second time and otherwise");
    }
    pool.widen(record.range.last);
    return {};
}

const PoolSpec* Allocator::Recoverer::configured(std::string_view name) const {
    const auto& specs = allocator_.options_.pools;
    const auto found = std::find_if(specs.begin(), specs.end(),
                                    [&](const PoolSpec& spec) { return spec.name == name; });
    return found != specs.end() ? &*found : nullptr;
}

Result<void, Failure> Allocator::Recoverer::define_pools() {
    auto& pools = allocator_.pools_;
    for (std::size_t i = 0; i < pools.size(); ++i) {
        if (!pools[i]->configured) continue;
        Pool& pool = pools[i]->pool;
        const Id max = configured(pool.spec().name)->range.last;
        if (max == pool.spec().range.last) continue;
        pool.widen(max);
        if (auto done = define(static_cast<PoolIndex>(i), pool.spec()); !done) return done;
    }
    for (const PoolSpec& spec : allocator_.options_.pools) {
        if (auto done = define_new(spec); !done) return done;
    }
    return {};
}

// Says in the journal what the pool is.
Result<void, Failure> Allocator::Recoverer::define(PoolIndex index, const PoolSpec& spec) {
    if (!allocator_.has_room()) {
        if (auto flushed = allocator_.flush_all(); !flushed) return flushed;
    }
    const Pool* const parent = allocator_.find_pool(spec.parent);
    allocator_.append(PoolDefined{
        .pool = index,
        .name = spec.name,
        .policy = spec.policy,
        .durability = spec.durability,
        .range = spec.range,
        .tracking = spec.tracking,
        .parent = parent != nullptr ? std::optional(allocator_.index_of(*parent)) : std::nullopt});
    return {};
}

// Makes a configured pool that is not there, behind its parent: whoever reads of a pool then knows those
// above it.
Result<void, Failure> Allocator::Recoverer::define_new(const PoolSpec& spec) {
    if (allocator_.find_pool(spec.name) != nullptr) return {};
    const PoolSpec* const above = spec.parent.empty() ? nullptr : configured(spec.parent);
    if (above != nullptr) {
        if (auto done = define_new(*above); !done) return done;
    }
    auto& pools = allocator_.pools_;
    constexpr std::size_t index_end = std::numeric_limits<PoolIndex>::max();
    if (pools.size() >= index_end) {
        return Failure{Errc::config_invalid, "pool '" + spec.name +
                                                 "': a store has at most 65,535 pools, those that "
                                                 "are no longer configured included"};
    }
    const auto index = static_cast<PoolIndex>(pools.size());
    if (auto done = define(index, spec); !done) return done;
    pools.push_back(std::make_unique<ServedPool>(spec, index, allocator_, true));
    if (above == nullptr) return {};
    pools.back()->parent = allocator_.index_of(*allocator_.find_pool(above->name));
    return set_parent(index, pools.back()->parent);
}

Result<void, Failure> Allocator::Recoverer::begin_runs() {
    for (const auto& served_pool : allocator_.pools_) {
        const auto begun = served_pool->pool.begin_run();
        if (!begun) return failure_of(begun.error(), "pool " + served_pool->pool.spec().name);
        served_pool->moved_mark = served_pool->pool.settled_mark();
    }
    return {};
}

void Allocator::Recoverer::leave_trace() {
    auto& pools = allocator_.pools_;
    const auto found = std::find_if(pools.begin(), pools.end(), [](const auto& served_pool) {
        const Pool& pool = served_pool->pool;
        return !pool.records_leases() && pool.sequence().mark.has_value();
    });
    if (found == pools.end()) return;
    allocator_.append(MarkMoved{.pool = static_cast<PoolIndex>(found - pools.begin()),
                                .mark = *(*found)->pool.sequence().mark});
}

void Allocator::Recoverer::apply_unclean_stop() {
    allocator_.holders_.skip_lost_ids();
    for (const auto& served_pool : allocator_.pools_)
        served_pool->pool.replay_unclean_stop();
}

Result<void, Failure> Allocator::Recoverer::apply(const HolderDefined& record) {
    Holders& holders = allocator_.holders_;
    if (name(record.holder.binding) == "unknown") return unknown("a holder has a binding");
    if (place_ == Place::log && will_be_restored_holder(record.index)) {
        // If it ends before its piece comes, nothing else tells of its ID.
        holders.skip_ids_below(record.holder.id + 1);
        return {};
    }
    if (place_ == Place::snapshot) {
        if (restoring_ == Restoring::links) restoring_ = Restoring::holders;
        if (record.index < next_holder_) return damaged("holders are not saved in order");
        next_holder_ = record.index + 1;
    }
    // As version 1 of the record had it, without gaps: then one that was added while a snapshot was
    // written comes twice.
    if (holders.contains(record.index) && holders[record.index] == record.holder) return {};
    const auto added = holders.restore(record.index, record.holder);
    if (!added) return failure_of(added.error(), "a holder");
    if (!*added) return damaged("a holder is defined where there is one");
    if (record.holder.binding != Binding::ttl) return {};
    const auto prepared = holders.prepare_deadline(record.index);
    return prepared ? Result<void, Failure>() : failure_of(prepared.error(), "a holder");
}

Result<void, Failure> Allocator::Recoverer::apply(const HolderEnded& record) {
    if (will_be_restored_holder(record.index)) return {};
    if (!knows(record.index)) return damaged("a holder ends that is not defined");
    end_holder(record.index);
    return {};
}

Result<void, Failure> Allocator::Recoverer::apply(const HolderRenewed& record) {
    if (will_be_restored_holder(record.index)) return {};
    Holders& holders = allocator_.holders_;
    if (!knows(record.index) || holders[record.index].binding != Binding::ttl) {
        return damaged("a holder goes on that has no time limit");
    }
    holders.set_deadline(record.index, record.deadline);
    return {};
}

void Allocator::Recoverer::end_holder(HolderIndex index) noexcept {
    Allocator& own = allocator_;
    own.tags_.end(index, [&](Value value) {
        own.pools_[own.tags_.pool_of(value)]->pool.leases_died(own.tags_.count(value));
    });
    own.holders_.remove(index);
    sweep_much();
}

// What is left behind takes memory, and a life that sweeps all the time may have had none of it.
void Allocator::Recoverer::sweep_much() noexcept {
    for (const auto& served_pool : allocator_.pools_) {
        // What is to rest still is swept when the time is known.
        if (served_pool->pool.rest_ms() > 0 || !served_pool->wants_sweep()) continue;
        std::size_t unlimited = std::numeric_limits<std::size_t>::max();
        served_pool->pool.sweep(unlimited);
    }
}

Result<void, Failure> Allocator::Recoverer::apply(const Booted& record) {
    allocator_.holders_.skip_ids_below(record.next_holder);
    if (place_ == Place::snapshot) {
        allocator_.boot_ = record.boot;
        return {};
    }
    allocator_.now_ = record.now;
    allocator_.tokens_.begin_run(record.now, false);
    return reboot(record.boot);
}

// The machine was started: no process and no connection of before is left, and a time begins anew.
Result<void, Failure> Allocator::Recoverer::reboot(const BootId& boot) {
    allocator_.boot_ = boot;
    Holders& holders = allocator_.holders_;
    for (HolderIndex index = 0; index < holders.index_end(); ++index) {
        if (!holders.contains(index)) continue;
        const Holder holder = holders[index];
        switch (holder.binding) {
            case Binding::persistent: break;
            case Binding::connection:
            case Binding::process: end_holder(index); break;
            case Binding::ttl: holders.set_deadline(index, allocator_.now_ + holder.ttl_ms); break;
        }
    }
    for (const auto& served_pool : allocator_.pools_) {
        const auto rests = served_pool->pool.replay_reboot();
        if (!rests)
            return failure_of(rests.error(), "what rests in " + served_pool->pool.spec().name);
    }
    return {};
}

Result<void, Failure> Allocator::Recoverer::begin_boot() {
    Allocator& own = allocator_;
    own.now_ = own.options_.now;
    const BootId& boot = own.options_.boot;
    const bool is_same = !boot.is_none() && boot == own.boot_;
    own.tokens_.begin_run(own.now_, is_same);
    const bool says_nothing = boot.is_none() && own.boot_.is_none() && !has_transient_holders();
    if (!is_same && !says_nothing) {
        if (auto done = reboot(boot); !done) return done;
        own.append(Booted{.boot = boot, .next_holder = own.holders_.next_id(), .now = own.now_});
    }
    const BootTime grace_end = own.now_ + own.options_.restart_grace_ms;
    for (HolderIndex index = 0; index < own.holders_.index_end(); ++index) {
        if (!own.holders_.contains(index)) continue;
        const Holder holder = own.holders_[index];
        if (holder.binding != Binding::connection && holder.binding != Binding::ttl) continue;
        const auto prepared = own.holders_.prepare_deadline(index);
        if (!prepared) return failure_of(prepared.error(), "a holder");
        own.holders_.set_deadline(index, std::max(holder.deadline, grace_end));
    }
    return {};
}

Result<void, Failure> Allocator::Recoverer::count_accounts() {
    Allocator& own = allocator_;
    for (HolderIndex index = 0; index < own.holders_.index_end(); ++index) {
        if (!own.holders_.contains(index)) continue;
        const std::uint32_t uid = own.holders_[index].uid;
        Errc failed = Errc::ok;
        own.tags_.for_each_of(index, [&](Value value) {
            const PoolIndex pool = own.tags_.pool_of(value);
            const auto reservation = own.accounts_.prepare(pool, uid, 0, Quota());
            if (!reservation) failed = reservation.error().code;
            own.accounts_.change(pool, uid, own.tags_.count(value));
        });
        if (failed != Errc::ok) return failure_of(failed, "a user's account");
    }
    return {};
}

bool Allocator::Recoverer::has_transient_holders() const {
    const Holders& holders = allocator_.holders_;
    for (HolderIndex index = 0; index < holders.index_end(); ++index) {
        if (holders.contains(index) && holders[index].binding != Binding::persistent) return true;
    }
    return false;
}

Result<void, Failure> Allocator::Recoverer::reserve_bands() {
    NoGuard nobody_else;
    for (std::size_t i = 0; i < allocator_.pools_.size(); ++i) {
        if (!allocator_.pools_[i]->configured) continue;
        Pool& pool = allocator_.pools_[i]->pool;
        for (const Range band : pool.spec().reserved) {
            while (const auto part = pool.next_reservable(band)) {
                if (!allocator_.has_room()) {
                    if (auto flushed = allocator_.flush_all(); !flushed) return flushed;
                }
                const auto done = pool.reserve(nobody_else, *part);
                if (!done) return failure_of(done.error(), "a reserved band");
                allocator_.append(Reserved{.pool = static_cast<PoolIndex>(i), .range = *part});
            }
        }
    }
    return {};
}

// While the snapshot is read, nothing says yet of which links the holders have ended: what is handed out
// now is in none of them.
void Allocator::Recoverer::forget_links(PoolIndex pool, Range range) noexcept {
    if (restoring_ != Restoring::nothing) allocator_.links_.forget(pool, range);
}

Result<void, Failure> Allocator::Recoverer::apply(const Allocated& record) {
    forget_links(record.pool, record.range);
    if (will_be_restored(record.pool)) return {};
    if (!knows(record.holder)) return damaged("a lease names a holder that is not defined");
    return with_pool(record.pool, "a lease", [&](Pool& pool) {
        return pool.replay_allocated(record.range, record.holder, record.raised_generation);
    });
}

Result<void, Failure> Allocator::Recoverer::apply(const Claimed& record) {
    forget_links(record.pool, record.range);
    if (will_be_restored(record.pool)) return {};
    if (!knows(record.holder)) return damaged("a claim names a holder that is not defined");
    return with_pool(record.pool, "a claim", [&](Pool& pool) {
        return pool.replay_claimed(record.range, record.holder, record.raised_generation);
    });
}

Result<void, Failure> Allocator::Recoverer::apply(const Released& record) {
    return with_pool(record.pool, "a release",
                     [&](Pool& pool) { return pool.replay_released(record.range); });
}

Result<void, Failure> Allocator::Recoverer::apply(const MarkMoved& record) {
    return with_pool(record.pool, "a high-water mark",
                     [&](Pool& pool) { return pool.replay_mark(record.mark); });
}

Result<void, Failure> Allocator::Recoverer::apply(const UncleanStop& /*record*/) {
    apply_unclean_stop();
    return {};
}

Result<void, Failure> Allocator::Recoverer::apply(const SkippedAhead& record) {
    allocator_.holders_.skip_lost_ids();
    for (const auto& served_pool : allocator_.pools_)
        served_pool->pool.skip_ahead(record.count);
    return {};
}

Result<void, Failure> Allocator::Recoverer::apply(const SkippedAbove& record) {
    allocator_.holders_.skip_lost_ids();
    return with_pool(record.pool, "a skip", [&](Pool& pool) -> Result<> {
        pool.skip_above(record.floor);
        return {};
    });
}

Result<void, Failure> Allocator::Recoverer::apply(const Passed& record) {
    return with_pool(record.pool, "a hand-out", [&](Pool& pool) {
        return pool.replay_passed(record.range, record.raised_generation);
    });
}

Result<void, Failure> Allocator::Recoverer::apply(const Rested& record) {
    return with_pool(record.pool, "a release", [&](Pool& pool) {
        return pool.replay_rested(record.range, record.at, record.rest_ms);
    });
}

Result<void, Failure> Allocator::Recoverer::apply(const RestingSaved& record) {
    return with_pool(record.pool, "what is saved as resting", [&](Pool& pool) {
        return pool.restore_resting(record.covered, record.until,
                                    RunReader(record.items.bytes, record.covered.first, 0));
    });
}

Result<void, Failure> Allocator::Recoverer::apply(const Reserved& record) {
    return with_pool(record.pool, "what is reserved",
                     [&](Pool& pool) { return pool.replay_reserved(record.range); });
}

Result<void, Failure> Allocator::Recoverer::apply(const Unreserved& record) {
    return with_pool(record.pool, "what is no longer reserved",
                     [&](Pool& pool) { return pool.replay_unreserved(record.range); });
}

Result<void, Failure> Allocator::Recoverer::apply(const Advanced& record) {
    return with_pool(record.pool, "an advance",
                     [&](Pool& pool) { return pool.replay_advanced(record.last); });
}

Result<void, Failure> Allocator::Recoverer::apply(const SequenceSaved& record) {
    return with_pool(record.pool, "a saved pool",
                     [&](Pool& pool) { return pool.restore_sequence(record.state); });
}

Result<void, Failure> Allocator::Recoverer::apply(const ClaimsSaved& record) {
    return with_pool(record.pool, "a saved claim", [&](Pool& pool) {
        return pool.restore_claims(record.covered,
                                   RunReader(record.items.bytes, record.covered.first, 0));
    });
}

Result<void, Failure> Allocator::Recoverer::apply(const LiveSaved& record) {
    return with_pool(record.pool, "a saved lease", [&](Pool& pool) {
        return pool.restore_live(
            record.covered, RunReader(record.items.bytes, record.covered.first, record.generation),
            allocator_.holders_.index_end());
    });
}

Result<void, Failure> Allocator::Recoverer::apply(const ReservedSaved& record) {
    return with_pool(record.pool, "what is saved as reserved", [&](Pool& pool) {
        return pool.restore_reserved(record.covered,
                                     RunReader(record.items.bytes, record.covered.first, 0));
    });
}

Result<void, Failure> Allocator::Recoverer::apply(const Tokened& record) {
    if (auto leased = apply_lease(record); !leased) return leased;
    if (!knows_tokens_) return {};
    return restore_token({.pool = record.pool,
                          .range = record.range,
                          .generation = record.generation,
                          .token = record.token});
}

Result<void, Failure> Allocator::Recoverer::apply_lease(const Tokened& record) {
    switch (record.how) {
        case HandOut::passed:
            return apply(Passed{record.pool, record.range, record.raised_generation});
        case HandOut::allocated:
            return apply(
                Allocated{record.pool, record.range, record.holder, record.raised_generation});
        case HandOut::claimed:
            return apply(
                Claimed{record.pool, record.range, record.holder, record.raised_generation});
    }
    return unknown("a lease was handed out in a way");
}

Result<void, Failure> Allocator::Recoverer::restore_token(const TokenSaved& record) {
    const TokenFields& token = record.token;
    const auto restored = allocator_.tokens_.restore(
        {.key = key_of(token),
         .request = {.pool = record.pool, .digest = token.digest},
         .reply = {.range = record.range, .generation = record.generation}});
    return restored ? Result<void, Failure>() : failure_of(restored.error(), "a token");
}

Result<void, Failure> Allocator::Recoverer::apply(const EpochBegun& record) {
    if (!knows_tokens_) return {};
    const auto begun = allocator_.tokens_.replay_epoch(record.number, record.at, record.alone);
    return begun ? Result<void, Failure>() : failure_of(begun.error(), "an epoch of tokens");
}

Result<void, Failure> Allocator::Recoverer::apply(const EpochsSaved& record) {
    boost::container::static_vector<TokenEpoch, Tokens::epoch_count_max> epochs;
    for (const EpochsSaved::Epoch& epoch : record.epochs) {
        if (epoch.number == 0) break;
        epochs.push_back({.number = epoch.number, .is_open = epoch.is_open});
    }
    knows_tokens_ = true;
    const auto restored = allocator_.tokens_.restore_epochs(epochs, record.began);
    return restored ? Result<void, Failure>() : failure_of(restored.error(), "epochs of tokens");
}

Result<void, Failure> Allocator::Recoverer::apply(const TokenSaved& record) {
    return restore_token(record);
}

Result<void, Failure> Allocator::Recoverer::apply(const NestedAllocated& record) {
    const std::size_t count = record.levels.size();
    if (count < 2) return damaged("a lease at several levels has one");
    for (const LevelAllocated& level : record.levels) {
        if (record.span > id_max - level.first) return damaged("a lease passes the last number");
    }
    if (auto linked = replay_links(record); !linked) return linked;
    for (std::size_t i = 0; i < count; ++i) {
        if (auto done = replay_level(record, i); !done) return done;
    }
    if (!record.token || !knows_tokens_) return {};
    const LevelAllocated& asked = record.levels.back();
    return restore_token({.pool = asked.pool,
                          .range = {asked.first, asked.first + record.span},
                          .generation = record.token->generation,
                          .token = record.token->token});
}

// Each level with the one above it. What is left there of holders that ended goes first, with its links.
Result<void, Failure> Allocator::Recoverer::replay_links(const NestedAllocated& record) {
    Links& links = allocator_.links_;
    NoGuard nobody_else;
    const auto range_at = [&](std::size_t i) {
        return Range{record.levels[i].first, record.levels[i].first + record.span};
    };
    for (std::size_t i = 0; i < record.levels.size(); ++i) {
        const PoolIndex index = record.levels[i].pool;
        const bool is_there = index < allocator_.pools_.size();
        if (is_there) allocator_.pools_[index]->pool.sweep_out(range_at(i));
        links.forget(index, range_at(i));
    }
    for (std::size_t i = 1; i < record.levels.size(); ++i) {
        const PoolIndex index = record.levels[i].pool;
        if (auto set = set_parent(index, record.levels[i - 1].pool); !set) return set;
        const Link link{.own = range_at(i), .above = range_at(i - 1)};
        if (!Links::is_possible(link)) return damaged("numbers go together that lie too far apart");
        if (auto ready = links.prepare(nobody_else, index, link); !ready) {
            return failure_of(ready.error(), "a link of numbers");
        }
        links.store(index, link);
    }
    return {};
}

Result<void, Failure> Allocator::Recoverer::replay_level(const NestedAllocated& record,
                                                         std::size_t level) {
    const auto [index, first, raised_generation] = record.levels[level];
    if (will_be_restored(index)) return {};
    if (!knows(record.holder)) return damaged("a lease names a holder that is not defined");
    const bool is_lowest = level + 1 == record.levels.size();
    const PoolIndex via = is_lowest ? no_pool : record.levels[level + 1].pool;
    const Range range{first, first + record.span};
    return with_pool(index, "a lease", [&, raised = raised_generation](Pool& pool) {
        return is_lowest && record.is_claim
                   ? pool.replay_claimed(range, record.holder, raised)
                   : pool.replay_allocated(range, record.holder, raised, via);
    });
}

Result<void, Failure> Allocator::Recoverer::apply(const NestedReleased& record) {
    if (record.levels.size() < 2) return damaged("a release at several levels has one");
    return replay_release(record, record.levels.size() - 1, record.range);
}

// At this level and all above it. As long as the snapshot has not told of all links, what it has not told
// of is live nowhere yet, and will be nowhere.
Result<void, Failure> Allocator::Recoverer::replay_release(const NestedReleased& record,
                                                           std::size_t level, Range range) {
    const auto [index, rest_ms] = record.levels[level];
    if (level > 0) {
        Links& links = allocator_.links_;
        if (auto set = set_parent(index, record.levels[level - 1].pool); !set) return set;
        for (Id id = range.first;;) {
            const auto link = links.next_above(index, {id, range.last});
            const bool is_next = link && link->own.first == id;
            if (!is_next && restoring_ != Restoring::links) {
                return damaged("a release is of numbers that go with none above");
            }
            if (!link) break;
            links.erase(index, link->own);
            auto done = replay_release(record, level - 1, link->above);
            if (!done) return done;
            if (link->own.last == range.last) break;
            id = link->own.last + 1;
        }
    }
    return with_pool(index, "a release", [&, rests = rest_ms](Pool& pool) {
        return rests == 0 ? pool.replay_released(range)
                          : pool.replay_rested(range, record.at, rests);
    });
}

Result<void, Failure> Allocator::Recoverer::apply(const LinksSaved& record) {
    if (restoring_ != Restoring::links) return damaged("links are saved behind what they link");
    if (auto set = set_parent(record.pool, record.parent); !set) return set;
    const auto restored = allocator_.links_.restore(
        record.pool, record.covered,
        RunReader(record.items.bytes, record.covered.first, Links::saved_generation));
    if (!restored) return failure_of(restored.error(), "a saved link");
    return {};
}

// Of what is not live: its holder ended while the snapshot was written, or before.
void Allocator::Recoverer::purge_links(const ServedPool& served_pool) noexcept {
    if (served_pool.parent == no_pool) return;
    Links& links = allocator_.links_;
    const PoolIndex index = served_pool.index;
    for (Id id = 0;;) {
        const auto link = links.next_above(index, {id, id_max});
        if (!link) return;
        Range part = link->own;
        const auto run = served_pool.pool.next_run(part.first);
        if (run && run->range.first <= part.first) {
            part.last = std::min(part.last, run->range.last);
        } else {
            if (run) part.last = std::min(part.last, run->range.first - 1);
            links.erase(index, part);
        }
        if (part.last == id_max) return;
        id = part.last + 1;
    }
}

Result<void, Failure> Allocator::Recoverer::snapshot_end() {
    const auto& pools = allocator_.pools_;
    restoring_ = Restoring::nothing;
    knows_tokens_ = true;
    if (!pools.empty() && !pools.back()->pool.is_restored()) {
        return damaged("a snapshot leaves out leases");
    }
    for (HolderIndex index = 0; index < allocator_.holders_.index_end(); ++index) {
        if (!allocator_.tags_.has_any(index) || knows(index)) continue;
        return damaged("a snapshot leaves out a holder");
    }
    for (const auto& served_pool : pools)
        purge_links(*served_pool);
    if (auto broken = allocator_.verify_levels()) return damaged("a snapshot: " + *broken);
    return {};
}

}  // namespace inod
