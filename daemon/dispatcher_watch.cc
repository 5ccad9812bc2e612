// Requests that are answered when something has happened: now, if it has already; else they are parked,
// and looked at again when they are due.
#include <chrono>

#include "daemon/dispatcher.h"

namespace inod::daemon {
namespace {

// The wire has its own enumeration, so that proto stands alone; its values are the same.
static_assert(static_cast<int>(EventKind::allocated) ==
              static_cast<int>(proto::EventKind::allocated));
static_assert(static_cast<int>(EventKind::claimed) == static_cast<int>(proto::EventKind::claimed));
static_assert(static_cast<int>(EventKind::released_some) ==
              static_cast<int>(proto::EventKind::released_some));
static_assert(static_cast<int>(EventKind::released) ==
              static_cast<int>(proto::EventKind::released));
static_assert(static_cast<int>(EventKind::reserved_ids) ==
              static_cast<int>(proto::EventKind::reserved_ids));
static_assert(static_cast<int>(EventKind::unreserved_ids) ==
              static_cast<int>(proto::EventKind::unreserved_ids));
static_assert(static_cast<int>(EventKind::holder_ended) ==
              static_cast<int>(proto::EventKind::holder_ended));

proto::Event event_record(const Event& event) {
    return {.lsn = event.lsn,
            .range = event.range,
            .generation = event.generation,
            .uid = event.uid,
            .kind = static_cast<proto::EventKind>(event.kind),
            .holder = event.holder};
}

}  // namespace

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::WaitRequest& wait) {
    LongRequest request;
    request.id = wait.id;
    request.body = wait;
    return answer_or_park(call, request, wait.timeout_ms);
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::WatchRequest& watch) {
    if (!allocator_.pool(call.request.pool)->spec().tracking) {
        refuse(call, Errc::not_tracked, 0, {});
        return Next::go_on;
    }
    LongRequest request;
    request.body = watch;
    return answer_or_park(call, request, watch.timeout_ms);
}

Dispatcher::Next Dispatcher::answer_or_park(const Call& call, LongRequest& request,
                                            std::uint32_t timeout_ms) {
    request.pool = call.request.pool;
    request.tag = call.request.tag;
    if (timeout_ms != proto::wait_for_ever) {
        request.deadline = LongRequest::Clock::now() + std::chrono::milliseconds(timeout_ms);
    }
    if (answer_late(request, call.client, call.outbox)) return Next::go_on;
    const auto parked = call.client.long_requests->park(request);
    if (!parked) refuse(call, parked.error(), 0, {});
    return Next::go_on;
}

// Whoever waits may have lost the right to it meanwhile.
bool Dispatcher::answer_late(LongRequest& request, Client& client, Outbox& outbox) {
    ++work_;
    if (client.terms != terms_->number()) [[unlikely]]
        renew(client);
    const Right right = request.is_watch() ? Right::list : Right::lookup;
    if (!rights_in(client, request.pool).has(right)) {
        refuse_late(request, Errc::access_denied, outbox);
        return true;
    }
    return std::visit([&](auto& body) { return answer_late(request, body, outbox); }, request.body);
}

void Dispatcher::refuse_late(const LongRequest& request, Errc code, Outbox& outbox) {
    send(outbox,
         {.operation = request.operation(),
          .tag = request.tag,
          .body = proto::ErrorReply{.error = code, .text = {}}},
         0);
}

bool Dispatcher::answer_late(LongRequest& request, proto::WaitRequest& wait, Outbox& outbox) {
    const auto found = allocator_.lookup(request.pool, wait.id, wait.generation);
    if (found.result && !request.is_overdue()) {
        // Whatever becomes of the ID later, this lease is the one that is waited for.
        wait.generation = found.result->generation;
        request.holder = found.result->holder.id;
        return false;
    }
    proto::Reply reply{.operation = request.operation(), .tag = request.tag, .body = {}};
    const Error error = found.result ? Error() : found.result.error();
    const bool is_later_lease =
        error.code == Errc::stale_generation && wait.generation < error.detail;
    if (found.result || error.code == Errc::released || is_later_lease) {
        reply.body = proto::WaitReply{.is_over = !found.result};
    } else {
        reply.body = proto::ErrorReply{.error = error, .text = {}};
    }
    send(outbox, reply, found.wait_for);
    return true;
}

bool Dispatcher::answer_late(const LongRequest& request, const proto::WatchRequest& watch,
                             Outbox& outbox) {
    const Journal& journal = allocator_.journal();
    if (watch.from > journal.last_lsn()) {
        // From now on; or from another state's LSN, of which this one knows nothing.
        proto::WatchReply reply{.next = journal.last_lsn(), .events = {}};
        if (watch.from != proto::from_now) reply.missed = reply.next;
        send(outbox, {.operation = proto::Operation::watch, .tag = request.tag, .body = reply},
             allocator_.recorded_lsn());
        return true;
    }
    const EventRing& events = allocator_.events();
    if (!events.has_news(request.pool, watch.from) && !request.is_overdue()) return false;
    // Events are durable. That some are missing is told once that is so.
    const bool is_durable = events.missed(request.pool, watch.from) <= journal.durable_lsn();
    const Lsn wait_for = is_durable ? 0 : allocator_.recorded_lsn();
    proto::WatchReplyWriter writer(outbox.space(wait_for));
    const auto page = events.read(request.pool, watch.from, [&](const Event& event) {
        const bool wanted = watch.limit == 0 || writer.count() < watch.limit;
        return wanted && writer.add(event_record(event));
    });
    const proto::WatchReply head{
        .next = page.next, .missed = page.missed, .more = page.more, .events = {}};
    outbox.add(writer.finish(request.tag, head), wait_for);
    return true;
}

}  // namespace inod::daemon
