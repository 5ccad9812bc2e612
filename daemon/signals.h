// SIGTERM and SIGINT, by which whoever runs the daemon stops it, and SIGHUP, by which he has it read its configuration
// again.
//
// No thread takes them: they are read like anything else that the event loop waits for. A thread that took
// one would end the process with it, whatever status it was about to end with.
#pragma once

#include <functional>

#include "daemon/event_loop.h"
#include "lib/base/owned_fd.h"

namespace inod::daemon {

// No SIGHUP ends the process from here on: one that comes before there are Signals waits for them. For main(), before
// other threads exist.
void hold_reload_signal() noexcept;

class Signals final : public Polled {
public:
    // From here on this thread takes none any more, nor do the threads that it starts, to the process's end.
    // Throws std::system_error if the kernel has no descriptor or no memory for it. `loop` outlives it.
    Signals(EventLoop& loop, std::function<void(int signal)> on_signal);
    ~Signals() override;

    void on_ready(Readiness ready) override;

private:
    EventLoop& loop_;
    std::function<void(int signal)> on_signal_;
    OwnedFd signals_;
};

}  // namespace inod::daemon
