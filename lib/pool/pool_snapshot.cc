// How a pool goes into a snapshot and comes back from it, a piece at a time.
#include <algorithm>
#include <bit>

#include "lib/pool/pool.h"
#include "lib/pool/record.h"

namespace inod {
namespace {

// An item's shape, and what the varint of its gap wastes: lib/pool/runs.h.
constexpr std::uint64_t item_size = 2;

// What the varint of a wide item's span wastes.
constexpr std::uint64_t more_size = 1;

std::uint64_t varint_size(std::uint64_t value) {
    return (static_cast<std::uint64_t>(std::bit_width(value | 1U)) + 6) / 7;
}

// Bytes of `count` gaps, or spans, that are `extent` IDs together, but for what their varints
// waste: on average each is an equal part of it, and the size is concave, so that no other parts
// take more.
std::uint64_t gaps_size(std::uint64_t count, std::uint64_t extent) {
    return count * static_cast<std::uint64_t>(std::bit_width(extent / count)) / 7 + 1;
}

}  // namespace

Id Pool::save_live(Id from, bool all, RunWriter& out, std::size_t& visits_left) const {
    for (auto cursor = live_.begin_at(from); cursor; ++cursor) {
        const Entry& entry = *cursor;
        const Range range{std::max(entry.range.first, from), entry.range.last};
        const Tag& tag = tags_[entry.value];
        const bool is_saved = all || records_leases() || tag.claimed;
        if (is_saved && !out.add({range, tag})) return range.first - 1;
        visits_left -= visits_left > 0 ? 1 : 0;
        if (visits_left == 0) return range.last;
    }
    return id_max;
}

Id Pool::save_claims(Id from, RunWriter& out, std::size_t& visits_left) const {
    const RangeTree* const claims = sequence_->claims();
    if (claims == nullptr) return id_max;
    for (auto cursor = claims->begin_at(from); cursor; ++cursor) {
        const Range range{std::max((*cursor).range.first, from), (*cursor).range.last};
        if (!out.add({range, Tag{.holder = 0, .claimed = false, .generation = 0}})) {
            return range.first - 1;
        }
        visits_left -= visits_left > 0 ? 1 : 0;
        if (visits_left == 0) return range.last;
    }
    return id_max;
}

SavedSize Pool::saved_size(std::uint64_t holder_count) const noexcept {
    const Id highest = sequence_->highest().value_or(spec_.range.first);
    const std::uint64_t extent = highest - spec_.range.first;
    const std::uint64_t tag_size =
        varint_size(2 * holder_count) + varint_size(sequence_->generation());
    std::uint64_t items = 0;
    if (const std::uint64_t count = live_.entry_count(); count > 0) {
        items += count * (item_size + tag_size) + gaps_size(count, extent);
        const std::uint64_t ids = live_.id_count();
        const std::uint64_t wide_count = std::min(count, ids / (short_span_max + 1));
        if (wide_count > 0) items += wide_count * more_size + gaps_size(wide_count, ids);
    }
    const RangeTree* const claims = sequence_->claims();
    if (claims != nullptr && claims->entry_count() > 0) {
        // Any of them may be wide.
        const std::uint64_t count = claims->entry_count();
        items += count * (item_size + more_size) + 2 * gaps_size(count, extent);
    }
    // A record of items is as good as full, at about a thousand bytes, with a head of at most 32.
    const std::uint64_t heads = items / 24 + 2 * encoded_record_size_max;
    // An ID costs a bit, and the bitmaps' heads and the records': runs.h.
    constexpr std::uint64_t per_thousand = 135;
    const std::uint64_t ids = live_.id_count();
    return {.kept = items + heads, .holes = ids / 1024 * per_thousand + per_thousand};
}

Result<> Pool::restore_sequence(const SequenceState& state) {
    for (const auto& id : {state.cursor, state.highest, state.mark, state.swept}) {
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
        const bool was_claimed = state.highest && run->range.last <= *state.highest;
        if (!covered.contains(run->range) || !spec_.range.contains(run->range) || !is_above ||
            !was_claimed || sequence_->claims() == nullptr) {
            return Error{Errc::journal_damaged, run->range.first};
        }
        if (auto restored = sequence_->restore_claim(run->range); !restored) return restored;
    }
    if (!items.complete()) return Error{Errc::journal_damaged, covered.first};
    return {};
}

Result<> Pool::restore_live(Range covered, RunReader items, HolderIndex holder_end) {
    const Id next = !known_ ? 0 : known_->last + 1;
    if (is_restored() || covered.first != next) return Error{Errc::journal_damaged, covered.first};
    const SequenceState state = sequence_->state();
    live_.trim();
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

bool Pool::can_be_live(const Run& run, const SequenceState& state) const {
    const bool was_handed_out = state.highest && run.range.last <= *state.highest;
    const bool had_generation =
        spec_.policy == Policy::unique
            ? run.tag.generation == 0
            : run.tag.generation != 0 && run.tag.generation <= state.generation;
    return spec_.range.contains(run.range) && was_handed_out && had_generation &&
           !(run.tag.claimed && records_leases()) && live_.id_count() + run.range.count() != 0;
}

// Nothing of it is live yet: all that is lies in what was covered before, or in front of it.
Result<> Pool::restore_run(const Run& run) {
    if (auto tag = tags_.prepare(); !tag) return tag;
    NoGuard nobody_else;
    if (auto room = live_.preallocate(nobody_else, run.range); !room) return room;
    live_.store_merged(run.range, tags_.add(run.tag, run.range.count()));
    return {};
}

}  // namespace inod
