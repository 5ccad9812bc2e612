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

// What of `range` was restored already, if it is being restored: the rest will come with this in it.
std::optional<Range> Pool::known_part(Range range) const {
    return known_ ? intersection(range, *known_) : std::nullopt;
}

Result<> Pool::replay_allocated(Range range, HolderIndex holder, bool raised_generation) {
    if (auto sound = check_replay(range); !sound) return sound;
    const Sequence::Next next{.range = range, .raises_generation = raised_generation};
    if (!records_leases() || !sequence_->allows(next)) {
        return Error{Errc::journal_damaged, range.first};
    }
    const auto part = known_part(range);
    NoGuard nobody_else;
    if (part) {
        if (auto prepared = prepare(nobody_else, *part); !prepared) return prepared;
    }
    sequence_->take(next);
    if (part) store(*part, holder, false);
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
    const auto part = known_part(range);
    if (part) {
        if (auto prepared = prepare(nobody_else, *part); !prepared) return prepared;
    }
    sequence_->claim(range, raised_generation);
    if (part) store(*part, holder, true);
    return {};
}

Result<> Pool::replay_released(Range released) {
    if (!check_inside(released)) return Error{Errc::journal_damaged, released.first};
    const auto part = known_part(released);
    if (!part) return {};
    const Range range = *part;
    if (records_leases()) {
        for (Id id = range.first;;) {
            const auto live = first_part({id, range.last});
            if (!live) return Error{Errc::journal_damaged, id};
            if (live->range.last == range.last) break;
            id = live->range.last + 1;
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

}  // namespace inod
