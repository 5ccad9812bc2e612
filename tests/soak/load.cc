#include "tests/soak/load.h"

#include <algorithm>
#include <utility>

#include "lib/base/errc.h"

namespace inod::soak {
namespace {

Client connect_to(const std::string& socket) {
    auto client = Client::connect(
        {.socket_path = socket, .pools = {}, .timeout = patience, .passes_descriptors = true});
    if (!client) throw Broken("a client cannot connect: " + client.error().message);
    return *std::move(client);
}

}  // namespace

std::vector<std::uint16_t> pool_indexes(const Client& client) {
    std::vector<std::uint16_t> indexes;
    for (const PoolKind& kind : pool_kinds) {
        const PoolInfo* const pool = client.find_pool(kind.name);
        if (pool == nullptr) throw Broken(std::string("no pool ") + kind.name);
        indexes.push_back(pool->index);
    }
    return indexes;
}

Observer::Observer(const std::string& socket, Figures& figures)
    : client_(connect_to(socket)), pools_(pool_indexes(client_)), figures_(figures) {}

void Observer::expect_end(const Lease& lease, Then then) {
    const proto::Request request{
        .pool = pools_.at(lease.pool),
        .tag = 0,
        .body = proto::WaitRequest{.id = lease.range.first, .generation = lease.generation}};
    const std::uint16_t tag = sure(client_.send(request), "wait", client_);
    sure(client_.flush(Clock::now() + patience), "wait", client_);
    expected_.push_back({.tag = tag, .begun = Clock::now(), .then = std::move(then)});
}

void Observer::answered(const proto::Reply& reply) {
    const auto* const wait = std::get_if<proto::WaitReply>(&reply.body);
    if (wait == nullptr || !wait->is_over) throw Broken("a wait was answered, and is not over");
    const auto found = std::find_if(expected_.begin(), expected_.end(),
                                    [&](const Expected& one) { return one.tag == reply.tag; });
    if (found == expected_.end()) throw Broken("a reply to a wait that nobody sent");
    const Then then = std::move(found->then);
    expected_.erase(found);
    ++figures_.waits;
    then(Clock::now());
}

void Observer::poll() {
    while (!expected_.empty()) {
        const auto reply = client_.receive(Clock::now());
        if (!reply) break;
        answered(*reply);
    }
    if (!expected_.empty() && Clock::now() > expected_.front().begun + patience) {
        throw Broken("a holder is gone, and what it held is not free after a minute");
    }
}

void Observer::finish() {
    while (!expected_.empty()) {
        const auto reply = client_.receive(expected_.front().begun + patience);
        if (!reply) throw Broken("a wait is not over: " + client_.error_text());
        answered(*reply);
    }
}

Load::Load(std::string socket_path, std::uint64_t seed)
    : socket(std::move(socket_path)),
      random(seed),
      pools(pool_kinds.begin(), pool_kinds.end()),
      observer(socket, figures) {}

Client Load::connect() const {
    return connect_to(socket);
}

}  // namespace inod::soak
