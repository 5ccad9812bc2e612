// Replay of the state of pools as a snapshot has it, and its end.
#include "lib/allocator/recoverer.h"

namespace inod {

Result<void, Failure> Allocator::Recoverer::apply(const SequenceSaved& record) {
    return with_pool(record.pool, "a saved pool",
                     [&](Pool& pool) { return pool.restore_sequence(record.state); });
}

Result<void, Failure> Allocator::Recoverer::apply(const ClaimsSaved& record) {
    return with_pool(record.pool, "a saved claim", [&](Pool& pool) {
        return pool.restore_claims(record.covered,
                                   RunReader(record.items.bytes, record.covered.first, 0));
    });
}

Result<void, Failure> Allocator::Recoverer::apply(const LiveSaved& record) {
    return with_pool(record.pool, "a saved lease", [&](Pool& pool) {
        return pool.restore_live(
            record.covered, RunReader(record.items.bytes, record.covered.first, record.generation),
            allocator_.holders_.index_end());
    });
}

Result<void, Failure> Allocator::Recoverer::apply(const ReservedSaved& record) {
    return with_pool(record.pool, "what is saved as reserved", [&](Pool& pool) {
        return pool.restore_reserved(record.covered,
                                     RunReader(record.items.bytes, record.covered.first, 0));
    });
}

Result<void, Failure> Allocator::Recoverer::apply(const RestingSaved& record) {
    return with_pool(record.pool, "what is saved as resting", [&](Pool& pool) {
        return pool.restore_resting(record.covered, record.until,
                                    RunReader(record.items.bytes, record.covered.first, 0));
    });
}

Result<void, Failure> Allocator::Recoverer::snapshot_end() {
    const auto& pools = allocator_.pools_;
    restoring_ = Restoring::nothing;
    knows_tokens_ = true;
    if (!pools.empty() && !pools.back()->pool.is_restored()) {
        return damaged("a snapshot leaves out leases");
    }
    for (HolderIndex index = 0; index < allocator_.holders_.index_end(); ++index) {
        if (!allocator_.tags_.has_any(index) || knows(index)) continue;
        return damaged("a snapshot leaves out a holder");
    }
    for (const auto& served_pool : pools)
        purge_links(*served_pool);
    if (auto broken = allocator_.verify_levels()) return damaged("a snapshot: " + *broken);
    return {};
}

void Allocator::Recoverer::later_snapshot_record(std::span<const std::byte> bytes) {
    if (!later_position_) return;
    const auto record = decode_record(bytes);
    if (!record || !later_position_->follow(*record)) later_position_.reset();
    if (!record) return;
    // Whoever goes on with it need not write that again.
    if (const auto* const saved = std::get_if<TokenSaved>(&*record)) {
        allocator_.tokens_.mark(key_of(saved->token));
    }
}

}  // namespace inod
