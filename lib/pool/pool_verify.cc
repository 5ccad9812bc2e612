// What must hold of a pool at any time, checked one by one. For tests and offline checks.
#include <map>

#include "lib/pool/pool.h"

namespace inod {

std::optional<std::string> Pool::verify() const {
    if (auto broken = live_.verify()) return "pool " + spec_.name + ": " + *broken;

    const SequenceState state = sequence_->state();
    const auto complaint = [this](const Entry& entry, const std::string& what) {
        return "pool " + spec_.name + ": " + std::to_string(entry.range.first) + "-" +
               std::to_string(entry.range.last) + " " + what;
    };
    std::map<Value, std::uint64_t> id_counts;
    std::optional<Entry> before;
    for (auto cursor = live_.begin_at(0); cursor; ++cursor) {
        const Entry entry = *cursor;
        const Tag& tag = tags_[entry.value];
        if (!spec_.range.contains(entry.range)) return complaint(entry, "lies outside the pool");
        if (!state.highest || entry.range.last > *state.highest) {
            return complaint(entry, "is live above the highest ID ever handed out");
        }
        if (tag.generation > state.generation)
            return complaint(entry, "is of a generation to come");
        if (tag.generation == state.generation && !sequence_->is_past(entry.range)) {
            return complaint(entry, "is live and may be handed out once more");
        }
        if (before && before->value == entry.value && before->range.last + 1 == entry.range.first) {
            return complaint(entry, "is not one with what it touches and equals");
        }
        before = entry;
        id_counts[entry.value] += entry.range.count();
    }
    for (const auto& [value, count] : id_counts) {
        if (tags_.id_count(value) != count) {
            return "pool " + spec_.name + ": value " + std::to_string(value) + " counts " +
                   std::to_string(tags_.id_count(value)) + " IDs, the tree holds " +
                   std::to_string(count);
        }
    }
    return std::nullopt;
}

}  // namespace inod
