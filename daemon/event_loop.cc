#include "daemon/event_loop.h"

#include <cerrno>
#include <system_error>

#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/assert.h"

namespace inod::daemon {
namespace {

int opened(int fd, const char* call) {
    if (fd >= 0) return fd;
    throw std::system_error(errno, std::system_category(), call);
}

Readiness readiness_of(std::uint32_t events) {
    constexpr std::uint32_t broken = EPOLLHUP | EPOLLERR;  // a write tells, too
    return {.readable = (events & (EPOLLIN | EPOLLRDHUP | broken)) != 0,
            .writable = (events & (EPOLLOUT | broken)) != 0,
            .ended = (events & (EPOLLRDHUP | broken)) != 0,
            .urgent = (events & EPOLLPRI) != 0};
}

using Clock = std::chrono::steady_clock;

// A look takes some microseconds at most; one that took longer was not the only one on its core.
constexpr std::chrono::microseconds interruption{200};

constexpr std::uint32_t by_edge = EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLET;

}  // namespace

EventLoop::Wakeup::Wakeup(EventLoop& loop)
    : loop_(loop), event_(opened(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {}

void EventLoop::Wakeup::wake() noexcept {
    const std::uint64_t one = 1;
    // It fails where 2^64 - 1 wait, and then the loop is awake.
    static_cast<void>(::write(event_.get(), &one, sizeof(one)));
}

void EventLoop::Wakeup::on_ready(Readiness /*ready*/) {
    std::uint64_t count = 0;
    static_cast<void>(::read(event_.get(), &count, sizeof(count)));
    const MutexGuard guard(loop_.outside_mutex_);
    loop_.due_.splice(loop_.due_.end(), loop_.posted_outside_);
}

EventLoop::EventLoop(std::chrono::microseconds polling)
    : set_(opened(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      wakeup_(*this),
      polling_(polling) {
    if (!add(wakeup_.fd(), wakeup_)) throw std::system_error(ENOMEM, std::system_category());
}

Result<> EventLoop::add(int fd, Polled& polled, Trigger trigger) noexcept {
    epoll_event event{};
    event.events = trigger == Trigger::edge ? by_edge : std::uint32_t{EPOLLIN};
    event.data.ptr = &polled;
    if (::epoll_ctl(set_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
    // Of what epoll_ctl(2) lists the other errors are the caller's: no open descriptor, or one that is there.
    INOD_ASSERT(errno == ENOMEM || errno == ENOSPC);
    return Errc::out_of_memory;
}

void EventLoop::remove(int fd, Polled& polled) noexcept {
    const int removed = ::epoll_ctl(set_.get(), EPOLL_CTL_DEL, fd, nullptr);
    INOD_ASSERT(removed == 0);
    for (std::size_t i = next_; i < end_; ++i) {
        if (found_[i].data.ptr == &polled) found_[i].data.ptr = nullptr;
    }
}

void EventLoop::await_writable(int fd, Polled& polled, bool awaits) noexcept {
    epoll_event event{};
    event.events = by_edge | (awaits ? std::uint32_t{EPOLLOUT} : 0U);
    event.data.ptr = &polled;
    const int changed = ::epoll_ctl(set_.get(), EPOLL_CTL_MOD, fd, &event);
    INOD_ASSERT(changed == 0);
}

void EventLoop::post(Task& task) noexcept {
    if (!task.is_linked()) tasks_.push_back(task);
}

void EventLoop::post_last(Task& task) noexcept {
    if (!task.is_linked()) last_.push_back(task);
}

void EventLoop::post_from_any_thread(Task& task) noexcept {
    if (task.is_posted_outside_.exchange(true)) return;
    {
        const MutexGuard guard(outside_mutex_);
        posted_outside_.push_back(task);
    }
    wakeup_.wake();
}

void EventLoop::run() {
    stopped_ = false;
    while (!stopped_)
        run_once({});
}

bool EventLoop::run_once(std::optional<std::chrono::milliseconds> patience) {
    due_.splice(due_.end(), tasks_);
    const bool has_due = !due_.empty() || !last_.empty();
    const int wait_ms = has_due ? 0 : patience ? static_cast<int>(patience->count()) : -1;
    const int count = wait_ms != 0 && polling_.is_on() ? wait_polling(wait_ms) : wait(wait_ms);
    next_ = 0;
    end_ = count > 0 ? static_cast<std::size_t>(count) : 0;
    const bool is_something = end_ > 0 || !due_.empty() || !last_.empty();
    tell_of_found();
    run_all(due_);
    run_all(last_);
    return is_something;
}

int EventLoop::wait(int wait_ms) noexcept {
    return ::epoll_wait(set_.get(), found_.data(), static_cast<int>(found_.size()), wait_ms);
}

int EventLoop::wait_polling(int wait_ms) noexcept {
    const auto begin = Clock::now();
    const auto window_end = begin + polling_.window();
    for (auto now = begin; now < window_end;) {
        const int count = wait(0);
        if (count != 0) {
            polling_.has_found();
            return count;
        }
        const auto before = std::exchange(now, Clock::now());
        if (now - before > interruption) polling_.was_interrupted();
    }
    const int count = wait(wait_ms);
    polling_.has_slept(Clock::now() - begin);
    return count;
}

void EventLoop::tell_of_found() {
    while (next_ < end_) {
        const epoll_event& found = found_[next_++];
        auto* const polled = static_cast<Polled*>(found.data.ptr);
        if (polled != nullptr) polled->on_ready(readiness_of(found.events));
    }
}

void EventLoop::run_all(Tasks& tasks) {
    while (!tasks.empty()) {
        Task& task = tasks.front();
        tasks.pop_front();
        task.is_posted_outside_ = false;
        task.run_();
    }
}

}  // namespace inod::daemon
