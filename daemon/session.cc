#include "daemon/session.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "daemon/boot_time.h"
#include "lib/base/random_id.h"

namespace inod::daemon {

namespace {

// What a turn costs, whatever is asked in it: reading, writing, and the way through the event loop.
constexpr std::uint64_t turn_work = 5;

// How often somebody else took the core from this thread while it had something to do.
long interruptions() noexcept {
    rusage used{};
    ::getrusage(RUSAGE_THREAD, &used);
    return used.ru_nivcsw;
}

}  // namespace

Session::Session(OwnedFd socket, Client client, SessionContext& context, List& open,
                 std::optional<KeptSlot> returned)
    : TurnTaker(context.turns, client.peer.uid),
      socket_(std::move(socket)),
      client_(std::move(client)),
      context_(context),
      open_(open),
      input_(own_input_, proto::request_size_max),
      kept_(context.keeper, std::move(returned)),
      long_requests_(context.waker, context.allocator.memory(), [this] { on_durable(); }) {
    client_.long_requests = &long_requests_;
    client_.kept = &kept_;
    ++context_.session_count;
}

Session::~Session() {
    {
        const Flusher::Guard guard(context_.flusher);
        DurabilityWaiter::unlink();
    }
    context_.allocator.memory().give(memory_size(context_.allocator) + memory_of_added_pools_);
    --context_.session_count;
    context_.on_end(client_.peer.uid);
}

Result<> Session::start() {
    if (auto added = context_.loop.add(socket_.get(), *this); !added) {
        show_end();
        return added;
    }
    if (!enter()) {
        context_.loop.remove(socket_.get(), *this);
        show_end();
        return Errc::out_of_memory;
    }
    if (kept_.is_kept()) say_resumed();
    return {};
}

// From here on others find it. False if there is no memory for what its client may do in each pool.
bool Session::enter() {
    const Flusher::Guard guard(context_.flusher);
    if (!make_room_for_pools(context_.dispatcher.pool_count())) return false;
    self_ = shared_from_this();
    open_.push_back(*this);
    return true;
}

Result<> Session::make_room_for_pools(std::size_t count) noexcept {
    MemoryBudget& memory = context_.allocator.memory();
    const std::size_t at_start = context_.allocator.pool_index_end_at_start();
    const std::size_t size = (count - std::min(count, at_start)) * memory_per_pool;
    const std::size_t more = size - std::min(size, memory_of_added_pools_);
    if (!memory.take(more)) return Errc::out_of_memory;
    memory_of_added_pools_ += more;
    try {
        client_.rights.reserve(count);
        client_.quotas.reserve(count);
    } catch (const std::bad_alloc&) {
        return Errc::out_of_memory;
    }
    return {};
}

// To a client of an earlier daemon. It may have sent anything since, from the middle of a frame on.
void Session::say_resumed() {
    mark_.emplace();
    ByteWriter mark(*mark_);
    mark.put(random_word());
    mark.put(random_word());
    ByteWriter out(outbox_.space(0));
    proto::encode_resumed(out, {.mark = *mark_,
                                .unanswered = kept_.is_certain() ? proto::Unanswered::undone
                                                                 : proto::Unanswered::in_doubt});
    outbox_.add(out.size(), 0);
    ask_for_turn();
}

// Does what is in the input come behind the client's answer to that?
bool Session::is_resumed() {
    if (mark_ && input_.skip_past(proto::encode_resume(*mark_))) mark_.reset();
    return !mark_;
}

void Session::on_ready(Readiness ready) {
    readable_ = readable_ || ready.readable;
    ended_ = ended_ || ready.ended;
    urgent_ = urgent_ || ready.urgent;
    if (writing_ && ready.writable) {
        writing_ = false;
        context_.loop.await_writable(socket_.get(), *this, false);
        ask_for_turn();
    } else if (wants_to_read()) {
        ask_for_turn();
    }
}

std::uint64_t Session::take_turn(std::uint64_t work_max) {
    const auto self = shared_from_this();
    context_.dispatcher.begin_turn(work_max);
    take_desk();
    if (wants_to_read()) read();
    if (may_send_later()) {
        leave_desk();
        finish_later();
    } else {
        finish_turn();
    }
    return turn_work + context_.dispatcher.work();
}

// What was decided is sent with what others have to send, so that a client that has several connections is
// woken once for all of them: the system calls that wake it take longer than those that find it awake.
bool Session::may_send_later() {
    const bool ends = refused_ || read_all_ || leaving_ || !is_open();
    return !ends && !writing_ && !has_undecided() && settle();
}

void Session::finish_turn() {
    const auto self = shared_from_this();
    go_on();
    leave_desk();
}

void Session::take_desk() noexcept {
    if (desk_ != nullptr) return;
    desk_ = context_.desks.take();
    if (desk_ == nullptr) return;
    input_.move_to(desk_->requests);
    outbox_.borrow(desk_->ready, desk_->waiting);
}

// Unless more lies there than it can carry.
void Session::leave_desk() noexcept {
    const bool can_leave = input_.pending() <= own_input_.size() && outbox_.can_give_back();
    if (desk_ == nullptr || !can_leave) return;
    input_.move_to(own_input_);
    outbox_.give_back();
    context_.desks.give(*std::exchange(desk_, nullptr));
}

void Session::read() {
    const Received received = passes_descriptors() ? read_with_descriptors() : read_plainly();
    if (received.error != 0) {
        abort();
        return;
    }
    client_.has_asked_for_the_gone = false;
    read_all_ = received.ended;
    input_.received(received.size);
    if (!is_resumed()) return;
    // Where others are ready too they are what is done while this client wakes up.
    const bool is_alone = context_.loop.has_found_one() && outbox_.empty();
    decide(is_alone ? context_.early_replies.undecided_behind(input_.pending()) : 0);
}

// What brought less than there was room for was all there was, but for the end, and for what lies behind
// descriptors or an urgent byte: behind these only a read that brought nothing tells that nothing is left.
Received Session::read_plainly() {
    const std::size_t room = input_.prepare().size();
    const Received received = receive_plainly(socket_.get(), input_);
    const bool may_end_early = received.dropped || ended_ || urgent_;
    readable_ = received.size == room || (may_end_early && received.size > 0);
    return received;
}

// A read may end at what came with a descriptor, so only one that brought nothing tells that nothing is left.
Received Session::read_with_descriptors() {
    const TakesDescriptor takes = context_.dispatcher.takes_descriptors(client_)
                                      ? proto::takes_descriptor
                                      : [](proto::Operation) { return false; };
    const Received received = receive(socket_.get(), input_, takes, urgent_, passed_);
    readable_ = received.size > 0;
    return received;
}

// Decides what is there. True if it got any further.
bool Session::decide(std::size_t early_at) {
    Flusher::Guard guard(context_.flusher);
    context_.dispatcher.begin_deciding();
    context_.allocator.set_time(boot_time());
    const std::size_t pending = input_.pending();
    const std::size_t due = long_requests_.due_count();
    answer_due();
    decide_frames(early_at, guard);
    if (has_undecided() && context_.dispatcher.has_done_enough()) ask_for_turn();
    if (outbox_.waits_for() != 0 || (undecided_ && !sends_early_)) context_.waiters.await(*this);
    context_.waker.notice();
    context_.flusher.notify(std::move(guard));
    return input_.pending() < pending || long_requests_.due_count() < due || !has_undecided();
}

// Those whose turn has come, as far as there is room for their replies.
void Session::answer_due() {
    while (long_requests_.has_due() && !context_.dispatcher.has_done_enough()) {
        LongRequest& request = long_requests_.due();
        const Room room = room_for(request.operation());
        if (room == Room::later) return;
        if (room == Room::never) {
            Dispatcher::refuse_late(request, Errc::out_of_memory, outbox_);
            long_requests_.done();
        } else if (context_.dispatcher.answer_late(request, client_, outbox_)) {
            long_requests_.done();
        } else {
            long_requests_.park_again();
        }
    }
}

// Never, where there is no desk and the reply may take more than the session has itself.
Session::Room Session::room_for(proto::Operation operation) const noexcept {
    const std::size_t size = proto::reply_size_limit(operation);
    if (outbox_.has_room(size)) return Room::there;
    const bool is_too_long = desk_ == nullptr && size > Outbox::own_size;
    return is_too_long && outbox_.has_room(Dispatcher::refusal_size) ? Room::never : Room::later;
}

// Answers the frames that are there, as far as there is room for their replies and records, up to
// one that must wait for a group, or until the turn is over.
void Session::decide_frames(std::size_t early_at, Flusher::Guard& guard) {
    undecided_ = false;
    while (!refused_) {
        if (context_.dispatcher.has_done_enough() || !outbox_.has_room(Dispatcher::refusal_size) ||
            !context_.allocator.has_room()) {
            undecided_ = input_.pending() > 0;
            return;
        }
        // A reply that waits for the disk does so together with those to the rest.
        if (early_at > 0 && input_.pending() <= early_at && outbox_.waits_for() == 0) {
            undecided_ = sends_early_ = true;
            return;
        }
        const auto frame = input_.next();
        if (!frame) break;
        if (!decide_frame(*frame, guard)) {
            input_.put_back(*frame);
            undecided_ = true;
            return;
        }
    }
    if (!refused_ && input_.error() != Errc::ok) {
        tell(input_.error());
        refused_ = true;
    }
}

// False if it is to be decided later.
bool Session::decide_frame(const proto::Frame& frame, Flusher::Guard& guard) {
    const Room room = room_for(frame.header.operation);
    if (room == Room::later) return false;
    if (room == Room::never || frame.is_cut()) {
        Dispatcher::refuse_unread(frame.header, Errc::out_of_memory, outbox_);
    } else {
        const auto next = context_.dispatcher.answer(frame, client_, outbox_, guard, passed_);
        if (next == Dispatcher::Next::ask_again) return false;
        refused_ = next == Dispatcher::Next::close;
    }
    context_.dispatcher.drop(client_, passed_);
    return true;
}

// Why it closes, once, whatever else is wrong with it. Requires room in the outbox.
void Session::tell(Errc reason) {
    if (!std::exchange(told_, true)) Dispatcher::refuse_stream(reason, outbox_);
}

void Session::on_durable() {
    if (is_open()) ask_for_turn();
}

// Lets go what has become durable, and waits on if more is to. False if there was no room for it.
bool Session::settle() {
    if (outbox_.waits_for() == 0) return true;
    const Flusher::Guard guard(context_.flusher);
    const Lsn durable_lsn = context_.allocator.journal().durable_lsn();
    outbox_.settle(durable_lsn);
    if (outbox_.waits_for() == 0) return true;
    context_.waiters.await(*this);
    return outbox_.waits_for() > durable_lsn;
}

// Whatever can go on goes on: sending, deciding what waited for room, reading, closing. Each step
// can make room for the one before it, so they are repeated until an event must come first:
// on_durable(), room in the socket, or another turn.
void Session::go_on() {
    while (is_open()) {
        const bool settled = settle();
        send();
        if (std::exchange(sends_early_, false)) context_.early_replies.were_sent(interruptions());
        if (writing_ || !is_open()) break;
        if (!settled) continue;  // everything was sent, so there is room now
        if (!has_undecided() || asks_for_turn() || !decide()) break;
    }
    const bool done = refused_ || ((read_all_ || leaving_) && !has_undecided());
    if (done && outbox_.empty()) end();
    if (is_open() && wants_to_read()) ask_for_turn();
}

void Session::send() {
    while (!writing_ && is_open() && !outbox_.ready().empty()) {
        const auto bytes = outbox_.ready();
        kept_.will_send(bytes.size());
        const ssize_t size =
            ::send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size >= 0) {
            outbox_.sent(static_cast<std::size_t>(size));
            if (outbox_.ready().empty()) {
                kept_.has_sent_all();
            } else {
                kept_.has_sent_part();
            }
        } else if (errno == EAGAIN) {
            writing_ = true;
            context_.loop.await_writable(socket_.get(), *this, true);
        } else if (errno != EINTR) {
            abort();
        }
    }
}

