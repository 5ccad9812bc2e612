// From a decoded request to its encoded reply: which call of the allocator answers it, and what the
// answer looks like on the wire.
//
// Thread safety: all calls under the flusher's lock.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"
#include "daemon/access.h"
#include "daemon/closer.h"
#include "daemon/flusher_lock.h"
#include "daemon/keeper.h"
#include "daemon/long_requests.h"
#include "daemon/outbox.h"
#include "daemon/passed_descriptor.h"
#include "daemon/process_holders.h"
#include "daemon/terms.h"
#include "lib/allocator/allocator.h"
#include "lib/base/assert.h"
#include "lib/base/bytes.h"
#include "proto/reply.h"
#include "proto/request.h"

namespace inod::daemon {

// Who asks, as one connection has it.
struct Client {
    Peer peer;
    std::vector<Rights> rights;  // by PoolIndex
    std::vector<Quota> quotas;   // likewise
    UserLimits user_limits{};
    bool may_allocate = false;  // in any pool
    std::uint64_t terms = 0;    // by which these five are: Terms::number()
    PeerSocket socket{};
    bool greeted = false;  // the hello was answered
    // Those whose connections closed unnoticed were looked for since it last read.
    bool has_asked_for_the_gone = false;
    // What it acts as since the last bind, and what ends with the connection.
    std::optional<HolderRef> acts_as{};
    std::optional<HolderRef> ends_with_it{};
    std::uint64_t features = 0;      // those it wished for that we have
    KeptConnection* kept = nullptr;  // whether it is kept over a restart; null: nobody is
    // Its requests that wait for something to happen. Not null once it may ask anything.
    LongRequests* long_requests = nullptr;
};

// What only the daemon can say of itself, for the stats of the whole.
struct DaemonNumbers {
    std::uint64_t connections = 0;
    std::uint64_t groups_synced = 0;
    std::uint64_t run = 0;
};

class Dispatcher {
public:
    // What becomes of the connection after a frame. ask_again: it was not decided, and has no reply
    // yet. It is to be given once more after the next group, and nothing of the same connection
    // before it.
    enum class Next { go_on, close, ask_again };

    // Connections and processes that were looked at for those who are gone, some of whom came to their
    // end if there may be more.
    struct Gone {
        std::size_t looked_at = 0;
        bool may_be_more = false;
    };

    // `processes` may be null: then nothing can be bound to a process. It and all else outlive the
    // dispatcher. `end_the_gone` has holders end whose connections have closed or whose processes have
    // ended, unnoticed so far; it is called under the lock, when a pool is exhausted. `now_us` tells how
    // long requests take: microseconds, of a clock that only goes forward.
    Dispatcher(Allocator& allocator, const Config& config, ProcessHolders* processes,
               Closer& closer, std::function<DaemonNumbers()> numbers,
               std::function<Gone()> end_the_gone, std::function<std::uint64_t()> now_us);

    // The client at the other end of a connection just accepted.
    [[nodiscard]] Client welcome(Peer peer, PeerSocket socket) const INOD_REQUIRES(flusher_lock);
    // Needs no lock on the thread that calls set_terms().
    [[nodiscard]] UserLimits limits_of_user(std::uint32_t uid) const;

    // There will be so many pools: every client is to have room for them before anybody may do anything there.
    void set_pool_count(std::size_t count) noexcept INOD_REQUIRES(flusher_lock) {
        pool_count_ = count;
    }
    [[nodiscard]] std::size_t pool_count() const noexcept INOD_REQUIRES(flusher_lock) {
        return pool_count_;
    }
    // From here on all clients are served on these, those included that are known already. Requires that they have
    // room for as many pools.
    void set_terms(std::shared_ptr<const Terms> terms) noexcept INOD_REQUIRES(flusher_lock) {
        terms_ = std::move(terms);
    }
    // May a descriptor that this client passes be taken in?
    [[nodiscard]] bool takes_descriptors(const Client& client) const noexcept {
        return closer_.has_room(client.peer.uid);
    }
    // What the client passed and nobody took.
    void drop(const Client& client, PassedDescriptor& passed) noexcept {
        if (passed.descriptor) closer_.close(client.peer.uid, std::move(passed.descriptor));
        passed.unexpected = false;
    }

    // A session's turn begins: it is to stop deciding when it has done so much work (turns.h), and give
    // others a turn before it goes on. These need no lock.
    void begin_turn(std::uint64_t work_max) noexcept {
        work_ = 0;
        work_max_ = work_max;
    }
    // From here on time counts, and not while it waited for the lock.
    void begin_deciding() {
        deciding_since_us_ = now_us_();
        work_before_ = work_;
        next_look_ = work_ + work_per_look;
    }
    // What was done in this turn: what was counted, or what would take as long if that is more.
    [[nodiscard]] std::uint64_t work() const noexcept { return work_; }
    // Requires begin_deciding() in this turn. A turn gets somewhere, however long it took to begin.
    [[nodiscard]] bool has_done_enough() {
        if (work_ == 0) return false;
        if (work_ < std::min(next_look_, work_max_)) return false;
        const std::uint64_t time_us = now_us_() - deciding_since_us_;
        work_ = std::max(work_, work_before_ + time_us / us_per_work);
        next_look_ = work_ + work_per_look;
        return work_ >= work_max_;
    }

