#include "daemon/session.h"

#include <utility>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/buffer.hpp>
#include <poll.h>

#include "daemon/boot_time.h"

namespace inod::daemon {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// What a turn costs, whatever is asked in it: reading, writing, and the way through the event loop.
constexpr std::uint64_t turn_work = 5;

}  // namespace

Session::Session(Socket socket, Client client, SessionContext& context, List& open)
    : TurnTaker(context.turns, client.peer.uid),
      socket_(std::move(socket)),
      client_(std::move(client)),
      context_(context),
      open_(open),
      input_(input_memory_, proto::request_size_max),
      long_requests_(context.waker, context.allocator.memory(), [this] { on_durable(); }) {
    client_.long_requests = &long_requests_;
    error_code ignored;
    socket_.non_blocking(true, ignored);
    ++context_.session_count;
}

Session::~Session() {
    {
        const auto guard = context_.flusher.lock();
        DurabilityWaiter::unlink();
    }
    context_.allocator.memory().give(memory_size(context_.allocator));
    if (--context_.session_count == 0) context_.on_last_end();
}

void Session::start() {
    self_ = shared_from_this();
    open_.push_back(*this);
    read();
}

// In its turn, as every read is a part of what others wait for; unless there are no others. That costs a
// system call less.
void Session::read() {
    if (reading_ || read_all_ || refused_ || undecided_) return;
    reading_ = true;
    if (passes_descriptors() || !context_.turns.is_one_alone()) {
        await_readable();
    } else {
        read_at_once();
    }
}

void Session::await_readable() {
    socket_.async_wait(
        Socket::wait_read,
        asio::bind_allocator(HandlerAllocator<void>(read_memory_),
                             [self = shared_from_this()](const error_code& /*the read tells*/) {
                                 self->readable_ = true;
                                 if (self->socket_.is_open()) self->ask_for_turn();
                             }));
}

void Session::read_at_once() {
    const auto room = input_.prepare();
    socket_.async_read_some(asio::buffer(room.data(), room.size()),
                            asio::bind_allocator(HandlerAllocator<void>(read_memory_),
                                                 [self = shared_from_this()](
                                                     const error_code& error, std::size_t size) {
                                                     self->on_read(error, size);
                                                     if (self->socket_.is_open())
                                                         self->ask_for_turn();
                                                 }));
}

std::uint64_t Session::take_turn(std::uint64_t work_max) {
    const auto self = shared_from_this();
    context_.dispatcher.begin_turn(work_max);
    if (std::exchange(readable_, false)) read_what_is_there();
    if (std::exchange(has_read_, false) && socket_.is_open()) decide();
    go_on();
    return turn_work + context_.dispatcher.work();
}

void Session::read_what_is_there() {
    error_code error;
    const std::size_t size =
        passes_descriptors() ? read_with_descriptors(error) : read_plainly(error);
    on_read(error, size);
}

// The kernel drops whatever descriptors come.
std::size_t Session::read_plainly(error_code& error) {
    const auto room = input_.prepare();
    const std::size_t size = socket_.read_some(asio::buffer(room.data(), room.size()), error);
    if (error == asio::error::would_block || error == asio::error::interrupted) error.clear();
    return size;
}

std::size_t Session::read_with_descriptors(error_code& error) {
    const TakesDescriptor takes = context_.dispatcher.takes_descriptors(client_)
                                      ? proto::takes_descriptor
                                      : [](proto::Operation) { return false; };
    const Received received = receive(socket_.native_handle(), input_, takes, passed_);
    error = error_code(received.error, boost::system::system_category());
    if (received.ended) error = asio::error::eof;
    return received.size;
}

void Session::on_read(const error_code& error, std::size_t size) {
    reading_ = false;
    if (!socket_.is_open()) return;
    if (error && error != asio::error::eof) {
        abort();
        return;
    }
    has_read_ = true;
    client_.has_asked_for_the_gone = false;
    read_all_ = read_all_ || error == asio::error::eof;
    input_.received(size);
}

// Decides what is there. True if it got any further.
bool Session::decide() {
    auto guard = context_.flusher.lock();
    context_.dispatcher.begin_deciding();
    context_.allocator.set_time(boot_time());
    const std::size_t pending = input_.pending();
    const std::size_t due = long_requests_.due_count();
    answer_due();
    decide_frames(guard);
    if (has_undecided() && context_.dispatcher.has_done_enough()) ask_for_turn();
    if (outbox_.waits_for() != 0 || undecided_) context_.flusher.await(*this);
    context_.waker.notice();
    context_.flusher.notify(std::move(guard));
    return input_.pending() < pending || long_requests_.due_count() < due || !has_undecided();
}

// Those whose turn has come, as far as there is room for their replies.
void Session::answer_due() {
    while (long_requests_.has_due() && outbox_.has_room() &&
           !context_.dispatcher.has_done_enough()) {
        if (context_.dispatcher.answer_late(long_requests_.due(), outbox_)) {
            long_requests_.done();
        } else {
            long_requests_.park_again();
        }
    }
}

// Answers the frames that are there, as far as there is room for their replies and records, up to
// one that must wait for a group, or until the turn is over.
void Session::decide_frames(Flusher::Guard& guard) {
    undecided_ = false;
    while (!refused_) {
        if (context_.dispatcher.has_done_enough() || !outbox_.has_room() ||
            !context_.allocator.has_room()) {
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

void Session::on_durable() {
    if (socket_.is_open()) ask_for_turn();
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
// on_durable(), room in the socket, or another turn.
void Session::go_on() {
    while (socket_.is_open()) {
        const bool settled = settle();
        send();
        if (writing_ || !socket_.is_open()) break;
        if (!settled) continue;  // everything was sent, so there is room now
        if (!has_undecided() || asks_for_turn() || !decide()) break;
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
    take_turn_now();
}

void Session::abort() {
    if (!socket_.is_open()) return;
    error_code ignored;
    socket_.close(ignored);
    end_asking();
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
