// What all that look at a store share.
//
// Thread safety: none needed.
#pragma once

#include <string>

#include "lib/allocator/allocator.h"
#include "lib/journal/recovery.h"
#include "lib/pool/runs.h"

namespace inod {

// Of an allocator that nobody asks for anything: so what there is fits, and pools are as the
// journal has them.
inline AllocatorOptions options_to_look() {
    AllocatorOptions options;
    options.memory_max = ~std::uint64_t{0};
    return options;
}

// Of ClaimsSaved: was it reserved, and never claimed?
inline bool is_reserved_item(const Run& claims_item) {
    return claims_item.tag.holder == ClaimsSaved::reserved_only;
}

// Where nothing was ever made.
inline Failure no_store() {
    return {Errc::io_error, "there is no store"};
}

}  // namespace inod
