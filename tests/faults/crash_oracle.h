// What clients were told, over any number of crashes, and what must be true because of it.
//
// Thread safety: none. Each client keeps a Report of its own while it runs; the oracle takes them
// one by one when the daemon is dead.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/range.h"
#include "proto/reply.h"

namespace inod::faults {

// Disjoint ranges, those that touch joined.
class RangeSet {
public:
    // False, and nothing has changed, if a part of it is there already.
    bool insert(Range range);
    [[nodiscard]] bool contains(Id id) const;

private:
    std::map<Id, Id> last_by_first_;
};

struct Numbers {
    std::size_t pool = 0;
    Range range{};
    std::uint64_t generation = 0;
};

// What one client did in one life of the daemon.
struct Report {
    std::vector<Numbers> allocated;                 // acknowledged
    std::vector<Numbers> released;                  // acknowledged
    std::vector<Numbers> released_in_doubt;         // asked for, without an answer
    std::vector<std::uint64_t> allocated_in_doubt;  // by pool: how many IDs were asked for
    std::vector<Numbers> seen_live;                 // a lookup said so
    std::vector<Numbers> seen_released;             // likewise, in a pool without generations
    std::uint64_t requests_in_doubt = 0;
    std::vector<std::string> surprises;  // answers that no daemon may give
};

class CrashOracle {
public:
    // Pools are counted from 0; `remembers` says of each whether a crash keeps its leases.
    explicit CrashOracle(std::vector<bool> remembers);

    // Takes what a client was told in the life that ended just now.
    void take(const Report& report);

    // Compares the pool of an index after the restart with what was taken, settles what was in
    // doubt by it, and returns what nobody knew to hold: the outcome of allocations in doubt.
    std::vector<Numbers> compare(std::size_t index, const std::vector<proto::LeaseRecord>& leases);

    // Releases that were in doubt and turned out not to be carried out, since the last compare().
    [[nodiscard]] const std::vector<Numbers>& still_held() const { return still_held_; }

    struct Totals {
        std::uint64_t allocated = 0;
        std::uint64_t released = 0;
        std::uint64_t in_doubt = 0;
        std::uint64_t repeats = 0;
        std::uint64_t lost = 0;    // acknowledged leases, or some seen by a lookup
        std::uint64_t undone = 0;  // acknowledged releases, or some seen by a lookup
    };
    [[nodiscard]] const Totals& totals() const { return totals_; }
    // The first few things that went wrong, for people.
    [[nodiscard]] const std::vector<std::string>& faults() const { return faults_; }

private:
    using Generation = std::uint64_t;
    struct Pool {
        bool remembers = true;
        std::map<Generation, RangeSet> handed_out;
        std::map<Id, Generation> live;  // acknowledged, and nobody asked for its release
        std::vector<Numbers> doubtful;  // releases in doubt
        std::uint64_t allocated_in_doubt = 0;
        std::vector<Numbers> seen_live;
        std::vector<Numbers> seen_released;
    };

    void allocated(const Numbers& numbers);
    void forget(const Numbers& numbers);
    void settle_doubts(Pool& pool, const std::map<Id, Generation>& found);
    void check_seen(Pool& pool, const std::map<Id, Generation>& found);
    void fault(std::uint64_t& count, const std::string& what, std::size_t pool, Id id,
               Generation generation);

    std::vector<Pool> pools_;
    std::vector<Numbers> still_held_;
    Totals totals_;
    std::vector<std::string> faults_;
};

}  // namespace inod::faults
