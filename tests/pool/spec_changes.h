// How a pool of a test differs from the plain one: each takes a spec and gives it back changed, so that a
// catalogue of pools reads as a table.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "lib/pool/pool.h"

namespace inod {

inline PoolSpec limited(PoolSpec spec, std::uint32_t lease_count_max) {
    spec.lease_count_max = lease_count_max;
    return spec;
}

inline PoolSpec resting(PoolSpec spec, std::uint64_t rest_ms, bool yields) {
    spec.quarantine_ms = rest_ms;
    spec.quarantine_yields = yields;
    return spec;
}

inline PoolSpec aligned(PoolSpec spec, std::uint64_t align) {
    spec.align = align;
    return spec;
}

inline PoolSpec banded(PoolSpec spec, std::vector<Range> bands) {
    spec.reserved = std::move(bands);
    return spec;
}

inline PoolSpec wrapping(PoolSpec spec, Id wrap_to) {
    spec.wrap_to = wrap_to;
    return spec;
}

inline PoolSpec untracked(PoolSpec spec) {
    spec.tracking = false;
    return spec;
}

}  // namespace inod
