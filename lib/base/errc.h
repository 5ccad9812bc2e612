// Every error that inod reports, and who acts on it. The values stand on the wire and never change;
// proto/PROTOCOL.md says the same for clients in other languages.
#pragma once

#include <cstdint>
#include <string_view>

namespace inod {

enum class Errc : std::uint16_t {
    ok = 0,  // No error. Only the wire uses it: a Result that succeeded has no Errc.

    // The frame. The author of the client mends it.
    frame_malformed = 1,        // The stream is out of step. The connection is closed.
    frame_too_long = 2,         // Longer than the daemon reads. The connection is closed.
    hello_required = 3,         // The first frame must be a hello. The connection is closed.
    version_unsupported = 4,    // No version in common. The connection is closed.
    operation_unknown = 5,      // The daemon does not know this operation. The connection goes on.
    body_malformed = 6,         // The body does not fit the operation. The connection goes on.
    extension_unknown = 7,      // A required extension is not known here. The connection goes on.
    descriptor_unexpected = 8,  // A file descriptor came that the operation does not take. It was
                                // closed; the connection goes on.

    // The request. The client asks for something else.
    pool_unknown = 16,         // No such pool here, or none that this client may see.
    access_denied = 17,        // An administrator adds a grant for this UID or GID.
    count_zero = 18,           // A lease has at least one ID.
    lease_too_large = 19,      // More than the pool's lease_count_max, which is the detail.
    range_reversed = 20,       // The first ID is above the last.
    id_out_of_range = 21,      // Outside the pool's min to max. The detail is the first such ID.
    id_taken = 22,             // A claim for what is live. The detail is the first such ID.
    id_burned = 23,            // A claim below where a unique pool goes on, or of a released claim.
    generation_required = 24,  // A release in a pool that wraps names the generation.
    stale_generation = 25,     // Live, but with another generation: the detail.
    released = 26,             // Was handed out or burned, and is not live. The detail is the ID.
    never_allocated = 27,      // Never handed out. The detail is the ID.
    not_holder = 28,           // Somebody else holds it. The detail is the first such ID.
    no_more_leases = 29,       // Nothing is live at or after that ID.
    align_invalid = 30,        // An alignment is 1 or more, and at most the detail.
    window_too_small = 31,     // Fewer IDs than are asked for in a row: one more than the detail.
    cursor_outside = 32,       // The search is to begin outside the window, at the detail.
    not_tracked = 33,          // The pool is a counter, and does not know who holds what.
    id_reserved = 34,          // An administrator keeps it out of circulation. The first such ID.
    not_reserved = 35,         // What is to be given back is not reserved, all of it.
    not_offered = 36,          // The pool's policy has no such thing.
    holder_unknown = 37,       // There is no such holder, or the key is not its.
    holder_ended = 38,         // The holder that the connection acts as has come to its end.
    holder_invalid = 39,       // No holder can be like that: name, time limit or binding.
    process_unknown = 40,      // No process can be seen behind the descriptor, or it has ended.
    id_resting = 41,           // It was released not long ago, and rests. The first such ID.
    held_below = 42,      // It was asked for in a pool below, and is released there. The first.
    token_mismatch = 44,  // The token came with another request before.
    token_expired = 45,   // The token's epoch takes no new ones: the present one is the detail.

    // The daemon's means. The client asks again later, an administrator gives it more.
    pool_exhausted = 48,        // Too few free IDs in a row are left between min and max.
    out_of_memory = 49,         // The memory budget is used up, or the system gives no more.
    no_space = 50,              // The disk has no room for another journal segment.
    journal_sealed = 51,        // A write or sync failed. Nothing is served until a restart.
    too_many_connections = 52,  // The connection limit is reached.
    shutting_down = 53,         // The daemon is about to end.
    quota_exceeded = 54,        // The user has as much as he may; the detail is the limit.
    token_quota = 55,           // As many tokens are kept as may be. Time makes room.

    // The start of the daemon. An administrator acts, as the message says.
    config_invalid = 64,   // The configuration is refused.
    state_in_use = 65,     // Another daemon owns the state directory or the socket.
    journal_damaged = 66,  // What was known to be on stable storage no longer reads back.
    record_unknown = 67,   // A record that this version does not know: a newer version wrote it.
    pool_changed = 68,     // The configuration contradicts what the journal knows of a pool.
    io_error = 69,         // A system call on a file failed.
    state_stale = 70,      // The state directory is an old copy, or a copy from another machine.
    import_invalid = 71,   // What is to be imported is no state: whoever wrote it mends the line.

    // The client library alone; never on the wire.
    not_connected = 80,       // No daemon answers at the socket.
    timed_out = 81,           // No reply in time. The request may still be carried out.
    in_doubt = 82,            // The connection broke with the request under way.
    protocol_violation = 83,  // The peer does not speak this protocol.

    // Inside the daemon alone; never on the wire.
    block_pending =
        96,  // What a hand-out needs on disk is not there yet: the pool's next block, or
             // space for the release. The session waits for the next group, then asks
             // again. The detail is the mark that is on its way, or 0.
    sweep_pending =
        97,  // What is left of holders that ended is to be swept first. The session waits
             // for that, then asks again.
};

// The error's name as in the enumeration: "pool_exhausted". For a value that is none: "unknown".
std::string_view name(Errc code) noexcept;

// One sentence that says what is wrong and who can mend it, for people.
std::string_view explanation(Errc code) noexcept;

}  // namespace inod
