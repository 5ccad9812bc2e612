#include "daemon/dispatcher.h"

#include <algorithm>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include <unistd.h>

#include "lib/base/assert.h"

namespace inod::daemon {
namespace {

using proto::Reply;

// The wire has its own enumerations, so that proto stands alone; their values are the same.
static_assert(static_cast<int>(Policy::unique) == static_cast<int>(proto::PoolPolicy::unique));
static_assert(static_cast<int>(Policy::cyclic) == static_cast<int>(proto::PoolPolicy::cyclic));
static_assert(static_cast<int>(Durability::lease) ==
              static_cast<int>(proto::PoolDurability::lease));
static_assert(static_cast<int>(Durability::block) ==
              static_cast<int>(proto::PoolDurability::block));
static_assert(static_cast<int>(Binding::persistent) ==
              static_cast<int>(proto::Binding::persistent));

Holder holder_of(const Client& client) {
    return {.binding = Binding::persistent, .uid = client.peer.uid, .gid = client.peer.gid};
}

std::uint32_t saturated(std::uint64_t count) {
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>(count, std::numeric_limits<std::uint32_t>::max()));
}

proto::LeaseRecord record_of(const Held& held) {
    return {.range = held.range,
            .generation = held.generation,
            .uid = held.holder.uid,
            .gid = held.holder.gid,
            .binding = static_cast<proto::Binding>(held.holder.binding)};
}

proto::PoolEntry entry_of(PoolIndex index, const PoolSpec& spec) {
    return {.index = index,
            .policy = static_cast<proto::PoolPolicy>(spec.policy),
            .durability = static_cast<proto::PoolDurability>(spec.durability),
            .lease_count_max = spec.lease_count_max,
            .range = spec.range,
            .name = spec.name};
}

// The highest ID handed out, or in a cyclic pool the last one, claims aside; 0 for none.
Id last_handed_out(const Pool& pool) {
    const SequenceState sequence = pool.sequence();
    if (pool.spec().policy == Policy::unique) return sequence.highest.value_or(0);
    const Range range = pool.spec().range;
    if (!sequence.cursor) return range.last;
    return *sequence.cursor == range.first ? 0 : *sequence.cursor - 1;
}

bool contains(proto::Packed<std::string_view> names, std::string_view wanted) {
    while (const auto name = names.take()) {
        if (*name == wanted) return true;
    }
    return false;
}

// Is the stream of no use after this refusal?
bool ends_connection(Errc code) {
    return code == Errc::frame_malformed || code == Errc::frame_too_long ||
           code == Errc::hello_required || code == Errc::version_unsupported;
}

// Is it about the frame's form, which comes before what came with it?
bool names_form(Errc code) {
    return code != Errc::ok && code < Errc::descriptor_unexpected;
}

}  // namespace

Dispatcher::Dispatcher(Allocator& allocator, const Config& config,
                       std::function<DaemonNumbers()> numbers)
    : allocator_(allocator),
      grants_(allocator.pool_index_end()),
      own_uid_(geteuid()),
      memory_max_(allocator.memory().size_max()),
      numbers_(std::move(numbers)) {
    for (const PoolConfig& pool : config.pools) {
        const Pool* const found = allocator_.find_pool(pool.spec.name);
        INOD_ASSERT(found != nullptr);
        grants_[allocator_.index_of(*found)] = pool.grants;
    }
}

Client Dispatcher::welcome(Peer peer) const {
    Client client{.peer = std::move(peer), .may_use = {}, .greeted = false};
    for (std::size_t i = 0; i < grants_.size(); ++i) {
        const bool served = allocator_.pool(static_cast<PoolIndex>(i)) != nullptr;
        client.may_use.push_back(served && daemon::may_use(client.peer, grants_[i], own_uid_));
    }
    return client;
}

