// A file descriptor (SCM_RIGHTS) that comes with a request: reading a stream so that it is known
// which frame it came with.
//
// A recvmsg(2) takes bytes that came without descriptors together with those that came with some,
// and ends behind these (unix(7)). So there are never two sets in one read; but it does not say at
// which of its bytes the set came. Therefore what is there is looked at first (MSG_PEEK). Bytes
// without descriptors are read all at once. Otherwise, pieces are read that reach no further than
// the frame does, the first byte of a frame alone: what comes with that byte came with the frame,
// what comes with another piece came in the middle of it.
//
// No descriptor enters the daemon but one at the first byte of a frame whose operation takes one. All
// others are read without room for them, and the kernel drops them: close(2) would ask their file
// system first, which may be one of the client's own (FUSE) that answers when it likes. For the same
// reason nothing here closes the one that entered.
//
// Thread safety: none of its own; it belongs to one session.
#pragma once

#include <cstddef>

#include "lib/base/owned_fd.h"
#include "proto/frame.h"

namespace inod::daemon {

// What came with the frame that is the first in a session's input, whole or not.
struct PassedDescriptor {
    OwnedFd descriptor;  // with its first byte, for its operation, which may move it away
    // Others came, and were dropped: the frame is to be refused, and what is in `descriptor`, if
    // anything is, was not asked for: it is not to be closed here either.
    bool unexpected = false;
};

// What one read came to.
struct Received {
    std::size_t size = 0;  // bytes; 0 if nothing is there now
    bool ended = false;    // The peer sends no more.
    bool dropped =
        false;      // Descriptors came with it, and were: a read ends there, whatever lies behind.
    int error = 0;  // errno of a broken connection
};

// Does an operation take a descriptor? proto::takes_descriptor(), but for tests.
using TakesDescriptor = bool (*)(proto::Operation);

// Puts what is there behind what `input` has, without waiting. The kernel drops whatever descriptors come.
// Requires that there is room.
Received receive_plainly(int socket, proto::FrameSplitter& input) noexcept;

// Puts what is there behind what `input` has, without waiting, and what came with its first frame
// into `passed`. The caller says input.received(), takes all whole frames out, and after the first
// one clears `passed`, before it calls this again. So at most one descriptor waits.
// Requires that `input` has no whole frame and no error.
//
// An operation takes a descriptor only if it is the one in its set, the daemon may have another one
// open (RLIMIT_NOFILE), and the header came at once with the first byte.
//
// `urgent`: there is, or was, a byte of MSG_OOB. From who sends these a descriptor may be dropped as one that is not
// expected.
Received receive(int socket, proto::FrameSplitter& input, TakesDescriptor takes, bool urgent,
                 PassedDescriptor& passed) noexcept;

}  // namespace inod::daemon
