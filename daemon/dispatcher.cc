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
static_assert(levels_max == proto::levels_max);
static_assert(static_cast<int>(Policy::lowest) == static_cast<int>(proto::PoolPolicy::lowest));

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

constexpr Needed nothing{};
constexpr Needed any_right{.of_pool = true, .right = std::nullopt};
constexpr Needed the(Right right) {
    return {.of_pool = true, .right = right};
}

template <class T, class... Types>
constexpr bool is_one_of = (std::is_same_v<T, Types> || ...);

template <class Body>
Needed needed(const proto::Request& request, const Body& body) {
    if constexpr (is_one_of<Body, proto::HelloRequest, proto::PingRequest, proto::PoolsRequest,
                            proto::BindRequest, proto::RenewRequest, proto::ReleaseAllRequest,
                            proto::HoldersRequest, proto::TokenEpochRequest>) {
        return nothing;
    } else if constexpr (is_one_of<Body, proto::AllocateRequest, proto::AllocateAtRequest>) {
        return the(Right::allocate);
    } else if constexpr (is_one_of<Body, proto::ReleaseRequest>) {
        return the(body.of_others ? Right::release_others : Right::allocate);
    } else if constexpr (is_one_of<Body, proto::LookupRequest, proto::LookupLeaseRequest,
                                   proto::LookupLevelsRequest, proto::WaitRequest>) {
        return the(Right::lookup);
    } else if constexpr (is_one_of<Body, proto::NextRequest, proto::ListRequest,
                                   proto::WatchRequest>) {
        return the(Right::list);
    } else if constexpr (is_one_of<Body, proto::ReserveRequest, proto::UnreserveRequest,
                                   proto::AdvanceRequest>) {
        return the(Right::administer);
    } else {
        static_assert(is_one_of<Body, proto::StatsRequest>, "what does it take?");
        return request.pool == proto::whole_daemon ? nothing : any_right;
    }
}

// For who is refused for want of it. No memory is needed to say so.
std::string_view missing(std::optional<Right> right) {
    if (!right) return "an administrator must grant this user some right in the pool";
    switch (*right) {
        case Right::allocate: return "an administrator must grant this user 'allocate' in the pool";
        case Right::lookup: return "an administrator must grant this user 'lookup' in the pool";
        case Right::list: return "an administrator must grant this user 'list' in the pool";
        case Right::release_others:
            return "an administrator must grant this user 'release_others' in the pool";
        case Right::administer:
            return "an administrator must grant this user 'administer' in the pool";
    }
    return {};
}

// Is it about the frame's form, which comes before what came with it?
bool names_form(Errc code) {
    return code != Errc::ok && code < Errc::descriptor_unexpected;
}

}  // namespace

Dispatcher::Dispatcher(Allocator& allocator, const Config& config, ProcessHolders* processes,
                       Closer& closer, std::function<DaemonNumbers()> numbers,
                       std::function<Gone()> end_the_gone, std::function<std::uint64_t()> now_us)
    : allocator_(allocator),
      terms_(std::make_shared<const Terms>(
          config, allocator.pool_index_end(),
          [&](std::string_view name) {
              const Pool* const pool = allocator.find_pool(name);
              INOD_ASSERT(pool != nullptr);
              return allocator.index_of(*pool);
          },
          0)),
      pool_count_(terms_->pool_count()),
      own_uid_(geteuid()),
      memory_max_(allocator.memory().size_max()),
      processes_(processes),
      closer_(closer),
      numbers_(std::move(numbers)),
      end_the_gone_(std::move(end_the_gone)),
      now_us_(std::move(now_us)) {}

Client Dispatcher::welcome(Peer peer, PeerSocket socket) const {
    Client client{.peer = std::move(peer), .rights = {}, .quotas = {}, .socket = socket};
    client.rights.reserve(pool_count_);
    client.quotas.reserve(pool_count_);
    set_terms_of(client, client.peer.groups);
    // They have said what they had to, and there can be 65,536 of them.
    std::vector<std::uint32_t>().swap(client.peer.groups);
    return client;
}

