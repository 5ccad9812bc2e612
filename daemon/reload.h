// SIGHUP: the configuration is read again while the daemon serves, and what of it may change is taken over
// (config/changes.h): all of it, or nothing. Where it cannot be read, where something takes a restart, and where new
// pools are refused memory or space, the daemon goes on as before, and says why in its log and to the service manager.
//
// New pools take a group or two to be there (lib/allocator/pool_addition.h), in which all goes on as before. All the rest
// comes at the same moment as they do, under the lock, for connections that there are as for those to come. Nothing can
// refuse it any more then.
//
// Thread safety: everything on the main loop's thread.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "config/changes.h"
#include "config/config.h"
#include "daemon/connections.h"
#include "daemon/descriptor_limit.h"
#include "daemon/flusher.h"
#include "daemon/heartbeat.h"
#include "daemon/process_holders.h"
#include "daemon/terms.h"
#include "lib/allocator/allocator.h"
#include "lib/allocator/pool_addition.h"
#include "lib/base/result.h"

namespace inod::daemon {

// The configuration as it is now. The caller waits for the disk.
using LoadConfig = std::function<Result<Config, Failure>()>;

// What a reload has to do with. All of it outlives it.
struct Reloadable {
    EventLoop& loop;
    Allocator& allocator;
    Flusher& flusher;
    Heartbeat& heartbeat;
    Connections& connections;  // of the main loop
    const Heartbeat::Threads& threads;
    ProcessHolders* processes;  // or null
    DescriptorShares& shares;
};

class Reload final : private DurabilityWaiter {
public:
    // `running`: what the daemon has been started with.
    Reload(const Reloadable& parts, const Config& running, LoadConfig load);
    ~Reload() override;

    // Begins one. While one is under way it is remembered: another comes behind it.
    void begin();
    // The daemon stops: what is under way comes to nothing, and none begins any more.
    void abandon() noexcept;

private:
    // What is under way.
    struct Change {
        Change(Allocator& allocator, Config new_config, ConfigChanges changes);

        Config config;
        std::string said;  // what changes, for the log
        DescriptorShares shares{};
        std::shared_ptr<const Terms> terms{};
        PoolAddition pools;
        bool is_prepared = false;  // nothing can refuse it any more
        bool is_recorded = false;
    };

    // Another group is durable, or space was made.
    void on_durable() override;

    void begin_one();
    [[nodiscard]] Result<void, Failure> read();
    void go_on() noexcept;
    [[nodiscard]] Result<bool, Failure> take_step();
    [[nodiscard]] Result<void, Failure> prepare() INOD_REQUIRES(flusher_lock);
    [[nodiscard]] Result<void, Failure> limit_processes() INOD_REQUIRES(flusher_lock);
    [[nodiscard]] std::shared_ptr<const Terms> make_terms() const INOD_REQUIRES(flusher_lock);
    void commit() noexcept INOD_REQUIRES(flusher_lock);
    void drop() noexcept;
    void end_done() noexcept;
    void end_refused(const Failure& why) noexcept;

    Reloadable parts_;
    Config running_;
    const LoadConfig load_;
    DurabilityWaiters waiters_;
    std::uint64_t terms_number_ = 0;  // of the present ones
    std::optional<Change> change_;
    bool is_wanted_again_ = false;
    bool is_over_ = false;
};

}  // namespace inod::daemon
