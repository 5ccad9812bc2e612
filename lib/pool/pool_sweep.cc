// What is left of holders that came to their end: entries of the trees that read as free. And what has
// rested enough.
#include <algorithm>

#include "lib/pool/pool.h"

namespace inod {
namespace {

// Pieces of the quarantine that one search ends at most; each takes up to 250 ns.
constexpr std::size_t rests_per_search = 2048;

// Entries of the dead that one claim takes out at most before it asks for a sweep; each takes up to 500 ns.
constexpr std::size_t dead_per_claim = 1024;

}  // namespace

void Pool::leases_died(const TagCount& count) noexcept {
    live_count_.ids -= count.ids;
    live_count_.runs -= count.runs;
    dead_runs_ += count.runs;
}

// Takes them out of `range`, which is to be stored.
void Pool::clear_dead(Range range) noexcept {
    for (const bool is_assigned : {false, true}) {
        const RangeTree& tree = tree_of(is_assigned);
        for (auto entry = tree.next(range.first); entry && entry->range.overlaps(range);
             entry = tree.next(entry->range.last + 1)) {
            const Range part = *intersection(entry->range, range);
            if (tags_.is_dead(entry->value)) erase_dead({{part, entry->value}, is_assigned});
            if (entry->range.last >= range.last) break;
        }
    }
}

// The dead of `range` up to what is live there, which is the end of any claim. False if there are more than
// one call takes out.
bool Pool::clear_first_dead(Range range) noexcept {
    std::size_t count = 0;
    for (const bool is_assigned : {false, true}) {
        const RangeTree& tree = tree_of(is_assigned);
        for (auto entry = tree.next(range.first);
             entry && entry->range.overlaps(range) && tags_.is_dead(entry->value);
             entry = tree.next(range.first)) {
            if (count++ == dead_per_claim) return false;
            erase_dead({{*intersection(entry->range, range), entry->value}, is_assigned});
        }
    }
    return true;
}

// Where numbers rest, these do so from now on. In replay it is not known when they were swept, and
// whoever takes them out knows that they are free.
void Pool::erase_dead(const Part& part) noexcept {
    RangeTree& tree = tree_of(part.is_assigned);
    const Range range = part.entry.range;
    if (links_ != nullptr) links_->swept(index_, tags_[part.entry.value].via, range);
    const std::uint64_t runs_before = tree.entry_count();
    tree.erase(range);
    const std::uint64_t runs_more = tree.entry_count() - runs_before;
    dead_runs_ += runs_more;
    tags_.change_runs(part.entry.value, runs_more);
    tags_.remove(part.entry.value, range.count());
    if (!quarantine_ || part.is_assigned) return;
    if (is_replaying_) {
        quarantine_->forget(range);
    } else {
        quarantine_->rest(range, quarantine_->end_of_rest(now_));
    }
}

void Pool::sweep(std::size_t& visits_left) noexcept {
    while (has_dead() && visits_left > 0) {
        const bool tree_done = sweep(false, sweep_from_, visits_left);
        if (tree_done) sweep(true, sweep_assigned_from_, visits_left);
    }
    if (quarantine_) quarantine_->end_rests(now_, visits_left);
}

// Goes on from `from`; at the end it starts anew. True if it came to the end.
bool Pool::sweep(bool is_assigned, Id& from, std::size_t& visits_left) noexcept {
    const RangeTree& tree = tree_of(is_assigned);
    auto cursor = tree.begin_at(from);
    while (cursor && visits_left > 0) {
        --visits_left;
        const Entry entry = *cursor;
        if (!tags_.is_dead(entry.value)) {
            ++cursor;
            continue;
        }
        erase_dead({entry, is_assigned});
        cursor = tree.begin_at(entry.range.last);  // nothing is there any more
    }
    from = cursor ? (*cursor).range.first : 0;
    return !cursor;
}

Pool::NextDead Pool::next_dead(Id from, std::size_t& visits_left) const noexcept {
    if (!has_dead()) return {std::nullopt, id_max};
    for (auto cursor = tree_.begin_at(from); cursor; ++cursor) {
        const Range range{std::max((*cursor).range.first, from), (*cursor).range.last};
        visits_left -= visits_left > 0 ? 1 : 0;
        if (tags_.is_dead((*cursor).value)) return {range, range.last};
        if (visits_left == 0) return {std::nullopt, range.last};
    }
    return {std::nullopt, id_max};
}

void Pool::end_due_rests() noexcept {
    if (quarantine_) quarantine_->end_rests(now_, rests_per_search);
}

bool Pool::has_rested() const noexcept {
    const auto end = quarantine_ ? quarantine_->next_end() : std::nullopt;
    return end && *end <= now_;
}

// Nothing is dead. Is there room for what is wanted once nothing rests any more? If not, to end rests for it
// is to end all of them for nothing.
bool Pool::has_place_but_for_rests(const Sequence::Wanted& wanted) const noexcept {
    const auto next = sequence_->next(wanted, tree_);
    if (!next || reserved_runs_ == 0) return next.has_value();
    // What is reserved is not in that tree. The lowest place where a search may look, sooner or later:
    Id from = std::min(next->range.first, spec_.wrap_to.value_or(spec_.range.first));
    std::size_t visits_left = rests_per_search;
    for (;;) {
        const Range window{from, spec_.range.last};
        const auto gap =
            tree_.find_gap({.count = wanted.count, .align = wanted.align, .window = window});
        if (!gap) return false;
        const auto taken = first_reserved(*gap, visits_left);
        if (!taken || visits_left == 0) return true;
        if (taken->last >= spec_.range.last) return false;
        from = taken->last + 1;
    }
}

// Looks at no more entries than `visits_left` says, which counts down.
std::optional<Range> Pool::first_reserved(Range range, std::size_t& visits_left) const noexcept {
    for (auto entry = occupied().next_occupied(range.first);
         entry && entry->range.overlaps(range) && visits_left > 0; --visits_left) {
        if (entry->value == reserved) return entry->range;
        if (entry->range.last >= range.last) break;
        entry = occupied().next_occupied(entry->range.last + 1);
    }
    return std::nullopt;
}

// Nothing is free: ends rests that are over, and where the pool may yield others too, the oldest first,
// until there is what is wanted.
std::optional<Sequence::Next> Pool::end_rests_for(const Sequence::Wanted& wanted,
                                                  bool may_yield) noexcept {
    if (has_rested()) {
        quarantine_->end_rests(now_, rests_per_search);
        if (const auto next = sequence_->next(wanted, occupied())) return next;
        if (has_rested()) return std::nullopt;
    }
    for (std::size_t i = 0; may_yield && i < rests_per_search; ++i) {
        if (!quarantine_->end_oldest()) return std::nullopt;
        if (const auto next = sequence_->next(wanted, occupied())) return next;
    }
    return std::nullopt;
}

}  // namespace inod
