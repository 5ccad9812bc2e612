// What must hold of a pool at any time, checked one by one. For tests and offline checks.
#include <map>

#include "lib/pool/pool.h"

namespace inod {
namespace {

struct Counts {
    TagCount live;
    std::uint64_t dead_runs = 0;
    std::map<Value, TagCount> by_value;
};

}  // namespace

std::optional<std::string> Pool::verify() const {
    const std::string place = "pool " + spec_.name + ": ";
    Counts counts;
    for (const bool is_assigned : {false, true}) {
        const RangeTree& tree = tree_of(is_assigned);
        if (auto broken = tree.verify()) return place + *broken;
        std::optional<Entry> before;
        for (auto cursor = tree.begin_at(0); cursor; before = *cursor, ++cursor) {
            const Entry& entry = *cursor;
            const TagCount count{.ids = entry.range.count(), .runs = 1};
            counts.by_value[entry.value].ids += count.ids;
            ++counts.by_value[entry.value].runs;
            if (tags_.is_dead(entry.value)) {
                ++counts.dead_runs;
                continue;
            }
            counts.live.ids += count.ids;
            ++counts.live.runs;
            auto broken = verify_live(entry, is_assigned);
            const bool could_be_one = before && before->value == entry.value &&
                                      before->range.last + 1 == entry.range.first;
            if (could_be_one) broken = "is not one with what it touches and equals";
            if (broken) {
                return place + std::to_string(entry.range.first) + "-" +
                       std::to_string(entry.range.last) + " " + *broken;
            }
        }
    }
    for (const auto& [value, count] : counts.by_value) {
        const TagCount& said = tags_.count(value);
        if (said == count) continue;
        return place + "value " + std::to_string(value) + " counts " + std::to_string(said.ids) +
               " IDs in " + std::to_string(said.runs) + " runs, the trees hold " +
               std::to_string(count.ids) + " in " + std::to_string(count.runs);
    }
    if (counts.live != live_count_) return place + "what is live is counted wrongly";
    if (counts.dead_runs != dead_runs_) return place + "what is dead is counted wrongly";
    if (quarantine_) {
        if (auto broken = quarantine_->verify(tree_)) return place + *broken;
    }
    return verify_reserved();
}

// What is wrong with a live entry, if anything is.
std::optional<std::string> Pool::verify_live(const Entry& entry, bool is_assigned) const {
    const SequenceState state = sequence_->state();
    const Tag& tag = tags_[entry.value];
    if (!spec_.range.contains(entry.range)) return "lies outside the pool";
    if (tags_.pool_of(entry.value) != index_) return "has a value of another pool";
    if (!state.highest || entry.range.last > *state.highest) {
        return "is live above the highest ID ever handed out";
    }
    if (tag.generation > state.generation) return "is of a generation to come";
    if (tag.generation == state.generation && !sequence_->is_past(entry.range)) {
        return "is live and may be handed out once more";
    }
    if (!sequence_->was_passed(entry.range.first) || !sequence_->was_passed(entry.range.last)) {
        return "is live and would read as never handed out";
    }
    if (is_assigned && !is_reserved(entry.range)) return "is claimed of what is not reserved";
    return std::nullopt;
}

std::optional<std::string> Pool::verify_reserved() const {
    std::uint64_t runs = 0;
    for (auto range = next_reserved(0); range;) {
        ++runs;
        if (!spec_.range.contains(*range)) {
            return "pool " + spec_.name + ": " + std::to_string(range->first) +
                   " is reserved outside the pool";
        }
        range = range->last < id_max ? next_reserved(range->last + 1) : std::nullopt;
    }
    if (runs == reserved_runs_) return std::nullopt;
    return "pool " + spec_.name + ": what is reserved is counted wrongly";
}

}  // namespace inod
