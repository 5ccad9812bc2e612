// Which IDs have a change that is not on stable storage yet, so that a lookup waits for just the
// last change of its own ID and for nothing else.
//
// Bounded: it remembers the newest `capacity` changes. Where a change that is not durable had to
// make room, lookups that it could matter to wait for the newest that had to, to be on the safe
// side.
//
// Thread safety: none of its own; the allocator's lock guards it. No call allocates.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "lib/base/range.h"
#include "lib/journal/journal.h"
#include "lib/pool/record.h"

namespace inod {

class PendingChanges {
public:
    static constexpr std::size_t capacity = 8192;  // changes: 64 clients, 64 deep, two groups

    PendingChanges();

    // A record with this LSN changed `range`, and perhaps others. LSNs never fall from call to call.
    void add(PoolIndex pool, Range range, Lsn lsn, Lsn durable_lsn) noexcept;

    // The LSN of the last change of `id` above `durable_lsn`, or 0 if all its changes are durable.
    [[nodiscard]] Lsn last_change(PoolIndex pool, Id id, Lsn durable_lsn) const noexcept;

private:
    // Changes are numbered from 1 on, in the order in which they come.
    using Number = std::uint64_t;
    struct Change {
        Number number = 0;
        Lsn lsn = 0;
        Range range{};
        Number earlier = 0;  // the change before it in its chain, 0 if none
        PoolIndex pool = 0;
    };
    // Changes within one block of IDs are chained by block, wider ones all in one chain.
    static constexpr std::uint64_t block_size = 64;
    static constexpr std::size_t chain_count = 4096;
    static constexpr std::size_t wide_chain = chain_count;
    struct Chain {
        Number newest = 0;
    };

    [[nodiscard]] static std::size_t chain_of(PoolIndex pool, Id id) noexcept;
    [[nodiscard]] Lsn search(std::size_t chain, PoolIndex pool, Id id,
                             Lsn durable_lsn) const noexcept;
    [[nodiscard]] const Change& at(Number number) const noexcept {
        return changes_[number % capacity];
    }

    std::unique_ptr<Change[]> changes_;  // the change with a number stands at its remainder
    Number last_number_ = 0;
    std::array<Chain, chain_count + 1> chains_{};
    Lsn displaced_lsn_ = 0;  // the newest change that made room before it was durable
};

}  // namespace inod