    // Decides one frame and puts its reply into `outbox`. May drop and retake `guard`. Requires
    // outbox.has_room(proto::reply_size_limit(the frame's operation)) and allocator.has_room(). An operation that takes the descriptor that was
    // `passed` moves it away; with ask_again it is still there.
    Next answer(const proto::Frame& frame, Client& client, Outbox& outbox, GuardRef guard,
                PassedDescriptor& passed) INOD_REQUIRES(flusher_lock);

    // Answers a request that was parked, if there is an answer by now or its time is over. False, and
    // nothing has changed, if it is to wait on. Requires room as answer() does.
    bool answer_late(LongRequest& request, Client& client, Outbox& outbox)
        INOD_REQUIRES(flusher_lock);
    // Refuses one. Requires outbox.has_room(refusal_size).
    static void refuse_late(const LongRequest& request, Errc code, Outbox& outbox);

    // The connection has closed, and not because the daemon ends.
    void disconnected(Client& client) noexcept INOD_REQUIRES(flusher_lock);

    // Room that a refusal takes. Its text, which is for people, goes with it where there is more.
    static constexpr std::size_t refusal_size = proto::frame_header_size + 24;
    // Writes an error frame that belongs to no request. Requires room for refusal_size bytes.
    static void encode_refusal(Errc code, ByteWriter& out);
    // The same into `outbox`, which has_room(refusal_size).
    static void refuse_stream(Errc code, Outbox& outbox);
    // Refuses a request of which no more than the header is known, likewise.
    static void refuse_unread(const proto::FrameHeader& header, Errc code, Outbox& outbox);

private:
    // So many that are only looked at take as long as a request.
    static constexpr HolderIndex holders_per_work = 64;
    // What takes longer than this counts as more, whatever it was: most requests take a part of it.
    static constexpr std::uint64_t us_per_work = 2;
    // The clock is looked at after so many requests that take little time, whatever the state is, and after
    // each of the others: a look takes a tenth of what the former do.
    static constexpr std::uint64_t work_per_look = 8;

    // Where a reply goes, and to what.
    struct Call {
        const proto::Request& request;
        proto::Operation operation;
        Client& client;
        Outbox& outbox;
        GuardRef guard;
        PassedDescriptor& passed;  // with this frame
    };

    Next answer_body(const Call& call) INOD_REQUIRES(flusher_lock);

    // dispatcher.cc: what concerns the connection and the daemon
    Next answer(const Call& call, const proto::HelloRequest& hello);
    static Next answer(const Call& call, const proto::PingRequest& ping);
    Next answer(const Call& call, const proto::PoolsRequest& pools);
    Next answer(const Call& call, const proto::StatsRequest& stats);
    Next answer(const Call& call, const proto::TokenEpochRequest& asked);

    // dispatcher_ids.cc: what concerns the IDs of a pool
    Next answer(const Call& call, const proto::AllocateRequest& allocate);
    Next answer(const Call& call, const proto::AllocateAtRequest& allocate);
    Next answer(const Call& call, const proto::ReleaseRequest& release);
    Next answer(const Call& call, const proto::LookupRequest& lookup);
    Next answer(const Call& call, const proto::LookupLeaseRequest& lookup);
    Next answer(const Call& call, const proto::LookupLevelsRequest& lookup);
    Next answer(const Call& call, const proto::NextRequest& next);
    Next answer(const Call& call, const proto::ListRequest& list);
    Next answer(const Call& call, const proto::ReserveRequest& reserve);
    Next answer(const Call& call, const proto::UnreserveRequest& unreserve);
    Next answer(const Call& call, const proto::AdvanceRequest& advance);

    // dispatcher_holders.cc: what concerns holders
    Next answer(const Call& call, const proto::BindRequest& bind) INOD_REQUIRES(flusher_lock);
    Next answer(const Call& call, const proto::RenewRequest& renew);
    Next answer(const Call& call, const proto::ReleaseAllRequest& release);
    Next answer(const Call& call, const proto::HoldersRequest& request);
    Next bind_process(const Call& call, const proto::BindRequest& bind) INOD_REQUIRES(flusher_lock);
    Next bind_as(const Call& call, const proto::BindRequest& bind, const ProcessIdentity& process,
                 OwnedFd* pidfd) INOD_REQUIRES(flusher_lock);

    // dispatcher_watch.cc: what waits until something happens
    Next answer(const Call& call, const proto::WaitRequest& wait) INOD_REQUIRES(flusher_lock);
    Next answer(const Call& call, const proto::WatchRequest& watch) INOD_REQUIRES(flusher_lock);
    Next answer_or_park(const Call& call, LongRequest& request, std::uint32_t timeout_ms)
        INOD_REQUIRES(flusher_lock);
    bool answer_late(LongRequest& request, proto::WaitRequest& wait, Outbox& outbox);
    bool answer_late(const LongRequest& request, const proto::WatchRequest& watch, Outbox& outbox);

