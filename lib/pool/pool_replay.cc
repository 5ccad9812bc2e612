// How a pool takes back what the journal kept of it.
#include <algorithm>
#include <vector>

#include "lib/base/assert.h"
#include "lib/pool/pool.h"

namespace inod {

Result<> Pool::replay_allocated(Range range, HolderIndex holder, bool raised_generation) {
    if (!check_free(range)) return Error{Errc::journal_damaged, range.first};
    NoGuard nobody_else;
    if (auto prepared = prepare(nobody_else, range); !prepared) return prepared;
    sequence_->take({.range = range, .raises_generation = raised_generation});
    store(range, holder, false);
    return {};
}

Result<> Pool::replay_claimed(Range range, HolderIndex holder, bool raised_generation) {
    if (!check_free(range)) return Error{Errc::journal_damaged, range.first};
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
    ++changes_;
}

Result<> Pool::restore_sequence(const SequenceState& state) {
    for (const auto& id : {state.cursor, state.highest, state.mark, state.swept}) {
        if (id && !spec_.range.contains(*id)) return Error{Errc::journal_damaged, *id};
    }
    sequence_->restore(state);
    return {};
}

Result<> Pool::restore_claim(Range range) {
    if (spec_.policy != Policy::unique || range.first > range.last ||
        !spec_.range.contains(range)) {
        return Error{Errc::journal_damaged, range.first};
    }
    return sequence_->restore_claim(range);
}

Result<> Pool::restore_live(Range range, const Tag& tag) {
    if (!check_free(range)) return Error{Errc::journal_damaged, range.first};
    NoGuard nobody_else;
    if (auto prepared = prepare(nobody_else, range); !prepared) return prepared;
    live_.store_merged(range, tags_.add(tag, range.count()));
    ++changes_;
    return {};
}

}  // namespace inod
