#include "tests/sim/process.h"

namespace inod::sim {
namespace {

AllocatorOptions options_of(const std::vector<PoolSpec>& pools, std::uint64_t memory_max,
                            std::uint64_t segment_size) {
    AllocatorOptions options;
    options.pools = pools;
    options.memory_max = memory_max;
    options.journal.segment_size = segment_size;
    options.journal.group_size_max = segment_size;
    options.journal.fresh_id.fill(std::byte{0x5a});
    return options;
}

}  // namespace

Process::Process(Storage& storage, const std::vector<PoolSpec>& pools, std::uint64_t memory_max,
                 std::uint64_t segment_size)
    : allocator_(storage, options_of(pools, memory_max, segment_size)) {}

bool Process::wants_maintenance() const noexcept {
    return allocator_.journal().wants_snapshot();
}

Result<void, Failure> Process::maintain() {
    const auto done = allocator_.maintain();
    if (done) ++snapshot_count_;
    // Where just the space for it was missing, the log goes on, and a later turn tries again.
    return allocator_.journal().sealed() ? done : Result<void, Failure>();
}

bool Process::is_to_be_asked_again(Errc /*code*/) noexcept {
    return false;
}

}  // namespace inod::sim
