// The whole state as records: what a snapshot consists of, and when one is taken.
#include <algorithm>
#include <array>

#include "lib/allocator/allocator.h"

namespace inod {

Result<void, Failure> Allocator::maintain() {
    if (!journal_.wants_snapshot()) return {};
    return snapshot();
}

Result<void, Failure> Allocator::close() {
    // Leases that were never recorded are in memory alone; a clean stop keeps them.
    const bool unrecorded = std::any_of(pools_.begin(), pools_.end(), [](const auto& served_pool) {
        return !served_pool->pool.records_leases();
    });
    if (unrecorded) {
        if (auto written = snapshot(); !written) return written;
    }
    return journal_.close();
}

Result<void, Failure> Allocator::snapshot() {
    return journal_.snapshot([this](const Journal::Emit& emit) { return write_state(emit); });
}

Result<void, Failure> Allocator::write_state(const Journal::Emit& emit) const {
    const auto write = [&emit](const Record& record) {
        std::array<std::byte, encoded_record_size_max> memory;
        ByteWriter out(memory);
        encode(record, out);
        return emit(out.written());
    };
    for (HolderIndex index = 0; index < holders_.size(); ++index) {
        const HolderDefined record{.index = index, .holder = holders_[index]};
        if (auto done = write(record); !done) return done;
    }
    for (std::size_t i = 0; i < pools_.size(); ++i) {
        const auto index = static_cast<PoolIndex>(i);
        const Pool& pool = pools_[i]->pool;
        const PoolSpec& spec = pool.spec();
        if (auto done = write(PoolDefined{.pool = index,
                                          .name = spec.name,
                                          .policy = spec.policy,
                                          .durability = spec.durability,
                                          .range = spec.range});
            !done) {
            return done;
        }
        const SequenceSaved sequence{.pool = index, .state = pool.sequence()};
        if (auto done = write(sequence); !done) return done;
        const auto write_claim = [&](Range range) {
            return write(ClaimSaved{.pool = index, .range = range});
        };
        if (auto done = pool.snapshot_sequence().for_each_claim(write_claim); !done) return done;
        for (auto cursor = pool.live().begin_at(0); cursor; ++cursor) {
            const Entry entry = *cursor;
            const Tag& tag = pool.tag_of(entry.value);
            if (auto done = write(LiveSaved{.pool = index,
                                            .range = entry.range,
                                            .holder = tag.holder,
                                            .claimed = tag.claimed,
                                            .generation = tag.generation});
                !done) {
                return done;
            }
        }
    }
    return {};
}

}  // namespace inod
