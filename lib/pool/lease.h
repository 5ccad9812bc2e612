// Who has what: leases, as requests and answers carry them.
#pragma once

#include <cstdint>
#include <string_view>

#include "lib/base/range.h"

namespace inod {

// When a holder is at its end, and its leases are taken back.
enum class Binding : std::uint8_t {
    persistent = 1,  // Never by itself: what it holds stays until it is released.
};

// The word for it: "persistent"; "unknown" for a value that is none.
constexpr std::string_view name(Binding binding) noexcept {
    return binding == Binding::persistent ? "persistent" : "unknown";
}

// Who holds leases. Two holders are the same if binding and UID are; the GID is that of the
// connection which leased first.
struct Holder {
    Binding binding = Binding::persistent;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;

    friend bool operator==(const Holder&, const Holder&) = default;
};

// A holder's place in the allocator's table of holders: what pools and the journal keep of it.
using HolderIndex = std::uint32_t;

// What one allocation handed out.
struct Lease {
    Range range;
    std::uint64_t generation;  // 0 in a pool that never hands a number out again

    friend bool operator==(const Lease&, const Lease&) = default;
};

// The longest run of live IDs with one holder and one generation around an ID.
struct LiveRun {
    Range range;
    std::uint64_t generation;
    HolderIndex holder;

    friend bool operator==(const LiveRun&, const LiveRun&) = default;
};

}  // namespace inod
