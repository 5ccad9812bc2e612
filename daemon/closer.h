// Closes file descriptors that strangers have sent, on a thread of its own: close(2) of such a one may
// wait for as long as somebody likes (a file of a FUSE server, a TCP socket that lingers).
//
// Thread safety: any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "lib/base/owned_fd.h"

namespace inod::daemon {

class Closer {
public:
    Closer() = default;
    Closer(const Closer&) = delete;
    Closer& operator=(const Closer&) = delete;
    // Waits for nobody: what hangs is left to the end of the process.
    ~Closer();

    // Takes the descriptor, and closes it soon. Where there is no memory or thread for that, at once.
    void close(OwnedFd descriptor) noexcept;

private:
    struct Shared {
        std::mutex mutex;
        std::condition_variable work;
        std::deque<OwnedFd> descriptors;
        bool stopping = false;
    };
    static void run(const std::shared_ptr<Shared>& shared);

    std::shared_ptr<Shared> shared_;  // none until the first descriptor comes
};

}  // namespace inod::daemon
