#include "daemon/timer.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

#include <sys/timerfd.h>
#include <unistd.h>

namespace inod::daemon {
namespace {

int make_timer() {
    const int timer = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer >= 0) return timer;
    throw std::system_error(errno, std::system_category(), "timerfd_create");
}

}  // namespace

Timer::Timer(EventLoop& loop, std::function<void()> on_time)
    : loop_(loop), on_time_(std::move(on_time)), timer_(make_timer()) {
    if (!loop_.add(timer_.get(), *this)) throw std::system_error(ENOMEM, std::system_category());
}

Timer::~Timer() {
    loop_.remove(timer_.get(), *this);
}

// The steady clock is CLOCK_MONOTONIC. A time of 0 would stop the timer.
void Timer::set(Clock::time_point at) noexcept {
    using std::chrono::duration_cast;
    const auto since = std::max(at.time_since_epoch(), Clock::duration(1));
    const auto seconds = duration_cast<std::chrono::seconds>(since);
    itimerspec when{};
    when.it_value.tv_sec = seconds.count();
    when.it_value.tv_nsec = duration_cast<std::chrono::nanoseconds>(since - seconds).count();
    ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void Timer::cancel() noexcept {
    const itimerspec never{};
    ::timerfd_settime(timer_.get(), 0, &never, nullptr);
}

// One that was set anew since has nothing to be read.
void Timer::on_ready(Readiness /*ready*/) {
    std::uint64_t count = 0;
    if (::read(timer_.get(), &count, sizeof(count)) == ssize_t{sizeof(count)}) on_time_();
}

}  // namespace inod::daemon
