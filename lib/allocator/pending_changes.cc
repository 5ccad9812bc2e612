#include "lib/allocator/pending_changes.h"

#include <algorithm>

namespace inod {

PendingChanges::PendingChanges() : changes_(std::make_unique<Change[]>(capacity)) {}

void PendingChanges::add(PoolIndex pool, Range range, Lsn lsn, Lsn durable_lsn) noexcept {
    const Number number = ++last_number_;
    Change& change = changes_[number % capacity];
    if (change.lsn > durable_lsn) displaced_lsn_ = std::max(displaced_lsn_, change.lsn);
    const bool in_one_block = range.first / block_size == range.last / block_size;
    Chain& chain = chains_[in_one_block ? chain_of(pool, range.first) : wide_chain];
    change = {.number = number, .lsn = lsn, .range = range, .earlier = chain.newest, .pool = pool};
    chain.newest = number;
}

Lsn PendingChanges::last_change(PoolIndex pool, Id id, Lsn durable_lsn) const noexcept {
    return std::max(search(chain_of(pool, id), pool, id, durable_lsn),
                    search(wide_chain, pool, id, durable_lsn));
}

Lsn PendingChanges::search(std::size_t chain, PoolIndex pool, Id id,
                           Lsn durable_lsn) const noexcept {
    for (Number number = chains_[chain].newest; number > 0;) {
        const Change& change = at(number);
        // It made room, and with it we lost sight of those before it. Those that were not durable then
        // count as if they were of this ID.
        if (change.number != number) return displaced_lsn_ > durable_lsn ? displaced_lsn_ : 0;
        if (change.lsn <= durable_lsn) return 0;
        if (change.pool == pool && change.range.contains(id)) return change.lsn;
        number = change.earlier;
    }
    return 0;
}

std::size_t PendingChanges::chain_of(PoolIndex pool, Id id) noexcept {
    // Fibonacci hashing: Knuth, The Art of Computer Programming 3, section 6.4.
    constexpr std::uint64_t golden_ratio = 0x9E3779B97F4A7C15;
    const std::uint64_t key = (id / block_size) ^ (std::uint64_t{pool} << 48U);
    return static_cast<std::size_t>((key * golden_ratio) >> 52U) % chain_count;
}

}  // namespace inod
