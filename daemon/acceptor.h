// Takes connections, a few at a time, so that those who connect do not keep others waiting.
//
// Where the daemon, or the machine, can have no further descriptor open, or no memory, it tries again when
// something of ours was closed, and in a while: nobody tells when others make room. Those who connect wait
// meanwhile, in the kernel's queue.
//
// Thread safety: everything on the loop's thread.
#pragma once

#include <functional>

#include "daemon/event_loop.h"
#include "daemon/timer.h"
#include "lib/base/owned_fd.h"

namespace inod::daemon {

class Acceptor final : public Polled {
public:
    // `on_connection` gets each; `on_failure` hears with which errno accept(2) fails, once until it works
    // again. Throws std::system_error if the kernel has no descriptor or no memory for it.
    Acceptor(EventLoop& loop, OwnedFd listening, std::function<void(OwnedFd)> on_connection,
             std::function<void(int error)> on_failure);
    ~Acceptor() override;

    // Takes no more. Who waited for it finds the connection closed.
    void stop() noexcept;

    // There may be room for another one again.
    void try_again();

    void on_ready(Readiness ready) override;

private:
    void begin();
    void pause(int error);

    EventLoop& loop_;
    OwnedFd listening_;
    std::function<void(OwnedFd)> on_connection_;
    std::function<void(int error)> on_failure_;
    Timer pause_;
    bool is_polled_ = false;
    bool is_failing_ = false;
};

}  // namespace inod::daemon
