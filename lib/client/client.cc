#include "lib/client/client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>

#include "lib/base/random_id.h"
#include "lib/client/pipeline.h"

namespace inod {
namespace {

// "For ever" shall not overflow the clock.
constexpr std::chrono::milliseconds longest = std::chrono::hours(24 * 365);

Deadline after(std::chrono::milliseconds timeout) {
    return std::chrono::steady_clock::now() + std::min(timeout, longest);
}

// As the wire has it, which takes what is too long for it as for ever.
std::uint32_t timeout_of(std::chrono::milliseconds timeout) {
    return static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(timeout.count(), proto::no_wait, proto::wait_for_ever));
}

std::chrono::milliseconds left_until(Deadline deadline) {
    return std::chrono::ceil<std::chrono::milliseconds>(deadline -
                                                        std::chrono::steady_clock::now());
}

PoolInfo info_of(const proto::PoolEntry& entry) {
    return {.index = entry.index,
            .policy = entry.policy,
            .durability = entry.durability,
            .lease_count_max = entry.lease_count_max,
            .range = entry.range,
            .name = std::string(entry.name)};
}

proto::BindRequest request_of(const HolderWish& wish) {
    return {.binding = wish.binding,
            .ttl_ms = static_cast<std::uint32_t>(std::clamp<std::int64_t>(
                wish.ttl.count(), 0, std::numeric_limits<std::uint32_t>::max())),
            .key = wish.key,
            .name = wish.name};
}

// How long to wait for a daemon that has gone, before it is asked again.
constexpr std::chrono::milliseconds retry_pause_min{5};
constexpr std::chrono::milliseconds retry_pause_max{250};

// How long an epoch of tokens is taken without asking again: daemons keep tokens for a second at least.
constexpr std::chrono::milliseconds token_epoch_age_max{500};

}  // namespace

Client::Client(ClientOptions options)
    : options_(std::move(options)), pipeline_(std::make_unique<Pipeline>()) {}

Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client, Failure> Client::connect(ClientOptions options) {
    Client client(std::move(options));
    if (auto opened = client.reconnect(); !opened) return opened.error();
    return client;
}

Result<void, Failure> Client::reconnect() {
    if (connected()) return {};
    return open(after(options_.timeout));
}

// A daemon that takes the connection and is about to end is not the one that is to be reached.
Result<void, Failure> Client::open(Deadline deadline) {
    for (;;) {
        auto opened = open_once(deadline);
        const bool is_ending = !opened && pipeline_->farewell() == Error(Errc::shutting_down);
        if (!is_ending || std::chrono::steady_clock::now() >= deadline) return opened;
    }
}

Result<void, Failure> Client::open_once(Deadline deadline) {
    auto socket = Socket::connect(options_.socket_path, left_until(deadline));
    if (!socket) {
        error_text_ = socket.error().message;
        return socket.error();
    }
    pipeline_->attach(std::move(*socket));
    ++connections_;
    binds_by_itself_ = false;
    // Even beside replies that nobody received yet a hello needs a tag.
    pipeline_->limit(0);
    auto greeted = greet(deadline);
    if (!greeted) pipeline_->close();
    return greeted;
}

// Greets the daemon that has the connection now, and has asked it what the one before left unanswered. Where that fails
// the connection is closed.
void Client::resume(Deadline deadline) {
    const bool goes_on = !binds_by_itself_ && greet_anew(deadline);
    if (goes_on) {
        pipeline_->end_greeting();
    } else {
        pipeline_->close();
    }
}

// Until one does not hand the connection over meanwhile. A pool that has another index now would be mistaken for the
// one that requests under way are for.
bool Client::greet_anew(Deadline deadline) {
    const std::vector<PoolInfo> before = table_;
    ++connections_;  // As far as what it acts as goes, it is a new one.
    while (pipeline_->is_resumed()) {
        pipeline_->begin_greeting();
        pipeline_->limit(0);  // beside what is under way
        const auto greeted = greet(deadline);
        if (!greeted && !pipeline_->is_resumed()) return false;
    }
    return std::all_of(before.begin(), before.end(), [this](const PoolInfo& pool) {
        const PoolInfo* const now = find_pool(pool.name);
        return now == nullptr || now->index == pool.index;
    });
}

// One request and its reply. `waits`: as long as the daemon may take for it besides, and another one that it is asked
// of again.
Result<proto::Reply> Client::call(const proto::Request& request, Deadline deadline,
                                  OwnedFd descriptor, std::chrono::milliseconds waits) {
    const auto tag = pipeline_->send(request, std::move(descriptor));
    if (!tag) return tag.error();
    for (;;) {
        auto reply = pipeline_->await(*tag, deadline);
        if (reply || !pipeline_->is_resumed()) return reply;
        resume(deadline);
        if (waits.count() > 0) deadline = after(options_.timeout) + std::min(waits, longest);
    }
}

