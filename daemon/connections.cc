#include "daemon/connections.h"

#include <new>
#include <utility>

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include "daemon/boot_time.h"

namespace inod::daemon {

Connections::Connections(EventLoop& loop, const SharedByConnections& shared)
    : on_end_(shared.on_end),
      waiters_(loop, shared.flusher),
      waker_(loop, shared.allocator, shared.flusher, waiters_),
      desks_(shared.allocator.memory(), shared.config.threads),
      turns_(loop),
      dispatcher_(shared.allocator, shared.config, shared.processes, shared.closer, shared.numbers,
                  shared.end_the_gone, shared.now_us),
      keeper_(shared.kept != nullptr ? std::make_unique<Keeper>(loop, *shared.kept) : nullptr),
      context_{.allocator = shared.allocator,
               .dispatcher = dispatcher_,
               .flusher = shared.flusher,
               .waiters = waiters_,
               .waker = waker_,
               .loop = loop,
               .desks = desks_,
               .turns = turns_,
               .early_replies = early_replies_,
               .keeper = keeper_.get(),
               .on_end = shared.on_end} {}

void Connections::open(Newcomer newcomer) noexcept {
    const std::uint32_t uid = newcomer.peer.uid;
    std::shared_ptr<Session> session;
    try {
        const PeerSocket at{
            .socket = newcomer.socket.get(),
            .accepted_at = newcomer.slot ? newcomer.slot->accepted_at() : ticks_since_boot()};
        Client client = welcome(std::move(newcomer.peer), at);
        session = std::make_shared<Session>(std::move(newcomer.socket), std::move(client), context_,
                                            sessions_, std::move(newcomer.slot));
    } catch (const std::bad_alloc&) {
        if (newcomer.slot) ::shutdown(newcomer.socket.get(), SHUT_RDWR);
        give_up(uid);
        return;
    }
    // One that is made gives back what was taken, at its end.
    if (session->start()) return;
    spdlog::warn("connection closed: there is no memory to watch it, connections={}", count());
}

Client Connections::welcome(Peer peer, PeerSocket at) {
    const Flusher::Guard guard(context_.flusher);
    return dispatcher_.welcome(std::move(peer), at);
}

void Connections::give_up(std::uint32_t uid) noexcept {
    spdlog::warn("connection closed: the system has no memory, connections={}", count());
    context_.allocator.memory().give(Session::memory_size(context_.allocator));
    on_end_(uid);
}

void Connections::finish_all(Errc reason) {
    announce_end();
    const bool another_follows = reason == Errc::shutting_down;
    for (auto next = sessions_.begin(); next != sessions_.end();) {
        Session& session = *next++;
        if (another_follows && session.is_kept()) {
            session.leave();
        } else {
            session.finish(reason);
        }
    }
}

void Connections::abort_all() noexcept {
    announce_end();
    while (!sessions_.empty())
        sessions_.front().abort();
}

Result<> Connections::make_room_for_pools(std::size_t count) noexcept {
    for (Session& session : sessions_) {
        if (auto room = session.make_room_for_pools(count); !room) return room;
    }
    dispatcher_.set_pool_count(count);
    return {};
}

void Connections::end_the_gone() noexcept {
    for (Session& session : sessions_)
        session.end_if_gone();
}

}  // namespace inod::daemon
