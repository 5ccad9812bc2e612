#include "tests/sim/clients.h"

#include <algorithm>
#include <new>

#include "tests/sim/refused_memory.h"

namespace inod::sim {
namespace {

Asker user(std::uint32_t uid) {
    return {.uid = uid, .gid = uid};
}

std::string said(const Error& error) {
    return text_of(error.code, ", ", error.detail);
}

std::string waiting(Lsn wait_for) {
    return wait_for == 0 ? std::string() : text_of(", waits for LSN ", wait_for);
}

}  // namespace

void Clients::operate(Process& process, bool budget_is_small) {
    count_operation();
    const std::uint64_t kind = dice_.below(100);
    if (kind < 36) {
        const PoolIndex pool = some_pool();
        allocate(process, budget_is_small, pool, some_count(pools_[pool]));
    } else if (kind < 48) {
        claim(process, budget_is_small);
    } else if (kind < 72) {
        release(process);
    } else if (kind < 80) {
        release_wrongly(process);
    } else if (kind < 93) {
        lookup(process);
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

// Memory is refused now and then. What is refused for it is out_of_memory, and nothing else.
template <class Call>
auto Clients::with_little_memory(Process& process, Call call) {
    memory_was_refused_ = false;
    try {
        if (is_between_) return call();
        if (dice_.one_in(8)) {
            figures_.inject(Fault::no_memory);
            memory_is_scarce_ = true;
            const RefusedMemory refused(dice_.below(3), dice_.one_in(2) ? 1 : RefusedMemory::all);
            auto answer = call();
            memory_is_scarce_ = false;
            memory_was_refused_ = refused.refused() > 0;
            if (memory_was_refused_) figures_.meet(Fault::no_memory);
            return answer;
        }
        if (dice_.one_in(16)) {
            figures_.inject(Fault::budget_used_up);
            memory_is_scarce_ = true;
            const UsedUpBudget used_up(process.allocator().memory());
            auto answer = call();
            memory_is_scarce_ = false;
            memory_was_refused_ =
                !answer.result && answer.result.error().code == Errc::out_of_memory;
            if (memory_was_refused_) figures_.meet(Fault::budget_used_up);
            return answer;
        }
        return call();
    } catch (const std::bad_alloc&) {
        violated("refused memory leaves a request as an exception");
    }
}

// Asks again, as a session does, when it was told to: behind the next group, or when there is more
// space.
template <class Call>
std::optional<Answer<Lease>> Clients::insist(Process& process, Call call) {
    constexpr int turns_max = 100;
    is_process_over_ = false;
    for (int turn = 0; turn < turns_max; ++turn) {
        const auto answer = with_little_memory(process, call);
        const bool is_told =
            answer.result || !Process::is_to_be_asked_again(answer.result.error().code);
        // While another request waits, this one is not waited for.
        if (is_told || is_between_) return answer;
        figures_.add(Count::asked_again);
        story_.detail("is to ask again");
        do {
            if (!complete_turn_()) {
                is_process_over_ = true;
                return std::nullopt;
            }
        } while (!process.allocator().has_room());
        story_.step("asks again");
    }
    violated("a request has to ask again and again");
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

template <class Call>
auto Clients::without_memory(Process& process, Call call) {
    std::uint64_t refused_count = 0;
    const auto make = [&] {
        const UsedUpBudget used_up(process.allocator().memory());
        const RefusedMemory refused;
        auto answer = call();
        refused_count = refused.refused();
        return answer;
    };
    auto answer = make();
    if (refused_count > 0) violated("a request that must not need memory asked for it");
    return answer;
}

// A refusal for want of means needs a want.
void Clients::check_means(const Error& error, const Process& process, bool budget_is_small) {
    const bool no_memory = memory_was_refused_ || budget_is_small;
    if (error.code == Errc::out_of_memory && !memory_was_refused_ && !small_budget_was_met_) {
        small_budget_was_met_ = true;
        figures_.meet(Fault::small_budget);
    }
    if (error.code == Errc::out_of_memory && !no_memory) violated("out of memory, with enough");
    if (error.code == Errc::no_space && process.has_space()) violated("no space, with enough");
    if (error.code == Errc::journal_sealed) violated("sealed, and nothing failed");
}

void Clients::allocate(Process& process, bool budget_is_small, PoolIndex pool,
                       std::uint64_t count) {
    const std::uint32_t uid = some_user();
    story_.step("allocate ", count, " of ", pools_[pool].name, " for ", uid);
    const auto told = insist(process, [&] {
        WaitingGuard guard{*this, process, budget_is_small};
        return process.allocator().allocate(guard, pool, Wish{.count = count}, user(uid));
    });
    if (!told) return;
    const Answer<Lease>& answer = *told;
    if (answer.result) {
        story_.detail("= ", *answer.result, waiting(answer.wait_for));
        figures_.add(Count::leases);
        oracle_.leased(pool, count, uid, answer);
        return;
    }
    const Error& error = answer.result.error();
    story_.detail("= ", said(error), waiting(answer.wait_for));
    figures_.add(Count::refusals);
    check_means(error, process, budget_is_small);
    if (error.code != Errc::out_of_memory && error.code != Errc::no_space &&
        !Process::is_to_be_asked_again(error.code)) {
        oracle_.check_refused_lease(pool, count, error);
    }
}

void Clients::claim(Process& process, bool budget_is_small) {
    const PoolIndex pool = some_pool();
    const std::uint32_t uid = some_user();
    const Range pool_range = pools_[pool].range;
    const Id first = some_id(pool, process);
    const std::uint64_t span = dice_.below(dice_.one_in(10) ? 60 : 3);
    const Range range{first, first + std::min(span, pool_range.last - first)};
    story_.step("claim ", range, " of ", pools_[pool].name, " for ", uid);
    const auto told = insist(process, [&] {
        WaitingGuard guard{*this, process, budget_is_small};
        return process.allocator().allocate_at(guard, pool, range, user(uid));
    });
    if (!told) return;
    const Answer<Lease>& answer = *told;
    if (answer.result) {
        story_.detail("= ", *answer.result, waiting(answer.wait_for));
        figures_.add(Count::claims);
        oracle_.claimed(pool, range, uid, answer, process.allocator().pool(pool)->settled_mark());
        return;
    }
    const Error& error = answer.result.error();
    story_.detail("= ", said(error), waiting(answer.wait_for));
    figures_.add(Count::refusals);
    check_means(error, process, budget_is_small);
    oracle_.check_refused_claim(pool, range, error);
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
    release(process, pool, range, known->second.generation, known->second.uid);
}

void Clients::release_wrongly(Process& process) {
    const PoolIndex pool = some_pool();
    const auto first = some_live(pool);
    if (!first) return lookup(process);
    const Known known = oracle_.live(pool).find(*first)->second;
    switch (dice_.below(5)) {
        case 0: release(process, pool, {*first, *first}, known.generation, known.uid + 1); break;
        case 1: release(process, pool, {*first, *first}, known.generation + 1, known.uid); break;
        case 2: release(process, pool, {*first, id_max}, known.generation, known.uid); break;
        case 3: release(process, pool, {*first, 0}, known.generation, known.uid); break;
        default: {
            const Id id = some_id(pool, process);
            const std::uint64_t span = std::min<std::uint64_t>(dice_.below(4), id_max - id);
            release(process, pool, {id, id + span}, known.generation, known.uid);
        }
    }
}

void Clients::release(Process& process, PoolIndex pool, Range range, std::uint64_t generation,
                      std::uint32_t uid) {
    // A range over most of the space is one that this pool does not have, or is refused at its
    // first free ID: what the oracle looks at is short.
    const Error expected = oracle_.release_error(pool, range, generation, uid);
    story_.step("release ", range, "@", generation, " of ", pools_[pool].name, " by ", uid);
    const auto answer = without_memory(
        process, [&] { return process.allocator().release(pool, range, generation, user(uid)); });
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
    const auto answer = without_memory(process, [&] { return process.allocator().next(pool, id); });
    figures_.add(Count::lists);
    oracle_.check_next(pool, id, answer);
}

std::uint64_t Clients::lease_much(Process& process, bool budget_is_small, std::uint64_t count) {
    for (std::uint64_t done = 0; done < count; ++done) {
        if (!process.allocator().has_room()) return done;
        count_operation();
        const PoolIndex pool = some_pool();
        allocate(process, budget_is_small, pool, pools_[pool].lease_count_max - dice_.below(2'000));
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
            release(process, pool, {id, id}, known.generation, known.uid);
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
            release(process, pool, {id, id}, known.generation, known.uid);
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
        allocate(process, budget_is_small, pool, 1);
        if (is_process_over_) break;
        const auto first = some_live(pool);
        if (!first) break;
        const Known known = oracle_.live(pool).find(*first)->second;
        count_operation();
        release(process, pool, {*first, *first}, known.generation, known.uid);
    }
    return done;
}

}  // namespace inod::sim
