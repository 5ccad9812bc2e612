// How the allocator begins a life: takes its state back from the journal, and fits the configuration to it.
#include <algorithm>
#include <limits>

#include "lib/allocator/recoverer.h"
#include "lib/base/assert.h"

namespace inod {

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
    pool_index_end_at_start_ = pools_.size();
    return recovery;
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
    allocator_.append(
        definition_of(index, spec, parent != nullptr ? allocator_.index_of(*parent) : no_pool));
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

const PoolSpec* Allocator::Recoverer::configured(std::string_view name) const {
    const auto& specs = allocator_.options_.pools;
    const auto found = std::find_if(specs.begin(), specs.end(),
                                    [&](const PoolSpec& spec) { return spec.name == name; });
    return found != specs.end() ? &*found : nullptr;
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
            pool.sweep_out(band);
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

Result<void, Failure> Allocator::Recoverer::begin_runs() {
    for (const auto& served_pool : allocator_.pools_) {
        const auto begun = served_pool->pool.begin_run();
        if (!begun) return failure_of(begun.error(), "pool " + served_pool->pool.spec().name);
        served_pool->moved_mark = served_pool->pool.settled_mark();
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

}  // namespace inod
