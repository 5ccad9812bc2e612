#include "lib/allocator/adopt.h"

#include <algorithm>
#include <utility>

#include "lib/allocator/witness_marks.h"

namespace inod {
namespace {

using Marks = std::vector<WitnessMark>;

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

Failure cannot_tell(const Surroundings& here, const std::string& why) {
    return {Errc::state_stale,
            "state directory " + here.state_dir + ": --skip-ahead auto goes by " +
                "the witness in " + here.witness_dir + ", and " + why +
                ". Give a number: at least as many as any pool can have handed " +
                "out since the copy was made"};
}

// Where the pool is, and how far it has to get, in numbers or generations.
struct Step {
    std::uint64_t from;
    std::uint64_t end;  // its max
    std::uint64_t stride;
};

Step step_of(const Pool& pool) {
    const SequenceState state = pool.sequence();
    if (pool.spec().policy != Policy::unique) {
        return {state.generation, ~std::uint64_t{0}, witness_generation_stride};
    }
    const Id max = pool.spec().range.last;
    const Id mark = std::max(state.mark.value_or(0), state.highest.value_or(0));
    return {mark, max, witness_mark_stride(std::min(mark, max), max)};
}

std::uint64_t saturated(std::uint64_t from, std::uint64_t count, std::uint64_t end) {
    return from >= end || end - from < count ? std::max(from, end) : from + count;
}

// What a pool has to get to.
std::uint64_t goal(const Pool& pool, PoolIndex index, SkipAhead skip, const Marks& marks) {
    const Step step = step_of(pool);
    if (skip.count) return saturated(step.from, *skip.count, step.end);
    const auto seen = std::find_if(marks.begin(), marks.end(),
                                   [&](const WitnessMark& mark) { return mark.pool == index; });
    // The witness never heard of this pool, but it may have begun since.
    const std::uint64_t witnessed = seen == marks.end() ? 0 : seen->value;
    return saturated(std::max(witnessed, step.from), step.stride, step.end);
}

}  // namespace

Result<Adoption, Failure> adopt(Storage& state, Storage& witness_directory,
                                AllocatorOptions options, SkipAhead skip,
                                const Surroundings& here) {
    Witness witness(witness_directory);
    const auto seen = load(witness, here);
    if (!seen) return seen.error();

    Adoption adoption;
    Marks marks;
    // Called with what the journal says of the store, before anything is changed; answers with the
    // run that the life is to have.
    const auto admit =
        [&](const std::optional<StoreFacts>& store) -> Result<std::uint64_t, Failure> {
        if (!store) {
            return Failure{Errc::state_stale,
                           "state directory " + here.state_dir + ": there is no store to adopt"};
        }
        const bool is_ours = *seen && (*seen)->facts.store == store->id;
        if (!skip.count && !*seen) return cannot_tell(here, "there is none that reads back");
        if (!skip.count && !is_ours) return cannot_tell(here, "it is of another store");
        const auto decoded = is_ours ? decode_witness_marks((*seen)->marks) : Marks();
        if (!skip.count && !decoded) return cannot_tell(here, "its marks are of another version");
        marks = decoded.value_or(Marks());
        adoption.store = store->id;
        adoption.run = std::max(store->run, is_ours ? (*seen)->facts.run : 0) + 1;
        // Above the run of this life, so that the store stays stale until all is done. The marks
        // stay, so that a second attempt can go by them.
        const WitnessFacts unfinished{
            .store = store->id, .run = adoption.run + 1, .lsn = is_ours ? (*seen)->facts.lsn : 0};
        const std::vector<std::byte> kept = is_ours ? (*seen)->marks : std::vector<std::byte>();
        const std::size_t marks_size_max = std::max(kept.size(), witness_mark_size * 65'535);
        auto prepared = witness.prepare(unfinished, kept, marks_size_max);
        if (!prepared) return prepared.error();
        if (auto written = witness.write_both(unfinished, kept); !written) return written.error();
        return adoption.run;
    };

    options.journal.admit = admit;
    Allocator allocator(state, std::move(options));
    const auto recovery = allocator.recover();
    if (!recovery) return recovery.error();

    // Another pool may get its index now, or the same pool begin anew.
    adoption.pools_missing = static_cast<std::size_t>(std::count_if(
        marks.begin(), marks.end(),
        [&](const WitnessMark& mark) { return mark.pool >= allocator.pool_index_end(); }));
    if (!skip.count && adoption.pools_missing > 0) {
        return cannot_tell(here, "it knows pools that were made after this copy");
    }

    std::vector<std::byte> memory(witness_mark_size * allocator.pool_index_end());
    ByteWriter reached(memory);
    for (std::size_t i = 0; i < allocator.pool_index_end(); ++i) {
        const auto index = static_cast<PoolIndex>(i);
        const Pool& pool = allocator.any_pool(index);
        const bool is_unique = pool.spec().policy == Policy::unique;
        const std::uint64_t from = step_of(pool).from;
        const std::uint64_t to = goal(pool, index, skip, marks);
        allocator.skip_ahead(index, to - from);
        adoption.pools.push_back({.name = pool.spec().name, .from = from, .to = to});
        put_witness_mark(
            {.pool = index,
             .kind = is_unique ? WitnessMark::Kind::mark : WitnessMark::Kind::generation,
             .value = to},
            reached);
    }
    if (auto closed = allocator.close(); !closed) return closed.error();
    const WitnessFacts done{
        .store = adoption.store, .run = adoption.run, .lsn = allocator.journal().durable_lsn()};
    if (auto written = witness.write_both(done, reached.written()); !written)
        return written.error();
    return adoption;
}

}  // namespace inod
