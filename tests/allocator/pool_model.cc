#include "tests/allocator/pool_model.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "lib/pool/generation_sequence.h"
#include "lib/pool/unique_sequence.h"

namespace inod {
namespace {

// Calls f(id) for each of `range`.
template <class F>
void each(Range range, F f) {
    for (Id id = range.first;; ++id) {
        f(id);
        if (id == range.last) return;
    }
}

std::optional<Id> behind(Id id, Id last) {
    return id < last ? std::optional(id + 1) : std::nullopt;
}

// Of those that are not free for sure.
bool is_perhaps_taken(const ModelNumber& number) {
    return number.is_live() || number.until != 0;
}

}  // namespace

PoolModel::PoolModel(const PoolSpec& of)
    : spec(of),
      cursor_(of.range.first),
      generation_(has_generations(of.policy) ? 1 : 0),
      swept_(of.range.first) {}

// Where the policy looks first, among what is not taken.

std::optional<PoolModel::Place> PoolModel::search(const Wanted& wanted,
                                                  const IsTaken& is_taken) const {
    const bool goes_up = spec.policy != Policy::lowest;
    if (!goes_up || cursor_) {
        const Id from = goes_up ? *cursor_ : spec.range.first;
        if (const auto first = gap(wanted, from, is_taken)) return Place{false, *first};
    }
    if (spec.policy != Policy::cyclic) return std::nullopt;
    const auto first = gap(wanted, spec.wrap_to.value_or(spec.range.first), is_taken);
    return first ? std::optional(Place{true, *first}) : std::nullopt;
}

std::optional<Id> PoolModel::gap(const Wanted& wanted, Id from, const IsTaken& is_taken) const {
    auto number = numbers.lower_bound(from);
    auto kept = reserved.lower_bound(from);
    auto claim = claimed_.lower_bound(from);
    for (Id id = from;;) {
        const Id over = id % wanted.align;
        if (over != 0) {
            if (id > id_max - (wanted.align - over)) return std::nullopt;
            id += wanted.align - over;
        }
        if (id > spec.range.last || spec.range.last - id < wanted.count - 1) return std::nullopt;
        const Id last = id + (wanted.count - 1);
        std::optional<Id> taken;
        const auto look = [&](Id at) { taken = std::max(taken.value_or(at), at); };
        // Nothing of a unique pool comes a second time, so who has it does not matter.
        for (; !is_unique() && number != numbers.end() && number->first <= last; ++number)
            if (number->first >= id && is_taken(number->second)) look(number->first);
        for (; kept != reserved.end() && *kept <= last; ++kept)
            if (*kept >= id) look(*kept);
        for (; claim != claimed_.end() && *claim <= last; ++claim)
            if (*claim >= id) look(*claim);
        if (!taken) return id;
        if (*taken == id_max) return std::nullopt;
        id = *taken + 1;
    }
}

PoolModel::Place PoolModel::place_of(Range range) const {
    const bool is_second = spec.policy == Policy::cyclic && (!cursor_ || range.first < *cursor_);
    return {is_second, range.first};
}

std::uint64_t PoolModel::next_align(std::uint64_t wished) const {
    return std::lcm(wished, spec.align);
}

bool PoolModel::wraps(Range range) const {
    return place_of(range).is_second;
}

bool PoolModel::yields(Range range) const {
    for (auto it = numbers.lower_bound(range.first); it != numbers.end() && it->first <= range.last;
         ++it)
        if (it->second.is == ModelNumber::Is::resting && it->second.from > now) return true;
    return false;
}

std::string PoolModel::wrong_bounds(const Wanted& wanted, Range range) const {
    if (range.count() != wanted.count) return "not as many as were asked for";
    if (range.first % wanted.align != 0) return "not aligned";
    if (!spec.range.contains(range)) return "outside of the pool";
    const bool goes_up = spec.policy != Policy::lowest;
    const Id wrap_to = spec.wrap_to.value_or(spec.range.first);
    if (goes_up && place_of(range).is_second && range.first < wrap_to) return "below wrap_to";
    if (is_unique() && (!cursor_ || range.first < *cursor_)) return "burned";
    std::string wrong;
    each(range, [&](Id id) {
        const auto it = numbers.find(id);
        const bool is_known = it != numbers.end();
        if (is_known && it->second.is_live()) wrong = std::to_string(id) + " is held";
        const bool is_left = is_known && it->second.is == ModelNumber::Is::left;
        if (is_left && it->second.from > now) wrong = std::to_string(id) + " is to rest still";
        if (reserved.count(id) != 0) wrong = std::to_string(id) + " is reserved";
        if (claimed_.count(id) != 0) wrong = std::to_string(id) + " was claimed";
    });
    return wrong;
}

std::string PoolModel::wrong_place(const Wanted& wanted, Range range) const {
    if (auto wrong = wrong_bounds(wanted, range); !wrong.empty()) return wrong;
    const auto everything = search(wanted, is_perhaps_taken);
    if (everything && place_of(range) > *everything) {
        return "not the first that is free, " + std::to_string(everything->first);
    }
    if (!yields(range)) {
        const auto first =
            search(wanted, [&](const ModelNumber& n) { return n.is_live() || n.from > now; });
        const bool is_first = first && place_of(range) >= *first;
        return is_first ? "" : "a number before its rest is over, or in front of all that are free";
    }
    return wrong_yield(wanted, range);
}

// Some of it has not rested enough.
std::string PoolModel::wrong_yield(const Wanted& wanted, Range range) const {
    if (!spec.quarantine_yields) return "rests still";
    const auto lasting = [&](const ModelNumber& n) { return n.is_live() || n.until > now; };
    if (search(wanted, lasting)) return "rests still, and something else is free";
    BootTime newest = 0;
    for (auto it = numbers.lower_bound(range.first); it != numbers.end() && it->first <= range.last;
         ++it)
        newest = std::max(newest, it->second.from);
    const auto younger = [&](const ModelNumber& n) { return n.is_live() || n.until >= newest; };
    if (search(wanted, younger)) return "rests still, and something that has rested longer will do";
    return "";
}

bool PoolModel::can_grant(const Wanted& wanted) const {
    if (search(wanted, [&](const ModelNumber& n) { return n.is_live() || n.from > now; })) {
        return true;
    }
    return spec.quarantine_yields && search(wanted, [](const ModelNumber& n) {
                                         return n.is != ModelNumber::Is::resting;
                                     }).has_value();
}

bool PoolModel::can_refuse(const Wanted& wanted, const Error& error) const {
    if (error.code == Errc::sweep_pending) {
        return has_left() && !search(wanted, is_perhaps_taken);
    }
    if (error.code != Errc::pool_exhausted || has_left()) return false;
    if (search(wanted, [&](const ModelNumber& n) { return n.is_live() || n.until > now; })) {
        return false;
    }
    const bool has_place =
        search(wanted, [](const ModelNumber& n) { return n.is_live(); }).has_value();
    return !(spec.quarantine_yields && has_place) && is_right_time(error.detail);
}

// Until the next one has rested enough; 0: none rests.
bool PoolModel::is_right_time(std::uint64_t told) const {
    BootTime soonest = never;
    BootTime latest = never;
    bool may_none_rest = true;
    for (const auto& [id, number] : numbers) {
        if (number.is != ModelNumber::Is::resting || number.until <= now) continue;
        soonest = std::min(soonest, std::max(number.from, now + 1));
        if (number.from <= now) continue;
        latest = std::min(latest, number.until);
        may_none_rest = false;
    }
    if (told == 0) return may_none_rest;
    return soonest != never && told >= soonest - now && (latest == never || told <= latest - now);
}

void PoolModel::may_have_yielded(const Wanted& wanted) {
    if (!spec.quarantine_yields) return;
    if (search(wanted, is_perhaps_taken)) return;
    std::set<BootTime> ends;
    for (const auto& [id, number] : numbers)
        if (number.is == ModelNumber::Is::resting) ends.insert(number.from);
    for (const BootTime end : ends) {
        for (auto& [id, number] : numbers)
            if (number.is == ModelNumber::Is::resting && number.from <= end)
                number.from = std::min(number.from, now);
        const auto taken = [&](const ModelNumber& n) { return n.is_live() || n.from > now; };
        if (search(wanted, taken)) return;
    }
}

// Hand-outs: which generation, and what is known afterwards.

bool PoolModel::was_swept_over(Range range) const {
    return spec.policy == Policy::cyclic && swept_ && range.last >= *swept_ &&
           (!cursor_ || range.first < *cursor_);
}

void PoolModel::raise(std::uint64_t by) {
    generation_ += by;
    span_.reset();
    swept_ = cursor_;
}

void PoolModel::span_claims(Range range) {
    span_ = span_ ? Range{std::min(span_->first, range.first), std::max(span_->last, range.last)}
                  : range;
}

void PoolModel::pass(Range range) {
    highest_ = std::max(highest_.value_or(0), range.last);
    if (!passed_ || range.last > *passed_) passed_ = range.last;
    if (!claimed_from_ || *claimed_from_ > *passed_) return;
    claimed_from_ = *highest_ > *passed_ ? std::optional(*passed_ + 1) : std::nullopt;
}

bool PoolModel::may_yield(Range range) const {
    if (!spec.quarantine_yields) return false;
    for (auto it = numbers.lower_bound(range.first); it != numbers.end() && it->first <= range.last;
         ++it)
        if (it->second.is == ModelNumber::Is::resting && it->second.until > now) return true;
    return false;
}

// The pool has yielded, or may have: what has rested longer than what it came to is free, and what has
// rested as long may be.
void PoolModel::end_older_rests(Range range) {
    BootTime newest_from = 0;
    BootTime newest_until = 0;
    each(range, [&](Id id) {
        const auto it = numbers.find(id);
        if (it == numbers.end()) return;
        newest_from = std::max(newest_from, it->second.from);
        newest_until = std::max(newest_until, it->second.until);
    });
    for (auto& [id, number] : numbers) {
        if (number.is != ModelNumber::Is::resting) continue;
        if (newest_from > now && number.until < newest_from) number.until = 0;
        if (number.from <= newest_until) number.from = std::min(number.from, now);
    }
}

std::uint64_t PoolModel::take(Range range, bool is_claim) {
    const bool is_overlapping = span_ && span_->overlaps(range);
    if (is_unique()) {
        if (!is_claim) advance(range.last);
        return 0;
    }
    if (!is_claim && may_yield(range)) end_older_rests(range);
    if (is_claim) {
        if (is_overlapping || was_swept_over(range)) raise(1);
        span_claims(range);
        if (!passed_ || range.last > *passed_) {
            const Id first = passed_ ? std::max(range.first, *passed_ + 1) : range.first;
            claimed_from_ = std::min(claimed_from_.value_or(first), first);
        }
        highest_ = std::max(highest_.value_or(0), range.last);
        return generation_;
    }
    const bool goes_up = spec.policy == Policy::cyclic;
    if (is_overlapping || (goes_up && wraps(range))) {
        raise(1);
        swept_ = range.first;
    }
    if (goes_up) cursor_ = behind(range.last, spec.range.last);
    if (!goes_up) span_claims(range);
    pass(range);
    return generation_;
}

void PoolModel::forget(Id id) {
    const auto it = numbers.find(id);
    if (it == numbers.end()) return;
    if (it->second.is == ModelNumber::Is::left) --left_count_;
    numbers.erase(it);
}

void PoolModel::hold(Range range, const ModelNumber& number, bool is_claim) {
    if (!spec.tracking) return;
    ModelNumber held = number;
    each(range, [&](Id id) {
        const bool is_reserved = reserved.count(id) != 0;
        held.is_of_reserved = is_reserved && !is_unique();
        if (is_reserved && is_unique()) reserved.erase(id);
        if (is_unique() && is_claim && cursor_ && id >= *cursor_) claimed_.insert(id);
        forget(id);
        numbers[id] = held;
        ++held.below;
        ++held.above;
    });
}

// Claims, and what an administrator does.

std::optional<Error> PoolModel::outside(Range range) const {
    if (range.first > range.last) return Error{Errc::range_reversed, range.first};
    if (range.first < spec.range.first) return Error{Errc::id_out_of_range, range.first};
    if (range.last <= spec.range.last) return std::nullopt;
    return Error{Errc::id_out_of_range, std::max(range.first, spec.range.last + 1)};
}

// What rests, whether it was released or left behind. Where that is open it is as was said.
std::optional<Error> PoolModel::not_free(Range range, const std::optional<Error>& said) const {
    for (auto it = numbers.lower_bound(range.first); it != numbers.end() && it->first <= range.last;
         ++it) {
        const ModelNumber& number = it->second;
        if (number.is_live() || number.is_of_reserved || spec.quarantine_ms == 0) continue;
        const Error resting{Errc::id_resting, it->first};
        if (number.from > now || (number.until > now && said == resting)) return resting;
    }
    return std::nullopt;
}

std::optional<Error> PoolModel::burned(Range range) const {
    if (!is_unique()) return std::nullopt;
    if (!cursor_ || range.first < *cursor_) return Error{Errc::id_burned, range.first};
    const auto claim = claimed_.lower_bound(range.first);
    if (claim == claimed_.end() || *claim > range.last) return std::nullopt;
    return Error{Errc::id_burned, *claim};
}

std::optional<Error> PoolModel::claim_refusal(Range range, bool takes_reserved,
                                              const std::optional<Error>& said) const {
    if (!spec.tracking) return Errc::not_tracked;
    if (range.first <= range.last && range.span() >= spec.lease_count_max) {
        return Error{Errc::lease_too_large, spec.lease_count_max};
    }
    if (auto error = outside(range)) return error;
    std::uint64_t kept = 0;
    std::optional<Error> taken;
    std::optional<Error> first_kept;
    each(range, [&](Id id) {
        if (!taken && live(id) != nullptr) taken = Error{Errc::id_taken, id};
        if (reserved.count(id) == 0) return;
        if (kept++ == 0) first_kept = Error{Errc::id_reserved, id};
    });
    if (taken) return taken;
    if (kept > 0 && (!takes_reserved || kept != range.count())) return first_kept;
    if (auto error = not_free(range, said)) return error;
    return kept > 0 ? std::nullopt : burned(range);
}

std::optional<Error> PoolModel::reserve_refusal(Range range,
                                                const std::optional<Error>& said) const {
    if (!spec.tracking) return Errc::not_tracked;
    if (auto error = outside(range)) return error;
    std::optional<Error> taken;
    each(range, [&](Id id) {
        if (!taken && (live(id) != nullptr || reserved.count(id) != 0)) {
            taken = Error{Errc::id_taken, id};
        }
    });
    if (taken) return taken;
    if (auto error = not_free(range, said)) return error;
    return burned(range);
}

void PoolModel::look_for_claim(Range range) {
    if (!spec.tracking || outside(range)) return;
    for (auto it = numbers.lower_bound(range.first); it != numbers.end() && it->first <= range.last;
         ++it) {
        ModelNumber& number = it->second;
        if (number.is_live()) return;
        if (number.is != ModelNumber::Is::left || number.begun_from) continue;
        number.begun_from = now + spec.quarantine_ms;
    }
}

void PoolModel::reserve(Range range) {
    each(range, [&](Id id) {
        forget(id);
        reserved.insert(id);
    });
}

std::optional<Error> PoolModel::unreserve_refusal(Range range) const {
    if (!spec.tracking) return Errc::not_tracked;
    if (auto error = outside(range)) return error;
    bool is_whole = true;
    std::optional<Error> taken;
    each(range, [&](Id id) {
        if (reserved.count(id) == 0) is_whole = false;
        if (!taken && live(id) != nullptr) taken = Error{Errc::id_taken, id};
    });
    return is_whole ? taken : Error{Errc::not_reserved, range.first};
}

void PoolModel::unreserve(Range range) {
    each(range, [&](Id id) { reserved.erase(id); });
}

std::optional<Error> PoolModel::advance_refusal(Id last) const {
    if (auto error = outside({last, last})) return error;
    if (spec.policy == Policy::lowest) return Errc::not_offered;
    return std::nullopt;
}

void PoolModel::advance(Id last) {
    if (!cursor_ || last < *cursor_) return;
    pass({*cursor_, last});
    cursor_ = behind(last, spec.range.last);
    claimed_.erase(claimed_.begin(), claimed_.upper_bound(last));
}

// Releases, by whomever.

const ModelNumber* PoolModel::live(Id id) const {
    const auto it = numbers.find(id);
    return it != numbers.end() && it->second.is_live() ? &it->second : nullptr;
}

std::optional<Error> PoolModel::release_refusal(Range range, std::uint64_t generation,
                                                std::optional<HolderId> holder) const {
    if (!spec.tracking) return Errc::not_tracked;
    if (auto error = outside(range)) return error;
    if (!is_unique() && generation == 0) return Errc::generation_required;
    std::optional<Error> refusal;
    each(range, [&](Id id) {
        if (refusal) return;
        const ModelNumber* const number = live(id);
        if (number == nullptr) {
            refusal = not_live(id);
        } else if (number->generation != generation) {
            refusal = Error{Errc::stale_generation, number->generation};
        } else if (holder && number->holder != *holder) {
            refusal = Error{Errc::not_holder, id};
        } else if (number->via != no_pool) {
            refusal = Error{Errc::held_below, id};
        }
    });
    return refusal;
}

void PoolModel::release(Id id) {
    ModelNumber& number = numbers.at(id);
    if (spec.quarantine_ms == 0 || number.is_of_reserved) {
        numbers.erase(id);
        return;
    }
    number.is = ModelNumber::Is::resting;
    number.from = number.until = now + spec.quarantine_ms;
}

void PoolModel::end(HolderId holder) {
    for (auto& [id, number] : numbers) {
        if (!number.is_live() || number.holder != holder) continue;
        number.is = ModelNumber::Is::left;
        number.from = now + (number.is_of_reserved ? 0 : spec.quarantine_ms);
        number.left_from = number.from;
        number.until = never;
        number.was_left = true;
        ++left_count_;
    }
}

void PoolModel::swept(bool for_good) {
    for (auto it = numbers.begin(); it != numbers.end();) {
        ModelNumber& number = it->second;
        const auto here = it++;
        if (number.is != ModelNumber::Is::left) continue;
        number.is = ModelNumber::Is::resting;
        if (spec.quarantine_ms == 0 || number.is_of_reserved) {
            number.from = number.until = 0;
            if (for_good) numbers.erase(here);
            continue;
        }
        number.until = now + spec.quarantine_ms;
        // In this life it began to rest just now, if no claim came by; a life before may have let it begin
        // then.
        if (!is_left_open) number.from = number.begun_from.value_or(number.until);
    }
    left_count_ = 0;
    is_left_open = false;
}

void PoolModel::rested() {
    for (auto& [id, number] : numbers)
        if (number.is == ModelNumber::Is::resting && number.until <= now)
            number.from = number.until = 0;
}

// From life to life.

void PoolModel::restart(bool was_clean) {
    for (auto it = numbers.begin(); it != numbers.end();) {
        const auto here = it++;
        ModelNumber& number = here->second;
        // In the order of IDs a snapshot knows of all rests only when the last one ends.
        if (number.is == ModelNumber::Is::resting) number.until = now + spec.quarantine_ms;
        // What was swept out is there again, unless a snapshot was taken since.
        if (number.is == ModelNumber::Is::resting && number.was_left) {
            number.is = ModelNumber::Is::left;
            number.from = std::min(number.from, number.left_from);
            number.begun_from.reset();
            number.until = never;
            ++left_count_;
        }
        if (!was_clean && number.is_live() && !number.is_recorded) numbers.erase(here);
    }
    // Of durability `block` no journal says what was released, and so not what was there to be left.
    is_left_open = has_left() || spec.durability == Durability::block;
    if (!was_clean && !is_unique()) raise(generations_per_unclean_stop);
}

void PoolModel::reboot(BootTime now_there) {
    for (auto& [id, number] : numbers) {
        if (number.is_live()) continue;
        const BootTime end = now_there + (number.is_of_reserved ? 0 : spec.quarantine_ms);
        number.from = number.from > now ? end : 0;
        number.left_from = number.from;
        if (number.is == ModelNumber::Is::resting) number.until = end;
    }
    now = now_there;
}

void PoolModel::keep_bands() {
    for (const Range band : spec.reserved) {
        each(band, [&](Id id) {
            if (live(id) == nullptr && !burned({id, id})) reserve({id, id});
        });
    }
}

std::string PoolModel::skip_to(std::optional<Id> cursor) {
    if (!is_unique())
        return cursor == (spec.policy == Policy::cyclic ? cursor_ : std::nullopt)
                   ? ""
                   : "its cursor is elsewhere";
    if (cursor == cursor_) return "";
    if (!cursor_ || !cursor || *cursor < *cursor_) return "its cursor went back";
    const std::uint64_t left = spec.range.last - *cursor_;
    if (left < stride_part) return "its cursor skips where it takes no stride";
    const std::uint64_t skipped = *cursor - *cursor_;
    // Above what was to be handed out then, which passes over claims.
    constexpr std::uint64_t passed_over_max = 256;
    if (skipped > stride_min + passed_over_max) return "it skips more than a stride";
    advance(*cursor - 1);
    return "";
}

// Answers to those who ask.

Error PoolModel::not_live(Id id) const {
    const bool is_claimed = is_unique() ? claimed_.count(id) != 0
                                        : claimed_from_ && id >= *claimed_from_ && id <= *highest_;
    const bool is_passed = is_unique() ? !cursor_ || id < *cursor_ : passed_ && id <= *passed_;
    return {is_passed || is_claimed ? Errc::released : Errc::never_allocated, id};
}

std::optional<Error> PoolModel::lookup_refusal(Id id, std::uint64_t generation) const {
    if (!spec.tracking) return Errc::not_tracked;
    if (!spec.range.contains(id)) return Error{Errc::id_out_of_range, id};
    const ModelNumber* const number = live(id);
    if (number == nullptr) return not_live(id);
    if (generation != 0 && generation != number->generation) {
        return Error{Errc::stale_generation, number->generation};
    }
    return std::nullopt;
}

Range PoolModel::run_around(Id id) const {
    const auto at = numbers.find(id);
    Range run{id, id};
    for (auto it = at; it != numbers.begin();) {
        --it;
        if (it->first + 1 != run.first || !it->second.is_like(at->second)) break;
        run.first = it->first;
    }
    for (auto it = std::next(at); it != numbers.end(); ++it) {
        if (it->first - 1 != run.last || !it->second.is_like(at->second)) break;
        run.last = it->first;
    }
    return run;
}

std::optional<Id> PoolModel::next_live(Id id) const {
    for (auto it = numbers.lower_bound(id); it != numbers.end(); ++it)
        if (it->second.is_live()) return it->first;
    return std::nullopt;
}

TagCount PoolModel::account(std::uint32_t uid) const {
    TagCount count;
    const std::pair<const Id, ModelNumber>* before = nullptr;
    for (const auto& entry : numbers) {
        const auto& [id, number] = entry;
        const bool goes_on =
            before != nullptr && before->first + 1 == id && before->second.is_like(number);
        before = &entry;
        if (!number.is_live() || number.uid != uid) continue;
        ++count.ids;
        if (!goes_on) ++count.runs;
    }
    return count;
}

std::uint64_t PoolModel::surely_resting() const {
    return static_cast<std::uint64_t>(
        std::count_if(numbers.begin(), numbers.end(), [&](const auto& entry) {
            return entry.second.is == ModelNumber::Is::resting && entry.second.from > now;
        }));
}

std::uint64_t PoolModel::perhaps_resting() const {
    return static_cast<std::uint64_t>(std::count_if(
        numbers.begin(), numbers.end(),
        [&](const auto& entry) { return !entry.second.is_live() && entry.second.until != 0; }));
}

}  // namespace inod
