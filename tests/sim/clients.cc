#include "tests/sim/clients.h"

#include <algorithm>

#include "tests/sim/clients_means.h"

namespace inod::sim {
void Clients::operate(Process& process, bool budget_is_small) {
    count_operation();
    go_on(process);
    const std::uint64_t kind = dice_.below(108);
    if (kind < 35) {
        const PoolIndex pool = some_pool();
        allocate(process, budget_is_small, pool, some_wish(pools_[pool]));
    } else if (kind < 47) {
        claim(process, budget_is_small);
    } else if (kind < 71) {
        release(process);
    } else if (kind < 78) {
        release_wrongly(process);
    } else if (kind < 90) {
        lookup(process);
    } else if (kind < 94) {
        administer(process, budget_is_small);
    } else if (kind < 102) {
        do_as_holder(process, budget_is_small);
    } else {
        list(process);
    }
}

void Clients::count_operation() {
    ++operation_count_;
    figures_.add(Count::client_operations);
}

std::uint32_t Clients::some_user() {
    if (dice_.one_in(50)) return static_cast<std::uint32_t>(100 + dice_.below(1'000));
    return static_cast<std::uint32_t>(dice_.below(4));
}

std::uint64_t Clients::some_count(const PoolSpec& spec) {
    // The oracle looks at each ID: the widest leases are rare.
    if (dice_.one_in(1'000)) return spec.lease_count_max;
    if (dice_.one_in(100)) return spec.lease_count_max + 1;
    if (dice_.one_in(16)) return 1 + dice_.below(120);
    return 1 + dice_.below(4);
}

Wish Clients::some_wish(const PoolSpec& spec) {
    Wish wish{.count = some_count(spec)};
    if (!dice_.one_in(6)) return wish;
    wish.align = std::uint64_t{1} << dice_.below(6);
    if (dice_.one_in(5)) wish.align = 3;
    if (dice_.one_in(20)) wish.align = dice_.one_in(2) ? 0 : align_limit - dice_.below(2);
    return wish;
}

// Near where the pool begins, ends, or goes on.
Id Clients::some_id(PoolIndex pool, Process& process) {
    const Range range = pools_[pool].range;
    const std::uint64_t far = std::min<std::uint64_t>(dice_.below(40), range.span());
    switch (dice_.below(4)) {
        case 0: return range.first + far;
        case 1: return range.last - far;
        default: break;
    }
    const auto cursor = process.allocator().pool(pool)->sequence().cursor.value_or(range.last);
    return dice_.one_in(3) ? cursor - std::min(far, cursor - range.first)
                           : cursor + std::min(far, range.last - cursor);
}

// Mostly one of the first.
Id Clients::some_of(const std::set<Id>& ids) {
    auto found = ids.begin();
    std::advance(found, dice_.below(std::min<std::size_t>(ids.size(), 40)));
    return *found;
}

std::optional<Id> Clients::some_live(PoolIndex pool) {
    const LiveIds& live = oracle_.live(pool);
    if (live.empty()) return std::nullopt;
    const Id first = live.begin()->first;
    const Id span = live.rbegin()->first - first;
    // Mostly among the newest, as far as they lie close together.
    const Id far = dice_.one_in(2) ? dice_.any() % (span / 2 + 1) : std::min(dice_.below(60), span);
    auto found = live.lower_bound(live.rbegin()->first - far);
    if (dice_.one_in(4)) found = live.begin();
    return found->first;
}

void Clients::come_between(Process& process, bool budget_is_small) {
    if (is_between_ || memory_is_scarce_ || !process.allocator().has_room()) return;
    is_between_ = true;
    for (std::uint64_t i = dice_.below(4); i > 0; --i) {
        figures_.add(Count::operations_between);
        story_.detail("While it waits for memory:");
        operate(process, budget_is_small);
    }
    is_between_ = false;
    memory_was_refused_ = false;
}

// A refusal for want of means needs a want.
void Clients::check_means(const Error& error, const Process& process, bool budget_is_small) {
    const bool was_refused = memory_was_refused_ || process.lack() == Errc::out_of_memory;
    const bool no_memory = was_refused || budget_is_small;
    if (error.code == Errc::out_of_memory && !was_refused && !small_budget_was_met_) {
        small_budget_was_met_ = true;
        figures_.meet(Fault::small_budget);
    }
    if (error.code == Errc::out_of_memory && !no_memory) violated("out of memory, with enough");
    if (error.code == Errc::no_space && process.lack() != Errc::no_space)
        violated("no space, with enough");
    if (error.code == Errc::journal_sealed) violated("sealed, and nothing failed");
}

bool Clients::is_of_means(const Error& error) {
    return error.code == Errc::out_of_memory || error.code == Errc::no_space ||
           Process::is_to_be_asked_again(error.code);
}

void Clients::allocate(Process& process, bool budget_is_small, PoolIndex pool, const Wish& wish) {
    const Asker asker = some_asker();
    story_.step("allocate ", wish.count, ", aligned to ", wish.align, ", of ", pools_[pool].name,
                " for ", said(asker));
    const auto told = insist(process, [&] {
        oracle_.searched(pool, wish);
        WaitingGuard guard{*this, process, budget_is_small, pool, &wish};
        return process.allocator().allocate(guard, pool, wish, asker);
    });
    if (!told) return;
    const Answer<Lease>& answer = *told;
    if (answer.result) {
        story_.detail("= ", *answer.result, waiting(answer.wait_for));
        count_lease(pool, wish, *answer.result);
        oracle_.check_place(*process.allocator().pool(pool), pool, wish, answer.result->range);
        const HolderId holder =
            pools_[pool].tracking ? oracle_.served(asker, process.allocator(), answer.wait_for) : 0;
        oracle_.leased(pool, wish.count, asker.uid, answer, holder);
        return;
    }
    const Error& error = answer.result.error();
    story_.detail("= ", said(error), waiting(answer.wait_for));
    figures_.add(Count::refusals);
    check_means(error, process, budget_is_small);
    if (is_of_means(error) || is_for_holder(asker, error)) return;
    oracle_.check_refused_lease(pool, wish, error);
}

// Refused because the holder has ended?
bool Clients::is_for_holder(const Asker& asker, const Error& error) const {
    if (error.code != Errc::holder_ended) return false;
    if (oracle_.acting_as(asker) != nobody)
        violated("holder ", asker.acts_as->id, " has not ended");
    return true;
}

void Clients::count_lease(PoolIndex pool, const Wish& wish, const Lease& lease) {
    const PoolSpec& spec = pools_[pool];
    figures_.add(Count::leases);
    if (wish.align > 1 || spec.align > 1) figures_.add(Count::leases_aligned);
    const Oracle::Rests rests = oracle_.rests(pool, lease.range);
    if (rests.count > 0) figures_.add(Count::leases_rested);
    if (rests.yielded > 0) figures_.add(Count::leases_yielded);
    if (spec.policy == Policy::lowest) figures_.add(Count::leases_lowest);
    if (!spec.tracking) figures_.add(Count::leases_untracked);
    if (spec.policy != Policy::cyclic) return;
    // Behind an unclean stop it rises too, but the pool goes on where it stood.
    Lease& last = last_leases_[pool];
    const bool wrapped = last.range.first > lease.range.first && last.generation < lease.generation;
    if (wrapped) figures_.add(Count::wraps);
    last = lease;
}

void Clients::claim(Process& process, bool budget_is_small) {
    const PoolIndex pool = some_pool();
    Asker asker = some_asker();
    const Range pool_range = pools_[pool].range;
    const std::set<Id>& reserved = oracle_.reserved(pool);
    asker.takes_reserved = dice_.one_in(3);
    const bool wants_reserved = !reserved.empty() && dice_.one_in(3);
    const Id first = wants_reserved ? some_of(reserved) : some_id(pool, process);
    const std::uint64_t span = dice_.below(dice_.one_in(10) ? 60 : 3);
    const Range range{first, first + std::min(span, pool_range.last - first)};
    story_.step("claim ", range, " of ", pools_[pool].name, " for ", said(asker),
                asker.takes_reserved ? ", reserved or not" : "");
    const auto told = insist(process, [&] {
        WaitingGuard guard{*this, process, budget_is_small};
        return process.allocator().allocate_at(guard, pool, range, asker);
    });
    if (!told) return;
    const Answer<Lease>& answer = *told;
    if (answer.result) {
        story_.detail("= ", *answer.result, waiting(answer.wait_for));
        figures_.add(Count::claims);
        if (has_any(reserved, range)) figures_.add(Count::claims_of_reserved);
        const HolderId holder = oracle_.served(asker, process.allocator(), answer.wait_for);
        oracle_.claimed(pool, range, asker.uid, answer,
                        process.allocator().pool(pool)->settled_mark(), asker.takes_reserved,
                        holder);
        return;
    }
    const Error& error = answer.result.error();
    story_.detail("= ", said(error), waiting(answer.wait_for));
    figures_.add(Count::refusals);
    check_means(error, process, budget_is_small);
    if (is_of_means(error) || is_for_holder(asker, error)) return;
    if (error.code == Errc::id_resting) figures_.add(Count::claims_of_resting);
    oracle_.check_refused_claim(pool, range, asker.takes_reserved, error);
}

void Clients::release(Process& process) {
    const PoolIndex pool = some_pool();
    const auto first = some_live(pool);
    if (!first) return lookup(process);
    const LiveIds& live = oracle_.live(pool);
    const auto known = live.find(*first);
    // One ID, or some of those that follow it, whoever's they are.
    Range range{*first, *first};
    if (dice_.one_in(2)) {
        const std::uint64_t span = dice_.below(dice_.one_in(4) ? 150 : 6);
        auto it = known;
        while (range.last - range.first < span && ++it != live.end() && it->first == range.last + 1)
            range.last = it->first;
    }
    release(process, pool, range, known->second.generation, asker_of(known->second));
}

void Clients::release_wrongly(Process& process) {
    const PoolIndex pool = some_pool();
    const auto first = some_live(pool);
    if (!first) return lookup(process);
    const Known known = oracle_.live(pool).find(*first)->second;
    switch (dice_.below(5)) {
        case 0: release(process, pool, {*first, *first}, known.generation, some_asker()); break;
        case 1:
            release(process, pool, {*first, *first}, known.generation + 1, asker_of(known));
            break;
        case 2: release(process, pool, {*first, id_max}, known.generation, asker_of(known)); break;
        case 3: release(process, pool, {*first, 0}, known.generation, asker_of(known)); break;
        default: {
            const Id id = some_id(pool, process);
            const std::uint64_t span = std::min<std::uint64_t>(dice_.below(4), id_max - id);
            release(process, pool, {id, id + span}, known.generation, asker_of(known));
        }
    }
}

void Clients::release(Process& process, PoolIndex pool, Range range, std::uint64_t generation,
                      const Asker& asker) {
    // A range over most of the space is one that this pool does not have, or is refused at its
    // first free ID: what the oracle looks at is short.
    const bool is_queued = asker.acts_as && oracle_.is_queued(asker.acts_as->id);
    const Error expected = is_queued ? Error(Errc::block_pending)
                                     : oracle_.release_error(pool, range, generation, asker.uid,
                                                             oracle_.acting_as(asker));
    story_.step("release ", range, "@", generation, " of ", pools_[pool].name, " by ", said(asker));
    const auto answer = without_memory(
        process, [&] { return process.allocator().release(pool, range, generation, asker); });
    const Error got = answer.result ? Error() : answer.result.error();
    story_.detail("= ", said(got), waiting(answer.wait_for));
    // Of an ID that was never heard of nobody can say whether it was handed out.
    const bool may_be_burned =
        expected.code == Errc::never_allocated && got == Error{Errc::released, expected.detail};
    if (got != expected && !may_be_burned) violated("the release must come to ", said(expected));
    if (!answer.result) {
        figures_.add(Count::refusals);
        return;
    }
    figures_.add(Count::releases);
    figures_.add(Count::releases_without_memory);
    if (!process.has_space()) figures_.add(Count::releases_on_full_disk);
    oracle_.released(pool, range, answer);
}

void Clients::lookup(Process& process) {
    const PoolIndex pool = some_pool();
    const auto live = dice_.one_in(3) ? std::nullopt : some_live(pool);
    const Id id = live ? *live : some_id(pool, process);
    story_.step("lookup ", id, " in ", pools_[pool].name);
    const auto answer =
        without_memory(process, [&] { return process.allocator().lookup(pool, id, 0); });
    story_.detail("= ",
                  answer.result ? text_of(answer.result->range, "@", answer.result->generation,
                                          " of ", answer.result->holder.uid)
                                : said(answer.result.error()),
                  waiting(answer.wait_for));
    figures_.add(Count::lookups);
    oracle_.check_lookup(pool, id, answer);
}

void Clients::list(Process& process) {
    const PoolIndex pool = some_pool();
    const Id id = some_id(pool, process);
    story_.step("next from ", id, " in ", pools_[pool].name);
    const auto ask = [&] { return process.allocator().next(pool, id); };
    auto answer = without_memory(process, ask);
    while (!answer.result && answer.result.error().code == Errc::sweep_pending) {
        process.allocator().sweep();
        answer = without_memory(process, ask);
    }
    figures_.add(Count::lists);
    oracle_.check_next(pool, id, answer);
}

std::uint64_t Clients::lease_much(Process& process, bool budget_is_small, std::uint64_t count) {
    for (std::uint64_t done = 0; done < count; ++done) {
        if (!process.allocator().has_room()) return done;
        count_operation();
        const PoolIndex pool = some_pool();
        allocate(process, budget_is_small, pool,
                 {.count = pools_[pool].lease_count_max - dice_.below(2'000)});
        if (is_process_over_) return done;
    }
    return count;
}

std::uint64_t Clients::release_many(Process& process, std::uint64_t count) {
    std::uint64_t done = 0;
    for (std::size_t i = 0; i < pools_.size(); ++i) {
        const auto pool = static_cast<PoolIndex>(i);
        while (done < count && !oracle_.live(pool).empty() && process.allocator().has_room()) {
            const auto [id, known] = *oracle_.live(pool).begin();
            count_operation();
            release(process, pool, {id, id}, known.generation, asker_of(known));
            ++done;
        }
    }
    return done;
}

std::uint64_t Clients::scatter(Process& process, std::uint64_t count) {
    std::uint64_t done = 0;
    for (std::size_t i = 0; i < pools_.size(); ++i) {
        const auto pool = static_cast<PoolIndex>(i);
        const LiveIds& live = oracle_.live(pool);
        auto it = live.begin();
        while (done < count && it != live.end() && process.allocator().has_room()) {
            const auto [id, known] = *it;
            count_operation();
            release(process, pool, {id, id}, known.generation, asker_of(known));
            ++done;
            it = live.upper_bound(id);
            if (it != live.end()) ++it;
        }
    }
    return done;
}

std::uint64_t Clients::churn(Process& process, bool budget_is_small, std::uint64_t count) {
    std::uint64_t done = 0;
    for (const PoolIndex pool = some_pool(); done < count; done += 2) {
        if (!process.allocator().has_room()) break;
        count_operation();
        allocate(process, budget_is_small, pool, {.count = 1});
        if (is_process_over_) break;
        const auto first = some_live(pool);
        if (!first) break;
        const Known known = oracle_.live(pool).find(*first)->second;
        count_operation();
        release(process, pool, {*first, *first}, known.generation, asker_of(known));
    }
    return done;
}

}  // namespace inod::sim
