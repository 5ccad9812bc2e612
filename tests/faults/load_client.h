// A client that keeps a daemon busy and writes down what it was told: many requests under way, which
// allocate, release and look up in the pools of load_config.
//
// Thread safety: one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/errc.h"
#include "proto/reply.h"
#include "proto/request.h"
#include "tests/faults/crash_oracle.h"

namespace inod::faults {

// One pool of each kind; segments of the smallest size, so that a short life goes through several.
inline const std::string load_config = R"({
  "pools": [
    {"name": "inode", "policy": "unique", "min": 1, "max": 18446744073709551615},
    {"name": "pid", "policy": "cyclic", "min": 2, "max": 60000},
    {"name": "block", "policy": "unique", "min": 1, "max": 18446744073709551615,
     "durability": "block"}
  ],
  "journal": {"segment_size": 65536}
})";

// The pools of load_config, by index.
inline constexpr std::size_t inode_pool = 0;
inline constexpr std::size_t pid_pool = 1;
inline constexpr std::size_t block_pool = 2;
inline constexpr std::size_t pool_count = 3;

struct LoadOptions {
    std::size_t depth = 16;          // requests under way
    std::size_t held_target = 200;   // ranges that the client likes to hold
    std::uint64_t lease_count = 40;  // IDs in a lease, at most
    std::uint64_t request_count = std::numeric_limits<std::uint64_t>::max();  // of a run
    // The daemon may be gone already, or have no memory for another connection.
    bool may_find_nobody = false;
    // What is answered while this is true is in doubt.
    const std::atomic<bool>* too_late = nullptr;
    // With which the daemon may refuse an allocation. A release it may not refuse, unless it is
    // about to end: journal_sealed is for both.
    std::vector<Errc> refusals{};
};

class LoadClient {
public:
    LoadClient(std::uint64_t seed, LoadOptions options)
        : random_(seed), options_(std::move(options)) {}

    // Works until the connection is lost or the requests of a run are answered, and returns what it
    // was told. Calls `begun` once it is connected, or was refused.
    Report run(const std::string& socket, const std::function<void()>& begun);

    // From the next run on.
    void request_count(std::uint64_t count) { options_.request_count = count; }

    // These are its own from now on.
    void hold(const Numbers& numbers) { held_.push_back(numbers); }
    // A crash forgets the leases of this pool.
    void forget(std::size_t pool) {
        std::erase_if(held_, [pool](const Numbers& numbers) { return numbers.pool == pool; });
    }

private:
    struct UnderWay {
        enum class Kind { none, allocate, release, look_at_own, look_at_any } kind{};
        Numbers numbers;
    };

    proto::Request next_request(UnderWay& under_way);
    Numbers take_something();
    void answered(const UnderWay& under_way, const proto::Reply& reply);
    void refused(const UnderWay& under_way, Errc code);
    void lost(const UnderWay& under_way, Errc code);
    void surprise(const UnderWay& under_way, std::string_view what);
    std::uint64_t below(std::uint64_t end) { return random_() % end; }

    std::mt19937_64 random_;
    LoadOptions options_;
    std::vector<Numbers> held_;
    Id newest_ = 1;  // in the pool inode
    Report report_;
};

}  // namespace inod::faults
