#include "tests/soak/worker.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "lib/base/errc.h"
#include "proto/request.h"

namespace inod::soak {
namespace {

constexpr std::uint64_t count_max = 40;  // IDs of one lease

proto::Binding binding_of(Kind kind) {
    switch (kind) {
        case Kind::durable: return proto::Binding::persistent;
        case Kind::connection: return proto::Binding::connection;
        case Kind::process: return proto::Binding::process;
        case Kind::timed: return proto::Binding::ttl;
    }
    return proto::Binding::persistent;
}

std::uint64_t count_of(Range range) {
    return range.last - range.first + 1;
}

}  // namespace

Worker::Worker(Load& load, const WorkerOptions& options)
    : load_(load), options_(options), running_out_(pool_kinds.size()) {
    reconnect();
}

void Worker::broken(const Asked& asked, const std::string& what) const {
    const Range range = asked.lease.range;
    throw Broken("worker " + std::to_string(options_.index) + ", " +
                 pool_kinds.at(asked.lease.pool).name + ", " + std::to_string(range.first) +
                 " to " + std::to_string(range.last) + " of generation " +
                 std::to_string(asked.lease.generation) + ": " + what);
}

void Worker::reconnect() {
    client_.emplace(load_.connect());
    indexes_ = pool_indexes(*client_);
    bind();
}

void Worker::bind() {
    HolderWish wish{.binding = binding_of(options_.kind)};
    if (options_.kind == Kind::durable) wish.name = "soak-" + std::to_string(options_.index);
    if (options_.kind == Kind::timed) wish.ttl = options_.ttl;
    std::optional<int> pidfd;
    if (options_.kind == Kind::process) {
        process_.emplace();
        pidfd = process_->pidfd();
    }
    renewed_ = Clock::now();
    holder_ = sure(client_->bind(wish, pidfd), "bind", *client_).holder;
    ends_by_itself_ = false;
}

std::uint64_t Worker::maybe_live(std::size_t pool) const {
    return running_out_.at(pool);
}

void Worker::send(const proto::Request::Body& body, const Asked& asked) {
    const proto::Request request{
        .pool = indexes_.at(asked.lease.pool), .tag = 0, .body = body, .token = asked.token};
    const auto tag = client_->send(request);
    if (!tag) broken(asked, "cannot be sent: " + client_->error_text());
    asked_.emplace(*tag, asked);
}

void Worker::send_burst(std::size_t count) {
    if (ends_by_itself_) return;
    for (std::size_t i = 0; i < count; ++i) {
        if (!leases_.empty() && load_.below(100) < 40) {
            send_lookup();
        } else {
            send_change();
        }
    }
    sure(client_->flush(Clock::now() + patience), "requests", *client_);
}

void Worker::send_change() {
    // Fewer than it likes: rather one more; so what it has stays about the same.
    const std::uint64_t share = leases_.size() < options_.lease_target ? 60 : 40;
    if (!leases_.empty() && load_.below(100) >= share) {
        send_release();
    } else if (load_.one_in(30)) {
        send_claim();
    } else {
        send_allocation();
    }
}

void Worker::send_allocation() {
    std::uint64_t share = load_.below(100);
    std::size_t pool = 0;
    while (share >= pool_shares.at(pool))
        share -= pool_shares.at(pool++);
    Asked asked{.what = Asked::What::allocate, .lease = {.pool = pool}};
    if (pool != few_pool && load_.one_in(8)) asked.count = 1 + load_.below(count_max);
    asked.floor = load_.pools.at(pool).highest();
    if (load_.one_in(20)) asked.token = sure(client_->new_token(), "token", *client_);
    send(proto::AllocateRequest{.count = asked.count}, asked);
    if (!asked.token || !load_.one_in(4)) return;
    asked.what = Asked::What::repeat;
    send(proto::AllocateRequest{.count = asked.count}, asked);
}

// Of the lowest pool what no other worker claims, so that it is free if this one does not have it: one that
// never ends, since what an earlier one had may be taken for a moment. Of a unique one anything above.
void Worker::send_claim() {
    Asked asked{.what = Asked::What::claim, .lease = {.pool = inode_pool}};
    Id id = load_.pools.at(inode_pool).highest() + 1'000 + load_.below(100'000);
    if (kind() == Kind::durable && load_.one_in(2)) {
        asked.lease.pool = slot_pool;
        id = slot_claims_begin + options_.index +
             options_.worker_count * load_.below(slot_claims / options_.worker_count);
    }
    asked.lease.range = {id, id};
    asked.floor = load_.pools.at(asked.lease.pool).highest();
    asked.is_taken = load_.pools.at(asked.lease.pool).is_live(asked.lease.range) ||
                     std::count(claiming_.begin(), claiming_.end(), id) > 0;
    if (asked.lease.pool == slot_pool) claiming_.push_back(id);
    send(proto::AllocateAtRequest{.range = asked.lease.range}, asked);
}

