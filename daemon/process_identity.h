// Which process it is, and whether it has ended: what the kernel says, and how it is proven.
//
// A process is named by a pidfd for as long as the daemon runs. For the next daemon of the same
// boot it is written down as a ProcessIdentity, and found again by its pidfd's inode number in
// pidfs, which no other process of the boot ever has (Linux 6.9 and newer). On older kernels the
// time of its start has to do, to the clock tick (10 ms): there a process is taken for another one
// if that one started, was written down and ended, and the kernel came round to its PID again, all
// within one tick.
//
// Ended means that all threads of the process are gone; whether its parent has waited for it does
// not matter. Nothing here takes a process for ended because it cannot be seen.
//
// /proc must be that of the daemon's own PID namespace, as pid_namespace() says.
//
// Thread safety: any thread. Only boot_id(), and what fails, allocates.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lib/base/owned_fd.h"
#include "lib/base/process_identity.h"
#include "lib/base/result.h"
#include "lib/journal/witness.h"

namespace inod::daemon {

// The boot that runs now. PIDs, inode numbers and times of start say nothing in another one, where
// all processes of this one have ended. None where the kernel has no such file. Fails with
// io_error: the file is there, and it could not be read, or is none of the kernel. Other paths are
// for tests.
Result<std::optional<Id128>, Failure> boot_id(const char* path = "/proc/sys/kernel/random/boot_id");

// The daemon's PID namespace. PIDs say nothing in another one, though it be of the same boot:
// whoever finds an identity of another namespace cannot tell whether the process has ended. The
// number comes back only after all processes of its namespace have ended.
//
// Fails with io_error, also where /proc shows another namespace than the daemon's.
Result<std::uint64_t, Failure> pid_namespace();

// Now, as ProcessIdentity::start_time counts: clock ticks since boot, time asleep included.
std::uint64_t ticks_since_boot() noexcept;

// Why no process is to be had.
struct NoProcess {
    enum class Why : std::uint8_t {
        ended,        // It has ended: that is proven. Nothing can be bound to it.
        not_a_pidfd,  // The descriptor is something else. The client sends one of pidfd_open(2).
        thread,       // It stands for a thread (PIDFD_THREAD). The client opens one of its process.
        not_visible,  // It cannot be named from here, as the message says. An administrator gives
                      // the daemon the other PID namespace, or all of /proc.
        unproven,  // The peer may be another than the one that connected. The client sends a pidfd.
        failed,    // A system call failed, as the message says; out of descriptors, perhaps.
    };
    Why why;
    std::string message;  // for people; empty where `why` says all
};

// Is this descriptor, that may be anything, a pidfd? O(1), and no file system is asked. (One with
// O_PATH that leads to a pidfd counts, though nothing can be done with it.) Error: failed.
Result<bool, NoProcess> is_pidfd(int descriptor);

// Whether the process of the pidfd has ended. Requires a pidfd, of a process.
bool has_ended(int pidfd);

// The process of a descriptor that anybody may have sent, and that may be anything. Alive when it
// was looked at; the pidfd tells what happens later. Waits for nobody: the file system that the
// descriptor is on is not asked. (Closing a descriptor may ask it, and wait for whoever serves it:
// close(2) of what a client sent and is no pidfd belongs where waiting hurts nobody else.)
Result<ProcessIdentity, NoProcess> identity_of(int descriptor);

// A pidfd of the process that connected this Unix socket, though the socket may have other users by
// now. `accepted_at` is ticks_since_boot() as of accept(2). Errors: ended, not_visible, unproven,
// failed.
//
// Linux 6.5 and newer say it themselves. For older ones see below.
Result<OwnedFd, NoProcess> peer_pidfd(int socket, std::uint64_t accepted_at);

// The same from the PID and UID that SO_PEERCRED shows, for kernels that say no more. Whoever has
// the PID now is refused if it started after the connection was accepted, or none of its real,
// effective and saved UIDs is that of the peer.
//
// What remains: a process of the same UID is taken for the peer if it got the PID of the peer,
// which then had ended, before the connection was accepted or in that very tick.
Result<OwnedFd, NoProcess> peer_pidfd_by_credentials(int socket, std::uint64_t accepted_at);

// A pidfd of a process that an earlier daemon wrote down in this boot and PID namespace; none if it
// has ended, and then its PID may be another's. Fails with io_error where neither is proven: the
// process must be taken for alive then.
Result<std::optional<OwnedFd>, Failure> reopen(const ProcessIdentity& recorded);

}  // namespace inod::daemon
