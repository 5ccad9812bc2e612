// Connections that outlive the daemon's process: the service manager holds them in its descriptor store, and hands them
// to the next daemon, whose clients then see a pause and no end (proto/resume.h).
//
// What the next one has to know of each stands in a table, in memory that the store holds as well: so it is there
// also when this process was killed. A connection has a *slot* in it, whose number is its name in the store.
//
// Thread safety: any thread, but a slot belongs to whoever has it. Takes no memory once it is there.
#pragma once

#include <atomic>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/descriptor_store.h"
#include "lib/base/mutex.h"
#include "lib/base/owned_fd.h"
#include "lib/base/result.h"

namespace inod::daemon {

class KeptConnections;

// A connection's slot. At its end the connection is dropped from the store, but for one that was left to the next daemon.
class KeptSlot {
public:
    KeptSlot(KeptSlot&& other) noexcept
        : of_(std::exchange(other.of_, nullptr)),
          number_(other.number_),
          at_rest_(other.at_rest_),
          has_begun_(other.has_begun_),
          is_stored_(other.is_stored_) {}
    KeptSlot& operator=(KeptSlot&&) = delete;
    KeptSlot(const KeptSlot&) = delete;
    KeptSlot& operator=(const KeptSlot&) = delete;
    ~KeptSlot();

    // When it was accepted, by ticks_since_boot().
    [[nodiscard]] std::uint64_t accepted_at() const noexcept;
    // Does its client have replies to all that was carried out, once those are sent that are owed? So it is where the daemon
    // before left it, or requests were decided here. Otherwise something is in doubt, until its client has heard of that.
    [[nodiscard]] bool is_certain() const noexcept;
    // Requests are decided from here on: if this process ends before it leaves the connection, some may be in doubt.
    void begin() noexcept;

    // A part of a frame may have been sent, and then: all that was sent ends where a frame does. Whoever is killed in
    // between leaves a client that could not tell where the next frame begins, so that nobody goes on with it.
    void may_cut_frame() noexcept;
    void is_at_boundary() noexcept;
    // Are so many bytes sent all at once, or none of them?
    [[nodiscard]] bool sends_whole(std::size_t size) const noexcept;

    [[nodiscard]] bool is_stored() const noexcept { return is_stored_; }
    // Puts the connection into the store. False if that could not be done now.
    bool store(int socket, DescriptorStore::Patience patience) noexcept;
    // The daemon ends, and has answered what it carried out; what was in doubt before stays so. False if the connection
    // could not be stored.
    bool leave(int socket) noexcept;

private:
    friend class KeptConnections;
    enum class State : std::uint32_t {
        free = 0,
        served = 1,
        within_frame = 2,  // Nobody can go on with it.
        left = 3,
    };
    KeptSlot(KeptConnections& of, std::uint32_t number, State at_rest, bool is_stored) noexcept
        : of_(&of), number_(number), at_rest_(at_rest), is_stored_(is_stored) {}

    KeptConnections* of_;
    std::uint32_t number_;
    State at_rest_;           // while nothing is sent
    bool has_begun_ = false;  // in this process
    bool is_stored_;
};

// One that the daemon before has left, or was killed with.
struct ReturnedConnection {
    OwnedFd socket;
    KeptSlot slot;
};

class KeptConnections {
public:
    // As many as can be kept. systemd names all that it hands over in one variable of the environment, which the kernel
    // limits to 128 KiB (MAX_ARG_STRLEN in execve(2)): so it is 20,000 or so at most, with names of five digits. The store
    // holds their table besides.
    static constexpr std::uint32_t count_max = 16'384;

    // The table's name in the store.
    static constexpr const char* table_name = "table";
    // The slot's number that a name in the store stands for.
    static std::optional<std::uint32_t> slot_of(std::string_view name) noexcept;

    // Goes on with the `table` of the daemon before, or where that is none, or of another version, makes one and has it
    // stored. Errors: out_of_memory, io_error: then none can be kept.
    static Result<std::unique_ptr<KeptConnections>, Failure> create(DescriptorStore store,
                                                                    OwnedFd table);
    KeptConnections(const KeptConnections&) = delete;
    KeptConnections& operator=(const KeptConnections&) = delete;
    // Waits until the service manager has heard of all that was left. Requires that there are no slots.
    ~KeptConnections();

    // What came back under this number: its slot, or none, and the store is to drop it, if nobody can go on with it.
    // To be called for all that came back, and then begin(), before take().
    std::optional<KeptSlot> take_back(std::uint32_t number) noexcept;
    void begin() noexcept;

    // A slot for a connection; none if there is none left, or the store holds no more.
    std::optional<KeptSlot> take(std::uint64_t accepted_at) noexcept;

private:
    friend class KeptSlot;
    struct Entry;
    struct Table;

    KeptConnections(DescriptorStore store, Table* table);

    [[nodiscard]] Entry& entry(std::uint32_t number) noexcept;
    void give(std::uint32_t number, bool is_stored) noexcept;
    // All that are left together wait for so long for a service manager that is busy.
    [[nodiscard]] DescriptorStore::Patience patience_at_a_stop() noexcept;
    void remove_due() noexcept INOD_REQUIRES(mutex_);

    const DescriptorStore store_;
    const std::size_t whole_send_max_;
    Table* const table_;
    std::atomic<std::int64_t> impatient_from_ns_ = 0;  // of the steady clock; 0: no stop has begun
    Mutex mutex_;
    std::bitset<count_max> came_back_ INOD_GUARDED_BY(mutex_);
    // Slots that nobody has, once begin() was called.
    std::vector<std::uint32_t> free_ INOD_GUARDED_BY(mutex_);
    // The store was to drop these, and the service manager had no time to hear of it.
    std::vector<std::uint32_t> due_ INOD_GUARDED_BY(mutex_);
};

}  // namespace inod::daemon