void Worker::send_release() {
    const std::size_t index = load_.below(leases_.size());
    Lease& lease = leases_.at(index);
    Asked asked{.what = Asked::What::release, .lease = lease};
    Range& part = asked.lease.range;
    if (count_of(part) > 1 && load_.one_in(2)) {
        part.first += load_.below(count_of(part));
        part.last -= load_.below(count_of(part));
    }
    const Range rest_below{lease.range.first, part.first - 1};
    const Range rest_above{part.last + 1, lease.range.last};
    const Lease whole = lease;
    lease = leases_.back();
    leases_.pop_back();
    if (part.first > whole.range.first)
        leases_.push_back({whole.pool, rest_below, whole.generation});
    if (part.last < whole.range.last) leases_.push_back({whole.pool, rest_above, whole.generation});
    load_.pools.at(whole.pool).given_up(part, Clock::now());
    last_given_up_ = asked.lease;
    send(proto::ReleaseRequest{.range = part, .generation = whole.generation}, asked);
}

// Of what it has; of what it gave back before, by its generation.
void Worker::send_lookup() {
    if (last_given_up_ && load_.one_in(8)) {
        send(proto::LookupLeaseRequest{.id = last_given_up_->range.last,
                                       .generation = last_given_up_->generation},
             {.what = Asked::What::look_back, .lease = *last_given_up_});
        return;
    }
    const Lease& lease = leases_.at(load_.below(leases_.size()));
    const Id id = lease.range.first + load_.below(count_of(lease.range));
    if (load_.one_in(3)) {
        send(proto::LookupLeaseRequest{.id = id, .generation = lease.generation},
             {.what = Asked::What::look, .lease = lease});
    } else {
        send(proto::LookupRequest{.id = id}, {.what = Asked::What::look_short, .lease = lease});
    }
}

void Worker::receive_burst() {
    while (!asked_.empty()) {
        const auto reply = client_->receive(Clock::now() + patience);
        if (!reply) throw Broken("a request is not answered: " + client_->error_text());
        const auto found = asked_.find(reply->tag);
        if (found == asked_.end()) throw Broken("a reply to a request that nobody sent");
        const Asked asked = found->second;
        asked_.erase(found);
        answered(asked, *reply);
    }
    told_.clear();
    claiming_.clear();
}

void Worker::answered(const Asked& asked, const proto::Reply& reply) {
    using What = Asked::What;
    if (const auto* const error = std::get_if<proto::ErrorReply>(&reply.body)) {
        refused(asked, error->error.code, error->text);
        return;
    }
    switch (asked.what) {
        case What::allocate:
        case What::repeat:
        case What::claim: leased(asked, std::get<proto::LeaseReply>(reply.body)); return;
        case What::release: ++load_.figures.releases; return;
        case What::look: found(asked, std::get<proto::LeaseRecord>(reply.body)); return;
        case What::look_short: {
            const auto& found = std::get<proto::LookupReply>(reply.body);
            ++load_.figures.lookups;
            if (found.generation != asked.lease.generation)
                broken(asked, "another generation is live");
            return;
        }
        case What::look_back: broken(asked, "is live though it was given back");
    }
}

void Worker::leased(const Asked& asked, const proto::LeaseReply& reply) {
    PoolModel& pool = load_.pools.at(asked.lease.pool);
    Figures& figures = load_.figures;
    if (asked.token) {
        // The answer to the second of two with one token can come first.
        const auto [known, is_first] = told_.emplace(asked.token->number, reply);
        ++(is_first ? figures.tokened : figures.asked_again);
        if (!is_first && known->second != reply) broken(asked, "a token has two answers");
        if (!is_first) return;
    }
    if (asked.what == Asked::What::claim) {
        if (reply.range != asked.lease.range) broken(asked, "others were given than were claimed");
        if (asked.is_taken) broken(asked, "was claimed though it was held");
        pool.claimed(reply.range, reply.generation, asked.floor);
        ++figures.claims;
    } else {
        if (count_of(reply.range) != asked.count)
            broken(asked, "more or fewer than were asked for");
        pool.allocated(reply.range, reply.generation, asked.floor);
        ++figures.allocations;
    }
    leases_.push_back({asked.lease.pool, reply.range, reply.generation});
}

void Worker::found(const Asked& asked, const proto::LeaseRecord& record) {
    ++load_.figures.lookups;
    const Range range = asked.lease.range;
    if (record.range.first > range.first || record.range.last < range.last) {
        broken(asked, "a lookup has just a part of it");
    }
    if (record.generation != asked.lease.generation)
        broken(asked, "a lookup has another generation");
    if (record.holder != holder_ || record.binding != binding_of(options_.kind)) {
        broken(asked, "a lookup has another holder");
    }
}

