#include "daemon/waker.h"

namespace inod::daemon {
namespace {

// Requests that one slice looks at: some tens of microseconds.
constexpr std::size_t visits_per_slice = 256;

}  // namespace

Waker::Waker(EventLoop& loop, Allocator& allocator, Flusher& flusher, DurabilityWaiters& waiters)
    : loop_(loop),
      allocator_(allocator),
      flusher_(flusher),
      waiters_(waiters),
      looking_([this] { look(); }),
      telling_([this] { tell_owners(); }),
      timer_(loop, [this] { look(); }) {}

Waker::~Waker() {
    const Flusher::Guard guard(flusher_);
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
    waiters_.await(*this);
}

void Waker::forget(LongRequest& request) noexcept {
    allocator_.waits().remove(request);
    if (request.of_watches.is_linked()) watches_.erase(watches_.iterator_to(request));
    if (request.by_deadline.is_linked()) deadlines_.erase(deadlines_.iterator_to(request));
}

void Waker::wake(LongRequest& request) noexcept {
    forget(request);
    LongRequests& owner = *request.owner;
    owner.set_due(request);
    if (!owner.of_waker.is_linked()) owners_.push_back(owner);
}

void Waker::notice() noexcept {
    if (allocator_.waits().has_woken()) loop_.post(looking_);
}

void Waker::on_durable() {
    {
        const Flusher::Guard guard(flusher_);
        unseen_ = watches_.size();
    }
    look();
}

// A slice; whoever else has something to do has it done before the next one.
void Waker::look() {
    {
        const Flusher::Guard guard(flusher_);
        if (look_at_slice()) loop_.post(looking_);
        if (!watches_.empty() || !allocator_.waits().empty()) waiters_.await(*this);
        set_timer();
    }
    tell_owners();
}

LongRequests* Waker::next_owner() {
    const Flusher::Guard guard(flusher_);
    if (owners_.empty()) return nullptr;
    LongRequests& owner = owners_.front();
    owners_.pop_front();
    return &owner;
}

void Waker::tell_owners() {
    while (LongRequests* const owner = next_owner())
        owner->tell_due();
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
        auto& request = static_cast<LongRequest&>(*wait);
        Waker& own = request.owner->waker();
        own.wake(request);
        if (&own != this) own.loop_.post_from_any_thread(own.telling_);
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

void Waker::set_timer() noexcept {
    if (!deadlines_.empty()) timer_.set(*deadlines_.begin()->deadline);
}

}  // namespace inod::daemon
