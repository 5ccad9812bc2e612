#include "lib/allocator/adopt.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "lib/journal/restore.h"
#include "lib/journal/segment.h"
#include "lib/journal/segment_reader.h"

namespace inod {
namespace {

using Marks = std::vector<PoolMark>;

// Whole and of a store that has begun, or none.
Result<std::optional<WitnessRecord>, Failure> load(Witness& witness, const Surroundings& here) {
    auto record = witness.load();
    // A damaged one tells nothing, and is replaced. One that cannot be read, or is of a newer
    // version, is not ours to replace.
    if (!record && record.error().code == Errc::journal_damaged)
        return std::optional<WitnessRecord>();
    if (!record) return witness_refused(record.error(), here);
    if (*record && (*record)->facts.run == 0) return std::optional<WitnessRecord>();
    return record;
}

Failure in_state(const Surroundings& here, Failure failure) {
    failure.message = "state directory " + here.state_dir + ": " + failure.message;
    return failure;
}

Failure no_store(const Surroundings& here) {
    return in_state(here, {Errc::state_stale, "there is no store to adopt"});
}

Failure cannot_tell(const Surroundings& here, const std::string& why) {
    return in_state(here, {Errc::state_stale,
                           std::string("--skip-ahead auto goes by the witness in ") +
                               here.witness_dir + ", and " + why +
                               ". Give a number: at least as many as any pool can have handed " +
                               "out since the copy was made"});
}

// Where the pool goes on above, or of which generation.
std::uint64_t position(const Pool& pool) {
    const SequenceState state = pool.sequence();
    return pool.spec().policy == Policy::unique ? state.mark.value_or(0) : state.generation;
}

// Goes on with segments of the store's size: what is set aside in them is not given up, and nothing larger
// has to fit on the disk.
AllocatorOptions with_segments_of(Storage& store, AllocatorOptions options) {
    SegmentReader segments(store);
    if (!segments.open_all()) return options;  // recovery says what is wrong
    const auto newest = segments.find_newest();
    if (!newest || !*newest) return options;
    const std::uint64_t size = segments.at(**newest).header->size;
    if (is_segment_size(size)) options.journal.segment_size = size;
    return options;
}

class Adopter {
public:
    Adopter(Storage& state, Storage& witness_directory, AllocatorOptions options, SkipAhead skip,
            const Surroundings& here)
        : here_(here),
          skip_(skip),
          witness_(witness_directory),
          fresh_token_epoch_(std::exchange(options.fresh_token_epoch, 0)),
          allocator_(state, with_segments_of(state, std::move(options))) {}

    Result<Adoption, Failure> run();
    // All that comes before the first change of the store: whatever can refuse the adoption, and
    // the witness's word that the store is stale. Instead of run().
    Result<void, Failure> announce();

private:
    Result<std::uint64_t, Failure> admit(const Recovery& store);
    Result<void, Failure> check_marks() const;
    Result<void, Failure> check_count() const;
    [[nodiscard]] std::optional<std::uint64_t> reached(const PoolMark& mark) const;
    [[nodiscard]] std::optional<std::uint64_t> floor_of(PoolIndex index) const;
    Result<void, Failure> mark_unfinished(const Recovery& store);
    Result<void, Failure> skip();
    Result<void, Failure> flush();
    Result<void, Failure> mark_done();

