// What administrators ask: IDs out of circulation and back, and a pool further on.
#include <algorithm>

#include "lib/allocator/allocator.h"

namespace inod {

Answer<void> Allocator::reserve(GuardRef guard, PoolIndex index, Range range) {
    return change_reserved(guard, index, range, &Pool::reserve, EventKind::reserved_ids,
                           Reserved{.pool = index, .range = range});
}

Answer<void> Allocator::unreserve(GuardRef guard, PoolIndex index, Range range) {
    return change_reserved(guard, index, range, &Pool::unreserve, EventKind::unreserved_ids,
                           Unreserved{.pool = index, .range = range});
}

Answer<void> Allocator::change_reserved(GuardRef guard, PoolIndex index, Range range,
                                        Result<> (Pool::*change_pool)(GuardRef, Range),
                                        EventKind kind, const Record& record) {
    ServedPool* const served_pool = served(index);
    if (served_pool == nullptr) return {.result = Errc::pool_unknown};
    if (auto able = check_means(1); !able) return refuse<void>(*served_pool, index, able.error());
    if (auto done = (served_pool->pool.*change_pool)(guard, range); !done) {
        return refuse<void>(*served_pool, index, done.error());
    }
    // A hole in the middle makes two runs of one.
    resize_grown(*served_pool);
    const Lsn lsn = change(index, range, record);
    tell(kind, index, {.range = range, .generation = 0}, std::nullopt, lsn);
    return {{}, lsn};
}

Answer<void> Allocator::advance(PoolIndex index, Id last) noexcept {
    ServedPool* const served_pool = served(index);
    if (served_pool == nullptr) return {.result = Errc::pool_unknown};
    if (journal_.sealed()) return refuse<void>(*served_pool, index, Errc::journal_sealed);
    if (auto done = served_pool->pool.advance(last); !done) {
        return refuse<void>(*served_pool, index, done.error());
    }
    // The witness is to know before anybody hears of numbers above it.
    is_witness_due_ = true;
    const Range passed{served_pool->pool.spec().range.first, last};
    return {{}, change(index, passed, Advanced{.pool = index, .last = last})};
}

}  // namespace inod