// What it may do and have on the present terms. Requires room for as many pools.
void Dispatcher::set_terms_of(Client& client,
                              std::span<const std::uint32_t> groups) const noexcept {
    const std::uint32_t uid = client.peer.uid;
    client.terms = terms_->number();
    client.user_limits = limits_of_user(uid);
    client.may_allocate = false;
    client.rights.clear();
    client.quotas.clear();
    INOD_ASSERT(client.rights.capacity() >= terms_->pool_count());
    INOD_ASSERT(client.quotas.capacity() >= terms_->pool_count());
    for (std::size_t i = 0; i < terms_->pool_count(); ++i) {
        const bool served = allocator_.pool(static_cast<PoolIndex>(i)) != nullptr;
        client.rights.push_back(served ? rights_of(client.peer, groups, terms_->grants(i), own_uid_)
                                       : Rights());
        const PoolLimits limits = limits_of(uid, own_uid_, terms_->limits(i));
        client.quotas.push_back({.ids = limits.ids, .leases = limits.leases});
        client.may_allocate = client.may_allocate || client.rights.back().has(Right::allocate);
    }
}

// The terms are others than when it asked last.
void Dispatcher::renew(Client& client) const noexcept {
    const auto room = terms_->group_room();
    set_terms_of(client, room.empty() ? room : groups_of(client.socket.socket, room));
}

UserLimits Dispatcher::limits_of_user(std::uint32_t uid) const {
    return limits_of(uid, own_uid_, terms_->user_limits());
}

Dispatcher::Next Dispatcher::answer(const proto::Frame& frame, Client& client, Outbox& outbox,
                                    GuardRef guard, PassedDescriptor& passed) {
    ++work_;
    if (client.terms != terms_->number()) [[unlikely]]
        renew(client);
    proto::Request request;
    const auto decoded = proto::decode_request_into(frame, request);
    if (!decoded || !is_quick(request)) look_at_clock_next();
    const Call call{.request = request,
                    .operation = frame.header.operation,
                    .client = client,
                    .outbox = outbox,
                    .guard = guard,
                    .passed = passed};
    Error error = decoded ? Error() : decoded.error();
    if (!client.greeted && frame.header.operation != proto::Operation::hello) {
        error = Errc::hello_required;
    } else if (passed.unexpected && !names_form(error.code)) {
        error = Errc::descriptor_unexpected;
    } else if (decoded) {
        return answer_body(call);
    }
    refuse(call, error, 0, proto::ErrorText(error).view());
    return ends_connection(error.code) ? Next::close : Next::go_on;
}

Dispatcher::Next Dispatcher::answer_body(const Call& call) {
    const auto of_body = [&](const auto& body) INOD_REQUIRES(flusher_lock) {
        const Needed what = needed(call.request, body);
        const Errc denied = check_access(what, call.request.pool, call.client);
        if (denied == Errc::ok) [[likely]]
            return answer(call, body);
        refuse(call, denied, 0, denied == Errc::access_denied ? missing(what.right) : "");
        return Next::go_on;
    };
    return std::visit(of_body, call.request.body);
}

bool Dispatcher::is_to_be_asked_again(Errc code) noexcept {
    return code == Errc::block_pending || code == Errc::sweep_pending;
}

Dispatcher::Next Dispatcher::answer_done(const Call& call, const Answer<void>& answer) const {
    if (!answer.result) return refuse_or_ask_again(call, answer.result.error(), answer.wait_for);
    reply(call, proto::DoneReply{}, answer.wait_for);
    return Next::go_on;
}

Dispatcher::Next Dispatcher::refuse_or_ask_again(const Call& call, const Error& error,
                                                 Lsn wait_for) const {
    if (is_to_be_asked_again(error.code)) return Next::ask_again;
    refuse(call, error, wait_for, quota_that_refused(call, error));
    return Next::go_on;
}

// Which of the limits; empty if it was none.
std::string_view Dispatcher::quota_that_refused(const Call& call, const Error& error) const {
    if (error.code != Errc::quota_exceeded) return {};
    if (is_of_all_users(error)) {
        return "holders_max: all users together have as many holders as the configuration allows";
    }
    const auto* const allocate = std::get_if<proto::AllocateRequest>(&call.request.body);
    if (allocate != nullptr) return pool_quota_that_refused(call, allocate->count, error);
    const auto* const at = std::get_if<proto::AllocateAtRequest>(&call.request.body);
    if (at != nullptr) return pool_quota_that_refused(call, at->range.count(), error);
    return "this user has as many holders as he may";
}