Result<void, Failure> Client::greet(Deadline deadline) {
    // A hello changes nothing, so nothing of it is in doubt.
    const auto failure = [this](const Error& error) {
        const Errc code = error.code == Errc::in_doubt ? Errc::not_connected : error.code;
        return Failure{code, options_.socket_path + ": " + error_text_};
    };
    std::array<std::byte, proto::request_size_max> memory;
    const auto names = proto::Packed<std::string_view>::pack(options_.pools, memory);
    if (!names) return failure(failed(Errc::frame_too_long, "too many pools for one hello"));

    const std::uint64_t features =
        proto::feature_resume | (options_.passes_descriptors ? proto::feature_descriptors : 0);
    const proto::HelloRequest hello{.features = features, .pools = *names};
    const auto reply = checked(pipeline_->ask({.body = hello}, deadline));
    if (!reply) {
        // What the daemon said before it closed is the better reason.
        return failure(pipeline_->farewell().value_or(reply.error()));
    }
    const auto& answer = std::get<proto::HelloReply>(reply->body);
    if (answer.version != proto::version) {
        return failure(failed(Errc::protocol_violation, "the daemon chose an unknown version"));
    }
    pipeline_->limit(answer.tags_max);
    pipeline_->let_descriptors_pass((answer.features & features & proto::feature_descriptors) != 0);
    pipeline_->let_it_resume((answer.features & proto::feature_resume) != 0);
    std::vector<PoolInfo> table;
    const auto ask = [&](const proto::Request& page) { return pipeline_->ask(page, deadline); };
    if (auto read = read_table(answer.table, table, ask); !read) return failure(read.error());
    table_ = std::move(table);
    token_epoch_ = answer.token_epoch;
    token_epoch_told_ = std::chrono::steady_clock::now();
    return bind_again(deadline);
}

// Takes over, on a new connection, what the one before acted as.
Result<void, Failure> Client::bind_again(Deadline deadline) {
    if (!acts_as_) return {};
    const auto failure = [this](Errc code) {
        return Failure{code, options_.socket_path + ": " + error_text_};
    };
    const OwnedFd& pidfd = acts_as_->pidfd;
    auto passed = for_sending(pidfd ? std::optional(pidfd.get()) : std::nullopt);
    if (!passed) return failure(passed.error().code);
    const proto::Request request{.body = request_of(acts_as_->wish)};
    const auto reply = checked(pipeline_->ask(request, deadline, std::move(*passed)));
    if (reply) return {};
    switch (reply.error().code) {
        case Errc::holder_unknown:
            failed(Errc::holder_ended, {});
            return failure(Errc::holder_ended);
        // What of it was carried out ended with this connection, or is there to be bound again.
        case Errc::in_doubt: return failure(Errc::not_connected);
        default: return failure(reply.error().code);
    }
}

// Puts `first` and all the pages behind it into `table`.
Result<> Client::read_table(const proto::PoolsReply& first, std::vector<PoolInfo>& table,
                            const AskForPage& ask) {
    proto::PoolsReply page = first;
    for (;;) {
        for (auto rest = page.pools; const auto entry = rest.take();) {
            if (!table.empty() && entry->index <= table.back().index) {
                pipeline_->violation("a pool table that goes back");
                return failed(Errc::protocol_violation, pipeline_->loss_text());
            }
            table.push_back(info_of(*entry));
        }
        if (!page.more || table.back().index == 0xffff) return {};
        const auto from = static_cast<std::uint16_t>(table.back().index + 1);
        const auto reply = checked(ask({.pool = from, .body = proto::PoolsRequest{}}));
        if (!reply) return reply.error();
        page = std::get<proto::PoolsReply>(reply->body);
    }
}

// One request and its reply, over a new connection if there is none. A request that surely was not
// sent because the connection turned out to be gone is sent once more over a new one. The pool's
// name is looked for in the table of the connection that the request goes out on.
Result<proto::Reply> Client::exchange(PoolRef pool, const proto::Request& request,
                                      Deadline deadline, std::optional<int> descriptor,
                                      std::chrono::milliseconds waits) {
    for (bool again = connected();; again = false) {
        if (!connected()) {
            if (const auto opened = open(deadline); !opened) return Error(opened.error().code);
        }
        const auto index = index_of(pool);
        if (!index) {
            const auto name = std::get<std::string_view>(pool.pool_);
            return failed(Errc::pool_unknown,
                          "no pool '" + std::string(name) + "' for this client");
        }
        auto passed = for_sending(descriptor);
        if (!passed) return passed.error();
        proto::Request to_pool = request;
        to_pool.pool = *index;
        auto reply = checked(call(to_pool, deadline, std::move(*passed), waits));
        if (reply || reply.error().code != Errc::not_connected || !again) return reply;
    }
}

