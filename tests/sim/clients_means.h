// How clients make a request with little memory, or with none, and ask again where they are told to.
//
// Thread safety: none of its own.
#pragma once

#include <new>

#include "tests/sim/clients.h"
#include "tests/sim/refused_memory.h"

namespace inod::sim {

inline Asker user(std::uint32_t uid) {
    return {.uid = uid, .gid = uid};
}

inline std::string said(const Asker& asker) {
    if (!asker.acts_as) return std::to_string(asker.uid);
    return text_of(asker.uid, ", holder ", asker.acts_as->id);
}

inline std::string said(const Error& error) {
    return text_of(error.code, ", ", error.detail);
}

inline std::string waiting(Lsn wait_for) {
    return wait_for == 0 ? std::string() : text_of(", waits for LSN ", wait_for);
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
auto Clients::insist(Process& process, Call call) -> std::optional<decltype(call())> {
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
        if (answer.result.error().code == Errc::sweep_pending) {
            figures_.add(Count::sweeps);
            process.allocator().sweep();
            continue;
        }
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

}  // namespace inod::sim
