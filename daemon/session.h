// One connection: reads requests, has them decided, writes their replies.
//
// All that it does it does in its turns (turns.h). Every whole frame of a read is decided under one lock
// before anything is written, unless that is more than a turn's work, where others have one in between, or the
// client had better be woken with the first replies (early_replies.h). A session that does not read its
// replies is not read from: it stops when there is no room for another reply. A request that waits for
// something to happen holds up nothing: it is looked at again when it has.
//
// A session whose client passes descriptors reads in another way (passed_descriptor.h), and none
// before the frame is decided that the last one came with: it holds one at most.
//
// Memory: what it works with is a desk's (desk.h), for as long as it has something to do. Where there is
// none to be had it goes on with the little that it has itself, and refuses what takes more.
//
// Life: from start() until it is closed it holds itself.
// Thread safety: everything on the loop's thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include <boost/intrusive/list.hpp>

#include "daemon/desk.h"
#include "daemon/dispatcher.h"
#include "daemon/early_replies.h"
#include "daemon/event_loop.h"
#include "daemon/flusher.h"
#include "daemon/keeper.h"
#include "daemon/long_requests.h"
#include "daemon/outbox.h"
#include "daemon/passed_descriptor.h"
#include "daemon/turns.h"
#include "daemon/waker.h"
#include "lib/base/owned_fd.h"
#include "proto/frame.h"
#include "proto/resume.h"

namespace inod::daemon {

class Session;

// What all sessions of one event loop share.
struct SessionContext {
    Allocator& allocator;
    Dispatcher& dispatcher;
    Flusher& flusher;
    DurabilityWaiters& waiters;
    Waker& waker;
    EventLoop& loop;
    Desks& desks;
    Turns& turns;
    EarlyReplies& early_replies;
    Keeper* keeper = nullptr;  // none: no connection outlives the daemon
    // Called when session_count has come down, with whose connection it was.
    std::function<void(std::uint32_t uid)> on_end;
    // For all threads to read.
    std::atomic<std::uint64_t> session_count = 0;
    std::atomic<bool> is_stopping = false;  // connections close because the daemon ends
};

class Session final : public std::enable_shared_from_this<Session>,
                      public DurabilityWaiter,
                      public Polled,
                      public TurnTaker,
                      public boost::intrusive::list_base_hook<boost::intrusive::tag<Session>> {
public:
    // All sessions of a loop that are open. It changes on the loop's thread, under the lock.
    using List = boost::intrusive::list<
        Session, boost::intrusive::base_hook<
                     boost::intrusive::list_base_hook<boost::intrusive::tag<Session>>>>;

    // `open` and `context` outlive the session. `returned`: the slot of a connection that an earlier daemon had; it is to
    // be resumed (proto/resume.h) before anything is asked.
    Session(OwnedFd socket, Client client, SessionContext& context, List& open,
            std::optional<KeptSlot> returned = std::nullopt);
    ~Session() override;

    // Bytes of the memory budget that a session takes, with what its client may do in each pool that there was at
    // the start; it gives them back at its end. Whoever makes one takes them first, on any thread.
    static std::size_t memory_size(const Allocator& allocator) noexcept {
        return sizeof(Session) + allocator.pool_index_end_at_start() * memory_per_pool;
    }

    // Errors: out_of_memory; then there is no session.
    Result<> start();

    // Sends what is owed for all that was read, then closes. With an error, the peer is told by a
    // frame that belongs to no request.
    void finish(Errc reason);
    // Sends what is owed for all that was read, and leaves the connection to the next daemon. Requests that wait for
    // something to happen stay unanswered. Requires is_kept().
    void leave();
    [[nodiscard]] bool is_kept() const noexcept { return kept_.is_kept(); }

    // Closes at once.
    void abort();

    // There will be so many pools: takes what the client's rights in them take, unless it has. Errors: out_of_memory.
    // Any thread.
    Result<> make_room_for_pools(std::size_t count) noexcept INOD_REQUIRES(flusher_lock);

    // Has the holder that ends with the connection end, if the peer has closed it already. Any thread.
    void end_if_gone() noexcept INOD_REQUIRES(flusher_lock);

    void on_ready(Readiness ready) override;
    void on_durable() override;
    std::uint64_t take_turn(std::uint64_t work_max) override;
    void finish_turn() override;

private:
    static constexpr std::size_t memory_per_pool = sizeof(Rights) + sizeof(Quota);

    [[nodiscard]] bool is_open() const { return static_cast<bool>(socket_); }
    // Is there something to be read, and is it to be?
    [[nodiscard]] bool wants_to_read() const {
        return readable_ && !read_all_ && !refused_ && !undecided_ && !leaving_;
    }
    // Is there room for a reply?
    enum class Room : std::uint8_t { there, later, never };

    [[nodiscard]] bool enter();
    void take_desk() noexcept;
    void leave_desk() noexcept;
    void read();
    Received read_plainly();
    Received read_with_descriptors();
    [[nodiscard]] bool passes_descriptors() const {
        return (client_.features & proto::feature_descriptors) != 0;
    }
    void tell(Errc reason);
    void say_resumed();
    [[nodiscard]] bool is_resumed();
    void end();
    void show_end() noexcept;
    void close() noexcept;
    // When no more than `early_at` bytes are undecided the replies to what is are to be sent. 0: with all others.
    bool decide(std::size_t early_at = 0);
    [[nodiscard]] bool has_undecided() const { return undecided_ || long_requests_.has_due(); }
    void answer_due() INOD_REQUIRES(flusher_lock);
    [[nodiscard]] Room room_for(proto::Operation operation) const noexcept;
    void decide_frames(std::size_t early_at, Flusher::Guard& guard) INOD_REQUIRES(flusher_lock);
    bool decide_frame(const proto::Frame& frame, Flusher::Guard& guard) INOD_REQUIRES(flusher_lock);
    [[nodiscard]] bool may_send_later();
    bool settle();
    void send();
    void go_on();

    OwnedFd socket_;
    Client client_;
    SessionContext& context_;
    List& open_;
    std::shared_ptr<Session> self_;
    std::size_t memory_of_added_pools_ = 0;  // of the budget, beside memory_size()

    Desk* desk_ = nullptr;
    std::array<std::byte, 256> own_input_;  // most requests are smaller
    proto::FrameSplitter input_;
    PassedDescriptor passed_;  // with the first frame in input_
    Outbox outbox_;
    KeptConnection kept_;
    // The client has not said yet that it goes on: what comes before this is of no use.
    std::optional<proto::ResumeMark> mark_;
    LongRequests long_requests_;
    bool sends_early_ = false;  // what is ready, and then decides the rest
    bool readable_ = false;     // there may be something, or the end
    bool ended_ = false;        // the end is there, behind what is to be read
    bool urgent_ = false;       // the client has sent a byte of MSG_OOB, where a read ends early
    bool writing_ = false;      // it waits for room in the socket
    bool read_all_ = false;     // nothing more is to be read
    bool refused_ = false;      // nothing more is to be decided either
    bool told_ = false;         // why it closes
    bool leaving_ = false;      // nothing more is to be read here, but by the next daemon
    bool undecided_ =
        false;  // something waits for room in the outbox or the journal, a group or a turn
};

}  // namespace inod::daemon
