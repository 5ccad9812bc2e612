#include "lib/allocator/allocator.h"

#include <algorithm>
#include <array>
#include <utility>

#include "lib/base/assert.h"

namespace inod {
namespace {

// The most records that one request leaves: its holder, a high-water mark, the change itself.
constexpr std::size_t records_per_request_max = 3;

// Threads that may stand between has_room() and append() at once, because one of them dropped the
// lock to get memory: more than a daemon is ever given.
constexpr std::size_t threads_max = 64;

}  // namespace

Allocator::Allocator(Storage& storage, AllocatorOptions options)
    : options_(std::move(options)),
      budget_(options_.memory_max),
      journal_(storage, options_.journal),
      holders_(budget_) {}

Allocator::~Allocator() = default;

bool Allocator::has_room() const noexcept {
    return journal_.has_room(records_per_request_max * threads_max, encoded_record_size_max);
}

Answer<Lease> Allocator::allocate(GuardRef guard, PoolIndex index, std::uint64_t count,
                                  const Holder& holder) {
    ServedPool* const served_pool = served(index);
    if (served_pool == nullptr) return {.result = Errc::pool_unknown};
    const auto admitted = admit(holder);
    if (!admitted) return refuse<Lease>(*served_pool, index, admitted.error());
    const auto granted = served_pool->pool.allocate(guard, count, *admitted);
    if (!granted) return refuse<Lease>(*served_pool, index, granted.error());

    const Range range = granted->lease.range;
    if (granted->mark) record_mark(*served_pool, index, *granted->mark);
    if (!served_pool->pool.records_leases()) {
        return {granted->lease, mark_lsn(*served_pool, range.last)};
    }
    return {granted->lease, change(index, range,
                                   Allocated{.pool = index,
                                             .range = range,
                                             .holder = *admitted,
                                             .raised_generation = granted->raised_generation})};
}

Answer<Lease> Allocator::allocate_at(GuardRef guard, PoolIndex index, Range range,
                                     const Holder& holder) {
    ServedPool* const served_pool = served(index);
    if (served_pool == nullptr) return {.result = Errc::pool_unknown};
    const auto admitted = admit(holder);
    if (!admitted) return refuse<Lease>(*served_pool, index, admitted.error());
    const auto granted = served_pool->pool.allocate_at(guard, range, *admitted);
    if (!granted) return refuse<Lease>(*served_pool, index, granted.error());
    return {granted->lease, change(index, range,
                                   Claimed{.pool = index,
                                           .range = range,
                                           .holder = *admitted,
                                           .raised_generation = granted->raised_generation})};
}

Answer<void> Allocator::release(PoolIndex index, Range range, std::uint64_t generation,
                                const Holder& holder) noexcept {
    ServedPool* const served_pool = served(index);
    if (served_pool == nullptr) return {.result = Errc::pool_unknown};
    if (journal_.sealed()) return refuse<void>(*served_pool, index, Errc::journal_sealed);
    // Somebody who never held anything is nobody's holder: an index that no tag has.
    const auto nobody = static_cast<HolderIndex>(holders_.size());
    const auto released =
        served_pool->pool.release(range, generation, holders_.find(holder).value_or(nobody));
    if (!released) return refuse<void>(*served_pool, index, released.error());
    const bool recorded = *released;
    if (!recorded) return {.result = {}};
    return {{}, change(index, range, Released{.pool = index, .range = range})};
}

Answer<Held> Allocator::lookup(PoolIndex index, Id id, std::uint64_t generation) noexcept {
    ServedPool* const served_pool = served(index);
    if (served_pool == nullptr) return {.result = Errc::pool_unknown};
    ++served_pool->lookups;
    const Lsn wait_for = last_change(*served_pool, index, id);
    const auto found = served_pool->pool.lookup(id, generation);
    if (!found) return {found.error(), wait_for};
    return {held(*found), wait_for};
}

Answer<Held> Allocator::next(PoolIndex index, Id id) noexcept {
    ServedPool* const served_pool = served(index);
    if (served_pool == nullptr) return {.result = Errc::pool_unknown};
    ++served_pool->lookups;
    const auto found = served_pool->pool.next(id);
    if (!found) return {found.error(), unless_durable(journal_.last_lsn())};
    return {held(*found), unless_durable(journal_.last_lsn())};
}

Lsn Allocator::unless_durable(Lsn lsn) const noexcept {
    return lsn > journal_.durable_lsn() ? lsn : 0;
}

Held Allocator::held(const LiveRun& run) const {
    return {.range = run.range, .generation = run.generation, .holder = holders_[run.holder]};
}

Allocator::ServedPool* Allocator::served(PoolIndex index) noexcept {
    if (index >= pools_.size() || !pools_[index]->configured) return nullptr;
    return pools_[index].get();
}

// The index of a holder who is to get more. May anybody?
Result<HolderIndex> Allocator::admit(const Holder& holder) {
    if (journal_.sealed()) return Errc::journal_sealed;
    if (!journal_.has_space()) return Errc::no_space;
    if (const auto known = holders_.find(holder)) return *known;
    const auto added = holders_.add(holder);
    if (added) append(HolderDefined{.index = *added, .holder = holder});
    return added;
}

void Allocator::record_mark(ServedPool& served_pool, PoolIndex index, Id mark) noexcept {
    // What was durable stays known while the new mark is not.
    if (served_pool.moved_mark_lsn <= journal_.durable_lsn()) {
        served_pool.settled_mark = served_pool.moved_mark;
    }
    served_pool.moved_mark = mark;
    served_pool.moved_mark_lsn = append(MarkMoved{.pool = index, .mark = mark});
}

// What must be durable before anybody may hear of an unrecorded lease of `id`: the mark above it.
Lsn Allocator::mark_lsn(ServedPool& served_pool, Id id) const noexcept {
    if (served_pool.settled_mark && id <= *served_pool.settled_mark) return 0;
    return served_pool.moved_mark_lsn > journal_.durable_lsn() ? served_pool.moved_mark_lsn : 0;
}

// What must be durable before anybody may hear of `id`.
Lsn Allocator::last_change(ServedPool& served_pool, PoolIndex index, Id id) const noexcept {
    const Lsn recorded = pending_.last_change(index, id, journal_.durable_lsn());
    if (served_pool.pool.records_leases()) return recorded;
    return std::max(recorded, mark_lsn(served_pool, id));
}

Lsn Allocator::append(const Record& record) noexcept {
    std::array<std::byte, encoded_record_size_max> memory;
    ByteWriter out(memory);
    encode(record, out);
    return journal_.append(out.written());
}

Lsn Allocator::change(PoolIndex pool, Range range, const Record& record) noexcept {
    const Lsn lsn = append(record);
    pending_.add(pool, range, lsn, journal_.durable_lsn());
    return lsn;
}

// A refusal that names an ID tells what became of that ID, so it waits for that ID's last change.
template <class T>
Answer<T> Allocator::refuse(ServedPool& served_pool, PoolIndex index, const Error& error) noexcept {
    ++served_pool.refusals;
    switch (error.code) {
        case Errc::id_taken:
        case Errc::id_burned:
        case Errc::released:
        case Errc::never_allocated:
        case Errc::not_holder: return {error, last_change(served_pool, index, error.detail)};
        case Errc::stale_generation: return {error, unless_durable(journal_.last_lsn())};
        default: return {error, 0};
    }
}

const Pool* Allocator::find_pool(std::string_view name) const {
    for (const auto& served_pool : pools_) {
        if (served_pool->configured && served_pool->pool.spec().name == name) {
            return &served_pool->pool;
        }
    }
    return nullptr;
}

const Pool* Allocator::pool(PoolIndex index) const noexcept {
    if (index >= pools_.size() || !pools_[index]->configured) return nullptr;
    return &pools_[index]->pool;
}

PoolIndex Allocator::index_of(const Pool& pool) const {
    const auto found = std::find_if(pools_.begin(), pools_.end(), [&](const auto& served_pool) {
        return &served_pool->pool == &pool;
    });
    INOD_ASSERT(found != pools_.end());
    return static_cast<PoolIndex>(found - pools_.begin());
}

std::vector<std::string> Allocator::dormant_pools() const {
    std::vector<std::string> names;
    for (const auto& served_pool : pools_) {
        if (!served_pool->configured) names.push_back(served_pool->pool.spec().name);
    }
    return names;
}

std::optional<std::string> Allocator::verify() const {
    for (const auto& served_pool : pools_) {
        if (auto broken = served_pool->pool.verify()) return broken;
    }
    return std::nullopt;
}

}  // namespace inod