std::string_view Dispatcher::pool_quota_that_refused(const Call& call, std::uint64_t count,
                                                     const Error& error) const {
    const Client& client = call.client;
    const Quota& quota = client.quotas[call.request.pool];
    const TagCount has = allocator_.account(call.request.pool, client.peer.uid);
    if (error.detail == quota.ids && (count > quota.ids || has.ids > quota.ids - count)) {
        return "this user may have no more IDs of the pool";
    }
    if (error.detail == quota.leases && has.runs >= quota.leases) {
        return "this user may have no more leases of the pool";
    }
    if (allocator_.pool(call.request.pool)->spec().parent.empty()) {
        return "this user has as many holders as he may";
    }
    return "this user has as many holders as he may, or as many IDs or leases of a pool above";
}

void Dispatcher::encode_refusal(Errc code, ByteWriter& out) {
    const Error error{code};
    const proto::ErrorText text(error);
    encode(out, {.operation = proto::Operation::none,
                 .tag = 0,
                 .body = proto::ErrorReply{.error = error, .text = text.view()}});
}

void Dispatcher::refuse_stream(Errc code, Outbox& outbox) {
    ByteWriter out(outbox.space(0));
    encode_refusal(code, out);
    outbox.add(out.size(), 0);
}

void Dispatcher::refuse_unread(const proto::FrameHeader& header, Errc code, Outbox& outbox) {
    send(outbox,
         {.operation = header.operation,
          .tag = header.tag,
          .body = proto::ErrorReply{.error = code, .text = {}}},
         0);
}

// A text may be too long for the room that there is: its error is what counts.
void Dispatcher::encode(ByteWriter& out, const Reply& reply) {
    if (proto::encode_reply(out, reply)) return;
    Reply shorter = reply;
    auto* const error = std::get_if<proto::ErrorReply>(&shorter.body);
    INOD_ASSERT(error != nullptr);
    error->text = {};
    const bool fits = proto::encode_reply(out, shorter);
    INOD_ASSERT(fits);
}

void Dispatcher::send(Outbox& outbox, const Reply& reply, Lsn wait_for) {
    ByteWriter out(outbox.space(wait_for));
    encode(out, reply);
    outbox.add(out.size(), wait_for);
}

void Dispatcher::refuse(const Call& call, const Error& error, Lsn wait_for, std::string_view text) {
    send(call.outbox,
         {.operation = call.operation,
          .tag = call.request.tag,
          .body = proto::ErrorReply{.error = error, .text = text}},
         wait_for);
}

// ok, or why the client may not ask this of the pool.
Errc Dispatcher::check_access(const Needed& what, PoolIndex pool, const Client& client) const {
    if (!what.of_pool) return Errc::ok;
    if (allocator_.pool(pool) == nullptr) return Errc::pool_unknown;
    const Rights rights = rights_in(client, pool);
    const bool may = what.right ? rights.has(*what.right) : !rights.empty();
    return may ? Errc::ok : Errc::access_denied;
}

// Of few IDs, wherever they are: that takes no longer where there is more of anything.
bool Dispatcher::is_quick(const proto::Request& request) noexcept {
    constexpr std::uint64_t few = 64;
    if (const auto* const release = std::get_if<proto::ReleaseRequest>(&request.body)) {
        return release->range.span() < few;
    }
    if (const auto* const allocate = std::get_if<proto::AllocateRequest>(&request.body)) {
        return allocate->count <= few && allocate->align == 1;
    }
    return std::holds_alternative<proto::LookupRequest>(request.body) ||
           std::holds_alternative<proto::PingRequest>(request.body);
}

// Root and the daemon's own user.
bool Dispatcher::is_privileged(const Client& client) const {
    return client.peer.uid == 0 || client.peer.uid == own_uid_;
}

