// Clients as holders: how they come to be bound, act, come back, and end.
#include <algorithm>
#include <string>

#include "tests/sim/clients_means.h"

namespace inod::sim {
namespace {

constexpr std::size_t holders_at_once = 24;
constexpr std::size_t ended_kept = 8;

std::string_view some_name(Dice& dice) {
    constexpr std::string_view names[] = {"a", "b", "left", "right"};
    return names[dice.below(std::size(names))];
}

}  // namespace

// A user as himself, or one of the holders that there are, or one that has ended.
Asker Clients::some_asker() {
    if (dice_.one_in(2)) return user(some_user());
    if (!ended_.empty() && dice_.one_in(12)) {
        const auto& [uid, ref] = ended_[dice_.below(ended_.size())];
        Asker asker = user(uid);
        asker.acts_as = ref;
        return asker;
    }
    const KnownHolder* const holder = some_holder();
    return holder != nullptr ? asker_of(*holder) : user(some_user());
}

Asker Clients::asker_of(const KnownHolder& holder) {
    Asker asker = user(holder.uid);
    if (holder.binding != Binding::persistent || !holder.name.empty()) asker.acts_as = holder.ref;
    return asker;
}

// Whoever holds this.
Asker Clients::asker_of(const Known& known) const {
    const auto found = oracle_.holders().find(known.holder);
    return found != oracle_.holders().end() ? asker_of(found->second) : user(known.uid);
}

const KnownHolder* Clients::some_holder() {
    const auto& holders = oracle_.holders();
    if (holders.empty()) return nullptr;
    auto found = holders.begin();
    std::advance(found, dice_.below(holders.size()));
    return &found->second;
}

void Clients::do_as_holder(Process& process, bool budget_is_small) {
    const std::uint64_t kind = dice_.below(20);
    const bool is_full = oracle_.holders().size() >= holders_at_once;
    if (kind < 9 && !is_full) {
        bind(process, budget_is_small, some_bind());
    } else if (kind < 12) {
        come_back(process, budget_is_small);
    } else if (kind < 15) {
        renew(process);
    } else {
        end_some(process);
    }
}

BindRequest Clients::some_bind() {
    BindRequest request;
    const auto fresh_key = [this] { return HolderKey{{++keys_told_, dice_.any() | 1U}}; };
    switch (dice_.below(5)) {
        case 0: request.name = some_name(dice_); break;
        case 1:
            request.binding = Binding::connection;
            request.secret = fresh_key();
            break;
        case 2:
            request.binding = Binding::process;
            request.process = {.pid = static_cast<std::uint32_t>(1 + dice_.below(6)),
                               .inode = 100 + dice_.below(6),
                               .start_time = 1,
                               .pid_namespace = 1};
            break;
        default:
            request.binding = Binding::ttl;
            request.ttl_ms = static_cast<std::uint32_t>(1 + dice_.below(6'000));
            request.secret = fresh_key();
            if (dice_.one_in(2)) request.name = some_name(dice_);
    }
    return request;
}

// With the key that it was told, or another.
void Clients::come_back(Process& process, bool budget_is_small) {
    const KnownHolder* const holder = some_holder();
    if (holder == nullptr) return lookup(process);
    BindRequest request{.binding = holder->binding, .ttl_ms = holder->ttl_ms};
    const bool has_key = !holder->key.is_none();
    if (has_key) request.key = holder->key;
    if (!has_key && holder->binding == Binding::process) request.process = holder->process;
    const std::string own_name = holder->name;
    if (!has_key) request.name = own_name;
    if (has_key && dice_.one_in(6)) ++request.key.words[1];
    bind(process, budget_is_small, request, holder->uid);
}

void Clients::bind(Process& process, bool budget_is_small, const BindRequest& request,
                   std::optional<std::uint32_t> of_user) {
    const std::uint32_t uid = of_user.value_or(some_user());
    story_.step("bind ", name(request.binding), " '", request.name, "'", " of ", uid,
                request.key.is_none() ? "" : ", by its key", ", at ", clock_.now);
    const auto told = insist(process, [&] { return process.allocator().bind(user(uid), request); });
    if (!told) return;
    if (told->result) {
        story_.detail("= holder ", told->result->ref.id, waiting(told->wait_for));
        figures_.add(told->result->is_new ? Count::binds : Count::comings_back);
        oracle_.bound(uid, request, clock_.now, *told);
        return;
    }
    const Error& error = told->result.error();
    story_.detail("= ", said(error), waiting(told->wait_for));
    figures_.add(Count::refusals);
    check_means(error, process, budget_is_small);
    if (!is_of_means(error)) oracle_.check_refused_bind(uid, request, error);
}

void Clients::renew(Process& process) {
    const KnownHolder* const holder = some_holder();
    if (holder == nullptr) return lookup(process);
    HolderRef ref = holder->ref;
    if (!ended_.empty() && dice_.one_in(6)) ref = ended_[dice_.below(ended_.size())].second;
    story_.step("renew holder ", ref.id, ", at ", clock_.now);
    const auto answer = without_memory(process, [&] { return process.allocator().renew(ref); });
    const Error got = answer.result ? Error() : answer.result.error();
    story_.detail("= ", said(got), waiting(answer.wait_for));
    if (const Error expected = oracle_.renew_error(ref.id); got != expected) {
        violated("the renewal must come to ", said(expected));
    }
    if (!answer.result) return;
    figures_.add(Count::renewals);
    oracle_.renewed(ref.id, clock_.now, answer);
}

// Its connection closes, its process ends, or an administrator wants it so.
void Clients::end_some(Process& process) {
    const KnownHolder* const holder = some_holder();
    if (holder == nullptr) return lookup(process);
    const HolderRef ref = holder->ref;
    const bool is_by_itself =
        holder->binding == Binding::connection || holder->binding == Binding::process;
    const Lsn last_before = process.last_lsn();
    if (is_by_itself && !dice_.one_in(4)) {
        story_.step("holder ", ref.id, " ends");
        oracle_.is_to_end(ref.id);
        without_memory(process, [&] {
            process.allocator().end(ref);
            return Answer<void>{};
        });
        figures_.add(Count::ends);
        look_for_ends(process, last_before);
        return;
    }
    story_.step("release all of holder ", ref.id);
    const Error to_renew = oracle_.renew_error(ref.id);
    const Error expected =
        to_renew.code == Errc::holder_ended ? Error(Errc::holder_unknown) : to_renew;
    const std::uint64_t held = oracle_.holdings(ref.id);
    const auto answer =
        without_memory(process, [&] { return process.allocator().release_all(ref); });
    const Error got = answer.result ? Error() : answer.result.error();
    story_.detail("= ", said(got), waiting(answer.wait_for));
    // Who waits for memory on its behalf is waited for.
    if (is_between_ && got == Error(Errc::block_pending)) return;
    if (got != expected) violated("the end of all must come to ", said(expected));
    if (!answer.result) return;
    if (*answer.result != held) violated("it held ", held, ", and ", *answer.result, " are told");
    figures_.add(Count::ends);
    oracle_.is_to_end(ref.id);
    look_for_ends(process, last_before);
}

void Clients::look_for_ends(Process& process, Lsn last_before) {
    std::vector<std::pair<std::uint32_t, HolderRef>> before;
    for (const auto& [id, holder] : oracle_.holders())
        before.emplace_back(holder.uid, holder.ref);
    if (oracle_.look_for_ends(process.allocator(), clock_.now, last_before) == 0) return;
    for (const auto& one : before) {
        if (oracle_.holders().contains(one.second.id)) continue;
        story_.detail("holder ", one.second.id, " is at its end");
        ended_.push_back(one);
    }
    if (ended_.size() > ended_kept) {
        ended_.erase(ended_.begin(), ended_.end() - static_cast<std::ptrdiff_t>(ended_kept));
    }
}

// Time goes on; and what is left of holders is swept now and then.
void Clients::go_on(Process& process) {
    clock_.tick(dice_);
    const Lsn last_before = process.last_lsn();
    const std::size_t count_before = oracle_.holders().size();
    without_memory(process, [&] {
        process.allocator().set_time(clock_.now);
        return Answer<void>{};
    });
    look_for_ends(process, last_before);
    oracle_.set_time(clock_.now, process.allocator());
    figures_.add(Count::ends_by_time, count_before - oracle_.holders().size());
    if (!process.allocator().wants_sweep() || dice_.one_in(2)) return;
    figures_.add(Count::sweeps);
    without_memory(process, [&] {
        process.allocator().sweep();
        return Answer<void>{};
    });
}

// Processes that ended while nobody served are found to be gone.
void Clients::begin(Process& process) {
    std::vector<HolderRef> gone;
    for (const auto& [id, holder] : oracle_.holders()) {
        if (holder.binding == Binding::process && dice_.one_in(4)) gone.push_back(holder.ref);
    }
    for (const HolderRef& ref : gone) {
        const Lsn last_before = process.last_lsn();
        story_.step("holder ", ref.id, " has ended meanwhile");
        oracle_.is_to_end(ref.id);
        process.allocator().end(ref);
        figures_.add(Count::ends);
        look_for_ends(process, last_before);
    }
}

}  // namespace inod::sim
