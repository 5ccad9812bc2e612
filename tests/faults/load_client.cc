#include "tests/faults/load_client.h"

#include <algorithm>
#include <map>

#include "lib/client/client.h"
#include "tests/e2e/daemon_process.h"

namespace inod::faults {

// Removes what is to be released from what is held: a whole lease or a part of one.
Numbers LoadClient::take_something() {
    Numbers& chosen = held_[below(held_.size())];
    std::swap(chosen, held_.back());
    Numbers taken = held_.back();
    held_.pop_back();
    if (taken.range.span() > 0 && below(2) == 0) {
        const Id middle = taken.range.first + below(taken.range.span());
        Numbers kept = taken;
        kept.range.first = middle + 1;
        taken.range.last = middle;
        held_.push_back(kept);
    }
    return taken;
}

proto::Request LoadClient::next_request(UnderWay& under_way) {
    using Kind = UnderWay::Kind;
    const std::uint64_t dice = below(10);
    if (dice == 0) {
        const Id id = newest_ - std::min<Id>(newest_ - 1, below(2'000)) + below(16);
        under_way = {Kind::look_at_any, {.pool = inode_pool, .range = {id, id}}};
        return {.pool = inode_pool, .body = proto::LookupRequest{.id = id}};
    }
    if (dice == 1 && !held_.empty()) {
        Numbers numbers = held_[below(held_.size())];
        numbers.range.last = numbers.range.first;
        under_way = {Kind::look_at_own, numbers};
        return {.pool = static_cast<std::uint16_t>(numbers.pool),
                .body = proto::LookupRequest{.id = numbers.range.first}};
    }
    if (held_.size() > below(2 * options_.held_target)) {
        const Numbers numbers = take_something();
        under_way = {Kind::release, numbers};
        return {.pool = static_cast<std::uint16_t>(numbers.pool),
                .body = proto::ReleaseRequest{.range = numbers.range,
                                              .generation = numbers.generation}};
    }
    const std::size_t pool = below(8) == 0 ? block_pool : below(2);
    const std::uint64_t count = below(2) == 0 ? 1 : 1 + below(options_.lease_count);
    under_way = {Kind::allocate, {.pool = pool, .range = {1, count}}};
    return {.pool = static_cast<std::uint16_t>(pool),
            .body = proto::AllocateRequest{.count = count}};
}

void LoadClient::surprise(const UnderWay& under_way, std::string_view what) {
    report_.surprises.push_back("request of kind " + std::to_string(int(under_way.kind)) +
                                " in pool " + std::to_string(under_way.numbers.pool) + " for ID " +
                                std::to_string(under_way.numbers.range.first) + " generation " +
                                std::to_string(under_way.numbers.generation) + ": " +
                                std::string(what));
}

void LoadClient::answered(const UnderWay& under_way, const proto::Reply& reply) {
    using Kind = UnderWay::Kind;
    if (options_.too_late != nullptr && *options_.too_late) {
        lost(under_way, Errc::in_doubt);
        return;
    }
    if (const auto* const error = std::get_if<proto::ErrorReply>(&reply.body)) {
        refused(under_way, error->error.code);
    } else if (const auto* const lease = std::get_if<proto::LeaseReply>(&reply.body)) {
        const Numbers numbers{under_way.numbers.pool, lease->range, lease->generation};
        report_.allocated.push_back(numbers);
        held_.push_back(numbers);
        if (numbers.pool == inode_pool) newest_ = std::max(newest_, numbers.range.last);
    } else if (under_way.kind == Kind::release) {
        report_.released.push_back(under_way.numbers);
    } else {
        const auto& found = std::get<proto::LookupReply>(reply.body);
        // Requests of a connection are decided in order, and nobody else gives our numbers back.
        if (under_way.kind == Kind::look_at_own &&
            found.generation != under_way.numbers.generation) {
            surprise(under_way, "live with another generation");
        }
        Numbers seen = under_way.numbers;
        seen.generation = found.generation;
        if (seen.pool != block_pool) report_.seen_live.push_back(seen);
    }
}

void LoadClient::refused(const UnderWay& under_way, Errc code) {
    using Kind = UnderWay::Kind;
    if (code == Errc::in_doubt || code == Errc::not_connected) {
        lost(under_way, code);
        return;
    }
    if (under_way.kind == Kind::look_at_any) {
        if (code == Errc::released) report_.seen_released.push_back(under_way.numbers);
        if (code == Errc::released || code == Errc::never_allocated) return;
    }
    const auto& allowed = options_.refusals;
    const bool may_be_refused = under_way.kind == Kind::allocate ||
                                (under_way.kind == Kind::release && code == Errc::journal_sealed);
    if (!may_be_refused || std::find(allowed.begin(), allowed.end(), code) == allowed.end()) {
        surprise(under_way, name(code));
    } else if (under_way.kind == Kind::release) {
        held_.push_back(under_way.numbers);
    }
}

// Asked for without an answer, or not even asked for.
void LoadClient::lost(const UnderWay& under_way, Errc code) {
    using Kind = UnderWay::Kind;
    const bool in_doubt = code == Errc::in_doubt;
    if (in_doubt) ++report_.requests_in_doubt;
    if (under_way.kind == Kind::allocate && in_doubt) {
        report_.allocated_in_doubt.at(under_way.numbers.pool) += under_way.numbers.range.last;
    } else if (under_way.kind == Kind::release && in_doubt) {
        report_.released_in_doubt.push_back(under_way.numbers);
    } else if (under_way.kind == Kind::release) {
        held_.push_back(under_way.numbers);
    }
}

Report LoadClient::run(const std::string& socket, const std::function<void()>& begun) {
    report_ = {};
    report_.allocated_in_doubt.resize(pool_count);
    auto client = Client::connect({.socket_path = socket, .pools = {}, .timeout = e2e::patience});
    begun();
    if (!client) {
        if (!options_.may_find_nobody) report_.surprises.push_back(client.error().message);
        return report_;
    }
    std::uint64_t left = options_.request_count;
    std::map<std::uint16_t, UnderWay> under_way;
    while ((client->connected() && left > 0) || client->under_way() > 0) {
        while (client->connected() && left > 0 && client->under_way() < options_.depth) {
            UnderWay request;
            const auto tag = client->send(next_request(request));
            if (!tag) {
                refused(request, tag.error().code);
                break;
            }
            under_way[*tag] = request;
            --left;
        }
        const auto reply = client->receive(e2e::soon());
        if (!reply) {
            report_.surprises.push_back("receive: " + client->error_text());
            break;
        }
        answered(under_way.at(reply->tag), *reply);
    }
    return report_;
}

}  // namespace inod::faults
