// Closes file descriptors that strangers have sent, on a thread of its own: close(2) of such a one may
// wait for as long as somebody likes (a file of a FUSE server, a TCP socket that lingers).
//
// There is one thread, and one descriptor can keep it for ever. What queues up behind that takes
// room that the journal and other clients' connections need, so a user may have only a few in the
// queue, and all together some more. Of whoever has no room no descriptor is taken in: the kernel
// drops them as they are read. That is the lesser evil. It happens on the thread of the event loop,
// but a dropped descriptor does not ask a FUSE server, as close(2) does; what lingers does wait
// there, which whoever may connect can have anyway. Not to read from such a client, or to close on
// him, would do as much to a well-behaved one of the same user, whose other requests are sound.
//
// Thread safety: any thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "lib/base/mutex.h"
#include "lib/base/owned_fd.h"

namespace inod::daemon {

class Closer {
public:
    static constexpr std::size_t count_of_user_max = 4;
    static constexpr std::size_t count_max = 64;

    // Starts its thread. Throws std::system_error where there is none to be had.
    Closer();
    Closer(const Closer&) = delete;
    Closer& operator=(const Closer&) = delete;
    // Waits for nobody: what hangs is left to the end of the process.
    ~Closer();

    // May another one be taken in that this user sends?
    [[nodiscard]] bool has_room(std::uint32_t uid) const noexcept;

    // Takes the descriptor, which this user has sent, and closes it soon; one that was taken in
    // while there was room is taken here though there is none any more. A pidfd keeps nobody
    // waiting, and is closed at once. So is any other where there is no memory.
    void close(std::uint32_t uid, OwnedFd descriptor) noexcept;

private:
    struct Item {
        std::uint32_t uid;
        OwnedFd descriptor;
    };
    struct Shared {
        Mutex mutex;
        std::condition_variable work;
        std::deque<Item> queue INOD_GUARDED_BY(mutex);  // the first one is being closed
        bool stopping INOD_GUARDED_BY(mutex) = false;
    };
    static void run(const std::shared_ptr<Shared>& shared);

    const std::shared_ptr<Shared> shared_;
};

}  // namespace inod::daemon
