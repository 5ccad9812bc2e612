#include "tests/sim/process.h"

namespace inod::sim {
namespace {

AllocatorOptions options_of(const std::vector<PoolSpec>& pools, const Process::Sizes& sizes,
                            const Clock& clock) {
    AllocatorOptions options;
    options.pools = pools;
    options.memory_max = sizes.memory_max;
    options.journal.segment_size = sizes.segment;
    options.journal.group_size_max = sizes.segment;
    options.journal.snapshot_size_per_group = sizes.snapshot_per_group;
    options.journal.fresh_id.fill(std::byte{0x5a});
    options.boot = clock.boot;
    options.now = clock.now;
    options.restart_grace_ms = Process::grace_ms;
    return options;
}

}  // namespace

Process::Process(Storage& storage, const std::vector<PoolSpec>& pools, const Sizes& sizes,
                 const Clock& clock)
    : allocator_(storage, options_of(pools, sizes, clock)) {}

Lsn Process::end_flush() noexcept {
    const bool was_under_way = snapshot_under_way();
    const Lsn durable = allocator_.end_flush();
    if (was_under_way && !snapshot_under_way()) ++snapshot_count_;
    return durable;
}

bool Process::wants_space() const noexcept {
    return allocator_.journal().wants_space() && has_space();
}

bool Process::is_to_be_asked_again(Errc code) noexcept {
    return code == Errc::block_pending || code == Errc::sweep_pending;
}

}  // namespace inod::sim
