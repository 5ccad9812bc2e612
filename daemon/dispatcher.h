// From a decoded request to its encoded reply: which call of the allocator answers it, and what the
// answer looks like on the wire.
//
// Thread safety: all calls under the flusher's lock.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "config/config.h"
#include "daemon/access.h"
#include "daemon/outbox.h"
#include "daemon/passed_descriptor.h"
#include "lib/allocator/allocator.h"
#include "lib/base/bytes.h"
#include "proto/reply.h"
#include "proto/request.h"

namespace inod::daemon {

// Who asks, as one connection has it.
struct Client {
    Peer peer;
    std::vector<bool> may_use;   // by PoolIndex
    bool greeted = false;        // the hello was answered
    std::uint64_t features = 0;  // those it wished for that we have
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

    Dispatcher(Allocator& allocator, const Config& config, std::function<DaemonNumbers()> numbers);

    // The client at the other end of a connection just accepted.
    [[nodiscard]] Client welcome(Peer peer) const;

    // Decides one frame and puts its reply into `outbox`. May drop and retake `guard`. Requires
    // outbox.has_room() and allocator.has_room(). An operation that takes the descriptor that was
    // `passed` moves it away; with ask_again it is still there.
    Next answer(const proto::Frame& frame, Client& client, Outbox& outbox, GuardRef guard,
                PassedDescriptor& passed);

    // Writes an error frame that belongs to no request. Requires room for 256 bytes.
    static void encode_refusal(Errc code, ByteWriter& out);
    // The same into `outbox`, which has_room().
    static void refuse_stream(Errc code, Outbox& outbox);

private:
    // Where a reply goes, and to what.
    struct Call {
        const proto::Request& request;
        proto::Operation operation;
        Client& client;
        Outbox& outbox;
        GuardRef guard;
        PassedDescriptor& passed;  // with this frame
    };

    Next answer_body(const Call& call);
    Next answer_hello(const Call& call, const proto::HelloRequest& hello);
    static void answer_as(const Call& call, const proto::PingRequest& ping);
    Answer<Lease> hand_out(const Call& call, const proto::AllocateRequest& allocate);
    Answer<Lease> hand_out(const Call& call, const proto::AllocateAtRequest& allocate);
    void answer_as(const Call& call, const proto::ReleaseRequest& release);
    void answer_as(const Call& call, const proto::LookupRequest& lookup);
    void answer_as(const Call& call, const proto::LookupLeaseRequest& lookup);
    void answer_as(const Call& call, const proto::NextRequest& next);
    void answer_as(const Call& call, const proto::ListRequest& list);
    void answer_as(const Call& call, const proto::PoolsRequest& pools);
    void answer_as(const Call& call, const proto::StatsRequest& stats);

    static Next answer_lease(const Call& call, const Answer<Lease>& answer);
    template <class T, class ToBody>
    void answer_held(const Call& call, const Answer<T>& answer, ToBody to_body);
    static void reply(const Call& call, const proto::Reply::Body& body, Lsn wait_for);
    static void refuse(const Call& call, const Error& error, Lsn wait_for, std::string_view text);
    [[nodiscard]] Result<void, Failure> check_names(const proto::HelloRequest& hello,
                                                    const Client& client) const;
    [[nodiscard]] Errc check_access(const Call& call) const;
    [[nodiscard]] static bool may_use(const Client& client, PoolIndex pool);
    template <class Writer>
    bool add_pools(Writer& writer, const Client& client,
                   const proto::Packed<std::string_view>& names, PoolIndex from) const;
    void add_pool_stats(proto::StatsReplyWriter& writer, PoolIndex index) const;
    void add_daemon_stats(proto::StatsReplyWriter& writer) const;

    Allocator& allocator_;
    std::vector<std::vector<Grant>> grants_;  // by PoolIndex
    const std::uint32_t own_uid_;
    const std::uint64_t memory_max_;
    std::function<DaemonNumbers()> numbers_;
    const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace inod::daemon
