#include "tests/soak/model.h"

#include <algorithm>

namespace inod::soak {

PoolModel::PoolModel(const PoolKind& kind) : kind_(&kind) {
    if (!kind.is_unique) past_.resize(kind.range.last - kind.range.first + 1);
}

void PoolModel::broken(Range range, const std::string& what) const {
    throw Broken(std::string(kind_->name) + ": " + std::to_string(range.first) + " to " +
                 std::to_string(range.last) + " " + what);
}

bool PoolModel::is_live(Range range) const {
    const auto above = live_.upper_bound(range.last);
    return above != live_.begin() && std::prev(above)->second >= range.first;
}

void PoolModel::allocated(Range range, std::uint64_t generation, Id floor) {
    if (kind_->is_unique) {
        if (range.first <= floor) broken(range, "came after " + std::to_string(floor));
        const auto claimed = ever_claimed_.lower_bound(range.first);
        if (claimed != ever_claimed_.end() && *claimed <= range.last) {
            broken(range, "were claimed before, in part");
        }
        highest_ = std::max(highest_, range.last);
    }
    handed_out(range, generation);
}

void PoolModel::claimed(Range range, std::uint64_t generation, Id floor) {
    if (kind_->is_unique) {
        if (range.first <= floor) broken(range, "were claimed below " + std::to_string(floor));
        for (Id id = range.first; id <= range.last; ++id) {
            if (!ever_claimed_.insert(id).second) broken(range, "were claimed twice, in part");
        }
    }
    handed_out(range, generation);
}

void PoolModel::handed_out(Range range, std::uint64_t generation) {
    if (range.first < kind_->range.first || range.last > kind_->range.last) {
        broken(range, "are not all in the pool");
    }
    if (is_live(range)) broken(range, "are held already, in part");
    if (!kind_->is_unique) {
        for (Id id = range.first; id <= range.last; ++id)
            check_past(id, generation);
    }
    live_.emplace(range.first, range.last);
    live_count_ += range.last - range.first + 1;
}

void PoolModel::check_past(Id id, std::uint64_t generation) {
    Past& past = past_[id - kind_->range.first];
    if (generation <= past.generation) {
        broken({id, id}, "came with generation " + std::to_string(generation) + " after " +
                             std::to_string(past.generation));
    }
    if (past.generation != 0 && Clock::now() < past.given_up + kind_->rest) {
        broken({id, id}, "came before it had rested");
    }
    past.generation = generation;
}

void PoolModel::given_up(Range range, Clock::time_point when) {
    const auto found = std::prev(live_.upper_bound(range.first));
    const Range whole{found->first, found->second};
    live_.erase(found);
    if (whole.first < range.first) live_.emplace(whole.first, range.first - 1);
    if (whole.last > range.last) live_.emplace(range.last + 1, whole.last);
    live_count_ -= range.last - range.first + 1;
    if (kind_->is_unique) return;
    for (Id id = range.first; id <= range.last; ++id)
        past_[id - kind_->range.first].given_up = when;
}

void PoolModel::given_up_before(Range range, Clock::time_point now) {
    if (kind_->is_unique) return;
    for (Id id = range.first; id <= range.last; ++id) {
        Past& past = past_[id - kind_->range.first];
        past.given_up = std::min(past.given_up, now);
    }
}

}  // namespace inod::soak
