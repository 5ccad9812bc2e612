// Which connections of an event loop are kept over a restart, and when each is put into the service manager's store: not
// at once, so that whoever asks once and leaves costs the service manager nothing. If the daemon is killed before that
// the connection just ends; at a stop all are stored.
//
// Thread safety: everything on the loop's thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <boost/intrusive/list.hpp>

#include "daemon/event_loop.h"
#include "daemon/kept_connections.h"
#include "daemon/timer.h"

namespace inod::daemon {

class Keeper;

// Whether and how one connection is kept.
class KeptConnection : public boost::intrusive::list_base_hook<
                           boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
public:
    // `keeper` outlives it; null: nothing is kept. `returned`: what the connection had in the daemon before.
    KeptConnection(Keeper* keeper, std::optional<KeptSlot> returned)
        : keeper_(keeper), slot_(std::move(returned)) {}
    KeptConnection(const KeptConnection&) = delete;
    KeptConnection& operator=(const KeptConnection&) = delete;
    ~KeptConnection() = default;

    // Has it kept from here on, as the client wishes, and requests are decided. False if it cannot be.
    bool begin(int socket, std::uint64_t accepted_at) noexcept;
    // It is not, or no more.
    void end() noexcept;
    [[nodiscard]] bool is_kept() const noexcept { return slot_.has_value(); }
    [[nodiscard]] bool is_stored() const noexcept { return slot_ && slot_->is_stored(); }
    // KeptSlot::is_certain().
    [[nodiscard]] bool is_certain() const noexcept { return slot_ && slot_->is_certain(); }

    // Before bytes are sent that end where a frame does; when a part of them was, and when all.
    void will_send(std::size_t size) noexcept {
        if (slot_ && !slot_->sends_whole(size)) slot_->may_cut_frame();
    }
    void has_sent_part() noexcept {
        if (slot_) slot_->may_cut_frame();
    }
    void has_sent_all() noexcept {
        if (slot_) slot_->is_at_boundary();
    }
    // Leaves it to the next daemon. False if that cannot be.
    bool leave(int socket) noexcept { return slot_ && slot_->leave(socket); }

private:
    friend class Keeper;

    Keeper* const keeper_;
    std::optional<KeptSlot> slot_;
    int socket_ = -1;
};

class Keeper {
public:
    // Both outlive it. Throws as Timer does.
    Keeper(EventLoop& loop, KeptConnections& kept)
        : kept_(kept), timer_(loop, [this] { store_some(); }) {}
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;
    ~Keeper() = default;

private:
    friend class KeptConnection;
    using Queue =
        boost::intrusive::list<KeptConnection, boost::intrusive::constant_time_size<false>>;

    // A connection is stored when one to two of these have passed, and so many in each at most: the service manager
    // compares each with all that it has.
    static constexpr std::chrono::milliseconds period{250};
    static constexpr int stored_per_period = 64;

    void store_some() noexcept;

    KeptConnections& kept_;
    Timer timer_;
    Queue new_;  // since the timer was set
    Queue due_;
};

}  // namespace inod::daemon