void Worker::refused(const Asked& asked, Errc code, std::string_view text) {
    using What = Asked::What;
    const bool may_be_full = asked.lease.pool == few_pool;
    const bool may_be_passed = asked.lease.pool == inode_pool;
    bool is_right = false;
    switch (asked.what) {
        case What::allocate:
        case What::repeat: is_right = code == Errc::pool_exhausted && may_be_full; break;
        case What::claim:
            is_right = (code == Errc::id_taken && (asked.is_taken || may_be_passed)) ||
                       (code == Errc::id_burned && may_be_passed);
            break;
        case What::look_back:
            is_right = code == Errc::released || code == Errc::stale_generation;
            break;
        case What::release:
        case What::look:
        case What::look_short: break;
    }
    if (!is_right)
        broken(asked, "refused with " + std::string(name(code)) + " " + std::string(text));
    ++(asked.what == What::look_back ? load_.figures.lookups : load_.figures.refusals);
}

void Worker::give_up_all(Clock::time_point when) {
    for (const Lease& lease : leases_)
        load_.pools.at(lease.pool).given_up(lease.range, when);
    leases_.clear();
    last_given_up_.reset();
}

void Worker::end() {
    if (ends_by_itself_) return;
    if (kind() == Kind::durable) {
        lose_connection();
        return;
    }
    if (kind() == Kind::timed) {
        run_out();
        return;
    }
    if (!leases_.empty()) {
        load_.observer.expect_end(leases_.at(load_.below(leases_.size())), [](auto) {});
    }
    give_up_all(Clock::now());
    if (kind() == Kind::process) {
        process_.reset();
        ++load_.figures.deaths;
        // A connection goes on as another process, or with the first that it acts as.
        if (load_.one_in(2)) {
            bind();
            return;
        }
    } else {
        ++load_.figures.ends;
    }
    client_.reset();
    ++load_.figures.reconnects;
    reconnect();
}

// The connection is cut behind requests with tokens; on the next one they are asked again.
void Worker::lose_connection() {
    std::vector<Asked> open;
    for (unsigned i = 0; i < 8; ++i) {
        Asked asked{.what = Asked::What::allocate, .lease = {.pool = load_.below(few_pool)}};
        asked.floor = load_.pools.at(asked.lease.pool).highest();
        asked.token = sure(client_->new_token(), "token", *client_);
        send(proto::AllocateRequest{.count = 1}, asked);
        open.push_back(asked);
    }
    sure(client_->flush(Clock::now() + patience), "requests", *client_);
    asked_.clear();
    client_.reset();
    ++load_.figures.reconnects;
    reconnect();
    for (const Asked& asked : open) {
        const auto lease =
            client_->allocate_once(indexes_.at(asked.lease.pool), *asked.token, asked.count);
        leased(asked, sure(lease, "asked again with a token", *client_));
        ++load_.figures.asked_again;
    }
    told_.clear();
}

// Its time runs out, in which it is nobody. It may not end before.
void Worker::run_out() {
    if (leases_.empty()) return;
    const Clock::time_point earliest = renewed_ + options_.ttl;
    for (const Lease& lease : leases_)
        running_out_.at(lease.pool) += count_of(lease.range);
    load_.observer.expect_end(leases_.at(load_.below(leases_.size())), [this, earliest](auto now) {
        if (now < earliest) throw Broken("a holder with a time limit ended before its time");
        std::fill(running_out_.begin(), running_out_.end(), 0);
        ++load_.figures.ends;
        bind();
    });
    runs_out_with_ = leases_;
    give_up_all(earliest);
    ends_by_itself_ = true;
}

void Worker::renew() {
    if (kind() != Kind::timed || ends_by_itself_) return;
    const auto now = Clock::now();
    if (now < renewed_ + options_.ttl / 10) return;
    if (now > renewed_ + options_.ttl / 2) {
        renew_late();
        return;
    }
    sure(client_->renew(), "renew", *client_);
    renewed_ = now;
    ++load_.figures.renewals;
}

// We were held up, and the daemon can be until it is over.
void Worker::renew_late() {
    if (!leases_.empty()) {
        run_out();
        return;
    }
    renewed_ = Clock::now();
    if (!client_->renew()) bind();
}

void Worker::release_each() {
    while (!leases_.empty()) {
        renew();
        for (unsigned i = 0; i < 64 && !leases_.empty(); ++i)
            send_release();
        receive_burst();
    }
}

void Worker::release_holder() {
    const auto now = Clock::now();
    give_up_all(now);
    // Of one whose time runs out this is the end, and earlier.
    if (ends_by_itself_) {
        for (const Lease& lease : runs_out_with_)
            load_.pools.at(lease.pool).given_up_before(lease.range, now);
    }
    sure(client_->release_all(), "release_all", *client_);
    process_.reset();
}

}  // namespace inod::soak
