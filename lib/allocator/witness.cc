// How the allocator keeps its witness.
//
// The witness is told what a group will have made durable once that is so and before end_flush(),
// so before anybody hears of it. Hence no pool tells of a number above its witness_limit(). A claim has a
// limit of its own, above the highest claim: one far up must not keep the marks below it from being told.
#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "lib/allocator/allocator.h"

namespace inod {

// Called within Journal::recover(), when all is replayed and nothing written.
Result<std::uint64_t, Failure> Allocator::ask_witness(const Recovery& found) {
    const std::size_t pools_max = pools_.size() + new_pool_count();
    auto admitted = witness_->admit(found, options_.journal.fresh_id, marks(), pools_max);
    if (!admitted) return admitted.error();
    marks_.reserve(pools_max);
    return found.run;
}

// Pools of the configuration that the store does not have yet. No more than there are: a witness that
// must grow for a start needs space, which a full disk has not.
std::size_t Allocator::new_pool_count() const {
    std::unordered_set<std::string_view> known;
    for (const auto& served_pool : pools_)
        known.insert(served_pool->pool.spec().name);
    return static_cast<std::size_t>(
        std::count_if(options_.pools.begin(), options_.pools.end(),
                      [&](const PoolSpec& spec) { return !known.contains(spec.name); }));
}

Result<void, Failure> Allocator::begin_witness(const Recovery& recovery) {
    if (!witness_) return {};
    gather_marks();
    auto begun = witness_->begin_run(recovery, journal_.durable_lsn(), marks_);
    if (!begun) {
        journal_.seal();
        return begun;
    }
    is_witness_begun_ = true;
    return {};
}

// With the group that is under way now.
void Allocator::gather_witness() noexcept {
    if (!is_witness_begun_) return;
    if (is_witness_due_ || witness_->is_behind(journal_.last_lsn())) gather_marks();
}

void Allocator::gather_marks() noexcept {
    marks_.clear();
    for (std::size_t i = 0; i < pools_.size(); ++i) {
        const Pool& pool = pools_[i]->pool;
        marks_.push_back(mark_of(static_cast<PoolIndex>(i), pool));
        const PoolMark& mark = marks_.back();
        pools_[i]->mark_limit = witness_limit(pool.spec(), mark.mark);
        pools_[i]->claim_limit = witness_limit(pool.spec(), std::max(mark.mark, mark.claim));
    }
    is_witness_due_ = false;
    witness_->gather(journal_.last_lsn(), marks_);
}

std::vector<PoolMark> Allocator::marks() const {
    std::vector<PoolMark> marks;
    for (std::size_t i = 0; i < pools_.size(); ++i)
        marks.push_back(mark_of(static_cast<PoolIndex>(i), pools_[i]->pool));
    return marks;
}

Result<void, Failure> Allocator::flush() {
    if (auto flushed = journal_.flush(); !flushed) return flushed;
    if (!witness_) return {};
    auto written = witness_->write();
    if (!written) journal_.seal();
    return written;
}

}  // namespace inod
