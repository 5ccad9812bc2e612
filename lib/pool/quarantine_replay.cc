// How a quarantine comes back from what the journal kept of it: what rests is known by its IDs
// here.
#include <algorithm>

#include "lib/base/assert.h"
#include "lib/pool/quarantine.h"

namespace inod {
namespace {

// Entries below which it is not worth the while to look for rests that have ended.
constexpr std::uint64_t few_entries = 1'000;

Value value_of(std::uint64_t until) {
    return std::min(until, RestQueue::forever) + 1;
}

std::uint64_t until_of(const Entry& entry) {
    return entry.value - 1;
}

// The entry behind another.
std::optional<Entry> next_after(const RangeTree& tree, const Entry& entry) {
    return entry.range.last < id_max ? tree.next(entry.range.last + 1) : std::nullopt;
}

}  // namespace

RangeTree& Quarantine::replayed() {
    if (!replayed_) {
        INOD_ASSERT(queue_.is_empty());
        replayed_.emplace(budget_, memory_);
        end_replayed_at_ = few_entries;
    }
    return *replayed_;
}

Result<> Quarantine::restore_resting(Range range, std::uint64_t until) {
    const auto taken = occupied_.next_occupied(range.first);
    if (taken && taken->range.overlaps(range)) {
        return Error{Errc::journal_damaged, std::max(taken->range.first, range.first)};
    }
    take_back(range);
    return remember(range, until);
}

Result<> Quarantine::replay_rest(Range range, std::uint64_t until) {
    if (auto resting = remember(range, until); !resting) return resting;
    forget(range);
    return {};
}

// None of it rests yet.
Result<> Quarantine::remember(Range range, std::uint64_t until) {
    NoGuard nobody_else;
    RangeTree& tree = replayed();
    if (auto nodes = tree.preallocate(nobody_else, range); !nodes) return nodes;
    tree.store_merged(range, value_of(until));
    resting_count_ += range.count();
    return {};
}

void Quarantine::take_back(Range range) noexcept {
    if (!replayed_) return;
    const std::uint64_t before = replayed_->id_count();
    replayed_->erase(range);
    resting_count_ -= before - replayed_->id_count();
}

// All entries are looked at when there are twice as many as were left the last time: a few looks
// for each that was added.
void Quarantine::replay_time(std::uint64_t now) noexcept {
    replayed_now_ = std::max(replayed_now_, now);
    if (replayed_ && replayed_->entry_count() >= end_replayed_at_) end_replayed();
}

void Quarantine::end_replayed() noexcept {
    for (auto entry = replayed_->next(0); entry; entry = next_after(*replayed_, *entry)) {
        const std::uint64_t until = until_of(*entry);
        if (until <= replayed_now_ && until < RestQueue::forever) take_back(entry->range);
    }
    replayed_->trim();
    end_replayed_at_ = 2 * replayed_->entry_count() + few_entries;
}

Result<> Quarantine::restart_rests(std::uint64_t now) {
    INOD_ASSERT(queue_.is_empty());
    if (replayed_) end_replayed();
    replayed_now_ = now;
    if (!replayed_) return {};
    NoGuard nobody_else;
    const Value value = value_of(end_of_rest(now));
    for (auto entry = replayed_->next(0); entry; entry = next_after(*replayed_, *entry)) {
        if (auto nodes = replayed_->preallocate(nobody_else, entry->range); !nodes) return nodes;
        replayed_->store_merged(entry->range, value);
    }
    return {};
}

Result<> Quarantine::begin_run(std::uint64_t now) {
    if (!replayed_) return {};
    replayed_now_ = std::max(replayed_now_, now);
    end_replayed();
    if (auto filled = fill_queue(); !filled) return filled;
    replayed_.reset();
    return queue_.sort();
}

// Moves all that rests from its tree into the other and into the queue, in the order of IDs. Entry
// by entry, so that at no time there is memory for all of it twice.
Result<> Quarantine::fill_queue() {
    NoGuard nobody_else;
    while (const auto entry = replayed_->next(0)) {
        const Range range = entry->range;
        const std::uint64_t pieces = RestQueue::pieces_of(range);
        if (auto room = queue_.prepare(nobody_else, pieces); !room) return room;
        if (auto nodes = occupied_.preallocate(nobody_else, range); !nodes) return nodes;
        replayed_->erase(range);
        replayed_->trim();
        occupy(range);
        queue_.push(range, until_of(*entry));
    }
    return {};
}

}  // namespace inod