Result<OwnedFd> Client::duplicate(int descriptor) {
    OwnedFd copy(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    if (copy) return copy;
    return failed(Errc::io_error, "a descriptor to be passed cannot be duplicated: " +
                                      std::generic_category().message(errno));
}

// A descriptor of its own for one request, which may go out only after the call has ended.
Result<OwnedFd> Client::for_sending(std::optional<int> descriptor) {
    if (!descriptor) return OwnedFd();
    if (connected() && !pipeline_->passes_descriptors()) {
        return failed(Errc::descriptor_unexpected,
                      options_.passes_descriptors
                          ? "this daemon takes no descriptors; a newer one does"
                          : "ClientOptions::passes_descriptors is not set");
    }
    return duplicate(*descriptor);
}

// Turns an error reply into an Error, and remembers its text.
Result<proto::Reply> Client::checked(Result<proto::Reply> reply) {
    if (!reply) {
        const Error error = reply.error();
        const bool lost = error.code == Errc::protocol_violation;
        return failed(error, lost ? pipeline_->loss_text() : std::string_view());
    }
    if (const auto* const error = std::get_if<proto::ErrorReply>(&reply->body)) {
        return failed(error->error, error->text);
    }
    return reply;
}

Error Client::failed(Error error, std::string_view text) {
    error_text_ = text.empty() ? explanation(error.code) : text;
    return error;
}

std::optional<std::uint16_t> Client::index_of(PoolRef pool) const {
    if (const auto* const index = std::get_if<std::uint16_t>(&pool.pool_)) return *index;
    const PoolInfo* const found = find_pool(std::get<std::string_view>(pool.pool_));
    if (found == nullptr) return std::nullopt;
    return found->index;
}

const PoolInfo* Client::find_pool(std::string_view name) const {
    const auto found = std::find_if(table_.begin(), table_.end(),
                                    [name](const PoolInfo& pool) { return pool.name == name; });
    return found == table_.end() ? nullptr : &*found;
}

// `waits`: as long as the daemon may take for it besides.
template <class Body>
Result<Body> Client::ask(PoolRef pool, const proto::Request::Body& body,
                         std::optional<int> descriptor, std::chrono::milliseconds waits) {
    const Deadline deadline = after(options_.timeout) + std::min(waits, longest);
    const auto reply = exchange(pool, {.body = body}, deadline, descriptor, waits);
    if (!reply) return reply.error();
    if (const auto* const answer = std::get_if<Body>(&reply->body)) return *answer;
    // The short form answered by the long one, or the reverse.
    pipeline_->violation("a reply of a form that was not asked for");
    return failed(Errc::protocol_violation, pipeline_->loss_text());
}

Result<> Client::ping() {
    return done(std::uint16_t{0}, proto::PingRequest{});
}

// A request that is answered by no more than that it was done.
Result<> Client::done(PoolRef pool, const proto::Request::Body& body) {
    const auto answer = ask<proto::DoneReply>(pool, body);
    if (!answer) return answer.error();
    return {};
}

Result<proto::LeaseReply> Client::allocate(PoolRef pool, std::uint64_t count, std::uint64_t align) {
    return ask<proto::LeaseReply>(pool, proto::AllocateRequest{.count = count, .align = align});
}

Result<proto::LeaseReply> Client::allocate_once(PoolRef pool, const proto::Token& token,
                                                std::uint64_t count, std::uint64_t align) {
    return ask_once(
        pool, {.body = proto::AllocateRequest{.count = count, .align = align}, .token = token});
}

Result<proto::LeaseReply> Client::allocate_at_once(PoolRef pool, const proto::Token& token,
                                                   Range range) {
    return ask_once(pool, {.body = proto::AllocateAtRequest{.range = range}, .token = token});
}

// Each time that the connection breaks it is sent anew over another one; a daemon that is not there may be
// about to start.
Result<proto::LeaseReply> Client::ask_once(PoolRef pool, const proto::Request& request) {
    const Deadline deadline = after(options_.timeout);
    for (auto pause = retry_pause_min;; pause = std::min(2 * pause, retry_pause_max)) {
        const auto reply = exchange(pool, request, deadline, std::nullopt, {});
        if (reply) return std::get<proto::LeaseReply>(reply->body);
        const Error error = reply.error();
        if (error.code == Errc::token_expired) token_epoch_ = error.detail;
        const bool is_lost = error.code == Errc::in_doubt || error.code == Errc::not_connected;
        if (!is_lost) return error;
        if (std::chrono::steady_clock::now() + pause >= deadline) return Error(Errc::timed_out);
        std::this_thread::sleep_for(pause);
    }
}

Result<proto::Token> Client::new_token() {
    if (!connected()) {
        if (const auto opened = open(after(options_.timeout)); !opened) {
            return Error(opened.error().code);
        }
    }
    // A connection may last longer than an epoch is good for.
    const auto now = std::chrono::steady_clock::now();
    if (now - token_epoch_told_ > token_epoch_age_max) {
        const auto told = ask<proto::EpochReply>(std::uint16_t{0}, proto::TokenEpochRequest{});
        if (!told) return told.error();
        token_epoch_ = told->epoch;
        token_epoch_told_ = now;
    }
    if (token_epoch_ == 0) return failed(Errc::not_offered, "this daemon keeps no tokens");
    return proto::Token{.epoch = token_epoch_, .number = random_word()};
}

Result<> Client::release_of_others(PoolRef pool, Range range, std::uint64_t generation) {
    return done(pool,
                proto::ReleaseRequest{.range = range, .generation = generation, .of_others = true});
}

Result<proto::BindReply> Client::bind(const HolderWish& wish, std::optional<int> pidfd) {
    ActsAs wanted{.wish = wish, .pidfd = {}};
    if (pidfd) {
        auto copy = duplicate(*pidfd);
        if (!copy) return copy.error();
        wanted.pidfd = std::move(*copy);
    }
    // A connection that this call opens need not act as what it is to act as no more.
    auto previous = std::exchange(acts_as_, std::nullopt);
    const std::uint64_t connection = connections_;
    const auto bound = ask<proto::BindReply>(std::uint16_t{0}, request_of(wish), pidfd);
    if (bound) {
        acts_as_ = std::move(wanted);
        acts_as_->wish.key = bound->key;
        return *bound;
    }
    acts_as_ = std::move(previous);
    // The next connection acts as before.
    const bool is_another = acts_as_ && connection != connections_;
    if (is_another || bound.error().code == Errc::timed_out) pipeline_->close();
    return bound.error();
}

Result<> Client::renew() {
    return done(std::uint16_t{0}, proto::RenewRequest{});
}

Result<std::uint64_t> Client::release_all(std::uint64_t holder) {
    const auto counted =
        ask<proto::CountReply>(std::uint16_t{0}, proto::ReleaseAllRequest{.holder = holder});
    if (!counted) return counted.error();
    return counted->count;
}

Result<HolderPage> Client::holders(std::uint32_t from, std::uint32_t limit) {
    const auto listed = ask<proto::HoldersReply>(
        std::uint16_t{0}, proto::HoldersRequest{.from = from, .limit = limit});
    if (!listed) return listed.error();
    HolderPage page{.holders = {}, .more = listed->more};
    for (auto rest = listed->holders; const auto holder = rest.take();) {
        page.holders.push_back({.record = *holder, .name = std::string(holder->name)});
        page.holders.back().record.name = {};
    }
    return page;
}

Result<> Client::reserve(PoolRef pool, Range range) {
    return done(pool, proto::ReserveRequest{.range = range});
}

Result<> Client::unreserve(PoolRef pool, Range range) {
    return done(pool, proto::UnreserveRequest{.range = range});
}

Result<> Client::advance(PoolRef pool, Id last) {
    return done(pool, proto::AdvanceRequest{.last = last});
}

Result<proto::LeaseReply> Client::allocate_at(PoolRef pool, Range range) {
    return ask<proto::LeaseReply>(pool, proto::AllocateAtRequest{.range = range});
}

Result<> Client::release(PoolRef pool, Range range, std::uint64_t generation) {
    return done(pool, proto::ReleaseRequest{.range = range, .generation = generation});
}

Result<proto::LookupReply> Client::lookup(PoolRef pool, Id id) {
    return ask<proto::LookupReply>(pool, proto::LookupRequest{.id = id});
}

Result<proto::LeaseRecord> Client::lookup_lease(PoolRef pool, Id id, std::uint64_t generation) {
    return ask<proto::LeaseRecord>(pool,
                                   proto::LookupLeaseRequest{.id = id, .generation = generation});
}

Result<std::vector<proto::LevelRecord>> Client::lookup_levels(PoolRef pool, Id id,
                                                              std::uint64_t generation) {
    const auto reply = ask<proto::LevelsReply>(
        pool, proto::LookupLevelsRequest{.id = id, .generation = generation});
    if (!reply) return reply.error();
    std::vector<proto::LevelRecord> levels;
    for (auto rest = reply->levels; const auto level = rest.take();)
        levels.push_back(*level);
    return levels;
}

Result<proto::LeaseRecord> Client::next(PoolRef pool, Id id) {
    return ask<proto::LeaseRecord>(pool, proto::NextRequest{.id = id});
}

Result<LeasePage> Client::list(PoolRef pool, Id from, std::uint32_t limit) {
    const auto reply =
        ask<proto::ListReply>(pool, proto::ListRequest{.from = from, .limit = limit});
    if (!reply) return reply.error();
    LeasePage page{.leases = {}, .more = reply->more};
    page.leases.reserve(reply->leases.count());
    for (auto rest = reply->leases; const auto lease = rest.take();)
        page.leases.push_back(*lease);
    return page;
}

Result<bool> Client::wait(PoolRef pool, Id id, std::uint64_t generation,
                          std::chrono::milliseconds timeout) {
    const proto::WaitRequest request{
        .id = id, .generation = generation, .timeout_ms = timeout_of(timeout)};
    const auto reply = ask<proto::WaitReply>(pool, request, std::nullopt, timeout);
    if (!reply) return reply.error();
    return reply->is_over;
}

Result<EventPage> Client::watch(PoolRef pool, std::uint64_t from, std::chrono::milliseconds timeout,
                                std::uint32_t limit) {
    const proto::WatchRequest request{
        .from = from, .limit = limit, .timeout_ms = timeout_of(timeout)};
    const auto reply = ask<proto::WatchReply>(pool, request, std::nullopt, timeout);
    if (!reply) return reply.error();
    EventPage page{.events = {}, .next = reply->next, .missed = reply->missed, .more = reply->more};
    page.events.reserve(reply->events.count());
    for (auto rest = reply->events; const auto event = rest.take();)
        page.events.push_back(*event);
    return page;
}

Result<std::vector<PoolInfo>> Client::pools() {
    const auto first = ask<proto::PoolsReply>(std::uint16_t{0}, proto::PoolsRequest{});
    if (!first) return first.error();
    std::vector<PoolInfo> table;
    const auto ask_for_page = [this](const proto::Request& page) {
        return call(page, after(options_.timeout), {}, {});
    };
    if (const auto read = read_table(*first, table, ask_for_page); !read) return read.error();
    return table;
}

Result<std::vector<proto::Stat>> Client::stats(PoolRef pool) {
    const auto reply = ask<proto::StatsReply>(pool, proto::StatsRequest{});
    if (!reply) return reply.error();
    std::vector<proto::Stat> stats;
    stats.reserve(reply->stats.count());
    for (auto rest = reply->stats; const auto stat = rest.take();)
        stats.push_back(*stat);
    return stats;
}

Result<std::vector<proto::Stat>> Client::daemon_stats() {
    return stats(proto::whole_daemon);
}

Result<std::uint16_t> Client::send(const proto::Request& request) {
    return queue(request, std::nullopt);
}

Result<std::uint16_t> Client::send(const proto::Request& request, int descriptor) {
    return queue(request, descriptor);
}

Result<std::uint16_t> Client::queue(const proto::Request& request, std::optional<int> descriptor) {
    auto passed = for_sending(descriptor);
    if (!passed) return passed.error();
    const auto tag = pipeline_->send(request, std::move(*passed));
    if (!tag) return failed(tag.error(), {});
    if (std::holds_alternative<proto::BindRequest>(request.body)) binds_by_itself_ = true;
    return tag;
}

Result<> Client::flush(Deadline deadline) {
    auto flushed = pipeline_->flush(deadline);
    while (pipeline_->is_resumed()) {
        resume(deadline);
        flushed = pipeline_->flush(deadline);
    }
    if (!flushed) return failed(flushed.error(), pipeline_->loss_text());
    return {};
}

Result<proto::Reply> Client::receive(Deadline deadline) {
    auto reply = pipeline_->receive(deadline);
    while (!reply && pipeline_->is_resumed()) {
        resume(deadline);
        reply = pipeline_->receive(deadline);
    }
    if (!reply) return checked(reply);
    return reply;
}

std::size_t Client::under_way() const {
    return pipeline_->under_way();
}
std::size_t Client::under_way_max() const {
    return pipeline_->under_way_max();
}
bool Client::connected() const {
    return pipeline_->connected();
}

}  // namespace inod
