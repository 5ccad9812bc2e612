// One connection: reads requests, has them decided, writes their replies.
//
// It decides and writes in its turns alone (turns.h), and where other users ask too it reads in them. Every whole frame of a read is decided under
// one lock before anything is written, unless that is more than a turn's work: then others have one in
// between. A session that does not read its replies is not read from: it stops when there is no room for
// another reply. A request that waits for something to happen holds up nothing: it is looked at again
// when it has.
//
// A session whose client passes descriptors reads in another way (passed_descriptor.h), and none
// before the frame is decided that the last one came with: it holds one at most.
//
// Life: from start() until it is closed it holds itself, afterwards only operations under way do.
// Thread safety: everything on the io_context's thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/intrusive/list.hpp>

#include "daemon/dispatcher.h"
#include "daemon/flusher.h"
#include "daemon/handler_memory.h"
#include "daemon/long_requests.h"
#include "daemon/outbox.h"
#include "daemon/passed_descriptor.h"
#include "daemon/turns.h"
#include "daemon/waker.h"
#include "proto/frame.h"

namespace inod::daemon {

class Session;

// What all sessions share.
struct SessionContext {
    Allocator& allocator;
    Dispatcher& dispatcher;
    Flusher& flusher;
    Waker& waker;
    Turns& turns;
    std::uint64_t session_count;
    bool is_stopping;                   // connections close because the daemon ends
    std::function<void()> on_last_end;  // called when session_count has come down to 0
};

class Session final : public std::enable_shared_from_this<Session>,
                      public DurabilityWaiter,
                      public TurnTaker,
                      public boost::intrusive::list_base_hook<boost::intrusive::tag<Session>> {
public:
    using Socket = boost::asio::local::stream_protocol::socket;
    // All sessions that are open.
    using List = boost::intrusive::list<
        Session, boost::intrusive::base_hook<
                     boost::intrusive::list_base_hook<boost::intrusive::tag<Session>>>>;

    // `open` and `context` outlive the session.
    Session(Socket socket, Client client, SessionContext& context, List& open);
    ~Session() override;

    // Bytes of the memory budget that a session takes, with what its client may do in each pool; it
    // gives them back at its end. Whoever makes one takes them first.
    static std::size_t memory_size(const Allocator& allocator) noexcept {
        return sizeof(Session) + Outbox::memory_size() +
               allocator.pool_index_end() * (sizeof(Rights) + sizeof(Quota));
    }

    void start();

    // Sends what is owed for all that was read, then closes. With an error, the peer is told by a
    // frame that belongs to no request.
    void finish(Errc reason);

    // Closes at once.
    void abort();

    // Has the holder that ends with the connection end, if the peer has closed it already. Under the
    // lock.
    void end_if_gone() noexcept;

    void on_durable() override;
    std::uint64_t take_turn(std::uint64_t work_max) override;

private:
    void read();
    void await_readable();
    void read_at_once();
    void read_what_is_there();
    std::size_t read_plainly(boost::system::error_code& error);
    std::size_t read_with_descriptors(boost::system::error_code& error);
    void on_read(const boost::system::error_code& error, std::size_t size);
    [[nodiscard]] bool passes_descriptors() const {
        return (client_.features & proto::feature_descriptors) != 0;
    }
    bool decide();
    [[nodiscard]] bool has_undecided() const { return undecided_ || long_requests_.has_due(); }
    void answer_due();
    void decide_frames(Flusher::Guard& guard);
    bool settle();
    void send();
    void await_writable();
    void go_on();

    Socket socket_;
    Client client_;
    SessionContext& context_;
    List& open_;
    std::shared_ptr<Session> self_;

    std::array<std::byte, std::size_t{4} * proto::request_size_max> input_memory_;
    proto::FrameSplitter input_;
    PassedDescriptor passed_;  // with the first frame in input_
    Outbox outbox_;
    LongRequests long_requests_;
    bool reading_ = false;   // a read, or a wait for something to read, is under way
    bool readable_ = false;  // that wait is over
    bool has_read_ = false;  // something new, of which nothing was decided
    bool writing_ = false;   // a wait for room in the socket is under way
    bool read_all_ = false;  // nothing more is to be read
    bool refused_ = false;   // nothing more is to be decided either
    bool undecided_ =
        false;  // frames wait for room in the outbox or the journal, a group or a turn
    HandlerMemory read_memory_;
    HandlerMemory write_memory_;
};

}  // namespace inod::daemon
