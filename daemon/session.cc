#include "daemon/session.h"

#include <utility>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <poll.h>

#include "daemon/boot_time.h"

namespace inod::daemon {

namespace asio = boost::asio;
using boost::system::error_code;

Session::Session(Socket socket, Client client, SessionContext& context, List& open)
    : socket_(std::move(socket)),
      client_(std::move(client)),
      context_(context),
      open_(open),
      input_(input_memory_, proto::request_size_max),
      long_requests_(context.waker, context.allocator.memory(), [this] { on_durable(); }) {
    client_.long_requests = &long_requests_;
    error_code ignored;
    socket_.non_blocking(true, ignored);
    ++context_.count_by_uid[client_.peer.uid];
    ++context_.session_count;
}

Session::~Session() {
    {
        const auto guard = context_.flusher.lock();
        DurabilityWaiter::unlink();
    }
    context_.allocator.memory().give(memory_size(context_.allocator));
    const auto counted = context_.count_by_uid.find(client_.peer.uid);
    if (--counted->second == 0) context_.count_by_uid.erase(counted);
    if (--context_.session_count == 0) context_.on_last_end();
}

void Session::start() {
    self_ = shared_from_this();
    open_.push_back(*this);
    read();
}

void Session::read() {
    if (reading_ || read_all_ || refused_ || undecided_) return;
    reading_ = true;
    if ((client_.features & proto::feature_descriptors) != 0) {
        await_readable();
    } else {
        read_plainly();
    }
}

// The kernel drops whatever descriptors come.
void Session::read_plainly() {
    const auto room = input_.prepare();
    socket_.async_read_some(asio::buffer(room.data(), room.size()),
                            asio::bind_allocator(HandlerAllocator<void>(read_memory_),
                                                 [self = shared_from_this()](
                                                     const error_code& error, std::size_t size) {
                                                     self->on_read(error, size);
                                                 }));
}

void Session::await_readable() {
    socket_.async_wait(Socket::wait_read,
                       asio::bind_allocator(HandlerAllocator<void>(read_memory_),
                                            [self = shared_from_this()](const error_code& error) {
                                                self->on_readable(error);
                                            }));
}

void Session::on_readable(const error_code& error) {
    if (error || !socket_.is_open()) {
        on_read(error, 0);
        return;
    }
    const TakesDescriptor takes = context_.dispatcher.takes_descriptors(client_)
                                      ? proto::takes_descriptor
                                      : [](proto::Operation) { return false; };
    const Received received = receive(socket_.native_handle(), input_, takes, passed_);
    error_code failure(received.error, boost::system::system_category());
    if (received.ended) failure = asio::error::eof;
    on_read(failure, received.size);
}

void Session::on_read(const error_code& error, std::size_t size) {
    reading_ = false;
    if (!socket_.is_open()) return;
    if (error && error != asio::error::eof) {
        abort();
        return;
    }
    read_all_ = read_all_ || error == asio::error::eof;
    input_.received(size);
    decide();
    go_on();
}

// Decides what is there. True if it got any further.
bool Session::decide() {
    auto guard = context_.flusher.lock();
    context_.allocator.set_time(boot_time());
    context_.dispatcher.begin_turn();
    const std::size_t pending = input_.pending();
    const std::size_t due = long_requests_.due_count();
    answer_due();
    decide_frames(guard);
    if (outbox_.waits_for() != 0 || undecided_) context_.flusher.await(*this);
    context_.waker.notice();
    context_.flusher.notify(std::move(guard));
    return input_.pending() < pending || long_requests_.due_count() < due || !has_undecided();
}

// Those whose turn has come, as far as there is room for their replies.
void Session::answer_due() {
    while (long_requests_.has_due() && outbox_.has_room()) {
        if (context_.dispatcher.answer_late(long_requests_.due(), outbox_)) {
            long_requests_.done();
        } else {
            long_requests_.park_again();
        }
    }
}

// Answers the frames that are there, as far as there is room for their replies and records, up to
// one that must wait for a group, or until others should have a turn.
void Session::decide_frames(Flusher::Guard& guard) {
    undecided_ = false;
    while (!refused_) {
        if (context_.dispatcher.has_done_enough() && input_.pending() > 0) {
            undecided_ = true;
            await_turn();
            return;
        }
        if (!outbox_.has_room() || !context_.allocator.has_room()) {
            undecided_ = input_.pending() > 0;
            return;
        }
        const auto frame = input_.next();
        if (!frame) break;
        const auto next = context_.dispatcher.answer(*frame, client_, outbox_, guard, passed_);
        if (next == Dispatcher::Next::ask_again) {
            input_.put_back(*frame);
            undecided_ = true;
            return;
        }
        context_.dispatcher.drop(client_, passed_);
        refused_ = next == Dispatcher::Next::close;
    }
    if (!refused_ && input_.error() != Errc::ok) {
        Dispatcher::refuse_stream(input_.error(), outbox_);
        refused_ = true;
    }
}

// Goes on behind all that is ready now, of other sessions too.
void Session::await_turn() {
    awaits_turn_ = true;
    asio::post(socket_.get_executor(), asio::bind_allocator(HandlerAllocator<void>(turn_memory_),
                                                            [self = shared_from_this()] {
                                                                self->awaits_turn_ = false;
                                                                self->on_durable();
                                                            }));
}

void Session::on_durable() {
    if (!socket_.is_open()) return;
    const auto self = shared_from_this();
    go_on();
}

// Lets go what has become durable, and waits on if more is to. False if there was no room for it.
bool Session::settle() {
    if (outbox_.waits_for() == 0) return true;
    const auto guard = context_.flusher.lock();
    const Lsn durable_lsn = context_.allocator.journal().durable_lsn();
    outbox_.settle(durable_lsn);
    if (outbox_.waits_for() == 0) return true;
    context_.flusher.await(*this);
    return outbox_.waits_for() > durable_lsn;
}

// Whatever can go on goes on: sending, deciding what waited for room, reading, closing. Each step
// can make room for the one before it, so they are repeated until an event must come first:
// on_durable(), room in the socket, or a turn of others.
void Session::go_on() {
    while (socket_.is_open()) {
        const bool settled = settle();
        send();
        if (writing_) break;
        if (!settled) continue;  // everything was sent, so there is room now
        if (!has_undecided() || awaits_turn_ || !decide()) break;
    }
    const bool done = refused_ || (read_all_ && !has_undecided() && !reading_);
    if (done && outbox_.empty()) abort();
    if (socket_.is_open()) read();
}

void Session::send() {
    while (!writing_ && socket_.is_open() && !outbox_.ready().empty()) {
        const auto bytes = outbox_.ready();
        error_code error;
        const std::size_t size =
            socket_.write_some(asio::buffer(bytes.data(), bytes.size()), error);
        if (error == asio::error::would_block) {
            await_writable();
        } else if (error) {
            abort();
        } else {
            outbox_.sent(size);
        }
    }
}

void Session::await_writable() {
    writing_ = true;
    socket_.async_wait(Socket::wait_write,
                       asio::bind_allocator(HandlerAllocator<void>(write_memory_),
                                            [self = shared_from_this()](const error_code& error) {
                                                self->writing_ = false;
                                                if (!error) self->on_durable();
                                            }));
}

// Has the holder that ends with the connection end, if the peer has closed it and nobody has noticed.
void Session::end_if_gone() noexcept {
    // Whoever leaves because the daemon ends comes back to what he has, as with abort().
    if (context_.is_stopping || !client_.ends_with_it || !socket_.is_open()) return;
    pollfd asked{.fd = socket_.native_handle(), .events = POLLRDHUP, .revents = 0};
    const bool is_gone = ::poll(&asked, 1, 0) == 1 && (asked.revents & (POLLHUP | POLLERR)) != 0;
    if (is_gone) context_.dispatcher.disconnected(client_);
}

void Session::finish(Errc reason) {
    if (refused_ || read_all_) return;
    {
        const auto guard = context_.flusher.lock();
        long_requests_.set_all_due();
        for (; long_requests_.has_due() && outbox_.has_room(); long_requests_.done())
            Dispatcher::refuse_late(long_requests_.due(), reason, outbox_);
        long_requests_.clear();
    }
    if (reason != Errc::ok && outbox_.has_room()) Dispatcher::refuse_stream(reason, outbox_);
    read_all_ = true;
    error_code ignored;
    socket_.shutdown(Socket::shutdown_receive, ignored);
    on_durable();
}

void Session::abort() {
    if (!socket_.is_open()) return;
    error_code ignored;
    socket_.close(ignored);
    context_.dispatcher.drop(client_, passed_);
    {
        auto guard = context_.flusher.lock();
        long_requests_.clear();
        if (!context_.is_stopping) context_.dispatcher.disconnected(client_);
        context_.flusher.notify(std::move(guard));
    }
    open_.erase(open_.iterator_to(*this));
    self_.reset();  // where nobody else holds the session, this ends it
}

}  // namespace inod::daemon
