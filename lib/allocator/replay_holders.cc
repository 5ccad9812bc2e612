// Replay of what the journal tells of holders, and of starts of the machine, which end some.
#include <limits>

#include "lib/allocator/recoverer.h"

namespace inod {

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

}  // namespace inod
