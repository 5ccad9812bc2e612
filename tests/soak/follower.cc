#include "tests/soak/follower.h"

#include "tests/e2e/support.h"

namespace inod::soak {

Follower::Follower(Load& load)
    : load_(load), client_(load.connect()), pool_(pool_indexes(client_).at(rest_pool)) {
    next_ = sure(client_.watch(pool_), "watch", client_).next;
    ask();
}

void Follower::ask() {
    const proto::Request request{
        .pool = pool_, .tag = 0, .body = proto::WatchRequest{.from = next_}};
    sure(client_.send(request), "watch", client_);
    sure(client_.flush(Clock::now() + patience), "watch", client_);
}

void Follower::poll() {
    while (const auto reply = client_.receive(Clock::now()))
        answered(*reply);
}

void Follower::answered(const proto::Reply& reply) {
    const auto* const watch = std::get_if<proto::WatchReply>(&reply.body);
    if (watch == nullptr) throw Broken("a watch was refused");
    if (watch->missed != 0) {
        // Whoever is held up for as long as 16,384 events take can miss some: us, where the machine is busy.
        ++load_.figures.missed;
        is_stale_ = true;
    }
    for (auto rest = watch->events; const auto event = rest.take();)
        happened(*event);
    next_ = watch->next;
    ask();
}

void Follower::happened(const proto::Event& event) {
    using proto::EventKind;
    ++load_.figures.events;
    if (is_stale_) return;
    if (event.kind == EventKind::holder_ended) {
        std::erase_if(holders_, [&](const auto& one) { return one.second == event.holder; });
        return;
    }
    const bool is_lease = event.kind == EventKind::allocated || event.kind == EventKind::claimed;
    for (Id id = event.range.first; id <= event.range.last; ++id) {
        const auto found = holders_.find(id);
        const std::uint64_t holder = found == holders_.end() ? 0 : found->second;
        if (holder != (is_lease ? 0 : event.holder)) {
            throw Broken("an event of " + std::to_string(id) + " does not fit those before");
        }
        if (is_lease) {
            holders_.emplace(id, event.holder);
        } else {
            holders_.erase(found);
        }
    }
}

void Follower::begin_anew(Client& control) {
    holders_.clear();
    for (const proto::LeaseRecord& record : e2e::list_all(control, pool_)) {
        for (Id id = record.range.first; id <= record.range.last; ++id)
            holders_.emplace(id, record.holder);
    }
    is_stale_ = false;
}

// Where control hears of no event behind those that were told, all have been.
void Follower::catch_up(Client& control) {
    for (;;) {
        poll();
        const auto rest =
            sure(control.watch(pool_, next_, std::chrono::milliseconds(0)), "watch", control);
        if (rest.events.empty()) break;
        const auto reply = client_.receive(Clock::now() + patience);
        if (!reply) throw Broken("a watcher is not told what happened: " + client_.error_text());
        answered(*reply);
    }
    if (is_stale_) begin_anew(control);
}

std::optional<Id> Follower::difference() const {
    auto picture = holders_.begin();
    for (const auto& [first, last] : load_.pools.at(rest_pool).live()) {
        for (Id id = first; id <= last; ++id) {
            if (picture == holders_.end() || picture->first != id) return id;
            ++picture;
        }
    }
    if (picture != holders_.end()) return picture->first;
    return std::nullopt;
}

}  // namespace inod::soak