Rights Dispatcher::rights_in(const Client& client, PoolIndex pool) {
    return pool < client.rights.size() ? client.rights[pool] : Rights();
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::HelloRequest& hello) {
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
    call.client.features = features_for(hello.features, call.client);
    const auto epoch = allocator_.token_epoch();
    proto::HelloReplyWriter writer(call.outbox.space(epoch.wait_for));
    const bool more = add_pools(writer, call.client, hello.pools, 0);
    proto::HelloReply reply;
    reply.features = call.client.features;
    reply.token_epoch = *epoch.result;
    call.outbox.add(writer.finish(call.request.tag, reply, more), epoch.wait_for);
    return Next::go_on;
}

std::uint64_t Dispatcher::features_for(std::uint64_t wished, Client& client) {
    std::uint64_t features = wished & proto::feature_descriptors;
    if (client.kept == nullptr) return features;
    if ((wished & proto::feature_resume) == 0) {
        client.kept->end();
    } else if (client.kept->begin(client.socket.socket, client.socket.accepted_at)) {
        features |= proto::feature_resume;
    }
    return features;
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
        if (rights_in(client, allocator_.index_of(*pool)).empty()) {
            return Failure{Errc::access_denied, std::string(*name)};
        }
    }
    return {};
}

// Adds what the client may use and named, all if it named none. True if the frame was too small.
template <class Writer>
bool Dispatcher::add_pools(Writer& writer, const Client& client,
                           const proto::Packed<std::string_view>& names, PoolIndex from) const {
    for (std::size_t i = from; i < client.rights.size(); ++i) {
        const auto index = static_cast<PoolIndex>(i);
        if (rights_in(client, index).empty()) continue;
        const PoolSpec& spec = allocator_.pool(index)->spec();
        if (names.count() > 0 && !contains(names, spec.name)) continue;
        if (!writer.add(entry_of(index, spec))) return true;
    }
    return false;
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::PingRequest& /*ping*/) {
    reply(call, proto::DoneReply{}, 0);
    return Next::go_on;
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::PoolsRequest& /*pools*/) {
    proto::PoolsReplyWriter writer(call.outbox.space(0));
    const bool more = add_pools(writer, call.client, {}, call.request.pool);
    call.outbox.add(writer.finish(call.request.tag, more), 0);
    return Next::go_on;
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::StatsRequest& /*stats*/) {
    proto::StatsReplyWriter writer(call.outbox.space(0));
    if (call.request.pool == proto::whole_daemon) {
        add_daemon_stats(writer);
    } else {
        add_pool_stats(writer, call.request.pool);
    }
    call.outbox.add(writer.finish(call.request.tag, false), 0);
    return Next::go_on;
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::TokenEpochRequest& /*asked*/) {
    return answer_with(call, allocator_.token_epoch(),
                       [](std::uint64_t epoch) { return proto::EpochReply{.epoch = epoch}; });
}

void Dispatcher::add_pool_stats(proto::StatsReplyWriter& writer, PoolIndex index) const {
    using proto::StatId;
    const Pool& pool = *allocator_.pool(index);
    for (const proto::Stat& stat : {
             proto::Stat{StatId::live_ids, pool.live_count().ids},
             proto::Stat{StatId::live_runs, pool.live_count().runs},
             proto::Stat{StatId::generation, pool.sequence().generation},
             proto::Stat{StatId::allocations, pool.counters().allocations},
             proto::Stat{StatId::releases, pool.counters().releases},
             proto::Stat{StatId::lookups, allocator_.lookups(index)},
             proto::Stat{StatId::refusals, allocator_.refusals(index)},
             proto::Stat{StatId::tree_nodes, pool.tree().node_count()},
             proto::Stat{StatId::reserve_nodes, pool.tree().reserve_size()},
         }) {
        writer.add(stat);
    }
    // The lowest that is free is wherever it is.
    if (pool.spec().policy != Policy::lowest) {
        writer.add({StatId::cursor, last_handed_out(pool)});
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
             proto::Stat{StatId::holders, allocator_.holders().size()},
             proto::Stat{StatId::tokens, allocator_.tokens().count()},
         }) {
        writer.add(stat);
    }
}

}  // namespace inod::daemon