    void set_terms_of(Client& client, std::span<const std::uint32_t> groups) const noexcept;
    void renew(Client& client) const noexcept INOD_REQUIRES(flusher_lock);
    [[nodiscard]] bool is_there(const Client& client, const proto::BindRequest& bind,
                                const ProcessIdentity& process) const;
    [[nodiscard]] bool is_of_all_users(const Error& refusal) const;
    [[nodiscard]] std::string_view quota_that_refused(const Call& call, const Error& error) const;
    [[nodiscard]] std::string_view pool_quota_that_refused(const Call& call, std::uint64_t count,
                                                           const Error& error) const;
    [[nodiscard]] std::optional<HolderIndex> next_seen(const Client& client, HolderIndex from);
    [[nodiscard]] std::optional<HolderRef> meant_by(const Call& call, HolderId holder);
    [[nodiscard]] proto::HolderRecord record_of(HolderIndex index) const;
    [[nodiscard]] static Asker asker_of(const Call& call);
    [[nodiscard]] bool is_privileged(const Client& client) const;

    // Replies with what `to_body` makes of the result, or refuses, or has it asked again.
    template <class T, class ToBody>
    Next answer_with(const Call& call, const Answer<T>& answer, ToBody to_body) const;
    Next answer_done(const Call& call, const Answer<void>& answer) const;
    Next refuse_or_ask_again(const Call& call, const Error& error, Lsn wait_for) const;
    // Is this refusal none, but a wish to be asked again?
    [[nodiscard]] static bool is_to_be_asked_again(Errc code) noexcept;
    template <class Body>
    static void reply(const Call& call, const Body& body, Lsn wait_for);
    static void send(Outbox& outbox, const proto::Reply& reply, Lsn wait_for);
    static void encode(ByteWriter& out, const proto::Reply& reply);
    static void refuse(const Call& call, const Error& error, Lsn wait_for, std::string_view text);
    static std::uint64_t features_for(std::uint64_t wished, Client& client);
    [[nodiscard]] Result<void, Failure> check_names(const proto::HelloRequest& hello,
                                                    const Client& client) const;
    [[nodiscard]] Errc check_access(const Needed& what, PoolIndex pool, const Client& client) const;
    [[nodiscard]] static bool is_quick(const proto::Request& request) noexcept;
    void look_at_clock_next() noexcept { next_look_ = work_; }
    template <class Ask>
    auto with_memory(const Ask& ask);
    [[nodiscard]] static Rights rights_in(const Client& client, PoolIndex pool);
    template <class Writer>
    bool add_pools(Writer& writer, const Client& client,
                   const proto::Packed<std::string_view>& names, PoolIndex from) const;
    void add_pool_stats(proto::StatsReplyWriter& writer, PoolIndex index) const;
    void add_daemon_stats(proto::StatsReplyWriter& writer) const;

    Allocator& allocator_;
    std::shared_ptr<const Terms> terms_;
    std::size_t pool_count_;  // at least as many as the terms have
    const std::uint32_t own_uid_;
    const std::uint64_t memory_max_;
    ProcessHolders* const processes_;
    Closer& closer_;
    std::function<DaemonNumbers()> numbers_;
    std::function<Gone()> end_the_gone_;
    std::function<std::uint64_t()> now_us_;
    // Of this turn: requests, what was listed for them, connections that were looked at; each takes
    // about a microsecond.
    std::uint64_t work_ = 0;
    std::uint64_t work_max_ = 0;
    std::uint64_t deciding_since_us_ = 0;
    std::uint64_t work_before_ = 0;  // in this turn, before it was decided on
    std::uint64_t next_look_ = 0;    // likewise: with so much the clock is looked at
    const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

// What somebody asks for; once more where it was refused for want of memory, which releases may have left behind.
template <class Ask>
auto Dispatcher::with_memory(const Ask& ask) {
    const auto answer = ask();
    if (answer.result || answer.result.error().code != Errc::out_of_memory) return answer;
    look_at_clock_next();
    allocator_.trim();
    return ask();
}

template <class Body>
void Dispatcher::reply(const Call& call, const Body& body, Lsn wait_for) {
    ByteWriter out(call.outbox.space(wait_for));
    const bool fits = proto::encode_reply_of(out, call.operation, call.request.tag, body);
    INOD_ASSERT(fits);
    call.outbox.add(out.size(), wait_for);
}

template <class T, class ToBody>
Dispatcher::Next Dispatcher::answer_with(const Call& call, const Answer<T>& answer,
                                         ToBody to_body) const {
    if (!answer.result) return refuse_or_ask_again(call, answer.result.error(), answer.wait_for);
    reply(call, to_body(*answer.result), answer.wait_for);
    return Next::go_on;
}

}  // namespace inod::daemon
