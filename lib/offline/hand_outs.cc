#include "lib/offline/hand_outs.h"

#include <algorithm>
#include <variant>

#include "lib/offline/offline_store.h"
#include "lib/pool/generation_sequence.h"
#include "lib/pool/runs.h"

namespace inod {
namespace {

// One mistake can show in every record behind it.
constexpr std::size_t findings_max = 32;

std::string text(Range range, std::uint64_t generation) {
    std::string text = std::to_string(range.first);
    if (range.last != range.first) text += " to " + std::to_string(range.last);
    if (generation != 0) text += " of generation " + std::to_string(generation);
    return text;
}

// The IDs that a pool which stands at `state` does not hand out again with its present generation;
// `claims` are those of a unique pool.
Intervals gone_by(const SequenceState& state, Range pool, const RangeTree* claims) {
    Intervals gone;
    if (state.claims) gone.add(*state.claims);
    const std::optional<Id> first = state.generation == 0 ? pool.first : state.swept;
    const bool has_passed = first && state.cursor != 0U;
    const Id last = state.cursor.value_or(0) - 1;  // none: the last of all, and more than there is
    if (has_passed && *first <= last) gone.add({*first, std::min(last, pool.last)});
    if (claims == nullptr) return gone;
    claims->for_each([&](const Entry& claim) { gone.add(claim.range); });
    return gone;
}

}  // namespace

void HandOuts::Account::raise(std::uint64_t by) {
    generation += std::min(by, generation_used_up - generation);
    used.clear();
}

// All up to `last` was handed out, burned or skipped, since it was reserved.
void HandOuts::Account::pass_up_to(Id last) {
    if (last < range.first || (passed && last <= *passed)) return;
    const bool is_stretch = !is_unique() && passed;
    used.add({is_stretch ? *passed + 1 : range.first, last});
    passed = last;
}

// What may have been handed out without a record that is left.
void HandOuts::Account::pass_marked() {
    if (mark) pass_up_to(*mark);
}

// What was reserved in a unique pool that skips may have been claimed in what it skips.
void HandOuts::Account::burn_reserved() {
    if (passed) reserved.remove({range.first, *passed});
}

// The snapshot has told what is reserved up to `last`: what it has not told of is not.
void HandOuts::Account::know_reserved(Id last) {
    if (!unknown || last < unknown->first) return;
    reserved.remove({unknown->first, std::min(last, unknown->last)});
    if (last < unknown->last) {
        unknown->first = last + 1;
    } else {
        unknown.reset();
    }
}

void HandOuts::on_frame(const FramePlace& place, const Frame& frame) {
    ++frame_count_;
    const FrameType type = frame.header.type;
    if (is_snapshot(type) && place.is_aside) return;
    if (type == FrameType::snapshot_begin) is_restoring_ = true;
    if (type == FrameType::snapshot_end) is_restoring_ = false;
    if (type != FrameType::log && type != FrameType::snapshot_piece) return;
    RecordReader records(frame);
    place_ = &place;
    lsn_ = frame.header.lsn;
    while (const auto record = records.next()) {
        read(*record);
        lsn_ += type == FrameType::log ? 1 : 0;
    }
    place_ = nullptr;
}

// What is no record, or none that is known here, is the replay's business.
void HandOuts::read(std::span<const std::byte> bytes) {
    ++record_count_;
    const auto record = decode_record(bytes);
    if (!record) return;
    std::visit([this](const auto& r) { apply(r); }, *record);
}

void HandOuts::complain(const std::string& what) {
    if (findings_.size() == findings_max) return;
    const std::string here = place_ == nullptr
                                 ? std::string()
                                 : place_->file + ", offset " + std::to_string(place_->offset) +
                                       ", LSN " + std::to_string(lsn_) + ": ";
    findings_.push_back(here + what);
}

HandOuts::Account* HandOuts::account(PoolIndex index) {
    if (index < accounts_.size()) return &accounts_[index];
    if (!is_restoring_) complain("pool " + std::to_string(index) + " is not defined");
    return nullptr;
}

void HandOuts::apply(const PoolDefined& record) {
    if (record.pool < accounts_.size()) {
        accounts_[record.pool].range.last = record.range.last;
    } else if (record.pool == accounts_.size()) {
        accounts_.push_back({.name = std::string(record.name),
                             .policy = record.policy,
                             .range = record.range,
                             .generation = record.policy == Policy::unique ? 0U : 1U});
    } else {
        complain("pools are not defined in order");
    }
}

// The account of a pool that hands something out, with the next generation if it `raises`.
HandOuts::Account* HandOuts::raised(PoolIndex index, bool raises) {
    Account* const pool = account(index);
    if (pool == nullptr || !raises) return pool;
    if (pool->is_unique()) {
        complain("pool '" + pool->name + "' is unique and raises its generation");
    } else {
        pool->raise(1);
    }
    return pool;
}

void HandOuts::complain_of_repeat(const Account& pool, Range again) {
    complain("pool '" + pool.name + "' hands out " + text(again, pool.generation) +
             ", which was handed out or burned before");
}

void HandOuts::hand_out(PoolIndex index, Range range, bool raises) {
    Account* const pool = raised(index, raises);
    if (pool == nullptr) return;
    if (const auto again = pool->used.common(range)) {
        complain_of_repeat(*pool, *again);
    } else if (const auto kept = pool->reserved.common(range)) {
        complain("pool '" + pool->name + "' hands out " + text(*kept, pool->generation) +
                 ", which is reserved");
    }
    if (pool->is_unique()) return pool->pass_up_to(range.last);
    pool->used.add(range);
    if (pool->policy == Policy::cyclic) pool->passed = range.last;
}

void HandOuts::apply(const Allocated& record) {
    hand_out(record.pool, record.range, record.raised_generation);
}

void HandOuts::apply(const Passed& record) {
    hand_out(record.pool, record.range, record.raised_generation);
}

// At each level one; only the lowest can be a claim.
void HandOuts::apply(const NestedAllocated& record) {
    for (const LevelAllocated& level : record.levels) {
        if (record.span > id_max - level.first) continue;  // the replay's business
        const Range range{level.first, level.first + record.span};
        const bool is_claim = record.is_claim && level == record.levels.back();
        if (is_claim) {
            apply(Claimed{.pool = level.pool,
                          .range = range,
                          .holder = record.holder,
                          .raised_generation = level.raised_generation});
        } else {
            hand_out(level.pool, range, level.raised_generation);
        }
    }
}

// Where numbers return, what is reserved has had its generation or not, as anything else.
void HandOuts::apply(const Claimed& record) {
    Account* const pool = raised(record.pool, record.raised_generation);
    if (pool == nullptr) return;
    const auto again = pool->is_unique() ? pool->used.first_outside(pool->reserved, record.range)
                                         : pool->used.common(record.range);
    if (again) complain_of_repeat(*pool, *again);
    pool->used.add(record.range);
    if (pool->is_unique()) pool->reserved.remove(record.range);
}

void HandOuts::apply(const Tokened& record) {
    switch (record.how) {
        case HandOut::passed:
        case HandOut::allocated:
            return hand_out(record.pool, record.range, record.raised_generation);
        case HandOut::claimed:
            return apply(
                Claimed{record.pool, record.range, record.holder, record.raised_generation});
    }
}

// What is reserved may be claimed: so it must not have been handed out.
void HandOuts::apply(const Reserved& record) {
    Account* const pool = account(record.pool);
    if (pool == nullptr) return;
    const auto gone = pool->is_unique() ? pool->used.common(record.range) : std::nullopt;
    if (gone) {
        complain("pool '" + pool->name + "' reserves " + text(*gone, 0) +
                 ", which was handed out or burned before");
    }
    pool->reserved.add(record.range);
}

// What a unique pool has passed meanwhile is burned.
void HandOuts::apply(const Unreserved& record) {
    if (Account* const pool = account(record.pool)) pool->reserved.remove(record.range);
}

void HandOuts::apply(const Advanced& record) {
    Account* const pool = account(record.pool);
    if (pool == nullptr) return;
    if (pool->policy == Policy::lowest) {
        complain("pool '" + pool->name + "' is lowest and does not go up");
    } else {
        pool->pass_up_to(record.last);
    }
}

void HandOuts::apply(const MarkMoved& record) {
    if (Account* const pool = account(record.pool)) {
        pool->mark = std::max(pool->mark.value_or(0), record.mark);
    }
}

void HandOuts::on_unclean_stop() {
    for (Account& pool : accounts_) {
        if (pool.is_unique()) {
            pool.pass_marked();
        } else {
            pool.raise(generations_per_unclean_stop);
        }
    }
}

void HandOuts::apply(const SkippedAhead& record) {
    for (Account& pool : accounts_) {
        if (!pool.is_unique()) {
            pool.raise(std::max<std::uint64_t>(record.count, 1));
            continue;
        }
        pool.pass_marked();
        const bool is_used_up = pool.passed && *pool.passed >= pool.range.last;
        if (record.count == 0) continue;
        if (!is_used_up) {
            const Id next = pool.passed ? *pool.passed + 1 : pool.range.first;
            const Id left = pool.range.last - next;
            pool.pass_up_to(record.count > left ? pool.range.last : next + (record.count - 1));
        }
        pool.burn_reserved();
    }
}

void HandOuts::apply(const SkippedAbove& record) {
    Account* const pool = account(record.pool);
    if (pool == nullptr) return;
    if (!pool->is_unique()) {
        pool->raise(std::max(record.floor, pool->generation) - pool->generation);
        pool->raise(1);
        return;
    }
    pool->pass_marked();
    const Id floor = std::min(record.floor, pool->range.last);
    if (floor >= pool->range.first) pool->pass_up_to(floor);
    pool->burn_reserved();
}

void HandOuts::apply(const SequenceSaved& record) {
    Account* const pool = account(record.pool);
    if (pool == nullptr) return;
    const SequenceState& state = record.state;
    pool->generation = state.generation;
    pool->mark = state.mark;
    pool->used = gone_by(state, pool->range, nullptr);
    const bool has_passed = state.cursor != pool->range.first && pool->policy != Policy::lowest;
    if (has_passed) pool->passed = state.cursor ? *state.cursor - 1 : pool->range.last;
    // Until the snapshot has told what is reserved, any of what a unique pool has passed may be. What else
    // is reserved meanwhile has a record.
    if (!pool->is_unique() || !has_passed) return;
    pool->unknown = Range{pool->range.first, *pool->passed};
    pool->reserved.add(*pool->unknown);
}

void HandOuts::apply(const ClaimsSaved& record) {
    Account* const pool = account(record.pool);
    if (pool == nullptr) return;
    RunReader items(record.items.bytes, record.covered.first, 0);
    while (const auto run = items.next()) {
        if (!is_reserved_item(*run)) pool->used.add(run->range);
    }
}

void HandOuts::apply(const ReservedSaved& record) {
    Account* const pool = account(record.pool);
    if (pool == nullptr) return;
    pool->know_reserved(record.covered.last);
    RunReader items(record.items.bytes, record.covered.first, 0);
    while (const auto run = items.next())
        pool->reserved.add(run->range);
}

// Log records that came before it are in it, so that what it says is no second hand-out.
void HandOuts::apply(const LiveSaved& record) {
    Account* const pool = account(record.pool);
    if (pool == nullptr) return;
    if (record.generation != pool->generation) {
        complain("pool '" + pool->name + "' is saved with generation " +
                 std::to_string(record.generation) + ", and had come to " +
                 std::to_string(pool->generation));
    }
    pool->know_reserved(id_max);
    RunReader items(record.items.bytes, record.covered.first, record.generation);
    while (const auto run = items.next()) {
        if (run->tag.generation == pool->generation) pool->used.add(run->range);
    }
}

void HandOuts::compare(PoolIndex index, const Pool& pool) {
    const std::string name = "pool '" + pool.spec().name + "'";
    if (index >= accounts_.size()) return complain(name + " was replayed and never defined");
    const Account& kept = accounts_[index];
    const SequenceState state = pool.sequence();
    if (state.generation != kept.generation) {
        complain(name + " was replayed to generation " + std::to_string(state.generation) +
                 ", and its records come to " + std::to_string(kept.generation));
    }
    compare_next(kept, pool);
    compare_reserved(kept, pool);
    pool.for_each_run([&](const Run& run) {
        if (run.tag.generation != kept.generation || kept.used.contains(run.range)) return;
        complain(name + " holds " + text(run.range, kept.generation) +
                 " as live, which no record handed out");
    });
}

// What comes next must be new.
void HandOuts::compare_next(const Account& kept, const Pool& pool) {
    const SequenceState state = pool.sequence();
    const std::string name = "pool '" + kept.name + "'";
    const bool goes_up = kept.policy != Policy::lowest;
    if (goes_up && state.cursor && kept.passed && *state.cursor <= *kept.passed) {
        complain(name + " goes on at " + std::to_string(*state.cursor) +
                 ", and its records come to " + std::to_string(*kept.passed));
    }
    if (state.generation != kept.generation) return;
    const Intervals gone = gone_by(state, kept.range, pool.claims());
    const auto again = kept.used.first_outside(gone, whole_space);
    if (again) complain(name + " may hand out " + text(*again, kept.generation) + " again");
}

void HandOuts::compare_reserved(const Account& kept, const Pool& pool) {
    Intervals found;
    for (auto run = pool.next_reserved(0); run;
         run = run->last < id_max ? pool.next_reserved(run->last + 1) : std::nullopt) {
        found.add(*run);
    }
    const std::string name = "pool '" + kept.name + "'";
    if (const auto lost = kept.reserved.first_outside(found, whole_space)) {
        complain(name + " has lost that " + text(*lost, 0) + " is reserved");
    }
    if (const auto more = found.first_outside(kept.reserved, whole_space)) {
        complain(name + " keeps " + text(*more, 0) + " as reserved, which no record reserved");
    }
}

}  // namespace inod
