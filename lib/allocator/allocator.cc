#include "lib/allocator/allocator.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "lib/base/assert.h"
#include "lib/journal/frame.h"
#include "lib/pool/cyclic_sequence.h"

namespace inod {
namespace {

// And what a group's end does: prove_marks().
constexpr std::size_t records_per_group = 1;

// Threads that may stand between has_room() and append() at once, because one of them dropped the
// lock to get memory: more than a daemon is ever given.
constexpr std::size_t threads_max = 64;

// Operations as a token's request names them in the journal: these never change.
constexpr std::uint64_t allocates = 1;
constexpr std::uint64_t claims = 2;

// More raises than the records of one group can tell of.
constexpr std::uint64_t raises_per_group(std::size_t group_size) {
    return group_size / (record_prefix_size + encoded_lease_size_min);
}
static_assert(raises_per_group(JournalOptions().group_size_max) < generations_per_unclean_stop);

// What the journal is to say of it.
AllocatorOptions with_witness(AllocatorOptions options) {
    if (!options.witness) return options;
    options.journal.machine = options.witness->here.machine.machine;
    options.journal.vm = options.witness->here.machine.vm_generation;
    options.journal.has_witness = true;
    return options;
}

}  // namespace

Allocator::Allocator(Storage& storage, AllocatorOptions options)
    : options_(with_witness(std::move(options))),
      budget_(options_.memory_max),
      journal_(storage, options_.journal),
      holders_(budget_, options_.hash_key),
      tags_(budget_),
      accounts_(budget_),
      tokens_(options_.tokens, budget_),
      events_(budget_),
      links_(budget_),
      snapshot_writer_(journal_) {
    INOD_ASSERT(raises_per_group(options_.journal.group_size_max) < generations_per_unclean_stop);
    if (options_.witness) witness_.emplace(*options_.witness);
}

Allocator::~Allocator() = default;

bool Allocator::has_room() const noexcept {
    return has_room_for(0);
}

bool Allocator::has_room_for(std::size_t records) const noexcept {
    return journal_.has_room(records + records_per_request_max * threads_max + records_per_group,
                             encoded_record_size_max);
}

template <class Execute>
Answer<Lease> Allocator::once(ServedPool& served_pool, PoolIndex index, const Asker& asker,
                              const Asked& asked, Execute execute) {
    if (!asker.token) [[likely]]
        return execute(Ticket());
    const TokenFields token = token_of(asker, asked);
    if (const auto answer = find_answer(served_pool, index, token)) return *answer;
    auto place = prepare_token(index, token, asker.tokens_max);
    if (!place) return refuse<Lease>(served_pool, index, place.error());
    const auto answer = execute(Ticket(token));
    if (answer.result) tokens_.add(std::move(*place), *answer.result);
    return answer;
}

Answer<Lease> Allocator::allocate(GuardRef guard, PoolIndex index, const Wish& wish,
                                  const Asker& asker) {
    ServedPool* const served_pool = served(index);
    if (served_pool == nullptr) return {.result = Errc::pool_unknown};
    const Asked asked{allocates, wish.count, wish.align};
    return once(*served_pool, index, asker, asked, [&](const Ticket& ticket) {
        if (!served_pool->pool.spec().tracking) {
            return allocate_untracked(guard, *served_pool, index, wish, ticket);
        }
        if (served_pool->parent != no_pool) {
            return allocate_nested(guard, index, {.wish = wish}, asker, ticket);
        }
        return allocate_tracked(guard, *served_pool, index, wish, asker, ticket);
    });
}

Answer<Lease> Allocator::allocate_tracked(GuardRef guard, ServedPool& served_pool, PoolIndex index,
                                          const Wish& wish, const Asker& asker,
                                          const Ticket& ticket) {
    const std::uint64_t count_max = served_pool.pool.spec().lease_count_max;
    if (auto able = check_means(std::min(wish.count, count_max)); !able) {
        return refuse<Lease>(served_pool, index, able.error());
    }
    auto admitted = admit(asker, index, std::min(wish.count, count_max));
    if (!admitted) return refuse<Lease>(served_pool, index, admitted.error());
    const HolderIndex holder = admitted->holder;
    const Admission admission(*this, holder);
    settle_mark(served_pool);
    Wish recorded_wish = wish;
    recorded_wish.recorded = ticket.has_value();
    const auto granted = served_pool.pool.allocate(guard, recorded_wish, holder);
    if (!granted && granted.error().code == Errc::block_pending) {
        return await_mark(served_pool, index, granted.error());
    }
    if (!granted) return refuse<Lease>(served_pool, index, granted.error());

    resize_grown(served_pool);
    admitted->reservation.change(granted->growth);
    record_holder(holder);
    if (granted->mark) record_mark(served_pool, index, *granted->mark);
    if (!served_pool.pool.records_leases() && !ticket) {
        return {granted->lease, mark_lsn(served_pool, granted->lease.range.last)};
    }
    return recorded(served_pool, {HandOut::allocated, index, holder, *granted}, ticket);
}

// Nobody holds it, and nothing more is needed for it ever again.
Answer<Lease> Allocator::allocate_untracked(GuardRef guard, ServedPool& served_pool,
                                            PoolIndex index, const Wish& wish,
                                            const Ticket& ticket) {
    if (journal_.sealed()) return refuse<Lease>(served_pool, index, Errc::journal_sealed);
    if (ticket) {
        auto set_aside = set_space_aside_for(state_size());
        if (!set_aside) return refuse<Lease>(served_pool, index, set_aside.error());
    }
    settle_mark(served_pool);
    const auto granted = served_pool.pool.allocate(guard, wish, 0);
    if (!granted && granted.error().code == Errc::block_pending) {
        return await_mark(served_pool, index, granted.error());
    }
    if (!granted) return refuse<Lease>(served_pool, index, granted.error());
    if (granted->mark) record_mark(served_pool, index, *granted->mark);
    if (!served_pool.pool.records_leases() && !ticket) {
        return {granted->lease, mark_lsn(served_pool, granted->lease.range.last)};
    }
    return recorded(served_pool, {HandOut::passed, index, 0, *granted}, ticket);
}

Answer<Lease> Allocator::allocate_at(GuardRef guard, PoolIndex index, Range range,
                                     const Asker& asker) {
    ServedPool* const served_pool = served(index);
    if (served_pool == nullptr) return {.result = Errc::pool_unknown};
    const Asked asked{claims, range.first, range.last};
    return once(*served_pool, index, asker, asked, [&](const Ticket& ticket) {
        return served_pool->parent != no_pool
                   ? allocate_nested(guard, index, {.claim = range}, asker, ticket)
                   : claim(guard, *served_pool, index, range, asker, ticket);
    });
}

Answer<Lease> Allocator::claim(GuardRef guard, ServedPool& served_pool, PoolIndex index,
                               Range range, const Asker& asker, const Ticket& ticket) {
    const std::uint64_t count_max = served_pool.pool.spec().lease_count_max;
    const std::uint64_t span = range.first <= range.last ? range.span() : 0;
    if (auto able = check_means(std::min(span, count_max - 1) + 1); !able) {
        return refuse<Lease>(served_pool, index, able.error());
    }
    auto admitted = admit(asker, index, std::min(span, count_max - 1) + 1);
    if (!admitted) return refuse<Lease>(served_pool, index, admitted.error());
    const HolderIndex holder = admitted->holder;
    const Admission admission(*this, holder);
    const auto granted = served_pool.pool.allocate_at(guard, range, holder, asker.takes_reserved);
    if (!granted) return refuse<Lease>(served_pool, index, granted.error());
    resize_grown(served_pool);
    admitted->reservation.change(granted->growth);
    record_holder(holder);
    return recorded(served_pool, {HandOut::claimed, index, holder, *granted}, ticket);
}

Answer<void> Allocator::release(PoolIndex index, Range range, std::uint64_t generation,
                                const Asker& asker) noexcept {
    ServedPool* const served_pool = served(index);
    if (served_pool == nullptr) return {.result = Errc::pool_unknown};
    if (journal_.sealed()) return refuse<void>(*served_pool, index, Errc::journal_sealed);
    const auto found = find_holder(asker);
    // All that it has is about to be released.
    if (!found && asker.acts_as && holders_.contains(*asker.acts_as)) return {Errc::block_pending};
    // Somebody who never held anything is nobody's holder: an index that no tag has.
    const HolderIndex own = found.value_or(holders_.index_end());
    const auto whose = asker.releases_for_others ? std::nullopt : std::optional(own);
    if (served_pool->parent != no_pool) {
        return release_nested(*served_pool, range, generation, whose);
    }
    const auto released = release_parts(*served_pool, index, range, generation, whose);
    if (!released) return refuse<void>(*served_pool, index, released.error());
    resize_shrunk(*served_pool);
    waits_.released(index, range);
    const bool recorded = released->is_recorded;
    if (!recorded) return {.result = {}};
    const std::uint64_t rest_ms = served_pool->pool.rest_ms();
    const Lsn lsn =
        rest_ms == 0
            ? change(index, range, Released{.pool = index, .range = range})
            : change(index, range,
                     Rested{.pool = index, .range = range, .at = now_, .rest_ms = rest_ms});
    tell(EventKind::released, index, {.range = range, .generation = generation}, released->holder,
         lsn);
    return {{}, lsn};
}

// Of one holder at once; of whomever part by part, each off its holder's account. All of it or nothing.
Result<Allocator::ReleasedParts> Allocator::release_parts(
    ServedPool& served_pool, PoolIndex index, Range range, std::uint64_t generation,
    std::optional<HolderIndex> whose) noexcept {
    Pool& pool = served_pool.pool;
    const TagCount before = pool.live_count();
    if (whose) {
        const auto released = pool.release(range, generation, whose);
        if (!released) return released.error();
        charge(served_pool, index, *whose, before);
        return ReleasedParts{.is_recorded = *released, .holder = whose};
    }
    if (auto may = pool.check_release(range, generation, whose); !may) return may.error();
    ReleasedParts parts{.is_recorded = false, .holder = pool.lookup(range.first, 0)->holder};
    for (Id id = range.first;;) {
        const TagCount before_part = pool.live_count();
        const LiveRun run = *pool.lookup(id, 0);
        const Range part{id, std::min(run.range.last, range.last)};
        parts.is_recorded = *pool.release(part, generation, run.holder) || parts.is_recorded;
        if (run.holder != parts.holder) parts.holder.reset();
        charge(served_pool, index, run.holder, before_part);
        if (part.last == range.last) return parts;
        id = part.last + 1;
    }
}

void Allocator::charge(ServedPool& served_pool, PoolIndex index, HolderIndex holder,
                       const TagCount& before) noexcept {
    accounts_.change(index, holders_.uid(holder), served_pool.pool.live_count() - before);
}

Answer<Held> Allocator::lookup(PoolIndex index, Id id, std::uint64_t generation) noexcept {
    ServedPool* const served_pool = served(index);
    if (served_pool == nullptr) return {.result = Errc::pool_unknown};
    ++served_pool->lookups;
    const Lsn wait_for = last_change(*served_pool, index, id);
    const auto found = served_pool->pool.lookup(id, generation);
    if (found) return {held(*found), wait_for};
    const bool is_free = found.error().code != Errc::stale_generation;
    return {found.error(), is_free ? last_change_of_free(*served_pool, index, id) : wait_for};
}

Answer<Held> Allocator::next(PoolIndex index, Id id) noexcept {
    ServedPool* const served_pool = served(index);
    if (served_pool == nullptr) return {.result = Errc::pool_unknown};
    ++served_pool->lookups;
    const auto found = served_pool->pool.next(id);
    if (!found && found.error().code == Errc::sweep_pending) {
        return refuse<Held>(*served_pool, index, found.error());
    }
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

// May anybody get `count` IDs more? Sees to it that there is space on disk for all releases then.
Result<> Allocator::check_means(std::uint64_t count) noexcept {
    if (journal_.sealed()) return Errc::journal_sealed;
    StateSize wanted = state_size();
    wanted.kept += lease_size_max;
    wanted.holes += holes_size_max(count);
    return set_space_aside_for(wanted);
}

void Allocator::resize_all() noexcept {
    for (const auto& served_pool : pools_)
        resize_grown(*served_pool);
}

Result<> Allocator::set_space_aside_for(const StateSize& wanted) noexcept {
    if (journal_.has_space_for(wanted)) [[likely]]
        return {};
    if (const Errc lack = journal_.lack(); lack != Errc::ok) {
        demand_ = {};
        return lack;
    }
    demand_.kept = std::max(demand_.kept, wanted.kept);
    demand_.holes = std::max(demand_.holes, wanted.holes);
    journal_.set_state_size(demand_);
    return Errc::block_pending;
}

StateSize Allocator::state_size() const noexcept {
    return {.kept = saved_size_.kept + holders_.saved_size() + tokens_.saved_size(),
            .holes = saved_size_.holes};
}

SavedSize Allocator::size_of(const ServedPool& served_pool) const noexcept {
    SavedSize size = served_pool.pool.saved_size(holders_.index_end());
    if (served_pool.parent == no_pool) return size;
    const SavedSize linked = links_.saved_size(served_pool.index);
    size.kept += linked.kept;
    size.holes += linked.holes;
    return size;
}

// A pool has more in it: so it takes more in a snapshot. Where it came to join what was apart, not less:
// what lies apart in a bitmap takes no more than what does not. Rests may have ended meanwhile: it may have been
// of these alone that too much was said.
void Allocator::resize_grown(ServedPool& served_pool) noexcept {
    const SavedSize said = size_of(served_pool);
    if (const std::uint64_t before = served_pool.saved_size.rests; said.rests < before) {
        constexpr std::uint64_t rounding = 2;
        const std::uint64_t gone = before - said.rests + rounding;
        served_pool.spared -= std::min(served_pool.spared, gone);
    }
    const std::uint64_t kept =
        std::max(served_pool.saved_size.kept, said.kept - std::min(said.kept, served_pool.spared));
    served_pool.spared = said.kept - std::min(said.kept, kept);
    set_saved_size(served_pool, {.kept = kept, .holes = said.holes, .rests = said.rests});
}

// A pool has less in it. It may consist of more pieces now, and a pool says what those take each by
// itself; but what holes can make of it was counted before they were there.
void Allocator::resize_shrunk(ServedPool& served_pool) noexcept {
    const SavedSize said = size_of(served_pool);
    const SavedSize& before = served_pool.saved_size;
    const std::uint64_t holes_made = before.holes - std::min(before.holes, said.holes);
    const std::uint64_t kept = std::min(said.kept, before.kept + holes_made);
    served_pool.spared = said.kept - kept;
    set_saved_size(served_pool, {.kept = kept, .holes = said.holes, .rests = said.rests});
}

void Allocator::set_saved_size(ServedPool& served_pool, const SavedSize& size) noexcept {
    saved_size_.kept += size.kept - served_pool.saved_size.kept;
    saved_size_.holes += size.holes - served_pool.saved_size.holes;
    served_pool.saved_size = size;
}

// Should damage take the last group, the mark must not be lost with what was told below it. A recorded
// lease is in a later group than its mark; of one that is not, nothing is, so there the mark settles
// only when a later group is durable.
void Allocator::settle_mark(ServedPool& served_pool) noexcept {
    const bool is_in_later_group = served_pool.pool.records_leases();
    const Lsn settled_up_to = is_in_later_group ? journal_.durable_lsn() : proven_lsn_;
    if (served_pool.moved_mark_lsn <= settled_up_to) served_pool.pool.settle_mark();
}

// Sees to it that there is a later group, by saying the last mark once more.
void Allocator::prove_marks(Lsn durable) noexcept {
    const bool is_in_last_group = unproven_mark_lsn_ > proven_lsn_ && unproven_mark_lsn_ <= durable;
    if (is_in_last_group && journal_.last_lsn() == durable) append(unproven_mark_);
}

void Allocator::record_mark(ServedPool& served_pool, PoolIndex index, Id mark) noexcept {
    is_witness_due_ = is_witness_due_ || !served_pool.mark_limit || mark > *served_pool.mark_limit;
    served_pool.moved_mark = mark;
    const MarkMoved record{.pool = index, .mark = mark};
    served_pool.moved_mark_lsn = append(record);
    if (served_pool.pool.records_leases()) return;
    unproven_mark_ = record;
    unproven_mark_lsn_ = served_pool.moved_mark_lsn;
}

// Whoever asked waits for the mark that `pending` names. It is recorded once, however many wait.
Answer<Lease> Allocator::await_mark(ServedPool& served_pool, PoolIndex index,
                                    const Error& pending) noexcept {
    if (served_pool.moved_mark != pending.detail) record_mark(served_pool, index, pending.detail);
    return {pending, served_pool.moved_mark_lsn};
}

// The answer to what was handed out, once that is recorded.
Answer<Lease> Allocator::recorded(ServedPool& served_pool, const HandedOut& what,
                                  const Ticket& ticket) noexcept {
    const Lease& lease = what.granted.lease;
    const Lsn lsn = change(what.pool, lease.range, record_of(served_pool, what, ticket));
    const bool has_holder = what.how != HandOut::passed;
    const bool is_claim = what.how == HandOut::claimed;
    tell(is_claim ? EventKind::claimed : EventKind::allocated, what.pool, lease,
         has_holder ? std::optional(what.holder) : std::nullopt, lsn);
    note_reached(served_pool, lease, is_claim);
    return {lease, lsn};
}

// What is to be told of may be more than the witness knows.
void Allocator::note_reached(const ServedPool& served_pool, const Lease& lease,
                             bool is_claim) noexcept {
    const std::uint64_t reached = lease.generation != 0 ? lease.generation : lease.range.last;
    const auto& limit = is_claim ? served_pool.claim_limit : served_pool.mark_limit;
    is_witness_due_ = is_witness_due_ || !limit || reached > *limit;
}

Record Allocator::record_of(const ServedPool& served_pool, const HandedOut& what,
                            const Ticket& ticket) noexcept {
    const Lease& lease = what.granted.lease;
    const bool raised = what.granted.raised_generation;
    if (ticket) {
        // Beside leases that have no record it is kept as a claim.
        const bool stands_alone =
            what.how == HandOut::allocated && !served_pool.pool.records_leases();
        return Tokened{.how = stands_alone ? HandOut::claimed : what.how,
                       .pool = what.pool,
                       .range = lease.range,
                       .holder = what.holder,
                       .raised_generation = raised,
                       .generation = lease.generation,
                       .token = *ticket};
    }
    switch (what.how) {
        case HandOut::allocated: return Allocated{what.pool, lease.range, what.holder, raised};
        case HandOut::claimed: return Claimed{what.pool, lease.range, what.holder, raised};
        default: return Passed{what.pool, lease.range, raised};
    }
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

// Likewise of one that is free, perhaps because its holder ended.
Lsn Allocator::last_change_of_free(ServedPool& served_pool, PoolIndex index, Id id) const noexcept {
    return std::max(last_change(served_pool, index, id), last_end());
}

// Whoever watches the pool hears of it once the record with this LSN is durable.
void Allocator::tell(EventKind kind, PoolIndex pool, const Lease& lease,
                     std::optional<HolderIndex> holder, Lsn lsn) noexcept {
    events_.add({.lsn = lsn,
                 .range = lease.range,
                 .generation = lease.generation,
                 .holder = holder ? holders_.id(*holder) : 0,
                 .uid = holder ? holders_[*holder].uid : 0,
                 .pool = pool,
                 .kind = kind});
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
Lsn Allocator::count_refusal(ServedPool& served_pool, PoolIndex index,
                             const Error& error) noexcept {
    // Nobody was refused anything yet.
    if (error.code == Errc::block_pending) return 0;
    if (error.code == Errc::sweep_pending) {
        served_pool.awaits_sweep = sweep_due_ = true;
        return 0;
    }
    ++served_pool.refusals;
    switch (error.code) {
        case Errc::released:
        case Errc::never_allocated:
        case Errc::id_burned:
        case Errc::id_resting: return last_change_of_free(served_pool, index, error.detail);
        case Errc::holder_ended: return last_end();
        case Errc::id_taken:
        case Errc::id_reserved:
        case Errc::not_reserved:
        case Errc::held_below:
        case Errc::not_holder: return last_change(served_pool, index, error.detail);
        case Errc::stale_generation: return unless_durable(journal_.last_lsn());
        default: return 0;
    }
}

void Allocator::skip_ahead(std::uint64_t count) noexcept {
    holders_.skip_lost_ids();
    for (const auto& served_pool : pools_)
        served_pool->pool.skip_ahead(count);
    append(SkippedAhead{.count = count});
}

void Allocator::skip_above(PoolIndex pool, std::uint64_t floor) noexcept {
    INOD_ASSERT(pool < pools_.size());
    holders_.skip_lost_ids();
    pools_[pool]->pool.skip_above(floor);
    append(SkippedAbove{.pool = pool, .floor = floor});
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
    if (auto broken = tokens_.verify()) return broken;
    return verify_levels();
}

}  // namespace inod
