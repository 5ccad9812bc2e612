// Holders: how they come to be, who acts as them, and what becomes of what they held when they end.
#include <algorithm>
#include <bit>
#include <utility>

#include "lib/allocator/allocator.h"
#include "lib/base/assert.h"

namespace inod {
namespace {

// A holder's record in a snapshot, bytes, with the longest name.
constexpr std::uint64_t holder_size_max = 192;

// Entries of trees that are looked at in one slice of a sweep. Each takes up to 500 ns, an erase included.
constexpr std::size_t visits_per_sweep = 1024;

// Holders that come to their end at once, one behind the other: some 300 ns each, and as much for each pool
// more that one has something of.
constexpr std::size_t ends_at_once = 512;

// What ended holders leave behind is swept when it is this part of what is live, and so many entries:
// each sweep goes over all that a pool has.
constexpr std::uint64_t swept_part = 8;
constexpr std::uint64_t swept_min = 1024;

// Can there be a holder like that?
bool is_possible(const BindRequest& request) {
    const bool can_have_name =
        request.binding == Binding::persistent || request.binding == Binding::ttl;
    if (!request.name.empty() && !can_have_name) return false;
    if (request.name.size() > holder_name_size_max) return false;
    if (request.name.find('\0') != std::string_view::npos) return false;
    if ((request.ttl_ms != 0) != (request.binding == Binding::ttl)) return false;
    return name(request.binding) != "unknown";
}

}  // namespace

Allocator::Admission::~Admission() {
    Holders& holders = allocator_.holders_;
    holders.unpin(index_);
    if (holders.is_recorded(index_) || holders.is_pinned(index_)) return;
    if (!allocator_.tags_.has_any(index_)) holders.remove(index_);
}

// The holder on whose behalf something is asked: one that is there already, or a new one, of which
// nobody knows until record_holder().
Result<Allocator::Admitted> Allocator::admit(const Asker& asker, PoolIndex pool,
                                             std::uint64_t count) {
    const auto known = find_holder(asker);
    if (!known && asker.acts_as) return unless_queued(*asker.acts_as, Errc::holder_ended);
    auto reservation = accounts_.prepare(pool, asker.uid, count, asker.quota);
    if (!reservation) return reservation.error();
    if (known) return Admitted{*known, std::move(*reservation)};
    const auto made = make_holder(
        asker.holders_max, {.binding = Binding::persistent, .uid = asker.uid, .gid = asker.gid});
    if (!made) return made.error();
    return Admitted{*made, std::move(*reservation)};
}

std::optional<HolderIndex> Allocator::find_holder(const Asker& asker) noexcept {
    if (!asker.acts_as) return holders_.find_own(asker.uid);
    const HolderRef& ref = *asker.acts_as;
    const bool is_there = holders_.contains(ref) && !holders_.is_ending(ref.index);
    return is_there ? std::optional(ref.index) : std::nullopt;
}

// What is said of a holder that has ended; of one whose end is still to be recorded nobody may hear that.
Errc Allocator::unless_queued(const HolderRef& ref, Errc ended) const noexcept {
    return holders_.contains(ref) ? Errc::block_pending : ended;
}

Result<HolderIndex> Allocator::make_holder(std::uint32_t holders_max, const Holder& holder) {
    if (holders_.count_of(holder.uid) >= holders_max) {
        return Error{Errc::quota_exceeded, holders_max};
    }
    if (holders_.size() >= options_.holders_max) {
        return Error{Errc::quota_exceeded, options_.holders_max};
    }
    const HolderIndex end_before = holders_.index_end();
    const auto made = holders_.add(holder);
    // Naming one of them may take a byte more now.
    const HolderIndex end = holders_.index_end();
    if (end != end_before && std::has_single_bit(end)) resize_all();
    return made;
}

void Allocator::record_holder(HolderIndex index) noexcept {
    if (holders_.is_recorded(index)) return;
    append(HolderDefined{.index = index, .holder = holders_[index]});
    holders_.set_recorded(index);
}

Answer<Bound> Allocator::bind(const Asker& asker, const BindRequest& request) {
    if (!is_possible(request)) return {.result = Errc::holder_invalid};
    if (journal_.sealed()) return {.result = Errc::journal_sealed};
    const auto found = find_or_make_bound(asker, request);
    if (!found) return {found.error(), found.error().code == Errc::holder_unknown ? last_end() : 0};
    const HolderIndex index = *found;
    const bool is_new = !holders_.is_recorded(index);
    holders_.clear_deadline(index);
    const Holder holder = holders_[index];
    Lsn lsn = 0;
    if (holder.binding == Binding::ttl) {
        // Whoever comes back to it has it renewed.
        if (auto prepared = holders_.prepare_deadline(index); !prepared) {
            if (is_new) holders_.remove(index);
            return {prepared.error()};
        }
        holders_.set_deadline(index, now_ + holder.ttl_ms);
        if (!is_new) {
            lsn = append(HolderRenewed{.index = index, .deadline = holders_[index].deadline});
        }
    }
    record_holder(index);
    lsn = std::max(lsn, unless_durable(journal_.last_lsn()));
    return {Bound{.ref = {.index = index, .id = holder.id}, .key = holder.key, .is_new = is_new},
            lsn};
}

// Whoever comes back to what he holds needs no more of the disk, so a full one does not keep him from it.
Result<HolderIndex> Allocator::find_or_make_bound(const Asker& asker, const BindRequest& request) {
    if (!request.key.is_none()) return find_keyed(asker, request);
    const bool has_key = request.binding == Binding::connection || request.binding == Binding::ttl;
    const Holder holder{.binding = request.binding,
                        .uid = asker.uid,
                        .gid = asker.gid,
                        .name = request.name,
                        .key = has_key ? request.secret : HolderKey{},
                        .process = request.process,
                        .ttl_ms = request.ttl_ms};
    if (const auto known = holders_.find(holder)) {
        // One that is about to go is not to be had any more; the next one has another ID.
        return holders_.is_ending(*known) ? Result<HolderIndex>(Errc::block_pending) : *known;
    }
    StateSize wanted = state_size();
    wanted.kept += holder_size_max;
    if (auto set_aside = set_space_aside_for(wanted); !set_aside) return set_aside.error();
    return make_holder(asker.holders_max, holder);
}

Result<HolderIndex> Allocator::find_keyed(const Asker& asker, const BindRequest& request) const {
    const auto keyed = holders_.find(request.key);
    const bool is_own =
        keyed && holders_[*keyed].uid == asker.uid && holders_[*keyed].binding == request.binding;
    if (is_own && holders_.is_ending(*keyed)) return Errc::block_pending;
    // One that ends with a connection, and waits for none, has one.
    const bool is_taken =
        is_own && request.binding == Binding::connection && !holders_.deadline(*keyed);
    return is_own && !is_taken ? Result<HolderIndex>(*keyed) : Errc::holder_unknown;
}

Answer<void> Allocator::renew(const HolderRef& ref) noexcept {
    if (!holders_.contains(ref) || holders_.is_ending(ref.index)) {
        return {unless_queued(ref, Errc::holder_ended), last_end()};
    }
    const Holder holder = holders_[ref.index];
    if (holder.binding != Binding::ttl) return {.result = {}};
    if (journal_.sealed()) return {Errc::journal_sealed};
    holders_.set_deadline(ref.index, now_ + holder.ttl_ms);
    const Lsn lsn =
        append(HolderRenewed{.index = ref.index, .deadline = holders_[ref.index].deadline});
    return {{}, lsn};
}

void Allocator::end(const HolderRef& ref) noexcept {
    if (!holders_.contains(ref)) return;
    holders_.queue_end(ref.index);
    end_pending();
}

Answer<std::uint64_t> Allocator::release_all(const HolderRef& ref) noexcept {
    if (!holders_.contains(ref) || holders_.is_ending(ref.index)) {
        return {unless_queued(ref, Errc::holder_unknown), last_end()};
    }
    if (journal_.sealed()) return {Errc::journal_sealed};
    // Somebody asks on its behalf right now: it cannot end before that is decided.
    if (holders_.is_pinned(ref.index)) return {Errc::block_pending};
    const std::uint64_t held = holdings(ref.index).ids;
    holders_.queue_end(ref.index);
    end_pending();
    return {held, unless_durable(journal_.last_lsn())};
}

// As far as the journal has room for it, and not all at once: what was queued last comes first.
void Allocator::end_pending() noexcept {
    for (std::size_t work = 0; work < ends_at_once && can_end_some();)
        work += end_now(*holders_.take_ending());
}

bool Allocator::can_end_some() const noexcept {
    return holders_.has_ending() && !journal_.sealed() && has_room();
}

// Returns how many ends that was worth.
std::size_t Allocator::end_now(HolderIndex index) noexcept {
    // One that nobody heard of holds nothing.
    if (holders_.is_recorded(index)) last_end_lsn_ = append(HolderEnded{.index = index});
    ServedPool* shrunk = nullptr;
    tags_.end(index, [&](Value value) {
        ServedPool& served_pool = *pools_[tags_.pool_of(value)];
        if (served_pool.ended == TagCount()) {
            served_pool.next_shrunk = std::exchange(shrunk, &served_pool);
        }
        served_pool.ended += tags_.count(value);
    });
    std::size_t pool_count = 0;
    for (; shrunk != nullptr; shrunk = shrunk->next_shrunk, ++pool_count)
        leave_behind(*shrunk, index);
    waits_.ended(holders_.id(index));
    holders_.remove(index);
    return std::max<std::size_t>(pool_count, 1);
}

// What a holder that came to its end had of a pool is nobody's any more.
void Allocator::leave_behind(ServedPool& served_pool, HolderIndex index) noexcept {
    const TagCount had = std::exchange(served_pool.ended, TagCount());
    accounts_.change(served_pool.index, holders_.uid(index), TagCount() - had);
    served_pool.pool.leases_died(had);
    resize_shrunk(served_pool);
    sweep_due_ = sweep_due_ || served_pool.wants_sweep();
    tell(EventKind::holder_ended, served_pool.index, {}, index, last_end_lsn_);
}

TagCount Allocator::holdings(HolderIndex index) const noexcept {
    TagCount held;
    tags_.for_each_of(index, [&](Value value) { held += tags_.count(value); });
    return held;
}

void Allocator::set_time(BootTime now) noexcept {
    now_ = std::max(now_, now);
    end_overdue();
}

// Not all at once either.
void Allocator::end_overdue() noexcept {
    for (std::size_t i = 0; i < ends_at_once; ++i) {
        const auto overdue = holders_.find_overdue(now_);
        if (!overdue) break;
        holders_.queue_end(*overdue);
    }
    end_pending();
}

bool Allocator::wants_sweep() const noexcept {
    return sweep_due_ || tokens_.is_forgetting() || is_ending_some();
}

bool Allocator::is_ending_some() const noexcept {
    return can_end_some() || holders_.find_overdue(now_);
}

void Allocator::sweep() noexcept {
    end_overdue();
    tokens_.forget_some(Tokens::visits_per_slice);
    std::size_t visits_left = visits_per_sweep;
    for (const auto& served_pool : pools_) {
        if (!served_pool->wants_sweep()) continue;
        served_pool->pool.sweep(visits_left);
        resize_shrunk(*served_pool);
        const Pool& pool = served_pool->pool;
        if (!pool.has_dead() && !pool.has_rested()) served_pool->awaits_sweep = false;
        if (visits_left == 0) return;
    }
    sweep_due_ = std::any_of(pools_.begin(), pools_.end(),
                             [](const auto& served_pool) { return served_pool->wants_sweep(); });
}

void Allocator::trim() noexcept {
    for (PoolIndex index = 0; index < pools_.size(); ++index) {
        pools_[index]->pool.trim();
        links_.trim(index);
    }
}

bool Allocator::ServedPool::wants_sweep() const noexcept {
    const std::uint64_t dead = pool.dead_runs();
    if (awaits_sweep && (dead > 0 || pool.has_rested())) return true;
    // What is to rest first should begin soon.
    const std::uint64_t enough =
        pool.rest_ms() > 0 ? 0 : std::max(swept_min, pool.live_count().runs / swept_part);
    return dead > enough;
}

}  // namespace inod
