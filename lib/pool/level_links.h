// What a pool has to know of the pools above and below it: nothing but how far its numbers were asked
// for below, and whom to tell that they are gone.
//
// Thread safety: none of its own; the lock that guards the pools guards it.
#pragma once

#include "lib/base/range.h"
#include "lib/pool/lease.h"

namespace inod {

class LevelLinks {
public:
    LevelLinks() = default;
    LevelLinks(const LevelLinks&) = delete;
    LevelLinks& operator=(const LevelLinks&) = delete;
    virtual ~LevelLinks() = default;

    // Through which pool right below numbers were asked for, and up to which one that is so.
    struct Way {
        PoolIndex via;  // no_pool: through none
        Id last;
    };
    // Of the first of `range`, which are live numbers of this pool; `last` is in it.
    [[nodiscard]] virtual Way way_of(PoolIndex pool, Range range) const noexcept = 0;

    // What a holder that ended left behind was taken out of this pool's tree. Its numbers were asked
    // for through `via`.
    virtual void swept(PoolIndex pool, PoolIndex via, Range range) noexcept = 0;
};

}  // namespace inod
