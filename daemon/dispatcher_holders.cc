// Requests about holders: who a connection acts as, and what becomes of them.
#include <algorithm>

#include "daemon/boot_time.h"
#include "daemon/dispatcher.h"
#include "lib/base/assert.h"
#include "lib/base/random_id.h"

namespace inod::daemon {
namespace {

static_assert(static_cast<int>(Binding::persistent) ==
              static_cast<int>(proto::Binding::persistent));
static_assert(static_cast<int>(Binding::connection) ==
              static_cast<int>(proto::Binding::connection));
static_assert(static_cast<int>(Binding::process) == static_cast<int>(proto::Binding::process));
static_assert(static_cast<int>(Binding::ttl) == static_cast<int>(proto::Binding::ttl));
static_assert(holder_name_size_max == proto::holder_name_size_max);

HolderKey key_of(const proto::HolderKey& bytes) {
    ByteReader in(bytes);
    HolderKey key;
    for (std::uint64_t& word : key.words)
        word = in.get<std::uint64_t>();
    return key;
}

// Only what is known by a key takes one: the kernel is asked twice for it.
HolderKey secret_for(const proto::BindRequest& bind) {
    const bool has_key =
        bind.binding == proto::Binding::connection || bind.binding == proto::Binding::ttl;
    return has_key ? HolderKey{{random_word(), random_word()}} : HolderKey{};
}

proto::HolderKey bytes_of(const HolderKey& key) {
    proto::HolderKey bytes{};
    ByteWriter out(bytes);
    for (const std::uint64_t word : key.words)
        out.put(word);
    return bytes;
}

}  // namespace

Asker Dispatcher::asker_of(const Call& call) {
    const Client& client = call.client;
    const PoolIndex pool = call.request.pool;
    Asker asker{.uid = client.peer.uid,
                .gid = client.peer.gid,
                .acts_as = client.acts_as,
                .takes_reserved = rights_in(client, pool).has(Right::administer),
                .quota = pool < client.quotas.size() ? client.quotas[pool] : Quota(),
                .quotas_above = client.quotas,
                .holders_max = client.user_limits.holders,
                .tokens_max = client.user_limits.tokens};
    if (const auto& sent = call.request.token) asker.token = {sent->epoch, sent->number};
    return asker;
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::BindRequest& bind) {
    if (bind.binding == proto::Binding::process) return bind_process(call, bind);
    if (call.passed.descriptor) {
        refuse(call, Errc::descriptor_unexpected, 0, "only a holder bound to a process takes one");
        return Next::go_on;
    }
    if (bind.binding == proto::Binding::connection && call.client.ends_with_it) {
        refuse(call, Errc::holder_invalid, 0,
               "a connection has one holder that ends with it, and has had it");
        return Next::go_on;
    }
    return bind_as(call, bind, {}, nullptr);
}

Dispatcher::Next Dispatcher::bind_process(const Call& call, const proto::BindRequest& bind) {
    if (processes_ == nullptr) {
        refuse(call, Errc::process_unknown, 0,
               "the daemon cannot watch processes; its log says why");
        return Next::go_on;
    }
    auto process =
        processes_->find(call.client.socket, call.client.peer.uid, call.passed.descriptor);
    if (!process) {
        refuse(call, Errc::process_unknown, 0, process.error());
        return Next::go_on;
    }
    const Next next = bind_as(call, bind, process->identity, &process->pidfd);
    // Asked again, it is the same process.
    if (next == Next::ask_again) call.passed.descriptor = std::move(process->pidfd);
    return next;
}

Dispatcher::Next Dispatcher::bind_as(const Call& call, const proto::BindRequest& bind,
                                     const ProcessIdentity& process, OwnedFd* pidfd) {
    if (!call.client.may_allocate && !is_there(call.client, bind, process)) {
        refuse(call, Errc::access_denied, 0, "a new holder is for who may allocate in some pool");
        return Next::go_on;
    }
    const inod::BindRequest wish{.binding = static_cast<Binding>(bind.binding),
                                 .name = bind.name,
                                 .key = key_of(bind.key),
                                 .secret = secret_for(bind),
                                 .process = process,
                                 .ttl_ms = bind.ttl_ms};
    auto answer = with_memory([&] { return allocator_.bind(asker_of(call), wish); });
    if (answer.result && pidfd != nullptr) {
        const auto watched = processes_->watch(answer.result->ref, std::move(*pidfd));
        if (!watched) {
            // What a living process had already stays its own.
            if (answer.result->is_new) allocator_.end(answer.result->ref);
            refuse(call, Errc::out_of_memory, answer.wait_for, watched.error().message);
            return Next::go_on;
        }
    }
    if (answer.result) {
        call.client.acts_as = answer.result->ref;
        if (bind.binding == proto::Binding::connection) {
            call.client.ends_with_it = answer.result->ref;
        }
    }
    return answer_with(call, answer, [](const Bound& bound) {
        return proto::BindReply{.holder = bound.ref.id, .key = bytes_of(bound.key)};
    });
}

// Is no new one to be made? Whoever has lost his right to allocate still gets at what he has.
bool Dispatcher::is_there(const Client& client, const proto::BindRequest& bind,
                          const ProcessIdentity& process) const {
    return !key_of(bind.key).is_none() ||
           allocator_.holders().find(Holder{.binding = static_cast<Binding>(bind.binding),
                                            .uid = client.peer.uid,
                                            .name = bind.name,
                                            .process = process});
}

// Is it refused because there are too many holders of all users, and not of this one?
bool Dispatcher::is_of_all_users(const Error& refusal) const {
    return refusal.code == Errc::quota_exceeded && refusal.detail == allocator_.holders_max() &&
           allocator_.holders().size() >= allocator_.holders_max();
}

void Dispatcher::disconnected(Client& client) noexcept {
    if (client.ends_with_it) allocator_.end(*client.ends_with_it);
    client.ends_with_it.reset();
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::RenewRequest& /*renew*/) {
    if (!call.client.acts_as) return answer_done(call, {.result = {}});
    return answer_done(call, allocator_.renew(*call.client.acts_as));
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::ReleaseAllRequest& release) {
    const auto count = [](std::uint64_t released) { return proto::CountReply{.count = released}; };
    const auto ref = meant_by(call, release.holder);
    if (!ref) return answer_with(call, Answer<std::uint64_t>{Errc::holder_unknown}, count);
    const auto answer = allocator_.release_all(*ref);
    if (answer.result && processes_ != nullptr) processes_->forget(*ref);
    return answer_with(call, answer, count);
}

// The holder with this ID, if the client may end it; for 0 the one that the connection acts as.
std::optional<HolderRef> Dispatcher::meant_by(const Call& call, HolderId holder) {
    const Client& client = call.client;
    const Holders& holders = allocator_.holders();
    if (holder == 0 && client.acts_as) return client.acts_as;
    if (holder != 0) work_ += holders.index_end() / holders_per_work;
    const auto found =
        holder == 0 ? holders.find(Holder{.binding = Binding::persistent, .uid = client.peer.uid})
                    : holders.find_id(holder);
    if (!found) return std::nullopt;
    if (holders[*found].uid != client.peer.uid && !is_privileged(client)) return std::nullopt;
    return HolderRef{.index = *found, .id = holders.id(*found)};
}

// One's own; root and the daemon's user see all.
Dispatcher::Next Dispatcher::answer(const Call& call, const proto::HoldersRequest& request) {
    // Holders that are about to be known are on the list too, so it waits for all that was recorded.
    const Lsn wait_for = allocator_.recorded_lsn();
    proto::HoldersReplyWriter writer(call.outbox.space(wait_for));
    bool more = false;
    for (auto index = next_seen(call.client, request.from); index && !more;
         index = next_seen(call.client, *index + 1)) {
        if (!allocator_.holders().is_recorded(*index)) continue;
        const bool wanted = request.limit == 0 || writer.count() < request.limit;
        more = !wanted || !writer.add(record_of(*index));
    }
    work_ += writer.count();
    call.outbox.add(writer.finish(call.request.tag, more), wait_for);
    return Next::go_on;
}

// The first one from this index on that the client may see.
std::optional<HolderIndex> Dispatcher::next_seen(const Client& client, HolderIndex from) {
    const Holders& holders = allocator_.holders();
    const bool sees_all = is_privileged(client);
    for (HolderIndex index = from; index < holders.index_end(); ++index) {
        if (index % holders_per_work == 0) ++work_;
        if (!holders.contains(index)) continue;
        if (sees_all || holders.uid(index) == client.peer.uid) return index;
    }
    return std::nullopt;
}

proto::HolderRecord Dispatcher::record_of(HolderIndex index) const {
    const Holders& holders = allocator_.holders();
    const Holder holder = holders[index];
    const auto deadline = holders.deadline(index);
    const BootTime now = boot_time();
    return {.holder = holder.id,
            .ids = allocator_.holdings(index).ids,
            .index = index,
            .uid = holder.uid,
            .gid = holder.gid,
            .binding = static_cast<proto::Binding>(holder.binding),
            .pid = holder.process.pid,
            .left_ms = deadline && *deadline > now ? *deadline - now : 0,
            .name = holder.name};
}

}  // namespace inod::daemon
