// Each record of the log is applied as it was when it was written, and refused where it contradicts what came
// before: pools, and what becomes of their IDs.
#include <algorithm>

#include "lib/allocator/recoverer.h"

namespace inod {
namespace {

std::string text(Range range) {
    return std::to_string(range.first) + " to " + std::to_string(range.last);
}

Failure changed(const PoolSpec& spec, const std::string& what) {
    return {Errc::pool_changed,
            "pool '" + spec.name + "': " + what +
                ". Undo the change in the configuration, or give the new pool another name"};
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

Failure Allocator::Recoverer::damaged(const std::string& what) {
    return {Errc::journal_damaged, what};
}

Failure Allocator::Recoverer::failure_of(const Error& error, const std::string& what) {
    if (error.code == Errc::journal_damaged) {
        return damaged(what + " contradicts earlier records at ID " + std::to_string(error.detail));
    }
    return {error.code, what + ": " + std::string(explanation(error.code))};
}

Failure Allocator::Recoverer::unknown(const std::string& what) {
    return {Errc::record_unknown,
            what + " which this version of inod does not know: use the newer one that wrote it"};
}

Result<void, Failure> Allocator::Recoverer::apply(std::span<const std::byte> bytes, Place place) {
    tell_progress();
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

void Allocator::Recoverer::tell_progress() {
    const auto& tell = allocator_.options_.on_progress;
    if (++records_ % AllocatorOptions::records_per_progress == 0 && tell) tell(records_);
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

Result<void, Failure> Allocator::Recoverer::apply(const Passed& record) {
    return with_pool(record.pool, "a hand-out", [&](Pool& pool) {
        return pool.replay_passed(record.range, record.raised_generation);
    });
}

Result<void, Failure> Allocator::Recoverer::apply(const Released& record) {
    return with_pool(record.pool, "a release",
                     [&](Pool& pool) { return pool.replay_released(record.range); });
}

Result<void, Failure> Allocator::Recoverer::apply(const Rested& record) {
    return with_pool(record.pool, "a release", [&](Pool& pool) {
        return pool.replay_rested(record.range, record.at, record.rest_ms);
    });
}

Result<void, Failure> Allocator::Recoverer::apply(const MarkMoved& record) {
    return with_pool(record.pool, "a high-water mark",
                     [&](Pool& pool) { return pool.replay_mark(record.mark); });
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

Result<void, Failure> Allocator::Recoverer::apply(const UncleanStop& /*record*/) {
    apply_unclean_stop();
    return {};
}

void Allocator::Recoverer::apply_unclean_stop() {
    allocator_.holders_.skip_lost_ids();
    for (const auto& served_pool : allocator_.pools_)
        served_pool->pool.replay_unclean_stop();
}

}  // namespace inod
