// A moment at which something is done. Between it and its handler other descriptors' come.
//
// Thread safety: everything on the loop's thread, but set() and cancel(), which one thread at a time may call.
#pragma once

#include <chrono>
#include <functional>

#include "daemon/event_loop.h"
#include "lib/base/owned_fd.h"

namespace inod::daemon {

class Timer final : public Polled {
public:
    using Clock = std::chrono::steady_clock;

    // Throws std::system_error if the kernel has no descriptor or no memory for it. `loop` outlives it.
    Timer(EventLoop& loop, std::function<void()> on_time);
    ~Timer() override;

    // Has `on_time` called once, then or, where that is over, soon; and not when it was set for before.
    void set(Clock::time_point at) noexcept;
    void set_after(Clock::duration delay) noexcept { set(Clock::now() + delay); }
    // It is not called any more.
    void cancel() noexcept;

    void on_ready(Readiness ready) override;

private:
    EventLoop& loop_;
    std::function<void()> on_time_;
    OwnedFd timer_;
};

}  // namespace inod::daemon
