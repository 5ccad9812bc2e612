// Who has what: leases, as requests and answers carry them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "lib/base/process_identity.h"
#include "lib/base/range.h"

namespace inod {

// When a holder is at its end, and its leases are taken back.
enum class Binding : std::uint8_t {
    persistent = 1,  // Never by itself: what it holds stays until it is released.
    connection = 2,  // When its connection closes.
    process = 3,     // When its process ends.
    ttl = 4,         // When it was not renewed for so long.
};

// The word for it: "persistent"; "unknown" for a value that is none.
constexpr std::string_view name(Binding binding) noexcept {
    switch (binding) {
        case Binding::persistent: return "persistent";
        case Binding::connection: return "connection";
        case Binding::process: return "process";
        case Binding::ttl: return "ttl";
    }
    return "unknown";
}

// A number by which a holder is known for good: no other holder of the store ever has it. From 1 on.
using HolderId = std::uint64_t;

// Milliseconds of a clock that counts the time that the machine is suspended, and begins anew when it is
// started: CLOCK_BOOTTIME.
using BootTime = std::uint64_t;

// Which start of the machine it is; none where nobody can tell.
struct BootId {
    std::array<std::uint64_t, 2> words{};

    [[nodiscard]] bool is_none() const { return words[0] == 0 && words[1] == 0; }
    friend bool operator==(const BootId&, const BootId&) = default;
};

// The secret by which a client proves that a holder is its own, where its user alone does not.
struct HolderKey {
    std::array<std::uint64_t, 2> words{};

    [[nodiscard]] bool is_none() const { return words[0] == 0 && words[1] == 0; }
    friend bool operator==(const HolderKey&, const HolderKey&) = default;
};

inline constexpr std::size_t holder_name_size_max = 64;  // bytes, of any kind but NUL

// Who holds leases.
struct Holder {
    HolderId id = 0;
    Binding binding = Binding::persistent;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;      // of the connection that made it
    std::string_view name{};    // of a persistent or ttl holder; empty: none. Somebody else's text
    HolderKey key{};            // of one bound to a connection or a time
    ProcessIdentity process{};  // of one bound to a process
    std::uint32_t ttl_ms = 0;   // of one bound to a time: how long it lasts from one renewal on,
    BootTime deadline = 0;      // and when it ends

    friend bool operator==(const Holder&, const Holder&) = default;
};

// A holder's place in the allocator's table of holders: what pools and the journal keep of it. Another
// holder may have it once one is at its end.
using HolderIndex = std::uint32_t;

// A pool's number in the journal and on the wire, given when the pool is first seen, for good.
using PoolIndex = std::uint16_t;
inline constexpr PoolIndex no_pool = 0xFFFF;  // which none ever gets

// What one allocation handed out.
struct Lease {
    Range range;
    std::uint64_t generation;  // 0 in a pool that never hands a number out again

    friend bool operator==(const Lease&, const Lease&) = default;
};

// The longest run of live IDs with one holder and one generation around an ID, that were asked for in
// one pool.
struct LiveRun {
    Range range;
    std::uint64_t generation;
    HolderIndex holder;
    PoolIndex via = no_pool;  // the pool right below through which they were asked for; none: here

    friend bool operator==(const LiveRun&, const LiveRun&) = default;
};

}  // namespace inod
