// How a pool takes back what the journal kept of it.
#include <algorithm>
#include <vector>

#include "lib/base/assert.h"
#include "lib/pool/pool.h"

namespace inod {

// Can `range` become live by a record? 2^64 live IDs, which their counts could not tell from none,
// are more than any pool was ever asked for.
Result<> Pool::check_replay(Range range) const {
    if (!check_free(range)) return Error{Errc::journal_damaged, range.first};
    if (live_.id_count() + range.count() == 0) return Error{Errc::journal_damaged, range.first};
    return {};
}

Result<> Pool::replay_allocated(Range range, HolderIndex holder, bool raised_generation) {
    if (auto sound = check_replay(range); !sound) return sound;
    const Sequence::Next next{.range = range, .raises_generation = raised_generation};
    if (!records_leases() || !sequence_->allows(next)) {
        return Error{Errc::journal_damaged, range.first};
    }
    NoGuard nobody_else;
    if (auto prepared = prepare(nobody_else, range); !prepared) return prepared;
    sequence_->take(next);
    store(range, holder, false);
    return {};
}

Result<> Pool::replay_claimed(Range range, HolderIndex holder, bool raised_generation) {
    if (auto sound = check_replay(range); !sound) return sound;
    const auto raises_generation = sequence_->check_claim(range);
    if (!raises_generation || *raises_generation != raised_generation) {
        return Error{Errc::journal_damaged, range.first};
    }
    NoGuard nobody_else;
    if (auto claim = sequence_->prepare_claim(nobody_else, range); !claim) return claim;
    if (auto prepared = prepare(nobody_else, range); !prepared) return prepared;
    sequence_->claim(range, raised_generation);
    store(range, holder, true);
    return {};
}

Result<> Pool::replay_released(Range range) {
    if (range.first > range.last) return Error{Errc::journal_damaged, range.first};
    if (records_leases()) {
        for (Id id = range.first;;) {
            const auto entry = live_.find(id);
            if (!entry) return Error{Errc::journal_damaged, id};
            if (entry->range.last >= range.last) break;
            id = entry->range.last + 1;
        }
        forget(range);
        return {};
    }
    // Here only claims are recorded, so the range may hold others' IDs that no record ever named.
    for (auto entry = live_.next(range.first); entry && entry->range.overlaps(range);
         entry = live_.next(range.first)) {
        forget(*intersection(entry->range, range));
    }
    return {};
}

Result<> Pool::replay_mark(Id mark) {
    if (spec_.policy != Policy::unique || !spec_.range.contains(mark)) {
        return Error{Errc::journal_damaged, mark};
    }
    sequence_->set_mark(mark);
    return {};
}

void Pool::replay_unclean_stop() noexcept {
    if (!records_leases()) {
        std::optional<Entry> entry = live_.next(spec_.range.first);
        while (entry) {
            const Range range = entry->range;
            if (!tags_[entry->value].claimed) forget(range);
            entry = range.last < id_max ? live_.next(range.last + 1) : std::nullopt;
        }
    }
    sequence_->after_unclean_stop();
}

void Pool::skip_ahead(std::uint64_t count) noexcept {
    sequence_->skip_ahead(count);
}

void Pool::skip_above(std::uint64_t floor) noexcept {
    sequence_->skip_above(floor);
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

Result<> Pool::restore_claim(Range range) {
    if (spec_.policy != Policy::unique || range.first > range.last ||
        !spec_.range.contains(range)) {
        return Error{Errc::journal_damaged, range.first};
    }
    const auto highest = sequence_->state().highest;
    if (!sequence_->check_claim(range) || !highest || range.last > *highest) {
        return Error{Errc::journal_damaged, range.first};
    }
    return sequence_->restore_claim(range);
}

Result<> Pool::restore_live(Range range, const Tag& tag) {
    if (auto sound = check_replay(range); !sound) return sound;
    const SequenceState state = sequence_->state();
    const bool was_handed_out = state.highest && range.last <= *state.highest;
    const bool had_generation = spec_.policy == Policy::unique
                                    ? tag.generation == 0
                                    : tag.generation != 0 && tag.generation <= state.generation;
    if (!was_handed_out || !had_generation || (tag.claimed && records_leases())) {
        return Error{Errc::journal_damaged, range.first};
    }
    NoGuard nobody_else;
    if (auto prepared = prepare(nobody_else, range); !prepared) return prepared;
    live_.store_merged(range, tags_.add(tag, range.count()));
    return {};
}

}  // namespace inod
