// Requests about the IDs of a pool.
#include <algorithm>
#include <array>
#include <limits>

#include <boost/container/static_vector.hpp>

#include "daemon/dispatcher.h"

namespace inod::daemon {
namespace {

proto::LeaseReply lease_reply(const Lease& lease) {
    return {.range = lease.range, .generation = lease.generation};
}

proto::LeaseRecord lease_record(const Held& held) {
    return {.range = held.range,
            .generation = held.generation,
            .uid = held.holder.uid,
            .gid = held.holder.gid,
            .binding = static_cast<proto::Binding>(held.holder.binding),
            .holder = held.holder.id};
}

std::uint32_t saturated(std::uint64_t count) {
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>(count, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::AllocateRequest& allocate) {
    const Wish wish{.count = allocate.count, .align = allocate.align};
    const auto ask = [&] {
        return allocator_.allocate(call.guard, call.request.pool, wish, asker_of(call));
    };
    auto answer = with_memory(ask);
    const bool is_exhausted = !answer.result && answer.result.error().code == Errc::pool_exhausted;
    if (is_exhausted && !call.client.has_asked_for_the_gone) {
        // Not by those who are gone, of whom only nobody has told yet. All that one read brought
        // had come before the first of it was decided, so one look is enough for all.
        const Gone gone = end_the_gone_();
        work_ += gone.looked_at;
        call.client.has_asked_for_the_gone = !gone.may_be_more;
        answer = ask();
        if (gone.may_be_more && !answer.result) return Next::ask_again;
    }
    return answer_with(call, answer, lease_reply);
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::AllocateAtRequest& allocate) {
    const auto answer = with_memory([&] {
        return allocator_.allocate_at(call.guard, call.request.pool, allocate.range,
                                      asker_of(call));
    });
    return answer_with(call, answer, lease_reply);
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::ReleaseRequest& release) {
    Asker asker = asker_of(call);
    asker.releases_for_others = release.of_others;
    return answer_done(
        call, allocator_.release(call.request.pool, release.range, release.generation, asker));
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::LookupRequest& lookup) {
    return answer_with(
        call, allocator_.lookup(call.request.pool, lookup.id, 0), [&](const Held& held) {
            return proto::LookupReply{.generation = held.generation,
                                      .uid = held.holder.uid,
                                      .gid = held.holder.gid,
                                      .below = saturated(lookup.id - held.range.first),
                                      .above = saturated(held.range.last - lookup.id)};
        });
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::LookupLeaseRequest& lookup) {
    return answer_with(call, allocator_.lookup(call.request.pool, lookup.id, lookup.generation),
                       lease_record);
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::LookupLevelsRequest& lookup) {
    std::array<std::byte, levels_max * proto::level_record_size> memory;
    const auto answer = allocator_.lookup_levels(call.request.pool, lookup.id, lookup.generation);
    return answer_with(call, answer, [&](const Levels<LevelNumber>& levels) {
        boost::container::static_vector<proto::LevelRecord, levels_max> records;
        for (const LevelNumber& level : levels)
            records.push_back({.pool = level.pool, .id = level.id, .generation = level.generation});
        return proto::LevelsReply{.levels =
                                      *proto::Packed<proto::LevelRecord>::pack(records, memory)};
    });
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::NextRequest& next) {
    return answer_with(call, allocator_.next(call.request.pool, next.id), lease_record);
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::ListRequest& list) {
    // The whole list waits for what its first step waits for: all that was recorded so far.
    const auto first = allocator_.next(call.request.pool, list.from);
    if (!first.result && first.result.error().code != Errc::no_more_leases) {
        return answer_with(call, first, lease_record);
    }
    proto::ListReplyWriter writer(call.outbox.space(first.wait_for));
    bool more = false;
    for (Id id = list.from;;) {
        const auto answer = allocator_.next(call.request.pool, id);
        if (!answer.result) {
            // The page ends where much is to be swept; the next one begins there.
            more = answer.result.error().code == Errc::sweep_pending;
            break;
        }
        const bool wanted = list.limit == 0 || writer.count() < list.limit;
        more = !wanted || !writer.add(lease_record(*answer.result));
        if (more || answer.result->range.last == id_max) break;
        id = answer.result->range.last + 1;
    }
    work_ += writer.count();
    call.outbox.add(writer.finish(call.request.tag, more), first.wait_for);
    return Next::go_on;
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::ReserveRequest& reserve) {
    return answer_done(call, allocator_.reserve(call.guard, call.request.pool, reserve.range));
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::UnreserveRequest& unreserve) {
    return answer_done(call, allocator_.unreserve(call.guard, call.request.pool, unreserve.range));
}

Dispatcher::Next Dispatcher::answer(const Call& call, const proto::AdvanceRequest& advance) {
    return answer_done(call, allocator_.advance(call.request.pool, advance.last));
}

}  // namespace inod::daemon
