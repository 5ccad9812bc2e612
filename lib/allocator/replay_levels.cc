// Replay of what lives at several levels of pools with a parent.
#include <algorithm>

#include "lib/allocator/recoverer.h"

namespace inod {

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

// The pool has this parent; what a snapshot has of links comes before the pool.
Result<void, Failure> Allocator::Recoverer::set_parent(PoolIndex pool, PoolIndex parent) {
    const auto& pools = allocator_.pools_;
    if (pool < pools.size() && pools[pool]->parent != parent) {
        return damaged("numbers go together of pools that are not each other's parent");
    }
    const auto set = allocator_.links_.set_parent(pool, parent);
    return set ? Result<void, Failure>() : failure_of(set.error(), "the parent of a pool");
}

// While the snapshot is read, nothing says yet of which links the holders have ended: what is handed out
// now is in none of them.
void Allocator::Recoverer::forget_links(PoolIndex pool, Range range) noexcept {
    if (restoring_ != Restoring::nothing) allocator_.links_.forget(pool, range);
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

}  // namespace inod
