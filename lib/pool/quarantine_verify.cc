// What must hold of a quarantine at any time, checked one by one. For tests and offline checks.
#include <algorithm>
#include <vector>

#include "lib/pool/quarantine.h"

namespace inod {
namespace {

std::string text_of(Range range) {
    return std::to_string(range.first) + "-" + std::to_string(range.last);
}

std::uint64_t count_of(const RangeTree& tree) {
    std::uint64_t count = 0;
    tree.for_each([&](const Entry& entry) { count += entry.range.count(); });
    return count;
}

// Is all of it stored there, whatever its value?
bool has_all(const RangeTree& tree, Range range) {
    for (Id id = range.first;;) {
        const auto entry = tree.find(id);
        if (!entry) return false;
        if (entry->range.last >= range.last) return true;
        id = entry->range.last + 1;
    }
}

bool has_any(const RangeTree& tree, Range range) {
    const auto entry = tree.next(range.first);
    return entry && entry->range.overlaps(range);
}

bool has_reserved(const RangeTree& tree, Range range) {
    for (Id id = range.first;;) {
        const auto entry = tree.next_occupied(id);
        if (!entry || !entry->range.overlaps(range)) return false;
        if (entry->value == reserved) return true;
        if (entry->range.last >= range.last) return false;
        id = entry->range.last + 1;
    }
}

}  // namespace

std::optional<std::string> Quarantine::verify(const RangeTree& live) const {
    if (auto broken = occupied_.verify()) return "occupied: " + *broken;
    if (auto broken = queue_.verify()) return broken;
    if (replayed_) {
        if (auto broken = replayed_->verify()) return "replayed: " + *broken;
        if (!queue_.is_empty()) return "the queue has pieces in recovery";
    }
    if (auto broken = verify_counts(live)) return broken;
    return verify_resting(live);
}

std::optional<std::string> Quarantine::verify_counts(const RangeTree& live) const {
    if (queue_.promised() != count_of(live)) {
        return "pieces are promised for " + std::to_string(queue_.promised()) + " IDs, " +
               std::to_string(count_of(live)) + " are live";
    }
    const std::uint64_t expected = queue_.promised() + (replayed_ ? 0 : resting_count_);
    if (count_of(occupied_) != expected) {
        return std::to_string(count_of(occupied_)) + " IDs are occupied, " +
               std::to_string(expected) + " should be";
    }
    std::optional<std::string> broken;
    live.for_each([&](const Entry& entry) {
        if (!broken && !has_all(occupied_, entry.range)) {
            broken = text_of(entry.range) + " is live and not occupied";
        }
    });
    return broken;
}

std::optional<std::string> Quarantine::verify_resting(const RangeTree& live) const {
    std::vector<Range> resting;
    queue_.for_each([&](const RestQueue::Piece& piece) { resting.push_back(piece.range); });
    if (replayed_) {
        replayed_->for_each([&](const Entry& entry) { resting.push_back(entry.range); });
    }
    std::sort(resting.begin(), resting.end(), [](Range a, Range b) { return a.first < b.first; });
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < resting.size(); ++i) {
        const Range range = resting[i];
        if (i > 0 && resting[i - 1].last >= range.first) return text_of(range) + " rests twice";
        if (has_any(live, range)) return text_of(range) + " rests and is live";
        if (has_reserved(occupied_, range)) return text_of(range) + " rests and is reserved";
        if (!replayed_ && !has_all(occupied_, range)) {
            return text_of(range) + " rests and is not occupied";
        }
        count += range.count();
    }
    if (count != resting_count_) {
        return std::to_string(resting_count_) + " IDs are to rest, " + std::to_string(count) +
               " do";
    }
    return std::nullopt;
}

}  // namespace inod
