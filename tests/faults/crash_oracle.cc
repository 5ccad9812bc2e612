#include "tests/faults/crash_oracle.h"

#include <algorithm>
#include <iterator>

namespace inod::faults {
namespace {

constexpr std::size_t faults_max = 20;

bool is_live(const std::map<Id, std::uint64_t>& live, Id id, std::uint64_t generation) {
    const auto found = live.find(id);
    return found != live.end() && found->second == generation;
}

// Calls `visit` with each ID of the range, the last ID of all included.
template <class Visit>
void for_each(Range range, Visit visit) {
    for (Id id = range.first;; ++id) {
        visit(id);
        if (id == range.last) return;
    }
}

}  // namespace

bool RangeSet::insert(Range range) {
    auto next = last_by_first_.upper_bound(range.last);
    if (next != last_by_first_.begin()) {
        const auto previous = std::prev(next);
        if (previous->second >= range.first) return false;
        if (range.first > 0 && previous->second == range.first - 1) {
            range.first = previous->first;
            last_by_first_.erase(previous);
        }
    }
    if (next != last_by_first_.end() && next->first == range.last + 1) {
        range.last = next->second;
        last_by_first_.erase(next);
    }
    last_by_first_.emplace(range.first, range.last);
    return true;
}

bool RangeSet::contains(Id id) const {
    const auto next = last_by_first_.upper_bound(id);
    return next != last_by_first_.begin() && std::prev(next)->second >= id;
}

CrashOracle::CrashOracle(std::vector<bool> remembers) : pools_(remembers.size()) {
    for (std::size_t i = 0; i < remembers.size(); ++i)
        pools_[i].remembers = remembers[i];
}

void CrashOracle::fault(std::uint64_t& count, const std::string& what, std::size_t pool, Id id,
                        Generation generation) {
    ++count;
    if (faults_.size() >= faults_max) return;
    faults_.push_back(what + ": pool " + std::to_string(pool) + " ID " + std::to_string(id) +
                      " generation " + std::to_string(generation));
}

void CrashOracle::allocated(const Numbers& numbers) {
    Pool& pool = pools_.at(numbers.pool);
    if (!pool.handed_out[numbers.generation].insert(numbers.range)) {
        fault(totals_.repeats, "handed out twice", numbers.pool, numbers.range.first,
              numbers.generation);
    }
    if (!pool.remembers) return;
    // Reports come client by client: of one ID's leases the newest is what counts.
    for_each(numbers.range, [&](Id id) {
        Generation& generation = pool.live[id];
        generation = std::max(generation, numbers.generation);
    });
}

void CrashOracle::forget(const Numbers& numbers) {
    Pool& pool = pools_.at(numbers.pool);
    for_each(numbers.range, [&](Id id) {
        if (is_live(pool.live, id, numbers.generation)) pool.live.erase(id);
    });
}

void CrashOracle::take(const Report& report) {
    totals_.allocated += report.allocated.size();
    totals_.released += report.released.size();
    totals_.in_doubt += report.requests_in_doubt;
    for (const Numbers& numbers : report.allocated)
        allocated(numbers);
    for (const Numbers& numbers : report.released)
        forget(numbers);
    for (const Numbers& numbers : report.released_in_doubt) {
        forget(numbers);
        pools_.at(numbers.pool).doubtful.push_back(numbers);
    }
    for (std::size_t i = 0; i < report.allocated_in_doubt.size(); ++i)
        pools_.at(i).allocated_in_doubt += report.allocated_in_doubt[i];
    for (const Numbers& numbers : report.seen_live)
        pools_.at(numbers.pool).seen_live.push_back(numbers);
    for (const Numbers& numbers : report.seen_released)
        pools_.at(numbers.pool).seen_released.push_back(numbers);
    for (const std::string& surprise : report.surprises)
        if (faults_.size() < faults_max) faults_.push_back(surprise);
}

// A release in doubt was carried out, or not; not in part.
void CrashOracle::settle_doubts(Pool& pool, const std::map<Id, Generation>& found) {
    for (const Numbers& numbers : pool.doubtful) {
        std::uint64_t live_count = 0;
        for_each(numbers.range, [&](Id id) {
            if (is_live(found, id, numbers.generation)) ++live_count;
        });
        if (live_count == 0) continue;
        if (live_count != numbers.range.span() + 1) {
            fault(totals_.lost, "a release was carried out in part", numbers.pool,
                  numbers.range.first, numbers.generation);
        }
        for_each(numbers.range, [&](Id id) { pool.live[id] = numbers.generation; });
        still_held_.push_back(numbers);
    }
}

// What a lookup told was durable: only what was asked for later may have changed it.
void CrashOracle::check_seen(Pool& pool, const std::map<Id, Generation>& found) {
    for (const Numbers& numbers : pool.seen_live) {
        const Id id = numbers.range.first;
        if (is_live(found, id, numbers.generation)) continue;
        // If it was handed out to one of us and is no longer live, its release was asked for, or
        // compare() has counted it. If nobody was told that he has it, nobody can have given it
        // back.
        if (pool.handed_out[numbers.generation].contains(id)) continue;
        fault(totals_.lost, "seen live, then lost", numbers.pool, id, numbers.generation);
    }
    for (const Numbers& numbers : pool.seen_released) {
        const Id id = numbers.range.first;
        if (!found.contains(id)) continue;
        fault(totals_.undone, "seen released, then live", numbers.pool, id, numbers.generation);
    }
}

std::vector<Numbers> CrashOracle::compare(std::size_t index,
                                          const std::vector<proto::LeaseRecord>& leases) {
    Pool& pool = pools_.at(index);
    std::map<Id, Generation> found;
    for (const proto::LeaseRecord& lease : leases)
        for_each(lease.range, [&](Id id) { found[id] = lease.generation; });

    still_held_.clear();
    settle_doubts(pool, found);
    for (const auto& [id, generation] : pool.live) {
        if (!is_live(found, id, generation)) {
            fault(totals_.lost, "acknowledged, then lost", index, id, generation);
        }
    }
    check_seen(pool, found);
    std::vector<Numbers> unknown;
    std::uint64_t unknown_count = 0;
    for (const auto& [id, generation] : found) {
        if (is_live(pool.live, id, generation)) continue;
        if (pool.handed_out[generation].contains(id)) {
            fault(totals_.undone, "released, then live", index, id, generation);
            continue;
        }
        ++unknown_count;
        const bool goes_on = !unknown.empty() && unknown.back().generation == generation &&
                             unknown.back().range.last + 1 == id;
        if (goes_on) {
            unknown.back().range.last = id;
        } else {
            unknown.push_back({.pool = index, .range = {id, id}, .generation = generation});
        }
    }
    if (unknown_count > pool.allocated_in_doubt) {
        fault(totals_.lost, "live, and nobody asked for it", index, unknown.front().range.first,
              unknown.front().generation);
    }
    for (const Numbers& numbers : unknown)
        allocated(numbers);
    pool.doubtful.clear();
    pool.allocated_in_doubt = 0;
    pool.seen_live.clear();
    pool.seen_released.clear();
    return unknown;
}

}  // namespace inod::faults
