// A daemon without its socket: an allocator of pools of all kinds on a disk in memory, the flusher and all
// else that sessions need, on an event loop that is turned by hand. Clients come by socket pairs.
//
// Its time (daemon/boot_time.h) passes only where it is told to.
//
// Thread safety: one thread; the flusher has one of its own, and so has the closer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "daemon/connections.h"
#include "tests/allocator/machine.h"

namespace inod::daemon {

// How a world is to be, beyond what is so in all.
struct WorldOptions {
    bool little_memory = false;  // enough for few sessions, and little else
    bool small_buffers = false;  // of the sockets: who does not read is soon waited for
    std::uint64_t us_per_look = 0;
};

class World {
public:
    explicit World(const WorldOptions& options);
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    // Requires that all sessions have ended.
    ~World();

    // Who connects: the daemon's own user; one who administers some pools; one who may use them; one
    // who may not.
    static constexpr std::size_t user_count = 4;
    static Peer user(std::size_t number);

    // The client's end of a new session; none if there is no memory for it.
    OwnedFd connect(std::size_t user);

    // What is ready, or all that comes of it. False if there is nothing.
    bool turn() { return loop_.run_once(std::chrono::milliseconds(0)); }
    void turn_all() {
        while (turn()) {
        }
    }
    // Waits for an event, but not for ever, as none may come.
    void await_event();
    // Until nothing is ready, and the flusher has nothing to do. Requires that clients do nothing.
    void settle();

    void pass_time(std::uint64_t ms);
    void end_the_gone();
    void fill_disk();
    // The daemon begins to end.
    void stop(Errc reason);

    [[nodiscard]] bool is_stopping() const { return is_stopping_; }
    [[nodiscard]] std::uint64_t session_count() const { return connections_->count(); }
    [[nodiscard]] const Allocator& allocator() const { return *machine_.allocator; }
    // Bytes of the memory budget, but for what sessions borrow of each other.
    [[nodiscard]] std::uint64_t memory_used() const {
        return machine_.allocator->memory().used() - connections_->desks_memory();
    }
    // Will nothing take or give back memory but what clients do?
    [[nodiscard]] bool is_at_rest();
    // Is everything as it must be, once all sessions have ended? Says what is not.
    std::optional<std::string> verify();

private:
    // An event of the event loop; nothing more is to be done when it comes.
    struct News final : DurabilityWaiter {
        void on_durable() override {}
    };

    static Config config_of(const std::vector<PoolSpec>& specs);
    Dispatcher::Gone look_for_the_gone() INOD_REQUIRES(flusher_lock);
    // If not, an event comes, as when the flusher has done something.
    bool is_quiet();
    bool has_holder_of_connection();

    Machine machine_;
    EventLoop loop_;
    const WorldOptions options_;
    std::uint64_t now_us_ = 0;
    std::optional<Flusher> flusher_;
    std::unique_ptr<ProcessHolders> processes_;
    Config config_;
    std::optional<DurabilityWaiters> waiters_;
    std::optional<Connections> connections_;
    News news_;
    bool is_stopping_ = false;
};

// How many this process has.
std::size_t open_descriptors();
// To as many, once those are closed that clients passed: that has a thread of its own.
bool come_down_to(std::size_t descriptors);

}  // namespace inod::daemon
