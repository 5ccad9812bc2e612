// How a pool goes into a snapshot and comes back from it, a piece at a time.
#include <algorithm>
#include <bit>
#include <limits>

#include "lib/pool/pool.h"
#include "lib/pool/record.h"

namespace inod {
namespace {

// An item of something reserved, which can lie anywhere and be of any size.
constexpr std::uint64_t reserved_item_size = item_size + 2 * varint_size_max;

std::uint64_t varint_size(std::uint64_t value) {
    return (static_cast<std::uint64_t>(std::bit_width(value | 1U)) + 6) / 7;
}

}  // namespace

Id Pool::save_live(Id from, bool all, RunWriter& out, std::size_t& visits_left) const {
    auto in_tree = tree_.begin_at(from);
    auto assigned = assigned_.begin_at(from);
    while (in_tree || assigned) {
        const bool is_assigned =
            assigned && (!in_tree || (*assigned).range.first < (*in_tree).range.first);
        auto& cursor = is_assigned ? assigned : in_tree;
        const Entry& entry = *cursor;
        const Range range{std::max(entry.range.first, from), entry.range.last};
        const Tag& tag = tags_[entry.value];
        const bool is_saved =
            !tags_.is_dead(entry.value) && (all || records_leases() || tag.claimed);
        if (is_saved && !out.add({range, tag})) return range.first - 1;
        visits_left -= visits_left > 0 ? 1 : 0;
        if (visits_left == 0) return range.last;
        ++cursor;
    }
    return id_max;
}

Id Pool::save_claims(Id from, RunWriter& out, std::size_t& visits_left) const {
    const RangeTree* const claims = sequence_->claims();
    if (claims == nullptr) return id_max;
    for (auto entry = claims->next_occupied(from); entry;) {
        const Range range{std::max(entry->range.first, from), entry->range.last};
        const HolderIndex holder =
            entry->value == reserved ? ClaimsSaved::reserved_only : ClaimsSaved::claimed;
        if (!out.add({range, Tag{.holder = holder, .claimed = false, .generation = 0}})) {
            return range.first - 1;
        }
        visits_left -= visits_left > 0 ? 1 : 0;
        if (visits_left == 0 || range.last == id_max) return range.last;
        entry = claims->next_occupied(range.last + 1);
    }
    return id_max;
}

Id Pool::save_reserved(Id from, RunWriter& out, std::size_t& visits_left) const {
    if (reserved_runs_ == 0) return id_max;
    for (auto entry = occupied().next_occupied(from); entry;) {
        const Range range{std::max(entry->range.first, from), entry->range.last};
        const Tag tag{.holder = 0, .claimed = false, .generation = 0};
        if (entry->value == reserved && !out.add({range, tag})) return range.first - 1;
        visits_left -= visits_left > 0 ? 1 : 0;
        if (visits_left == 0 || range.last == id_max) return range.last;
        entry = occupied().next_occupied(range.last + 1);
    }
    return id_max;
}

// In the order of IDs what rests and what is dead, which is to rest still.
Id Pool::save_resting(Id from, RunWriter& out, std::size_t& visits_left) const {
    if (!quarantine_ || (quarantine_->resting_count() == 0 && !has_dead())) return id_max;
    std::size_t dead_visits = visits_left;
    NextDead dead = next_dead(from, dead_visits);
    for (;;) {
        // What rests is looked for up to there, so that neither search runs away from the other.
        const auto resting = quarantine_->next_resting({from, dead.looked_to}, tree_, visits_left);
        const bool rests_first = resting.range || resting.looked_to < dead.looked_to;
        const std::optional<Range> next = rests_first ? resting.range : dead.range;
        if (next && !out.add({*next, Tag{.holder = 0, .claimed = false, .generation = 0}})) {
            return next->first - 1;
        }
        const Id last = next ? next->last : resting.looked_to;
        if (last == id_max || visits_left == 0) return last;
        from = last + 1;
        if (last < dead.looked_to) continue;
        visits_left = std::min(visits_left, dead_visits);
        if (visits_left == 0) return last;
        dead = next_dead(from, dead_visits);
    }
}

BootTime Pool::last_end_of_rest() const noexcept {
    if (!quarantine_) return 0;
    const BootTime of_dead = has_dead() ? quarantine_->end_of_rest(now_) : 0;
    return std::max(quarantine_->last_end().value_or(0), of_dead);
}

SavedSize Pool::saved_size(std::uint64_t holder_count) const noexcept {
    const Id highest = sequence_->highest().value_or(spec_.range.first);
    const std::uint64_t extent = highest - spec_.range.first;
    const std::uint64_t tag_size =
        varint_size(2 * holder_count) + varint_size(sequence_->generation());
    std::uint64_t items = runs_size_max(live_count_.runs, live_count_.ids, extent, tag_size);
    const RangeTree* const claims = sequence_->claims();
    if (claims != nullptr && claims->entry_count() > 0) {
        // Any of them may be wide.
        const std::uint64_t count = claims->entry_count();
        items += count * (item_size + more_size) + 2 * gaps_size_max(count, extent);
    }
    // In a unique pool above the cursor twice.
    items += 2 * reserved_runs_ * reserved_item_size;
    const std::uint64_t rests = rests_size(extent);
    items += rests;
    const std::uint64_t heads = heads_size_max(items) + 2 * encoded_record_size_max;
    // Where released IDs rest, each is in one bitmap or the other.
    const std::uint64_t bitmaps = quarantine_ ? 2 : 1;
    return {.kept = items + heads,
            .holes = bitmaps * holes_size_max(live_count_.ids),
            .rests = rests + heads_size_max(rests)};
}

// Of what rests, and of what is dead and so to rest still. Runs of the latter may be wide.
std::uint64_t Pool::rests_size(std::uint64_t extent) const noexcept {
    if (!quarantine_) return 0;
    std::uint64_t size = 0;
    if (const std::uint64_t count = resting_count(); count > 0) {
        size += count * item_size + gaps_size_max(count, extent);
    }
    if (dead_runs_ > 0) {
        size += dead_runs_ * (item_size + more_size) + 2 * gaps_size_max(dead_runs_, extent);
    }
    return size;
}

Result<> Pool::restore_sequence(const SequenceState& state) {
    for (const auto& id :
         {state.cursor, state.highest, state.mark, state.swept, state.passed, state.claimed}) {
        if (id && !spec_.range.contains(*id)) return Error{Errc::journal_damaged, *id};
    }
    if (state.claims && !check_inside(*state.claims)) {
        return Error{Errc::journal_damaged, state.claims->first};
    }
    if (!sequence_->restore(state)) {
        return Error{Errc::journal_damaged, state.cursor.value_or(spec_.range.last)};
    }
    return {};
}

Result<> Pool::restore_claims(Range covered, RunReader items) {
    const SequenceState state = sequence_->state();
    while (const auto run = items.next()) {
        const bool is_above = state.cursor && run->range.first >= *state.cursor;
        const bool is_reserved = run->tag.holder == ClaimsSaved::reserved_only;
        const bool was_claimed = state.highest && run->range.last <= *state.highest;
        if (!covered.contains(run->range) || !spec_.range.contains(run->range) || !is_above ||
            !(was_claimed || is_reserved) || sequence_->claims() == nullptr || !spec_.tracking) {
            return Error{Errc::journal_damaged, run->range.first};
        }
        auto restored = sequence_->restore_claim(run->range, is_reserved);
        if (!restored) return restored;
    }
    if (!items.complete()) return Error{Errc::journal_damaged, covered.first};
    return {};
}

Result<> Pool::restore_reserved(Range covered, RunReader items) {
    const Id next = !known_reserved_ ? 0 : known_reserved_->last + 1;
    const bool is_turn = known_reserved_ != whole_space && !known_ && covered.first == next;
    if (!is_turn || !spec_.tracking) return Error{Errc::journal_damaged, covered.first};
    while (const auto run = items.next()) {
        const bool lies_inside = covered.contains(run->range) && spec_.range.contains(run->range);
        if (!lies_inside) return Error{Errc::journal_damaged, run->range.first};
        if (auto put = put_reserved(run->range); !put) return put;
    }
    if (!items.complete()) return Error{Errc::journal_damaged, covered.first};
    known_reserved_ = {0, covered.last};
    return {};
}

Result<> Pool::restore_live(Range covered, RunReader items, HolderIndex holder_end) {
    const Id next = !known_ ? 0 : known_->last + 1;
    if (is_restored() || covered.first != next) return Error{Errc::journal_damaged, covered.first};
    // A snapshot says nothing of what is reserved where nothing is.
    if (!known_reserved_) known_reserved_ = whole_space;
    if (known_reserved_ != whole_space) return Error{Errc::journal_damaged, covered.first};
    const SequenceState state = sequence_->state();
    tree_.trim();
    while (const auto run = items.next()) {
        const bool has_holder = run->tag.holder < holder_end;
        if (!covered.contains(run->range) || !has_holder || !can_be_live(*run, state)) {
            return Error{Errc::journal_damaged, run->range.first};
        }
        if (auto restored = restore_run(*run); !restored) return restored;
    }
    if (!items.complete()) return Error{Errc::journal_damaged, covered.first};
    known_ = {0, covered.last};
    return {};
}

Result<> Pool::restore_resting(Range covered, BootTime until, RunReader items) {
    if (!is_restored()) return Error{Errc::journal_damaged, covered.first};
    while (const auto run = items.next()) {
        const SequenceState state = sequence_->state();
        const bool was_handed_out = state.highest && run->range.last <= *state.highest;
        const bool fits = covered.contains(run->range) && spec_.range.contains(run->range) &&
                          was_handed_out && check_not_live(tree_, run->range);
        if (!fits) return Error{Errc::journal_damaged, run->range.first};
        if (!quarantine_) continue;
        if (has_dead()) clear_dead(run->range);
        if (auto rests = quarantine_->restore_resting(run->range, until); !rests) return rests;
    }
    if (!items.complete()) return Error{Errc::journal_damaged, covered.first};
    return {};
}

bool Pool::can_be_live(const Run& run, const SequenceState& state) const {
    const bool was_handed_out = state.highest && run.range.last <= *state.highest;
    const bool had_generation =
        spec_.policy == Policy::unique
            ? run.tag.generation == 0
            : run.tag.generation != 0 && run.tag.generation <= state.generation;
    return spec_.range.contains(run.range) && was_handed_out && had_generation &&
           !(run.tag.claimed && records_leases()) && spec_.tracking &&
           live_count_.ids + run.range.count() != 0;
}

// Nothing of it is live yet: all that is lies in what was covered before, or in front of it. What was claimed
// of reserved IDs is in one run with what was not, where they touch in a bitmap.
Result<> Pool::restore_run(const Run& run) {
    NoGuard nobody_else;
    for (Range part = run.range;; part = {part.last + 1, run.range.last}) {
        std::size_t unlimited = std::numeric_limits<std::size_t>::max();
        if (const auto kept = first_reserved(part, unlimited)) {
            const bool is_in_front = part.first < kept->first;
            part.last = is_in_front ? kept->first - 1 : std::min(part.last, kept->last);
        }
        const auto what = check_free(part, true);
        const bool assigned = what && is_assigned(*what);
        if (!what || (*what == ClaimOf::reserved_ids && !assigned)) {
            return Error{Errc::journal_damaged, part.first};
        }
        Tag tag = run.tag;
        if (links_ != nullptr) {
            const LevelLinks::Way way = links_->way_of(index_, part);
            part.last = way.last;
            tag.via = way.via;
        }
        if (auto ready = prepare(nobody_else, part, tag.holder, assigned); !ready) return ready;
        store(part, tag, assigned);
        if (part.last == run.range.last) return {};
    }
}

}  // namespace inod
