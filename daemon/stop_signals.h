// SIGTERM and SIGINT, by which whoever runs the daemon stops it.
//
// Only the event loop's thread takes them. At the daemon's end nobody handles them any more, and a thread
// that still took one would end the process with it, whatever status it was about to end with.
#pragma once

#include <csignal>

namespace inod::daemon {

// As long as it lives this thread takes none, nor do the threads that it starts meanwhile, ever.
class StopSignalsBlocked {
public:
    StopSignalsBlocked() noexcept;
    StopSignalsBlocked(const StopSignalsBlocked&) = delete;
    StopSignalsBlocked& operator=(const StopSignalsBlocked&) = delete;
    ~StopSignalsBlocked();

private:
    sigset_t before_;
};

// This thread takes none any more.
void block_stop_signals() noexcept;

}  // namespace inod::daemon
