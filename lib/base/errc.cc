#include "lib/base/errc.h"

#include <algorithm>
#include <array>

namespace inod {
namespace {

struct Entry {
    Errc code;
    std::string_view name;
    std::string_view explanation;
};

#define INOD_ERRC(code, explanation)   \
    Entry {                            \
        Errc::code, #code, explanation \
    }

constexpr std::array entries{
    INOD_ERRC(ok, "no error"),
    INOD_ERRC(frame_malformed, "the stream is out of step; the client program is at fault"),
    INOD_ERRC(frame_too_long, "the frame is longer than the daemon reads"),
    INOD_ERRC(hello_required, "the first frame must be a hello"),
    INOD_ERRC(version_unsupported, "client and daemon have no protocol version in common"),
    INOD_ERRC(operation_unknown, "this daemon does not know the operation"),
    INOD_ERRC(body_malformed, "the request's body does not fit its operation"),
    INOD_ERRC(extension_unknown, "the request needs an extension that this daemon does not know"),
    INOD_ERRC(descriptor_unexpected,
              "a descriptor came that the operation does not take, or that the daemon has no room "
              "for; it was closed"),
    INOD_ERRC(pool_unknown, "there is no such pool for this client; 'inoctl pools' lists them"),
    INOD_ERRC(access_denied, "an administrator must grant this user the pool"),
    INOD_ERRC(count_zero, "a lease has at least one ID"),
    INOD_ERRC(lease_too_large, "more IDs than the pool's lease_count_max"),
    INOD_ERRC(range_reversed, "the first ID is above the last"),
    INOD_ERRC(id_out_of_range, "outside the pool's min to max"),
    INOD_ERRC(id_taken, "already held"),
    INOD_ERRC(
        id_burned,
        "below where the pool goes on, or claimed once and given back: never to be had again"),
    INOD_ERRC(generation_required, "numbers return in this pool, so a release names a generation"),
    INOD_ERRC(stale_generation, "the number is live with another generation"),
    INOD_ERRC(released, "the number is not live; it was handed out, or passed over, before"),
    INOD_ERRC(never_allocated, "the number was never handed out"),
    INOD_ERRC(not_holder, "somebody else holds it"),
    INOD_ERRC(no_more_leases, "nothing is live at or after that number"),
    INOD_ERRC(align_invalid, "an alignment is 1 or more and not that large"),
    INOD_ERRC(window_too_small, "the window has fewer numbers than are asked for in a row"),
    INOD_ERRC(cursor_outside, "the search is to begin outside the window"),
    INOD_ERRC(not_tracked, "the pool is a counter and does not know who holds what"),
    INOD_ERRC(id_reserved, "an administrator keeps the number out of circulation"),
    INOD_ERRC(not_reserved, "not all of these numbers are reserved"),
    INOD_ERRC(not_offered, "pools of this policy do not have that"),
    INOD_ERRC(holder_unknown, "there is no such holder, or it is somebody else's"),
    INOD_ERRC(holder_ended, "the holder has come to its end; bind another"),
    INOD_ERRC(holder_invalid, "no holder can have this binding, name or time limit"),
    INOD_ERRC(id_resting, "the number was released not long ago and may not be handed out yet"),
    INOD_ERRC(process_unknown, "no living process can be seen behind the descriptor"),
    INOD_ERRC(token_mismatch, "the token came with another request before; take a new one"),
    INOD_ERRC(token_expired,
              "the token is too old to tell whether the request was carried out; it was not now"),
    INOD_ERRC(held_below, "the number goes with one of a pool below; release that one, there"),
    INOD_ERRC(pool_exhausted, "too few free numbers in a row; an administrator widens the pool"),
    INOD_ERRC(
        out_of_memory,
        "the memory budget is used up, or the system gives no more; try later or raise memory_max"),
    INOD_ERRC(no_space, "the disk has no room for the journal; make room"),
    INOD_ERRC(journal_sealed, "a write to the journal failed; the daemon must be restarted"),
    INOD_ERRC(too_many_connections, "the daemon's connection limit is reached; try later"),
    INOD_ERRC(
        quota_exceeded,
        "more than the user may have: `limits` of the pool or of one above it, `user_limits` or "
        "`holders_max` in the configuration say how much"),
    INOD_ERRC(token_quota,
              "as many tokens are kept as may be; time makes room, or an administrator does"),
    INOD_ERRC(shutting_down, "the daemon is about to end; connect again"),
    INOD_ERRC(block_pending, "what the hand-out needs on disk is not there yet; ask again"),
    INOD_ERRC(config_invalid, "the configuration is refused"),
    INOD_ERRC(state_in_use, "another daemon owns the state directory or the socket"),
    INOD_ERRC(journal_damaged, "the journal does not read back as it was written"),
    INOD_ERRC(record_unknown, "a newer version of inod wrote this journal"),
    INOD_ERRC(pool_changed, "the configuration contradicts what the journal knows of a pool"),
    INOD_ERRC(io_error, "a system call on a file failed"),
    INOD_ERRC(state_stale,
              "the state directory is an old copy; put the newest one back, or see `inoctl adopt`"),
    INOD_ERRC(import_invalid, "what is to be imported is no state that can have been"),
    INOD_ERRC(not_connected, "no daemon answers at the socket"),
    INOD_ERRC(timed_out, "no reply in time; the request may still be carried out"),
    INOD_ERRC(in_doubt, "the connection broke with the request under way"),
    INOD_ERRC(protocol_violation, "the peer does not speak inod's protocol"),
    INOD_ERRC(sweep_pending, "what ended holders left behind is being swept; ask again"),
};

#undef INOD_ERRC

const Entry* find(Errc code) noexcept {
    const auto* const entry = std::find_if(entries.begin(), entries.end(),
                                           [code](const Entry& e) { return e.code == code; });
    return entry == entries.end() ? nullptr : entry;
}

}  // namespace

std::string_view name(Errc code) noexcept {
    const Entry* const entry = find(code);
    return entry != nullptr ? entry->name : "unknown";
}

std::string_view explanation(Errc code) noexcept {
    const Entry* const entry = find(code);
    return entry != nullptr ? entry->explanation : "an error that this version does not know";
}

}  // namespace inod
