// Whether the event loop looks again and again for a while before it sleeps, and for how long.
//
// Who sleeps has to be woken, which costs more than many a request takes: some 5 us on one's own machine, and
// 20 to 50 us where the processor is a virtual one, on either side. So it pays to keep looking where the next
// request is near, and only there: not where waits take longer than the bound that is configured, nor where
// nothing comes until it sleeps, since whoever is to send it needs the same core. The window is twice the last
// wait; what it is for is Linux's halt_poll_ns of KVM.
//
// Thread safety: everything on the loop's thread.
#pragma once

#include <algorithm>
#include <chrono>

namespace inod::daemon {

class Polling {
public:
    using Duration = std::chrono::nanoseconds;

    // 0: never.
    explicit Polling(Duration bound) : bound_(bound) {}

    [[nodiscard]] bool is_on() const noexcept { return bound_ > Duration(0); }
    // For how long to look before the next sleep.
    [[nodiscard]] Duration window() const noexcept { return window_; }

    // Something came while it looked.
    void has_found() noexcept { misses_ = 0; }
    // Nothing came in the window, which may have been 0, and then it slept; all of it took so long.
    void has_slept(Duration time) noexcept {
        if (pause_ > 0) {
            --pause_;
            return;
        }
        if (window_ > Duration(0)) ++misses_;
        window_ = time <= bound_ ? std::min(bound_, 2 * time) : Duration(0);
        if (misses_ == misses_max) pause();
    }
    // While it looked somebody else had the core.
    void was_interrupted() noexcept { pause(); }

private:
    static constexpr int misses_max = 3;  // with nothing found between them
    static constexpr int waits_paused = 1'000;

    void pause() noexcept {
        pause_ = waits_paused;
        misses_ = 0;
        window_ = Duration(0);
    }

    Duration bound_;
    Duration window_{0};
    int misses_ = 0;
    int pause_ = 0;  // so many waits more
};

}  // namespace inod::daemon
