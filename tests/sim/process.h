// One process of the daemon: an allocator on a storage, driven as the daemon drives it. No other
// file of the simulation knows how that goes: what a start is, what a turn of the flusher consists
// of, what a clean stop does.
//
// Thread safety: none of its own. Where the daemon has a second thread, its calls are in parts, so
// that requests can come between.
#pragma once

#include <cstdint>
#include <vector>

#include "lib/allocator/allocator.h"
#include "tests/sim/clock.h"

namespace inod::sim {

class Process {
public:
    // Sizes in bytes.
    struct Sizes {
        std::uint64_t memory_max;
        std::uint64_t segment;
        std::uint64_t snapshot_per_group;
    };
    static constexpr std::uint32_t grace_ms = 5'000;

    // `storage` outlives it. May throw std::bad_alloc, as start(), flush(), make_space() and close()
    // may: the process is over then.
    Process(Storage& storage, const std::vector<PoolSpec>& pools, const Sizes& sizes,
            const Clock& clock);

    Result<Recovery, Failure> start() { return allocator_.recover(); }

    // A turn of the flusher: begin_flush(), where it says true flush(), and end_flush(); then
    // make_space(), where wants_space(). Requests may come between. An error ends the process.
    bool begin_flush() noexcept { return allocator_.begin_flush(); }
    Result<void, Failure> flush() { return allocator_.flush(); }
    Lsn end_flush() noexcept;
    [[nodiscard]] bool wants_space() const noexcept;
    // A step of it; or a look whether a disk that was full has space again.
    Result<void, Failure> make_space() { return allocator_.make_space(); }

    // An administrator wants a snapshot.
    void request_snapshot() noexcept { allocator_.request_snapshot(); }

    // Ends it by itself, and makes durable what is left. Requires that no flush is under way.
    Result<void, Failure> close() { return allocator_.close(); }

    // Is a request refused like this only because the flusher has to do something first?
    static bool is_to_be_asked_again(Errc code) noexcept;

    [[nodiscard]] Lsn durable_lsn() const noexcept { return allocator_.journal().durable_lsn(); }
    [[nodiscard]] Lsn last_lsn() const noexcept { return allocator_.journal().last_lsn(); }
    [[nodiscard]] bool has_space() const noexcept { return allocator_.journal().has_space(); }
    [[nodiscard]] Errc lack() const noexcept { return allocator_.journal().lack(); }
    [[nodiscard]] bool snapshot_under_way() const noexcept {
        return allocator_.journal().snapshot_under_way();
    }
    // Those that became whole.
    [[nodiscard]] std::uint64_t snapshot_count() const noexcept { return snapshot_count_; }

    // Requests, lists and memory; what is above goes through the process.
    [[nodiscard]] Allocator& allocator() { return allocator_; }

private:
    Allocator allocator_;
    std::uint64_t snapshot_count_ = 0;
};

}  // namespace inod::sim
