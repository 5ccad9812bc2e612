// How a pool takes back what the journal kept of it.
#include <algorithm>
#include <vector>

#include "lib/base/assert.h"
#include "lib/pool/pool.h"

namespace inod {

// Can `range` become live by a record? 2^64 live IDs, which their counts could not tell from none,
// are more than any pool was ever asked for.
Result<> Pool::check_replay(Range range) const {
    if (!check_known_free(range)) return Error{Errc::journal_damaged, range.first};
    if (live_count_.ids + range.count() == 0) return Error{Errc::journal_damaged, range.first};
    return {};
}

// Is it free, or reserved, as far as it is known yet what is reserved? While that is not known of all, nothing
// is known of what is live.
Result<Pool::ClaimOf> Pool::check_known_free(Range range) const {
    if (auto inside = check_inside(range); !inside) return inside.error();
    const auto known = known_reserved_ ? intersection(range, *known_reserved_) : std::nullopt;
    return known ? check_free(*known, true) : ClaimOf::free_ids;
}

// What of `range` was restored already, if it is being restored: the rest will come with this in it.
std::optional<Range> Pool::known_part(Range range) const {
    return known_ ? intersection(range, *known_) : std::nullopt;
}

Result<> Pool::replay_allocated(Range range, HolderIndex holder, bool raised_generation,
                                PoolIndex via) {
    if (auto sound = check_replay(range); !sound) return sound;
    const Sequence::Next next{.range = range, .raises_generation = raised_generation};
    if (!records_leases() || !spec_.tracking || !sequence_->allows(next)) {
        return Error{Errc::journal_damaged, range.first};
    }
    const auto part = known_part(range);
    NoGuard nobody_else;
    if (part) {
        if (auto ready = prepare(nobody_else, *part, holder, false); !ready) return ready;
    }
    sequence_->take(next);
    if (part) store(*part, tag_for(holder, false, via), false);
    return {};
}

Result<> Pool::replay_passed(Range range, bool raised_generation) {
    const Sequence::Next next{.range = range, .raises_generation = raised_generation};
    const bool is_sound = !spec_.tracking && check_inside(range) && sequence_->allows(next);
    if (!is_sound) return Error{Errc::journal_damaged, range.first};
    sequence_->take(next);
    return {};
}

// What is claimed. While it is not known yet whether it was reserved, it counts as free.
Result<Pool::ClaimOf> Pool::check_replayed_claim(Range range, bool raised_generation) const {
    const auto what = check_known_free(range);
    if (!what || !spec_.tracking) return Error{Errc::journal_damaged, range.first};
    const bool is_known = known_reserved_ && known_reserved_->contains(range);
    const bool may_be_reserved = *what == ClaimOf::reserved_ids || !is_known;
    const auto raises =
        may_be_reserved ? sequence_->check_reserved_claim(range) : sequence_->check_claim(range);
    if (!raises || *raises != raised_generation) return Error{Errc::journal_damaged, range.first};
    return what;
}

Result<> Pool::replay_claimed(Range range, HolderIndex holder, bool raised_generation) {
    if (auto sound = check_replay(range); !sound) return sound;
    const auto what = check_replayed_claim(range, raised_generation);
    if (!what) return what.error();
    NoGuard nobody_else;
    if (auto claim = sequence_->prepare_claim(nobody_else, range); !claim) return claim;
    const bool ends_reserve = *what == ClaimOf::reserved_ids && !is_assigned(*what);
    if (ends_reserve) {
        auto room = tree_.preallocate(nobody_else, range, reserved);
        if (!room) return room;
        drop_reserved(range);
    }
    const auto part = known_part(range);
    if (part) {
        auto ready = prepare(nobody_else, *part, holder, is_assigned(*what));
        if (!ready) return ready;
    }
    sequence_->claim(range, raised_generation);
    if (part) store(*part, tag_for(holder, true), is_assigned(*what));
    return {};
}

Result<> Pool::check_all_live(Range range) const {
    for (Id id = range.first;;) {
        const auto part = first_part({id, range.last});
        if (!part) return Error{Errc::journal_damaged, id};
        if (part->entry.range.last == range.last) return {};
        id = part->entry.range.last + 1;
    }
}

Result<> Pool::replay_released(Range released) {
    if (!check_inside(released)) return Error{Errc::journal_damaged, released.first};
    const auto known = known_part(released);
    if (!known) return {};
    if (records_leases()) {
        if (auto whole = check_all_live(*known); !whole) return whole;
    }
    for (Id id = known->first;;) {
        const auto part = first_part({id, known->last});
        Id last = known->last;
        if (part) {
            last = part->entry.range.last;
            forget_part(*part);
            if (quarantine_ && !part->is_assigned) quarantine_->forget(part->entry.range);
        } else if (const auto next = next_run(id); next && next->range.first <= known->last) {
            // Only claims are recorded here: what lies between had no record.
            last = next->range.first - 1;
        }
        if (last == known->last) return {};
        id = last + 1;
    }
}

Result<> Pool::replay_rested(Range range, BootTime at, std::uint64_t rest_ms) {
    if (!quarantine_) return replay_released(range);
    quarantine_->replay_time(at);
    if (!check_inside(range)) return Error{Errc::journal_damaged, range.first};
    const auto known = known_part(range);
    if (!known) return {};
    if (auto whole = check_all_live(*known); !whole) return whole;
    const BootTime until = at + std::min(rest_ms, quarantine_limit_ms);
    for (Id id = known->first;;) {
        const auto part = first_part({id, known->last});
        const Range released = part->entry.range;
        if (!part->is_assigned) {
            if (auto rests = quarantine_->replay_rest(released, until); !rests) return rests;
        }
        forget_part(*part);
        if (released.last == known->last) return {};
        id = released.last + 1;
    }
}

Result<> Pool::replay_reboot() {
    return quarantine_ ? quarantine_->restart_rests(now_) : Result<>();
}

Result<> Pool::begin_run() {
    if (quarantine_ && is_replaying_) {
        if (auto begun = quarantine_->begin_run(now_); !begun) return begun;
    }
    is_replaying_ = false;
    sequence_->begin_run();
    return {};
}

Result<> Pool::replay_reserved(Range range) {
    const auto known = known_reserved_ ? intersection(range, *known_reserved_) : std::nullopt;
    const bool is_sound = spec_.tracking && check_inside(range) &&
                          sequence_->check_reserve(range) && (!known || check_free(*known, false));
    if (!is_sound) return Error{Errc::journal_damaged, range.first};
    NoGuard nobody_else;
    if (auto prepared = sequence_->prepare_reserve(nobody_else, range); !prepared) return prepared;
    sequence_->reserve(range);
    return known ? put_reserved(*known) : Result<>();
}

Result<> Pool::replay_unreserved(Range range) {
    const auto known = known_reserved_ ? intersection(range, *known_reserved_) : std::nullopt;
    const bool is_sound = check_inside(range) &&
                          (!known || (is_reserved(*known) && check_not_live(assigned_, *known)));
    if (!is_sound) return Error{Errc::journal_damaged, range.first};
    NoGuard nobody_else;
    if (auto prepared = sequence_->prepare_reserve(nobody_else, range); !prepared) return prepared;
    sequence_->unreserve(range);
    if (!known) return {};
    if (auto room = occupied().preallocate(nobody_else, *known, reserved); !room) return room;
    drop_reserved(*known);
    return {};
}

Result<> Pool::replay_advanced(Id last) {
    return advance(last) ? Result<>() : Error{Errc::journal_damaged, last};
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
        auto run = next_run(spec_.range.first);
        while (run) {
            const Range range = run->range;
            if (!run->tag.claimed) forget_part(*first_part(range));
            run = range.last < id_max ? next_run(range.last + 1) : std::nullopt;
        }
    }
    sequence_->after_unclean_stop();
}

void Pool::skip_ahead(std::uint64_t count) noexcept {
    sequence_->skip_ahead(count);
    if (count > 0) burn_skipped();
}

void Pool::skip_above(std::uint64_t floor) noexcept {
    sequence_->skip_above(floor);
    burn_skipped();
}

// A reserved number of a unique pool may be claimed once, below where the pool stands too. Whether that
// happened since the copy was made nobody knows. To cut an end off what is reserved takes no memory.
void Pool::burn_skipped() noexcept {
    if (has_generations(spec_.policy)) return;
    const auto cursor = sequence_->state().cursor;
    if (cursor == spec_.range.first) return;
    const Id last = cursor ? *cursor - 1 : spec_.range.last;
    for (auto run = next_reserved(spec_.range.first); run && run->first <= last;) {
        drop_reserved({run->first, std::min(run->last, last)});
        run = run->last < last ? next_reserved(run->last + 1) : std::nullopt;
    }
}

}  // namespace inod
