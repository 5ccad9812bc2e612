#include "daemon/waker.h"

#include <utility>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/post.hpp>

namespace inod::daemon {
namespace {

// Requests that one slice looks at: some tens of microseconds.
constexpr std::size_t visits_per_slice = 256;

}  // namespace

Waker::Waker(boost::asio::io_context& io, Allocator& allocator, Flusher& flusher)
    : io_(io), allocator_(allocator), flusher_(flusher), timer_(io) {}

Waker::~Waker() {
    const auto guard = flusher_.lock();
    DurabilityWaiter::unlink();
}

void Waker::park(LongRequest& request) noexcept {
    if (request.is_watch()) {
        watches_.push_back(request);
    } else {
        allocator_.waits().add(request);
    }
    if (request.deadline) {
        deadlines_.insert(request);
        set_timer();
    }
    flusher_.await(*this);
}

void Waker::forget(LongRequest& request) noexcept {
    allocator_.waits().remove(request);
    if (request.of_watches.is_linked()) watches_.erase(watches_.iterator_to(request));
    if (request.by_deadline.is_linked()) deadlines_.erase(deadlines_.iterator_to(request));
    // Nobody waits for the timer, as the daemon may at its end.
    if (deadlines_.empty() && is_timing_) timer_.cancel();
}

void Waker::wake(LongRequest& request) noexcept {
    forget(request);
    LongRequests& owner = *request.owner;
    owner.set_due(request);
    if (!owner.of_waker.is_linked()) owners_.push_back(owner);
}

void Waker::notice() noexcept {
    if (allocator_.waits().has_woken()) post_look();
}

void Waker::on_durable() {
    {
        const auto guard = flusher_.lock();
        unseen_ = watches_.size();
    }
    look();
}

void Waker::post_look() noexcept {
    if (std::exchange(is_looking_, true)) return;
    boost::asio::post(io_,
                      boost::asio::bind_allocator(HandlerAllocator<void>(looking_memory_), [this] {
                          is_looking_ = false;
                          look();
                      }));
}

// A slice; whoever else has something to do has it done before the next one.
void Waker::look() {
    {
        const auto guard = flusher_.lock();
        if (look_at_slice()) post_look();
        if (!watches_.empty() || !allocator_.waits().empty()) flusher_.await(*this);
        set_timer();
    }
    while (!owners_.empty()) {
        LongRequests& owner = owners_.front();
        owners_.pop_front();
        owner.tell_due();
    }
}

bool Waker::look_at_slice() noexcept {
    std::size_t visits_left = visits_per_slice;
    const auto now = LongRequest::Clock::now();
    while (visits_left > 0 && !deadlines_.empty() && *deadlines_.begin()->deadline <= now) {
        --visits_left;
        wake(*deadlines_.begin());
    }
    while (visits_left > 0) {
        Wait* const wait = allocator_.waits().take_woken();
        if (wait == nullptr) break;
        --visits_left;
        wake(static_cast<LongRequest&>(*wait));
    }
    return look_at_watches(visits_left) || visits_left == 0;
}

bool Waker::look_at_watches(std::size_t& visits_left) noexcept {
    for (; unseen_ > 0 && !watches_.empty(); --unseen_, --visits_left) {
        if (visits_left == 0) return true;
        LongRequest& watch = watches_.front();
        watches_.splice(watches_.end(), watches_, watches_.begin());
        const Lsn from = std::get<proto::WatchRequest>(watch.body).from;
        if (allocator_.events().has_news(watch.pool, from)) wake(watch);
    }
    unseen_ = 0;
    return false;
}

// For the next deadline. A handler that is on its way sets it anew.
void Waker::set_timer() noexcept {
    if (deadlines_.empty()) return;
    const auto next = *deadlines_.begin()->deadline;
    if (is_timing_) {
        if (next < timer_.expiry()) timer_.cancel();
        return;
    }
    is_timing_ = true;
    timer_.expires_at(next);
    timer_.async_wait(boost::asio::bind_allocator(
        HandlerAllocator<void>(timing_memory_), [this](const boost::system::error_code& /*error*/) {
            is_timing_ = false;
            look();
        }));
}

}  // namespace inod::daemon
