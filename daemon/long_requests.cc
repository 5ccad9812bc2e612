#include "daemon/long_requests.h"

#include <new>

#include "daemon/waker.h"

namespace inod::daemon {

Result<> LongRequests::park(const LongRequest& request) noexcept {
    if (parked_.size() + due_.size() >= count_max) return Error{Errc::quota_exceeded, count_max};
    if (!memory_.take(sizeof(LongRequest))) return Errc::out_of_memory;
    auto* const made = new (std::nothrow) LongRequest;
    if (made == nullptr) {
        memory_.give(sizeof(LongRequest));
        return Errc::out_of_memory;
    }
    made->pool = request.pool;
    made->id = request.id;
    made->holder = request.holder;
    made->tag = request.tag;
    made->body = request.body;
    made->deadline = request.deadline;
    made->owner = this;
    parked_.push_back(*made);
    waker_.park(*made);
    return {};
}

void LongRequests::park_again() noexcept {
    LongRequest& request = due_.front();
    due_.pop_front();
    --due_count_;
    parked_.push_back(request);
    waker_.park(request);
}

void LongRequests::done() noexcept {
    LongRequest& request = due_.front();
    due_.pop_front();
    --due_count_;
    remove(request);
}

void LongRequests::set_due(LongRequest& request) noexcept {
    parked_.erase(parked_.iterator_to(request));
    due_.push_back(request);
    ++due_count_;
}

void LongRequests::set_all_due() noexcept {
    for (LongRequest& request : parked_)
        waker_.forget(request);
    due_count_ += parked_.size();
    due_.splice(due_.end(), parked_);
}

void LongRequests::clear() noexcept {
    set_all_due();
    while (has_due())
        done();
    of_waker.unlink();
}

void LongRequests::remove(LongRequest& request) noexcept {
    delete &request;
    memory_.give(sizeof(LongRequest));
}

}  // namespace inod::daemon
