#include "lib/offline/hand_outs.h"

#include <algorithm>
#include <variant>

#include "lib/pool/cyclic_sequence.h"
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

}  // namespace

void HandOuts::Account::raise(std::uint64_t by) {
    generation += std::min(by, generation_used_up - generation);
    used.clear();
}

void HandOuts::Account::burn_up_to(Id last) {
    used.add({range.first, last});
    passed = std::max(passed.value_or(0), last);
}

// What may have been handed out without a record that is left.
void HandOuts::Account::burn_marked() {
    if (mark && (!passed || *mark > *passed)) burn_up_to(*mark);
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
                             .generation = record.policy == Policy::unique ? 0U : 1U,
                             .passed = {},
                             .mark = {},
                             .used = {}});
    } else {
        complain("pools are not defined in order");
    }
}

HandOuts::Account* HandOuts::hand_out(PoolIndex index, Range range, bool raises) {
    Account* const pool = account(index);
    if (pool == nullptr) return nullptr;
    if (raises && pool->policy == Policy::unique) {
        complain("pool '" + pool->name + "' is unique and raises its generation");
    } else if (raises) {
        pool->raise(1);
    }
    if (const auto again = pool->used.common(range)) {
        complain("pool '" + pool->name + "' hands out " + text(*again, pool->generation) +
                 ", which was handed out or burned before");
    }
    pool->used.add(range);
    return pool;
}

void HandOuts::apply(const Allocated& record) {
    Account* const pool = hand_out(record.pool, record.range, record.raised_generation);
    if (pool == nullptr || pool->policy != Policy::unique) return;
    pool->passed = std::max(pool->passed.value_or(0), record.range.last);
}

void HandOuts::apply(const Claimed& record) {
    hand_out(record.pool, record.range, record.raised_generation);
}

void HandOuts::apply(const MarkMoved& record) {
    if (Account* const pool = account(record.pool)) {
        pool->mark = std::max(pool->mark.value_or(0), record.mark);
    }
}

void HandOuts::on_unclean_stop() {
    for (Account& pool : accounts_) {
        if (pool.policy == Policy::unique) {
            pool.burn_marked();
        } else {
            pool.raise(generations_per_unclean_stop);
        }
    }
}

void HandOuts::apply(const SkippedAhead& record) {
    for (Account& pool : accounts_) {
        if (pool.policy != Policy::unique) {
            pool.raise(std::max<std::uint64_t>(record.count, 1));
            continue;
        }
        pool.burn_marked();
        const bool is_used_up = pool.passed && *pool.passed >= pool.range.last;
        if (record.count == 0 || is_used_up) continue;
        const Id next = pool.passed ? *pool.passed + 1 : pool.range.first;
        const Id left = pool.range.last - next;
        pool.burn_up_to(record.count > left ? pool.range.last : next + (record.count - 1));
    }
}

void HandOuts::apply(const SkippedAbove& record) {
    Account* const pool = account(record.pool);
    if (pool == nullptr) return;
    if (pool->policy != Policy::unique) {
        pool->raise(std::max(record.floor, pool->generation) - pool->generation);
        pool->raise(1);
        return;
    }
    pool->burn_marked();
    const Id floor = std::min(record.floor, pool->range.last);
    if (floor >= pool->range.first && (!pool->passed || floor > *pool->passed)) {
        pool->burn_up_to(floor);
    }
}

void HandOuts::apply(const SequenceSaved& record) {
    Account* const pool = account(record.pool);
    if (pool == nullptr) return;
    const SequenceState& state = record.state;
    pool->generation = state.generation;
    pool->mark = state.mark;
    const Id min = pool->range.first;
    const bool has_passed = state.cursor != min;
    const Id passed = state.cursor ? std::max(*state.cursor, min + 1) - 1 : pool->range.last;
    if (pool->policy == Policy::unique) {
        if (has_passed) pool->burn_up_to(passed);
        return;
    }
    const bool swept_any = has_passed && state.swept && *state.swept <= passed;
    if (swept_any) pool->used.add({*state.swept, passed});
    if (state.claims) pool->used.add(*state.claims);
}

void HandOuts::apply(const ClaimsSaved& record) {
    Account* const pool = account(record.pool);
    if (pool == nullptr) return;
    RunReader items(record.items.bytes, record.covered.first, 0);
    while (const auto run = items.next())
        pool->used.add(run->range);
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
    // What comes next must be new.
    const bool is_unique = kept.policy == Policy::unique;
    if (is_unique && state.cursor && kept.passed && *state.cursor <= *kept.passed) {
        complain(name + " goes on at " + std::to_string(*state.cursor) +
                 ", and its records come to " + std::to_string(*kept.passed));
    }
    for (auto cursor = pool.live().begin_at(0); cursor; ++cursor) {
        const Range range = (*cursor).range;
        const bool is_present = pool.tag_of(*cursor).generation == kept.generation;
        if (is_present && !kept.used.contains(range)) {
            complain(name + " holds " + text(range, kept.generation) +
                     " as live, which no record handed out");
        }
    }
}

}  // namespace inod
