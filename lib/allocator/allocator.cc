#include "lib/allocator/allocator.h"

#include <algorithm>
#include <array>
#include <utility>

#include "lib/base/assert.h"
#include "lib/journal/frame.h"
#include "lib/pool/cyclic_sequence.h"
#include "lib/pool/marks.h"

namespace inod {
namespace {

// The most records that one request leaves: its holder, a high-water mark, the change itself.
constexpr std::size_t records_per_request_max = 3;

// Threads that may stand between has_room() and append() at once, because one of them dropped the
// lock to get memory: more than a daemon is ever given.
constexpr std::size_t threads_max = 64;

// More raises than the records of one group can tell of.
constexpr std::uint64_t raises_per_group(std::size_t group_size) {
    return group_size / (record_prefix_size + encoded_lease_size_min);
}
static_assert(raises_per_group(JournalOptions().group_size_max) < generations_per_unclean_stop);

}  // namespace

Allocator::Allocator(Storage& storage, AllocatorOptions options)
    : options_(std::move(options)),
      budget_(options_.memory_max),
      journal_(storage, options_.journal),
      holders_(budget_) {
    INOD_ASSERT(raises_per_group(options_.journal.group_size_max) < generations_per_unclean_stop);
}

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
    settle_mark(*served_pool);
    const auto granted = served_pool->pool.allocate(guard, count, *admitted);
    if (!granted && granted.error().code == Errc::block_pending) {
        return await_mark(*served_pool, index, granted.error());
    }
    if (!granted) return refuse<Lease>(*served_pool, index, granted.error());

    const Range range = granted->lease.range;
    if (granted->mark) record_mark(*served_pool, index, *granted->mark);
    if (!served_pool->pool.records_leases()) {
        return {granted->lease, mark_lsn(*served_pool, range.last)};
    }
    return recorded(*served_pool, index, *granted,
                    Allocated{.pool = index,
                              .range = range,
                              .holder = *admitted,
                              .raised_generation = granted->raised_generation});
}

Answer<Lease> Allocator::allocate_at(GuardRef guard, PoolIndex index, Range range,
                                     const Holder& holder) {
    ServedPool* const served_pool = served(index);
    if (served_pool == nullptr) return {.result = Errc::pool_unknown};
    const auto admitted = admit(holder);
    if (!admitted) return refuse<Lease>(*served_pool, index, admitted.error());
    const auto granted = served_pool->pool.allocate_at(guard, range, *admitted);
    if (!granted) return refuse<Lease>(*served_pool, index, granted.error());
    return recorded(*served_pool, index, *granted,
                    Claimed{.pool = index,
                            .range = range,
                            .holder = *admitted,
                            .raised_generation = granted->raised_generation});
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

void Allocator::settle_mark(ServedPool& served_pool) noexcept {
    if (served_pool.moved_mark_lsn <= journal_.durable_lsn()) served_pool.pool.settle_mark();
}

void Allocator::record_mark(ServedPool& served_pool, PoolIndex index, Id mark) noexcept {
    served_pool.moved_mark = mark;
    served_pool.moved_mark_lsn = append(MarkMoved{.pool = index, .mark = mark});
}

// Whoever asked waits for the mark that `pending` names. It is recorded once, however many wait.
Answer<Lease> Allocator::await_mark(ServedPool& served_pool, PoolIndex index,
                                    const Error& pending) noexcept {
    if (served_pool.moved_mark != pending.detail) record_mark(served_pool, index, pending.detail);
    return {pending, served_pool.moved_mark_lsn};
}

// The answer to what was handed out with `record` for it.
Answer<Lease> Allocator::recorded(ServedPool& served_pool, PoolIndex index, const Granted& granted,
                                  const Record& record) noexcept {
    const Lsn lsn = change(index, granted.lease.range, record);
    if (granted.raised_generation) {
        // What was durable stays known while the new generation is not.
        if (served_pool.raised_lsn <= journal_.durable_lsn()) {
            served_pool.generation_before = granted.lease.generation - 1;
        }
        served_pool.raised_lsn = lsn;
    }
    return {granted.lease, lsn};
}

// What must be durable before anybody may hear of an unrecorded lease of `id`: the mark above it.
Lsn Allocator::mark_lsn(ServedPool& served_pool, Id id) const noexcept {
    const auto settled = served_pool.pool.settled_mark();
    if (settled && id <= *settled) return 0;
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

void Allocator::skip_ahead(std::uint64_t count) noexcept {
    for (const auto& served_pool : pools_)
        served_pool->pool.skip_ahead(count);
    append(SkippedAhead{.count = count});
}

void Allocator::skip_above(PoolIndex pool, std::uint64_t floor) noexcept {
    INOD_ASSERT(pool < pools_.size());
    pools_[pool]->pool.skip_above(floor);
    append(SkippedAbove{.pool = pool, .floor = floor});
}

std::vector<std::byte> Allocator::marks() const {
    std::vector<PoolMark> marks;
    for (std::size_t i = 0; i < pools_.size(); ++i) {
        const auto index = static_cast<PoolIndex>(i);
        const ServedPool& served_pool = *pools_[i];
        if (served_pool.pool.spec().policy == Policy::unique) {
            const bool is_settled = served_pool.moved_mark_lsn <= journal_.durable_lsn();
            const auto settled = served_pool.pool.settled_mark();
            const auto mark = is_settled && served_pool.moved_mark
                                  ? std::max(served_pool.moved_mark, settled)
                                  : settled;
            if (mark) marks.push_back({.pool = index, .value = *mark});
        } else {
            const bool is_durable = served_pool.raised_lsn <= journal_.durable_lsn();
            marks.push_back({.pool = index,
                             .value = is_durable ? served_pool.pool.sequence().generation
                                                 : served_pool.generation_before});
        }
    }
    return encode_marks(marks);
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
