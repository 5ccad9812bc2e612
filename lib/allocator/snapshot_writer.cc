#include "lib/allocator/snapshot_writer.h"

#include <array>
#include <utility>
#include <variant>

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

void SnapshotPosition::pass_claims(Id covered) noexcept {
    part = covered == id_max ? Part::live : Part::claims;
    next_id = covered == id_max ? 0 : covered + 1;
}

void SnapshotPosition::pass_live(Id covered) noexcept {
    part = covered == id_max ? Part::definition : Part::live;
    next_id = covered == id_max ? 0 : covered + 1;
    if (covered == id_max) ++pool;
}

bool SnapshotPosition::follow(const Record& record) noexcept {
    return std::visit([this](const auto& r) { return follow(r); }, record);
}

bool SnapshotPosition::follow(const HolderDefined& record) noexcept {
    return part == Part::holders && record.index == next_holder++;
}

bool SnapshotPosition::follow(const PoolDefined& record) noexcept {
    if (part == Part::holders) part = Part::definition;
    is_half_defined_ = true;
    return part == Part::definition && record.pool == pool;
}

bool SnapshotPosition::follow(const SequenceSaved& record) noexcept {
    part = Part::claims;
    next_id = 0;
    return std::exchange(is_half_defined_, false) && record.pool == pool;
}

bool SnapshotPosition::follow(const ClaimsSaved& record) noexcept {
    const bool fits =
        part == Part::claims && record.pool == pool && record.covered.first == next_id;
    pass_claims(record.covered.last);
    return fits;
}

bool SnapshotPosition::follow(const LiveSaved& record) noexcept {
    // A pool without claims has no record of them.
    const bool is_part = part == Part::live || (part == Part::claims && next_id == 0);
    const bool fits = is_part && record.pool == pool && record.covered.first == next_id;
    pass_live(record.covered.last);
    return fits;
}

void SnapshotWriter::begin(bool all) noexcept {
    all_ = all;
    at_ = {};
}

void SnapshotWriter::resume(const SnapshotPosition& position) noexcept {
    all_ = false;
    at_ = position;
}

void SnapshotWriter::write(const SnapshotSource& source) noexcept {
    bool has_room = true;
    std::size_t visits_left = journal_.has_space() ? visits_per_group : visits_per_short_group;
    while (has_room && visits_left > 0 && at_.part != Part::done) {
        if (at_.part == Part::holders) {
            has_room = write_holders(source.holders());
            continue;
        }
        if (at_.pool == source.pool_count()) {
            at_.part = Part::done;
            break;
        }
        const Pool& pool = source.pool_at(at_.pool);
        if (at_.part == Part::definition) {
            has_room = write_definition(pool);
        } else if (at_.part == Part::claims) {
            has_room = write_claims(pool, visits_left);
        } else {
            has_room = write_live(pool, visits_left);
        }
    }
    if (at_.part == Part::done) journal_.end_snapshot();
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
    for (; at_.next_holder < holders.size(); ++at_.next_holder) {
        if (!write_record(
                HolderDefined{.index = at_.next_holder, .holder = holders[at_.next_holder]})) {
            return false;
        }
    }
    at_.part = Part::definition;
    return true;
}

// Both records in one group: a pool that is defined is one that is being restored.
bool SnapshotWriter::write_definition(const Pool& pool) noexcept {
    if (!journal_.has_snapshot_room(2 * encoded_record_size_max)) return false;
    const PoolSpec& spec = pool.spec();
    static_cast<void>(write_record(PoolDefined{.pool = at_.pool,
                                               .name = spec.name,
                                               .policy = spec.policy,
                                               .durability = spec.durability,
                                               .range = spec.range}));
    static_cast<void>(write_record(SequenceSaved{.pool = at_.pool, .state = pool.sequence()}));
    at_.part = Part::claims;
    return true;
}

bool SnapshotWriter::write_claims(const Pool& pool, std::size_t& visits_left) noexcept {
    std::array<std::byte, items_size_max> memory;
    RunWriter items(memory, at_.next_id, 0);
    const Id covered = pool.save_claims(at_.next_id, items, visits_left);
    const ClaimsSaved record{
        .pool = at_.pool, .covered = {at_.next_id, covered}, .items = {items.finish()}};
    // A pool without claims needs no record to say so.
    const bool is_empty = at_.next_id == 0 && covered == id_max && record.items.bytes.empty();
    if (!is_empty && !write_record(record)) return false;
    at_.pass_claims(covered);
    return true;
}

bool SnapshotWriter::write_live(const Pool& pool, std::size_t& visits_left) noexcept {
    std::array<std::byte, items_size_max> memory;
    const std::uint64_t generation = pool.sequence().generation;
    RunWriter items(memory, at_.next_id, generation);
    const Id covered = pool.save_live(at_.next_id, all_, items, visits_left);
    if (!write_record(LiveSaved{.pool = at_.pool,
                                .covered = {at_.next_id, covered},
                                .generation = generation,
                                .items = {items.finish()}})) {
        return false;
    }
    at_.pass_live(covered);
    return true;
}

}  // namespace inod