    const Surroundings& here_;
    const SkipAhead skip_;
    Witness witness_;
    std::optional<WitnessRecord> seen_;  // of this store
    Marks marks_;                        // of the pools, as it was seen
    bool has_all_ = false;               // the copy has all that it knows of
    const std::uint64_t fresh_token_epoch_;
    Allocator allocator_;
    Adoption adoption_;
};

Result<Adoption, Failure> Adopter::run() {
    auto seen = load(witness_, here_);
    if (!seen) return seen.error();
    seen_ = *std::move(seen);
    const auto recovery =
        allocator_.recover([this](const Recovery& store) { return admit(store); });
    if (!recovery) return recovery.error();
    adoption_.run = recovery->run;
    if (auto skipped = skip(); !skipped) return skipped.error();
    if (auto closed = allocator_.close(); !closed) return closed.error();
    if (auto done = mark_done(); !done) return done.error();
    return adoption_;
}

Result<void, Failure> Adopter::announce() {
    auto seen = load(witness_, here_);
    if (!seen) return seen.error();
    seen_ = *std::move(seen);
    bool is_admitted = false;
    // Recovery goes no further than to the question whether to go on.
    const auto recovery =
        allocator_.recover([&](const Recovery& store) -> Result<std::uint64_t, Failure> {
            auto admitted = admit(store);
            is_admitted = admitted.has_value();
            return is_admitted ? Failure{Errc::ok, "not yet"} : admitted.error();
        });
    if (is_admitted) return {};
    return recovery.error();
}

// Called with what the journal says of the store, before anything is changed; answers with the run
// that the life is to be above.
Result<std::uint64_t, Failure> Adopter::admit(const Recovery& store) {
    if (store.run == 0) return no_store(here_);
    adoption_.store = store.id;
    const bool is_auto = !skip_.count;
    if (is_auto && !seen_) return cannot_tell(here_, "there is none that reads back");
    if (seen_ && seen_->facts.store != store.id) seen_.reset();
    if (is_auto && !seen_) return cannot_tell(here_, "it is of another store");
    const auto decoded = seen_ ? decode_marks(seen_->marks) : Marks();
    if (is_auto && !decoded) return cannot_tell(here_, "its marks are of another version");
    if (decoded) marks_ = *decoded;
    // Of the run itself: an adoption that was cut off has made LSNs of its own.
    has_all_ = seen_ && store.run == seen_->facts.run && store.last_lsn >= seen_->facts.lsn;
    // Another pool may get its index now, or the same pool begin anew.
    adoption_.pools_missing = static_cast<std::size_t>(std::count_if(
        marks_.begin(), marks_.end(),
        [&](const PoolMark& mark) { return mark.pool >= allocator_.pool_index_end(); }));
    if (auto checked = is_auto ? check_marks() : check_count(); !checked) return checked.error();
    if (auto marked = mark_unfinished(store); !marked) return marked.error();
    return std::max(store.run, seen_ ? seen_->facts.run : 0);
}

// Are the pools of this copy those that the witness knows?
Result<void, Failure> Adopter::check_marks() const {
    if (adoption_.pools_missing > 0) {
        return cannot_tell(here_, "it knows pools that were made after this copy");
    }
    for (const PoolMark& mark : marks_) {
        const PoolSpec& spec = allocator_.any_pool(mark.pool).spec();
        if (spec.policy != Policy::unique) continue;
        if (mark.max != spec.range.last) {
            return cannot_tell(here_,
                               "it knows pool '" + spec.name +
                                   "' from after its max was raised, so give that pool a new "
                                   "name too");
        }
        const auto known = mark_of(mark.pool, allocator_.any_pool(mark.pool)).mark;
        const auto without_claims = witness_limit(spec, std::max(known, mark.mark));
        const auto floor = floor_of(mark.pool);
        if (floor != without_claims && floor == spec.range.last) {
            return cannot_tell(here_, "above the claim of " + std::to_string(*mark.claim) +
                                          " that it knows of pool '" + spec.name +
                                          "' nothing is left; with --below-witness, if the pool "
                                          "never reaches that");
        }
    }
    return {};
}

// The highest number, or generation, of this pool that the copy may not know of.
std::optional<std::uint64_t> Adopter::reached(const PoolMark& mark) const {
    return has_all_ ? mark.mark : std::max(mark.mark, mark.claim);
}

// Up to where `auto` skips; none: nowhere.
std::optional<std::uint64_t> Adopter::floor_of(PoolIndex index) const {
    const Pool& pool = allocator_.any_pool(index);
    const auto seen = std::find_if(marks_.begin(), marks_.end(),
                                   [&](const PoolMark& mark) { return mark.pool == index; });
    const auto known = mark_of(index, pool).mark;
    const auto witnessed = seen == marks_.end() ? std::nullopt : reached(*seen);
    return witness_limit(pool.spec(), std::max(known, witnessed));
}

// By how much a pool of the copy must skip to come above `reached`; 0 if it is there.
std::uint64_t needed_count(PoolIndex index, const Pool& pool,
                           std::optional<std::uint64_t> reached) {
    const auto known = mark_of(index, pool).mark;
    if (!reached || (known && *reached <= *known)) return 0;
    const std::uint64_t missing = *reached - known.value_or(pool.spec().range.first);
    // Numbers of the generation that was reached may have been handed out; and a pool that has not begun
    // skips its first number too.
    const bool counts_both = pool.spec().policy != Policy::unique || !known;
    return missing + (counts_both && missing != UINT64_MAX ? 1 : 0);
}

// Does the number come up to what the witness knows was handed out?
Result<void, Failure> Adopter::check_count() const {
    if (skip_.may_stay_below_witness) return {};
    std::uint64_t needed = 0;
    std::string name;
    for (const PoolMark& mark : marks_) {
        if (mark.pool >= allocator_.pool_index_end()) continue;
        const Pool& pool = allocator_.any_pool(mark.pool);
        if (pool.spec().policy == Policy::unique && mark.max != pool.spec().range.last) {
            return in_state(
                here_,
                {Errc::state_stale,
                 "the max of pool '" + pool.spec().name +
                     "' was raised after this copy was made, to " + std::to_string(mark.max) +
                     ", and no number takes it above that: give that pool a new name, and go on "
                     "with --below-witness"});
        }
        const std::uint64_t count = needed_count(mark.pool, pool, reached(mark));
        if (count <= needed) continue;
        needed = count;
        name = pool.spec().name;
    }
    if (*skip_.count >= needed) return {};
    return in_state(here_,
                    {Errc::state_stale,
                     "with --skip-ahead " + std::to_string(*skip_.count) + " pool '" + name +
                         "' would hand out again what the witness in " + here_.witness_dir +
                         " knows was handed out. Give auto, or " + std::to_string(needed) +
                         " at least; or, if that is a claim far up which the pool never reaches, a "
                         "smaller number with --below-witness"});
}

// Above the run of this life, so that the store stays stale until all is done. The marks stay, so
// that a second attempt can go by them.
Result<void, Failure> Adopter::mark_unfinished(const Recovery& store) {
    const std::uint64_t seen_run = seen_ ? seen_->facts.run : 0;
    const WitnessFacts unfinished{.store = store.id,
                                  .run = std::max(store.run, seen_run) + 2,
                                  .lsn = seen_ ? seen_->facts.lsn : 0};
    const std::vector<std::byte> kept = seen_ ? seen_->marks : std::vector<std::byte>();
    const std::size_t size_max = std::max(kept.size(), marks_size_max(allocator_.pool_index_end()));
    auto prepared = witness_.prepare(unfinished, kept, size_max);
    if (!prepared) return witness_refused(prepared.error(), here_);
    auto written = witness_.write_both(unfinished, kept);
    if (!written) return witness_refused(written.error(), here_);
    return {};
}

Result<void, Failure> Adopter::skip() {
    const std::size_t pool_count = allocator_.pool_index_end();
    for (std::size_t i = 0; i < pool_count; ++i) {
        const Pool& pool = allocator_.any_pool(static_cast<PoolIndex>(i));
        adoption_.pools.push_back({.name = pool.spec().name, .from = position(pool), .to = 0});
    }
    if (skip_.count) {
        allocator_.skip_ahead(*skip_.count);
    } else {
        bool has_skipped = false;
        for (std::size_t i = 0; i < pool_count; ++i) {
            const auto index = static_cast<PoolIndex>(i);
            const auto floor = floor_of(index);
            if (floor) allocator_.skip_above(index, *floor);
            has_skipped = has_skipped || floor;
            if (auto flushed = flush(); !flushed) return flushed;
        }
        // No pool has begun; there may have been holders all the same.
        if (!has_skipped) allocator_.skip_ahead(0);
    }
    if (auto flushed = flush(); !flushed) return flushed;
    allocator_.close_token_epochs(fresh_token_epoch_);
    for (std::size_t i = 0; i < pool_count; ++i)
        adoption_.pools[i].to = position(allocator_.any_pool(static_cast<PoolIndex>(i)));
    return {};
}

// If there is no room for another record.
Result<void, Failure> Adopter::flush() {
    if (allocator_.has_room() || !allocator_.begin_flush()) return {};
    if (auto flushed = allocator_.flush(); !flushed) return flushed;
    allocator_.end_flush();
    return {};
}

Result<void, Failure> Adopter::mark_done() {
    const Marks marks = allocator_.marks();
    std::vector<std::byte> memory(marks_size_max(marks.size()));
    ByteWriter reached(memory);
    encode_marks(marks, reached);
    const WitnessFacts done{
        .store = adoption_.store, .run = adoption_.run, .lsn = allocator_.journal().durable_lsn()};
    auto written = witness_.write_both(done, reached.written());
    if (!written) return witness_refused(written.error(), here_);
    return {};
}

}  // namespace

Result<void, Failure> check_adoptable(const Storage& state, bool is_from_backup,
                                      const Surroundings& here) {
    if (is_from_backup) {
        auto restorable = check_restorable(state);
        if (restorable) return {};
        return in_state(here, restorable.error());
    }
    const auto names = state.list();
    if (!names) return names.error();
    const bool has_segment = std::any_of(names->begin(), names->end(), [](const std::string& name) {
        const auto parsed = parse_file_name(name);
        return parsed && parsed->kind == FileKind::journal;
    });
    if (!has_segment) return no_store(here);
    return {};
}

Result<Adoption, Failure> adopt(Storage& state, Storage& witness_directory,
                                AllocatorOptions options, SkipAhead skip,
                                const Surroundings& here) {
    options.journal.has_witness = true;
    return Adopter(state, witness_directory, std::move(options), skip, here).run();
}

Result<Adoption, Failure> adopt_backup(BackupFile& backup, Storage& state,
                                       Storage& witness_directory, const AllocatorOptions& options,
                                       SkipAhead skip, const Surroundings& here) {
    if (auto is_empty = check_adoptable(state, true, here); !is_empty) return is_empty.error();
    auto announced = Adopter(backup, witness_directory, options, skip, here).announce();
    if (!announced) return announced.error();
    if (auto restored = restore(backup, state); !restored) return in_state(here, restored.error());
    return adopt(state, witness_directory, options, skip, here);
}

}  // namespace inod
