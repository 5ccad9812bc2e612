// What the clients of a soak were told of one pool: which numbers are live, and which may not come yet, or ever.
//
// A number that a client gives up is anybody's from the moment at which the request is about to be sent. So
// whatever is told is held against what surely is so, and no order of replies makes a false alarm.
//
// Thread safety: none.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "lib/base/range.h"

namespace inod::soak {

using Clock = std::chrono::steady_clock;

// A promise was broken: what() says which.
class Broken : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct PoolKind {
    const char* name;
    bool is_unique;
    Range range;
    std::chrono::milliseconds rest;  // that is surely kept between two holders; 0: none
};

struct Lease {
    std::size_t pool = 0;  // which of pool_kinds
    Range range{};
    std::uint64_t generation = 0;
};

class PoolModel {
public:
    explicit PoolModel(const PoolKind& kind);

    // The highest number told so far: what an allocation that is sent now has to be above, in a unique pool.
    [[nodiscard]] Id highest() const { return highest_; }

    // Somebody was told that he has these. `floor` is highest() of when he asked. Throws Broken.
    void allocated(Range range, std::uint64_t generation, Id floor);
    void claimed(Range range, std::uint64_t generation, Id floor);

    // From `when` on others may have them. Requires that they are live and were told as one lease.
    void given_up(Range range, Clock::time_point when);
    // What was to be given up later may have been by now.
    void given_up_before(Range range, Clock::time_point now);

    // Whether somebody has one of these, as far as anybody was told.
    [[nodiscard]] bool is_live(Range range) const;
    [[nodiscard]] std::uint64_t live_count() const { return live_count_; }
    // By first ID. Touching ones may be of several holders.
    [[nodiscard]] const std::map<Id, Id>& live() const { return live_; }
    [[nodiscard]] const PoolKind& kind() const { return *kind_; }

private:
    struct Past {
        std::uint64_t generation = 0;
        Clock::time_point given_up{};
    };

    void handed_out(Range range, std::uint64_t generation);
    void check_past(Id id, std::uint64_t generation);
    [[noreturn]] void broken(Range range, const std::string& what) const;

    const PoolKind* kind_;
    std::map<Id, Id> live_;  // first to last
    std::uint64_t live_count_ = 0;
    Id highest_ = 0;
    std::set<Id> ever_claimed_;  // in a unique pool
    std::vector<Past> past_;     // in any other, by ID from the pool's first on
};

}  // namespace inod::soak
