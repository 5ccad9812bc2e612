// When a snapshot is taken, and how it goes along with the groups.
#include <algorithm>

#include "lib/allocator/allocator.h"

namespace inod {
namespace {

// What one group more makes of a size, at most, lasts for so many groups while more is set aside.
constexpr std::uint64_t groups_ahead = 4;

// The largest growth in a group, slowly forgotten.
std::uint64_t growth_of(std::uint64_t before, std::uint64_t now, std::uint64_t known) {
    return std::max(now - std::min(before, now), known - known / 64);
}

}  // namespace

bool Allocator::has_work() const noexcept {
    return journal_.last_lsn() > journal_.durable_lsn() || journal_.snapshot_under_way() ||
           is_snapshot_due();
}

// One that somebody asked for waits until there is space for it.
bool Allocator::is_snapshot_due() const noexcept {
    return journal_.wants_snapshot() || (snapshot_requested_ && journal_.can_spare_snapshot());
}

// Space is set aside for the state as it is, as somebody waits for it to be, and as it will soon be at
// the present rate.
void Allocator::say_state_size() noexcept {
    // Whoever waits asks again now, and finds it.
    if (journal_.has_space_for(demand_)) demand_ = {};
    const StateSize size = state_size();
    growth_.kept = growth_of(size_told_.kept, size.kept, growth_.kept);
    growth_.holes = growth_of(size_told_.holes, size.holes, growth_.holes);
    size_told_ = size;
    journal_.set_state_size(
        {.kept = std::max(size.kept + groups_ahead * growth_.kept, demand_.kept),
         .holes = std::max(size.holes + groups_ahead * growth_.holes, demand_.holes)});
}

bool Allocator::begin_flush() noexcept {
    say_state_size();
    if (cut_snapshot_ && journal_.can_resume_snapshot()) {
        resume_snapshot();
    } else if (is_snapshot_due()) {
        begin_snapshot(false);
    }
    return gather_group();
}

// What a life before has written of it is as good as what this one would write.
void Allocator::resume_snapshot() noexcept {
    journal_.resume_snapshot();
    snapshot_writer_.resume(*cut_snapshot_);
    cut_snapshot_.reset();
}

// What was recorded, and a piece of the snapshot that is under way, if one is.
bool Allocator::gather_group() noexcept {
    if (journal_.snapshot_under_way()) snapshot_writer_.write(*this);
    if (!journal_.begin_flush()) return false;
    gather_witness();
    return true;
}

Lsn Allocator::end_flush() noexcept {
    proven_lsn_ = journal_.durable_lsn();
    const Lsn durable = journal_.end_flush();
    events_.settle(durable);
    prove_marks(durable);
    end_pending();
    return durable;
}

void Allocator::begin_snapshot(bool all) noexcept {
    snapshot_requested_ = false;
    cut_snapshot_.reset();
    journal_.begin_snapshot();
    snapshot_writer_.begin(all);
}

Result<void, Failure> Allocator::close() {
    if (auto flushed = flush_all(); !flushed) return flushed;
    // Leases that were never recorded are in memory alone; a clean stop keeps them.
    const bool unrecorded = std::any_of(pools_.begin(), pools_.end(), [](const auto& served_pool) {
        const Pool& pool = served_pool->pool;
        const PoolCounters& counters = pool.counters();
        const bool has_any = pool.live_count().runs > 0;
        return !pool.records_leases() &&
               (has_any || counters.allocations > 0 || counters.releases > 0);
    });
    if (unrecorded) {
        begin_snapshot(true);
        if (auto flushed = flush_all(); !flushed) return flushed;
    }
    if (auto closed = journal_.close(); !closed) return closed;
    if (!is_witness_begun_) return {};
    gather_marks();
    return witness_->write();
}

// Until nothing is left to be written, a snapshot that is under way included: a piece of that may have nothing to
// say.
Result<void, Failure> Allocator::flush_all() {
    for (;;) {
        if (gather_group()) {
            if (auto flushed = flush(); !flushed) return flushed;
            end_flush();
        } else if (!journal_.snapshot_under_way()) {
            return {};
        }
    }
}

}  // namespace inod
