// What administrators ask: IDs out of circulation and back, and a pool further on.
#include <algorithm>

#include "tests/sim/clients_means.h"

namespace inod::sim {

void Clients::administer(Process& process, bool budget_is_small) {
    const PoolIndex pool = some_pool();
    const std::uint64_t kind = dice_.below(20);
    if (kind < 8) {
        reserve(process, budget_is_small, pool);
    } else if (kind < 17) {
        unreserve(process, budget_is_small, pool);
    } else {
        advance(process, pool);
    }
}

void Clients::reserve(Process& process, bool budget_is_small, PoolIndex pool) {
    const Id first = some_id(pool, process);
    const std::uint64_t span = dice_.below(dice_.one_in(10) ? 30 : 3);
    const Range range{first, first + std::min(span, pools_[pool].range.last - first)};
    story_.step("reserve ", range, " of ", pools_[pool].name);
    const auto told = insist(process, [&] {
        WaitingGuard guard{*this, process, budget_is_small};
        return process.allocator().reserve(guard, pool, range);
    });
    if (!told) return;
    if (told->result) {
        story_.detail("= done", waiting(told->wait_for));
        figures_.add(Count::reserves);
        oracle_.reserved(pool, range, *told);
        return;
    }
    const Error& error = told->result.error();
    story_.detail("= ", said(error), waiting(told->wait_for));
    figures_.add(Count::refusals);
    check_means(error, process, budget_is_small);
    if (!is_of_means(error)) oracle_.check_refused_reserve(pool, range, error);
}

void Clients::unreserve(Process& process, bool budget_is_small, PoolIndex pool) {
    const std::set<Id>& reserved = oracle_.reserved(pool);
    const bool is_right = !reserved.empty() && !dice_.one_in(8);
    Range range{};
    range.first = is_right ? some_of(reserved) : some_id(pool, process);
    range.last = range.first + std::min(dice_.below(3), pools_[pool].range.last - range.first);
    story_.step("unreserve ", range, " of ", pools_[pool].name);
    const auto told = insist(process, [&] {
        WaitingGuard guard{*this, process, budget_is_small};
        return process.allocator().unreserve(guard, pool, range);
    });
    if (!told) return;
    const Error got = told->result ? Error() : told->result.error();
    story_.detail("= ", said(got), waiting(told->wait_for));
    check_means(got, process, budget_is_small);
    if (is_of_means(got)) return;
    // As it was decided: others may have come between.
    const Error expected = oracle_.unreserve_error(pool, range);
    if (got != expected) violated("the end of the reserve must come to ", said(expected));
    if (!told->result) {
        figures_.add(Count::refusals);
        return;
    }
    figures_.add(Count::unreserves);
    oracle_.unreserved(pool, range, *told);
}

void Clients::advance(Process& process, PoolIndex pool) {
    const Range whole = pools_[pool].range;
    const auto cursor = process.allocator().pool(pool)->sequence().cursor.value_or(whole.last);
    const Id last = cursor + std::min(dice_.below(6), whole.last - cursor);
    story_.step("advance ", pools_[pool].name, " above ", last);
    const auto answer =
        without_memory(process, [&] { return process.allocator().advance(pool, last); });
    const Error got = answer.result ? Error() : answer.result.error();
    story_.detail("= ", said(got), waiting(answer.wait_for));
    const Error expected = pools_[pool].policy == Policy::lowest ? Errc::not_offered : Errc::ok;
    if (got != expected) violated("the advance must come to ", said(expected));
    if (!answer.result) return;
    figures_.add(Count::advances);
    oracle_.advanced(pool, last, answer);
}

}  // namespace inod::sim
