// Holders: who there is, who must be at the end, and what is left of them after a start.
#include <algorithm>

#include "tests/sim/oracle.h"

namespace inod::sim {
namespace {

bool is_transient(const KnownHolder& holder) {
    return holder.binding == Binding::connection || holder.binding == Binding::process;
}

bool is_default(const KnownHolder& holder) {
    return holder.binding == Binding::persistent && holder.name.empty();
}

std::string said(const KnownHolder& holder) {
    return text_of("holder ", holder.ref.id, ", ", name(holder.binding), " of ", holder.uid);
}

// What ends with this holder.
std::vector<Piece> take_live(State& state, HolderId holder) {
    std::vector<Piece> freed;
    for (std::size_t i = 0; i < state.pools.size(); ++i) {
        LiveIds& live = state.pools[i].live;
        for (auto it = live.begin(); it != live.end();) {
            if (it->second.holder != holder) {
                ++it;
                continue;
            }
            const bool follows = !freed.empty() && freed.back().pool == i &&
                                 freed.back().range.last + 1 == it->first;
            if (follows) freed.back().range.last = it->first;
            if (!follows) freed.push_back({static_cast<PoolIndex>(i), {it->first, it->first}});
            it = live.erase(it);
        }
    }
    return freed;
}

}  // namespace

std::vector<Piece> end_holder(State& state, HolderId holder, BootTime at) {
    state.holders.erase(holder);
    std::vector<Piece> freed = take_live(state, holder);
    for (const Piece& piece : freed)
        begin_rest(state.pools[piece.pool], piece.range, at, false);
    return freed;
}

const KnownHolder* Oracle::find_default(std::uint32_t uid) const {
    for (const auto& [id, holder] : now_.holders) {
        if (is_default(holder) && holder.uid == uid) return &holder;
    }
    return nullptr;
}

HolderId Oracle::acting_as(const Asker& asker) const {
    if (!asker.acts_as) {
        const KnownHolder* const own = find_default(asker.uid);
        return own != nullptr && !own->is_ending ? own->ref.id : nobody;
    }
    const auto found = now_.holders.find(asker.acts_as->id);
    const bool is_there = found != now_.holders.end() && !found->second.is_ending;
    return is_there ? found->first : nobody;
}

// Something was handed out to `asker`. A user's own holder comes to be with what it gets first, and
// that record tells of it too.
HolderId Oracle::served(const Asker& asker, const Allocator& allocator, Lsn lsn) {
    const Holders& table = allocator.holders();
    if (asker.acts_as) {
        if (!now_.holders.contains(asker.acts_as->id)) {
            violated("handed out to holder ", asker.acts_as->id, ", which has ended");
        }
        return asker.acts_as->id;
    }
    const auto index = table.find(Holder{.binding = Binding::persistent, .uid = asker.uid});
    if (!index) violated("user ", asker.uid, " got something, and is no holder");
    const HolderRef ref{.index = *index, .id = table.id(*index)};
    const auto known = now_.holders.find(ref.id);
    if (known != now_.holders.end()) return ref.id;
    KnownHolder holder{.ref = ref,
                       .binding = Binding::persistent,
                       .uid = asker.uid,
                       .lsn = std::max(lsn, durable_ + 1)};
    check_new(holder);
    now_.holders.emplace(ref.id, holder);
    changes_.push_back(
        {.lsn = holder.lsn, .kind = Change::Kind::bound, .pool = 0, .range = {}, .holder = holder});
    std::stable_sort(changes_.begin(), changes_.end(),
                     [](const Change& a, const Change& b) { return a.lsn < b.lsn; });
    return ref.id;
}

// No other holder ever has its number, and none that is there its place.
void Oracle::check_new(const KnownHolder& holder) {
    if (!holder_ids_.emplace(holder.ref.id, holder.lsn).second) {
        violated(said(holder), ", has a number that one had before");
    }
    for (const auto& [id, other] : now_.holders) {
        if (other.ref.index == holder.ref.index) violated(said(holder), ", is in another's place");
    }
}

// The one that a request to bind must come to; null: a new one.
const KnownHolder* Oracle::find_bound(std::uint32_t uid, const BindRequest& request) const {
    for (const auto& [id, holder] : now_.holders) {
        if (holder.uid != uid || holder.binding != request.binding) continue;
        if (!request.key.is_none()) {
            if (holder.key == request.key) return &holder;
            continue;
        }
        const bool is_same =
            holder.binding == Binding::process
                ? holder.process == request.process
                : holder.binding != Binding::connection && holder.name == request.name &&
                      (holder.binding == Binding::persistent || !holder.name.empty());
        if (is_same) return &holder;
    }
    return nullptr;
}

void Oracle::bound(std::uint32_t uid, const BindRequest& request, BootTime now,
                   const Answer<Bound>& answer) {
    const Bound& got = *answer.result;
    const KnownHolder* const known = find_bound(uid, request);
    if (got.is_new != (known == nullptr)) violated("holder ", got.ref.id, " is not as new as told");
    if (known == nullptr && !request.key.is_none()) violated("nobody has that key");
    KnownHolder holder{.ref = got.ref,
                       .binding = request.binding,
                       .uid = uid,
                       .name = std::string(request.name),
                       .key = got.key,
                       .process = request.process,
                       .ttl_ms = request.ttl_ms,
                       .lsn = answer.wait_for};
    if (known != nullptr) {
        if (known->ref != got.ref) violated("bound as another: ", said(*known));
        if (known->is_ending) violated("bound as one that is about to end: ", said(*known));
        holder = *known;
    } else {
        check_new(holder);
    }
    holder.deadline = holder.binding == Binding::ttl ? now + holder.ttl_ms : never;
    const bool is_recorded = known == nullptr || holder.binding == Binding::ttl;
    Change change{.lsn = answer.wait_for,
                  .kind = Change::Kind::bound,
                  .pool = 0,
                  .range = {},
                  .holder = holder};
    if (is_recorded) return this->change(std::move(change));
    change.apply(now_);
}

void Oracle::check_refused_bind(std::uint32_t uid, const BindRequest& request,
                                const Error& error) const {
    if (error.code != Errc::holder_unknown) violated("a bind is refused with ", error.code);
    if (request.key.is_none()) violated("unknown, and no key was told");
    const KnownHolder* const known = find_bound(uid, request);
    const bool is_to_be_had = known != nullptr && !known->is_ending &&
                              (known->binding != Binding::connection || known->deadline != never);
    if (is_to_be_had) violated("unknown is said to be ", said(*known));
}

bool Oracle::is_queued(HolderId id) const {
    const auto found = now_.holders.find(id);
    return found != now_.holders.end() && found->second.is_ending;
}

Error Oracle::renew_error(HolderId id) const {
    const auto found = now_.holders.find(id);
    if (found == now_.holders.end()) return Errc::holder_ended;
    return is_queued(id) ? Errc::block_pending : Errc::ok;
}

void Oracle::renewed(HolderId id, BootTime now, const Answer<void>& answer) {
    KnownHolder holder = now_.holders.at(id);
    if (holder.binding != Binding::ttl) return;
    holder.deadline = now + holder.ttl_ms;
    change({.lsn = answer.wait_for,
            .kind = Change::Kind::bound,
            .pool = 0,
            .range = {},
            .holder = holder});
}

void Oracle::is_to_end(HolderId id) {
    const auto found = now_.holders.find(id);
    if (found != now_.holders.end()) found->second.is_ending = true;
}

std::uint64_t Oracle::holdings(HolderId id) const {
    std::uint64_t count = 0;
    for (const PoolState& pool : now_.pools) {
        count += static_cast<std::uint64_t>(
            std::count_if(pool.live.begin(), pool.live.end(),
                          [id](const auto& it) { return it.second.holder == id; }));
    }
    return count;
}

// Holders may have ended in what was done just now: just those that had to, and with the last records.
std::size_t Oracle::look_for_ends(const Allocator& allocator, BootTime now, Lsn last_before) {
    const Holders& table = allocator.holders();
    std::vector<HolderId> ended;
    for (auto& [id, holder] : now_.holders) {
        holder.is_ending = holder.is_ending || holder.deadline <= now;
        const bool has_ended = !table.contains(holder.ref);
        if (has_ended && !holder.is_ending) violated("reclaimed too early: ", said(holder));
        if (has_ended) ended.push_back(id);
        if (has_ended || !holder.is_ending) continue;
        // Somebody asks on its behalf just now, or the journal has no room for the record.
        if (table.is_pinned(holder.ref.index) || !allocator.has_room()) continue;
        violated("at its end, and still there: ", said(holder));
    }
    if (ended.empty()) return 0;
    const Lsn last = allocator.journal().last_lsn();
    if (last < last_before + ended.size()) violated("holders end with too few records");
    Change change{.lsn = last,
                  .kind = Change::Kind::ended,
                  .pool = 0,
                  .range = {},
                  .first_lsn = last - ended.size() + 1,
                  .ended = ended,
                  .at = now};
    for (const HolderId id : ended) {
        auto freed = end_holder(now_, id, now);
        for (const Piece& piece : freed)
            rests_begin(piece.pool, now);
        change.freed.insert(change.freed.end(), freed.begin(), freed.end());
    }
    changes_.push_back(std::move(change));
    last_end_ = last;
    return ended.size();
}

// Some of several that ended at once have their record before the end of the journal, and nobody said
// which: those that are gone. Where the machine was started anew, others are gone too.
std::vector<HolderId> Oracle::ended_before(const Change& change, Lsn lsn,
                                           const Allocator& allocator, const State& state) {
    if (lsn >= change.lsn) return change.ended;
    if (lsn < change.first_lsn) return {};
    std::vector<HolderId> ids = change.ended;
    const auto rank = [&](HolderId id) {
        const auto found = state.holders.find(id);
        if (found == state.holders.end()) return 0;
        if (allocator.holders().contains(found->second.ref)) return 2;
        return is_transient(found->second) ? 1 : 0;
    };
    std::stable_sort(ids.begin(), ids.end(),
                     [&](HolderId a, HolderId b) { return rank(a) < rank(b); });
    ids.resize(lsn - change.first_lsn + 1);
    return ids;
}

// The machine was started anew: connections and processes of before are gone.
void Oracle::reboot(State& state, BootTime first_start) const {
    std::vector<HolderId> gone;
    for (auto& [id, holder] : state.holders) {
        if (is_transient(holder)) gone.push_back(id);
    }
    // What had not rested enough has its whole rest again.
    for (PoolState& pool : state.pools) {
        for (auto& [id, rest] : pool.resting)
            rest.until = rest.until > time_ ? first_start + pool.rest_ms : 0;
    }
    for (const HolderId id : gone)
        end_holder(state, id, first_start);
}

std::optional<std::string> Oracle::difference_of_holders(const State& expected,
                                                         const Allocator& allocator) {
    const Holders& table = allocator.holders();
    for (const auto& [id, holder] : expected.holders) {
        if (is_default(holder)) continue;
        if (!table.contains(holder.ref)) return text_of("lost: ", said(holder));
        const Holder got = table[holder.ref.index];
        const bool is_same =
            got.binding == holder.binding && got.uid == holder.uid && got.name == holder.name &&
            got.ttl_ms == holder.ttl_ms &&
            (holder.binding != Binding::process || got.process == holder.process) &&
            got.key == holder.key;
        if (!is_same) return text_of("not as it was: ", said(holder));
    }
    for (HolderIndex index = 0; index < table.index_end(); ++index) {
        if (!table.contains(index) || expected.holders.contains(table.id(index))) continue;
        const Holder got = table[index];
        if (got.binding == Binding::persistent && got.name.empty()) continue;
        return text_of("holder ", got.id, ", ", name(got.binding), " of ", got.uid,
                       ", should not be there");
    }
    return std::nullopt;
}

// Users' own holders are there with nothing, or not there, as it comes; and each that has a time has
// the one that it must have.
void Oracle::take_over_holders(State& state, const Allocator& allocator,
                               const StartConditions& conditions) {
    const Holders& table = allocator.holders();
    std::erase_if(state.holders, [&](const auto& it) { return !table.contains(it.second.ref); });
    for (HolderIndex index = 0; index < table.index_end(); ++index) {
        if (!table.contains(index) || state.holders.contains(table.id(index))) continue;
        const HolderRef ref{.index = index, .id = table.id(index)};
        state.holders[ref.id] = {
            .ref = ref, .binding = Binding::persistent, .uid = table.uid(index)};
    }
    // One that nobody has heard of may be another's.
    boost::unordered::erase_if(holder_ids_, [&](const auto& it) { return it.second > durable_; });
    for (auto& [id, lsn] : holder_ids_)
        lsn = 0;
    for (auto& [id, holder] : state.holders) {
        holder_ids_[id] = 0;
        holder.is_ending = false;
        const BootTime got = table.deadline(holder.ref.index).value_or(never);
        check_deadline(holder, got, conditions);
        holder.deadline = got;
        holder.lsn = 0;
    }
}

void Oracle::check_deadline(const KnownHolder& holder, BootTime got,
                            const StartConditions& conditions) {
    const BootTime grace_end = conditions.now + conditions.grace_ms;
    Range may{never, never};
    if (holder.binding == Binding::connection) may = {grace_end, grace_end};
    if (holder.binding == Binding::ttl) {
        const bool begins_anew = conditions.is_rebooted;
        may.first = begins_anew ? conditions.first_start + holder.ttl_ms : holder.deadline;
        may.last =
            begins_anew || conditions.is_damaged ? conditions.now + holder.ttl_ms : may.first;
        may = {std::max(may.first, grace_end), std::max(may.last, grace_end)};
    }
    if (!may.contains(got)) {
        violated(said(holder), ", ends at ", got, ", and should between ", may.first, " and ",
                 may.last);
    }
}

}  // namespace inod::sim