// Has the holder that ends with the connection end, if the peer has closed it and nobody has noticed.
void Session::end_if_gone() noexcept {
    // Whoever leaves because the daemon ends comes back to what he has, as with abort().
    if (context_.is_stopping || !client_.ends_with_it || !is_open()) return;
    pollfd asked{.fd = socket_.get(), .events = POLLRDHUP, .revents = 0};
    const bool is_gone = ::poll(&asked, 1, 0) == 1 && (asked.revents & (POLLHUP | POLLERR)) != 0;
    if (is_gone) context_.dispatcher.disconnected(client_);
}

void Session::finish(Errc reason) {
    if (refused_ || read_all_) return;
    take_desk();
    {
        const Flusher::Guard guard(context_.flusher);
        long_requests_.set_all_due();
        for (; long_requests_.has_due() && outbox_.has_room(Dispatcher::refusal_size);
             long_requests_.done())
            Dispatcher::refuse_late(long_requests_.due(), reason, outbox_);
        long_requests_.clear();
    }
    if (reason != Errc::ok && outbox_.has_room(Dispatcher::refusal_size)) {
        tell(reason);
    }
    read_all_ = true;
    ::shutdown(socket_.get(), SHUT_RD);
    take_turn_now();
}

void Session::leave() {
    if (refused_ || read_all_) return;
    take_desk();
    {
        const Flusher::Guard guard(context_.flusher);
        long_requests_.clear();
    }
    leaving_ = true;
    take_turn_now();
}

