#include "lib/allocator/snapshot_writer.h"

#include <array>

#include "lib/pool/runs.h"

namespace inod {
namespace {

// Room for items in a record, behind its head.
constexpr std::size_t items_size_max = record_size_max - 40;

// Entries of trees that are looked at for one group, of which each takes up to 100 ns, and whoever wants
// the lock meanwhile waits. Where space is short more: even where each is but two bits of a bitmap they
// fill 8 KiB then, eight times of what such a group has of the log (lib/journal/space.h).
constexpr std::size_t visits_per_group = 8'192;
constexpr std::size_t visits_per_short_group = 32'768;

}  // namespace

void SnapshotWriter::begin(bool all) noexcept {
    all_ = all;
    part_ = Part::holders;
    next_holder_ = 0;
    pool_ = 0;
    next_id_ = 0;
}

void SnapshotWriter::write(const SnapshotSource& source) noexcept {
    bool has_room = true;
    std::size_t visits_left = journal_.has_space() ? visits_per_group : visits_per_short_group;
    while (has_room && visits_left > 0 && part_ != Part::done) {
        if (part_ == Part::holders) {
            has_room = write_holders(source.holders());
            continue;
        }
        if (pool_ == source.pool_count()) {
            part_ = Part::done;
            break;
        }
        const Pool& pool = source.pool_at(pool_);
        if (part_ == Part::definition) {
            has_room = write_definition(pool);
        } else if (part_ == Part::claims) {
            has_room = write_claims(pool, visits_left);
        } else {
            has_room = write_live(pool, visits_left);
        }
    }
    if (part_ == Part::done) journal_.end_snapshot();
}

// False, and nothing has happened, if the group has no room for it.
bool SnapshotWriter::write_record(const Record& record) noexcept {
    std::array<std::byte, record_size_max> memory;
    ByteWriter out(memory);
    encode(record, out);
    if (!journal_.has_snapshot_room(out.size())) return false;
    journal_.add_snapshot_record(out.written());
    return true;
}

bool SnapshotWriter::write_holders(const Holders& holders) noexcept {
    for (; next_holder_ < holders.size(); ++next_holder_) {
        if (!write_record(HolderDefined{.index = next_holder_, .holder = holders[next_holder_]})) {
            return false;
        }
    }
    part_ = Part::definition;
    return true;
}

// Both records in one group: a pool that is defined is one that is being restored.
bool SnapshotWriter::write_definition(const Pool& pool) noexcept {
    if (!journal_.has_snapshot_room(2 * encoded_record_size_max)) return false;
    const PoolSpec& spec = pool.spec();
    static_cast<void>(write_record(PoolDefined{.pool = pool_,
                                               .name = spec.name,
                                               .policy = spec.policy,
                                               .durability = spec.durability,
                                               .range = spec.range}));
    static_cast<void>(write_record(SequenceSaved{.pool = pool_, .state = pool.sequence()}));
    part_ = Part::claims;
    return true;
}

bool SnapshotWriter::write_claims(const Pool& pool, std::size_t& visits_left) noexcept {
    std::array<std::byte, items_size_max> memory;
    RunWriter items(memory, next_id_, 0);
    const Id covered = pool.save_claims(next_id_, items, visits_left);
    const ClaimsSaved record{
        .pool = pool_, .covered = {next_id_, covered}, .items = {items.finish()}};
    // A pool without claims needs no record to say so.
    const bool is_empty = next_id_ == 0 && covered == id_max && record.items.bytes.empty();
    if (!is_empty && !write_record(record)) return false;
    go_on_behind(covered, Part::live);
    return true;
}

bool SnapshotWriter::write_live(const Pool& pool, std::size_t& visits_left) noexcept {
    std::array<std::byte, items_size_max> memory;
    const std::uint64_t generation = pool.sequence().generation;
    RunWriter items(memory, next_id_, generation);
    const Id covered = pool.save_live(next_id_, all_, items, visits_left);
    if (!write_record(LiveSaved{.pool = pool_,
                                .covered = {next_id_, covered},
                                .generation = generation,
                                .items = {items.finish()}})) {
        return false;
    }
    if (covered == id_max) ++pool_;
    go_on_behind(covered, covered == id_max ? Part::definition : Part::live);
    return true;
}

// In the same part, or in the one after it if all IDs are covered.
void SnapshotWriter::go_on_behind(Id covered, Part then) noexcept {
    if (covered == id_max) part_ = then;
    next_id_ = covered == id_max ? 0 : covered + 1;
}

}  // namespace inod