Dispatcher::Next Dispatcher::answer(const proto::Frame& frame, Client& client, Outbox& outbox,
                                    GuardRef guard, PassedDescriptor& passed) {
    const auto request = proto::decode_request(frame.bytes);
    proto::Request unreadable;
    unreadable.tag = frame.header.tag;
    const Call call{.request = request ? *request : unreadable,
                    .operation = frame.header.operation,
                    .client = client,
                    .outbox = outbox,
                    .guard = guard,
                    .passed = passed};
    Error error = request ? Error() : request.error();
    if (!client.greeted && frame.header.operation != proto::Operation::hello) {
        error = Errc::hello_required;
    } else if (passed.unexpected && !names_form(error.code)) {
        error = Errc::descriptor_unexpected;
    } else if (request) {
        return answer_body(call);
    }
    refuse(call, error, 0, proto::ErrorText(error).view());
    return ends_connection(error.code) ? Next::close : Next::go_on;
}

Dispatcher::Next Dispatcher::answer_body(const Call& call) {
    if (const Errc denied = check_access(call); denied != Errc::ok) {
        refuse(call, denied, 0, {});
        return Next::go_on;
    }
    return std::visit(
        [&](const auto& body) {
            if constexpr (std::is_same_v<decltype(body), const proto::HelloRequest&>) {
                return answer_hello(call, body);
            } else if constexpr (std::is_same_v<decltype(body), const proto::AllocateRequest&> ||
                                 std::is_same_v<decltype(body), const proto::AllocateAtRequest&>) {
                return answer_lease(call, hand_out(call, body));
            } else {
                answer_as(call, body);
                return Next::go_on;
            }
        },
        call.request.body);
}

void Dispatcher::encode_refusal(Errc code, ByteWriter& out) {
    const Error error{code};
    const proto::ErrorText text(error);
    const proto::ErrorReply body{.error = error, .text = text.view()};
    const bool fits =
        proto::encode_reply(out, {.operation = proto::Operation::none, .tag = 0, .body = body});
    INOD_ASSERT(fits);
}

void Dispatcher::refuse_stream(Errc code, Outbox& outbox) {
    ByteWriter out(outbox.space(0));
    encode_refusal(code, out);
    outbox.add(out.size(), 0);
}

void Dispatcher::reply(const Call& call, const Reply::Body& body, Lsn wait_for) {
    ByteWriter out(call.outbox.space(wait_for));
    const bool fits = proto::encode_reply(
        out, {.operation = call.operation, .tag = call.request.tag, .body = body});
    INOD_ASSERT(fits);
    call.outbox.add(out.size(), wait_for);
}

void Dispatcher::refuse(const Call& call, const Error& error, Lsn wait_for, std::string_view text) {
    reply(call, proto::ErrorReply{.error = error, .text = text}, wait_for);
}

// ok, or why the client may not ask this of the pool that it names.
Errc Dispatcher::check_access(const Call& call) const {
    const auto& body = call.request.body;
    const bool names_no_pool = std::holds_alternative<proto::HelloRequest>(body) ||
                               std::holds_alternative<proto::PingRequest>(body) ||
                               std::holds_alternative<proto::PoolsRequest>(body) ||
                               (std::holds_alternative<proto::StatsRequest>(body) &&
                                call.request.pool == proto::whole_daemon);
    if (names_no_pool || may_use(call.client, call.request.pool)) return Errc::ok;
    return allocator_.pool(call.request.pool) != nullptr ? Errc::access_denied : Errc::pool_unknown;
}

bool Dispatcher::may_use(const Client& client, PoolIndex pool) {
    return pool < client.may_use.size() && client.may_use[pool];
}

Dispatcher::Next Dispatcher::answer_hello(const Call& call, const proto::HelloRequest& hello) {
    if (call.client.greeted) {
        refuse(call, Errc::body_malformed, 0, "a connection has one hello, and had it");
        return Next::go_on;
    }
    if (hello.version_min > proto::version || hello.version_max < proto::version) {
        const Error error{Errc::version_unsupported, proto::version};
        refuse(call, error, 0, proto::ErrorText(error).view());
        return Next::close;
    }
    if (const auto sound = check_names(hello, call.client); !sound) {
        refuse(call, sound.error().code, 0, sound.error().message);
        return Next::go_on;  // with another hello
    }
    call.client.greeted = true;
    call.client.features = hello.features & proto::feature_descriptors;
    proto::HelloReplyWriter writer(call.outbox.space(0));
    const bool more = add_pools(writer, call.client, hello.pools, 0);
    proto::HelloReply reply;
    reply.features = call.client.features;
    call.outbox.add(writer.finish(call.request.tag, reply, more), 0);
    return Next::go_on;
}

