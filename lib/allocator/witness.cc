// How the allocator keeps its witness.
//
// The witness is told what a group will have made durable once that is so and before end_flush(),
// so before anybody hears of it. Hence no pool tells of a number above its witness_limit.
#include "lib/allocator/allocator.h"

namespace inod {

// Called within Journal::recover(), when all is replayed and nothing written.
Result<std::uint64_t, Failure> Allocator::ask_witness(const Recovery& found) {
    const std::size_t pools_max = pools_.size() + options_.pools.size();
    auto admitted = witness_->admit(found, options_.journal.fresh_id, marks(), pools_max);
    if (!admitted) return admitted.error();
    marks_.reserve(pools_max);
    return found.run;
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
        pools_[i]->witness_limit = witness_limit(pool.spec(), marks_.back().value);
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