// Who is left is told so, behind all replies: what has none then was not carried out, also if nobody comes to go on. But
// not one to whom something is in doubt, and who has not said yet that he knows.
void Session::end() {
    if (leaving_ && !told_ && kept_.is_certain()) {
        tell(Errc::shutting_down);
        send();
        if (!is_open() || !outbox_.empty()) return;
    }
    if (leaving_ && !refused_ && kept_.leave(socket_.get())) {
        close();
    } else {
        abort();
    }
}

void Session::abort() {
    if (!is_open()) return;
    show_end();
    close();
}

// The service manager has it open, too: the peer is to see the end all the same.
void Session::show_end() noexcept {
    if (kept_.is_stored()) ::shutdown(socket_.get(), SHUT_RDWR);
}

void Session::close() noexcept {
    context_.loop.remove(socket_.get(), *this);
    end_asking();
    if (desk_ != nullptr) context_.desks.give(*std::exchange(desk_, nullptr));
    context_.dispatcher.drop(client_, passed_);
    {
        Flusher::Guard guard(context_.flusher);
        open_.erase(open_.iterator_to(*this));
        long_requests_.clear();
        if (!context_.is_stopping) context_.dispatcher.disconnected(client_);
        context_.flusher.notify(std::move(guard));
    }
    socket_ = OwnedFd();
    self_.reset();  // where nobody else holds the session, this ends it
}

}  // namespace inod::daemon