// May the client use the pools that it names?
Result<void, Failure> Dispatcher::check_names(const proto::HelloRequest& hello,
                                              const Client& client) const {
    for (auto names = hello.pools; const auto name = names.take();) {
        const Pool* const pool = allocator_.find_pool(*name);
        if (pool == nullptr) {
            return Failure{Errc::pool_unknown, is_pool_name(*name)
                                                   ? std::string(*name)
                                                   : "a name that no pool can have"};
        }
        if (!may_use(client, allocator_.index_of(*pool))) {
            return Failure{Errc::access_denied, std::string(*name)};
        }
    }
    return {};
}

// Adds what the client may use and named, all if it named none. True if the frame was too small.
template <class Writer>
bool Dispatcher::add_pools(Writer& writer, const Client& client,
                           const proto::Packed<std::string_view>& names, PoolIndex from) const {
    for (std::size_t i = from; i < client.may_use.size(); ++i) {
        const auto index = static_cast<PoolIndex>(i);
        if (!may_use(client, index)) continue;
        const PoolSpec& spec = allocator_.pool(index)->spec();
        if (names.count() > 0 && !contains(names, spec.name)) continue;
        if (!writer.add(entry_of(index, spec))) return true;
    }
    return false;
}

void Dispatcher::answer_as(const Call& call, const proto::PingRequest& /*ping*/) {
    reply(call, proto::DoneReply{}, 0);
}

Answer<Lease> Dispatcher::hand_out(const Call& call, const proto::AllocateRequest& allocate) {
    return allocator_.allocate(call.guard, call.request.pool, allocate.count,
                               holder_of(call.client));
}

Answer<Lease> Dispatcher::hand_out(const Call& call, const proto::AllocateAtRequest& allocate) {
    return allocator_.allocate_at(call.guard, call.request.pool, allocate.range,
                                  holder_of(call.client));
}

Dispatcher::Next Dispatcher::answer_lease(const Call& call, const Answer<Lease>& answer) {
    if (answer.result) {
        reply(call,
              proto::LeaseReply{.range = answer.result->range,
                                .generation = answer.result->generation},
              answer.wait_for);
        return Next::go_on;
    }
    if (answer.result.error().code == Errc::block_pending) return Next::ask_again;
    refuse(call, answer.result.error(), answer.wait_for, {});
    return Next::go_on;
}

void Dispatcher::answer_as(const Call& call, const proto::ReleaseRequest& release) {
    const auto answer = allocator_.release(call.request.pool, release.range, release.generation,
                                           holder_of(call.client));
    if (!answer.result) {
        refuse(call, answer.result.error(), answer.wait_for, {});
        return;
    }
    reply(call, proto::DoneReply{}, answer.wait_for);
}

template <class T, class ToBody>
void Dispatcher::answer_held(const Call& call, const Answer<T>& answer, ToBody to_body) {
    if (!answer.result) {
        refuse(call, answer.result.error(), answer.wait_for, {});
        return;
    }
    reply(call, to_body(*answer.result), answer.wait_for);
}

void Dispatcher::answer_as(const Call& call, const proto::LookupRequest& lookup) {
    answer_held(call, allocator_.lookup(call.request.pool, lookup.id, 0), [&](const Held& held) {
        return proto::LookupReply{.generation = held.generation,
                                  .uid = held.holder.uid,
                                  .gid = held.holder.gid,
                                  .below = saturated(lookup.id - held.range.first),
                                  .above = saturated(held.range.last - lookup.id)};
    });
}

void Dispatcher::answer_as(const Call& call, const proto::LookupLeaseRequest& lookup) {
    answer_held(call, allocator_.lookup(call.request.pool, lookup.id, lookup.generation),
                record_of);
}

void Dispatcher::answer_as(const Call& call, const proto::NextRequest& next) {
    answer_held(call, allocator_.next(call.request.pool, next.id), record_of);
}

void Dispatcher::answer_as(const Call& call, const proto::ListRequest& list) {
    // The whole list waits for what its first step waits for: all that was recorded so far.
    const Lsn wait_for = allocator_.next(call.request.pool, list.from).wait_for;
    proto::ListReplyWriter writer(call.outbox.space(wait_for));
    bool more = false;
    for (Id id = list.from;;) {
        const auto answer = allocator_.next(call.request.pool, id);
        if (!answer.result) break;
        const bool wanted = list.limit == 0 || writer.count() < list.limit;
        more = !wanted || !writer.add(record_of(*answer.result));
        if (more || answer.result->range.last == id_max) break;
        id = answer.result->range.last + 1;
    }
    call.outbox.add(writer.finish(call.request.tag, more), wait_for);
}

void Dispatcher::answer_as(const Call& call, const proto::PoolsRequest& /*pools*/) {
    proto::PoolsReplyWriter writer(call.outbox.space(0));
    const bool more = add_pools(writer, call.client, {}, call.request.pool);
    call.outbox.add(writer.finish(call.request.tag, more), 0);
}

void Dispatcher::answer_as(const Call& call, const proto::StatsRequest& /*stats*/) {
    proto::StatsReplyWriter writer(call.outbox.space(0));
    if (call.request.pool == proto::whole_daemon) {
        add_daemon_stats(writer);
    } else {
        add_pool_stats(writer, call.request.pool);
    }
    call.outbox.add(writer.finish(call.request.tag), 0);
}

void Dispatcher::add_pool_stats(proto::StatsReplyWriter& writer, PoolIndex index) const {
    using proto::StatId;
    const Pool& pool = *allocator_.pool(index);
    for (const proto::Stat& stat : {
             proto::Stat{StatId::live_ids, pool.live().id_count()},
             proto::Stat{StatId::live_runs, pool.live().entry_count()},
             proto::Stat{StatId::cursor, last_handed_out(pool)},
             proto::Stat{StatId::generation, pool.sequence().generation},
             proto::Stat{StatId::allocations, pool.counters().allocations},
             proto::Stat{StatId::releases, pool.counters().releases},
             proto::Stat{StatId::lookups, allocator_.lookups(index)},
             proto::Stat{StatId::refusals, allocator_.refusals(index)},
             proto::Stat{StatId::tree_nodes, pool.live().node_count()},
             proto::Stat{StatId::reserve_nodes, pool.live().reserve_size()},
         }) {
        writer.add(stat);
    }
}

void Dispatcher::add_daemon_stats(proto::StatsReplyWriter& writer) const {
    using proto::StatId;
    using std::chrono::duration_cast;
    using std::chrono::seconds;
    const Journal& journal = allocator_.journal();
    const DaemonNumbers numbers = numbers_();
    const auto uptime = duration_cast<seconds>(std::chrono::steady_clock::now() - started_);
    for (const proto::Stat& stat : {
             proto::Stat{StatId::memory_used, allocator_.memory().used()},
             proto::Stat{StatId::memory_max, memory_max_},
             proto::Stat{StatId::connections, numbers.connections},
             proto::Stat{StatId::journal_last_lsn, journal.last_lsn()},
             proto::Stat{StatId::journal_durable_lsn, journal.durable_lsn()},
             proto::Stat{StatId::disk_size, journal.disk_size()},
             proto::Stat{StatId::log_size, journal.log_size()},
             proto::Stat{StatId::groups_synced, numbers.groups_synced},
             proto::Stat{StatId::uptime_s, static_cast<std::uint64_t>(uptime.count())},
             proto::Stat{StatId::run, numbers.run},
         }) {
        writer.add(stat);
    }
}

}  // namespace inod::daemon
