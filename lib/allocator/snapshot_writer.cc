#include "lib/allocator/snapshot_writer.h"

#include <algorithm>
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

Record saved(const Token& token) {
    return TokenSaved{.pool = token.request.pool,
                      .range = token.reply.range,
                      .generation = token.reply.generation,
                      .token = {.uid = token.key.uid,
                                .epoch = token.key.epoch,
                                .number = token.key.number,
                                .digest = token.request.digest}};
}

}  // namespace

// The part behind that is next if all IDs are covered.
void SnapshotPosition::pass(Id covered) noexcept {
    next_id = covered == id_max ? 0 : covered + 1;
    if (covered != id_max) return;
    switch (part) {
        case Part::links: ++pool; break;
        case Part::claims: part = Part::reserves; break;
        case Part::reserves: part = Part::live; break;
        case Part::live: part = Part::rests; break;
        default: part = Part::definition; ++pool;
    }
}

void SnapshotPosition::pass_tokens() noexcept {
    if (part == Part::epochs || part == Part::tokens) part = Part::links;
}

void SnapshotPosition::pass_links() noexcept {
    if (part != Part::links) return;
    part = Part::holders;
    pool = 0;
    next_id = 0;
}

bool SnapshotPosition::follow(const Record& record) noexcept {
    return std::visit([this](const auto& r) { return follow(r); }, record);
}

bool SnapshotPosition::follow(const Booted& /*record*/) noexcept {
    return std::exchange(part, Part::epochs) == Part::booted;
}

bool SnapshotPosition::follow(const EpochsSaved& /*record*/) noexcept {
    return std::exchange(part, Part::tokens) == Part::epochs;
}

bool SnapshotPosition::follow(const TokenSaved& /*record*/) noexcept {
    return part == Part::tokens;
}

bool SnapshotPosition::follow(const LinksSaved& record) noexcept {
    pass_tokens();
    if (next_id == 0)
        pool = std::max(pool, record.pool);  // of those before it there was nothing to say
    return follow(Part::links, record.pool, record.covered);
}

bool SnapshotPosition::follow(const HolderDefined& record) noexcept {
    pass_tokens();
    pass_links();
    const bool fits = part == Part::holders && record.index >= next_holder;
    next_holder = record.index + 1;
    return fits;
}

bool SnapshotPosition::follow(const PoolDefined& record) noexcept {
    pass_tokens();
    pass_links();
    if (part == Part::holders) part = Part::definition;
    if (part == Part::rests && next_id == 0) pass(id_max);  // of these it had nothing to say
    is_half_defined_ = true;
    return part == Part::definition && record.pool == pool;
}

bool SnapshotPosition::follow(const SequenceSaved& record) noexcept {
    part = Part::claims;
    next_id = 0;
    return std::exchange(is_half_defined_, false) && record.pool == pool;
}

bool SnapshotPosition::follow(const ClaimsSaved& record) noexcept {
    return follow(Part::claims, record.pool, record.covered);
}

bool SnapshotPosition::follow(const ReservedSaved& record) noexcept {
    return follow(Part::reserves, record.pool, record.covered);
}

bool SnapshotPosition::follow(const LiveSaved& record) noexcept {
    return follow(Part::live, record.pool, record.covered);
}

bool SnapshotPosition::follow(const RestingSaved& record) noexcept {
    return follow(Part::rests, record.pool, record.covered);
}

// A part of which there is nothing to say has no record.
bool SnapshotPosition::follow(Part of, PoolIndex of_pool, Range covered) noexcept {
    if (part != of && next_id == 0 && part >= Part::claims && part < of) part = of;
    const bool fits = part == of && of_pool == pool && covered.first == next_id;
    pass(covered.last);
    return fits;
}

PoolDefined definition_of(PoolIndex index, const PoolSpec& spec, PoolIndex parent) noexcept {
    return {.pool = index,
            .name = spec.name,
            .policy = spec.policy,
            .durability = spec.durability,
            .range = spec.range,
            .tracking = spec.tracking,
            .parent = parent != no_pool ? std::optional(parent) : std::nullopt};
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
        if (at_.part == Part::booted) {
            has_room = write_head(source);
        } else if (at_.part == Part::epochs) {
            has_room = write_epochs(source.tokens());
        } else if (at_.part == Part::tokens) {
            has_room = write_tokens(source.tokens(), visits_left);
        } else if (at_.part == Part::links) {
            has_room = write_links(source.links(), visits_left);
        } else if (at_.part == Part::holders) {
            has_room = write_last_holders(source);
        } else if (at_.pool == source.pool_count()) {
            at_.part = Part::done;
        } else if (at_.part == Part::definition) {
            has_room = write_definition(source);
        } else {
            has_room = write_part(source.pool_at(at_.pool), visits_left);
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

// In one group with the epochs: what the log tells of tokens behind it is to be added to those.
bool SnapshotWriter::write_head(const SnapshotSource& source) noexcept {
    if (!journal_.has_snapshot_room(2 * encoded_record_size_max)) return false;
    static_cast<void>(write_record(source.booted()));
    return write_epochs(source.tokens());
}

// There is always a record of them, be there none.
bool SnapshotWriter::write_epochs(const Tokens& tokens) noexcept {
    EpochsSaved record{.began = tokens.epoch_began_ms(), .epochs = {}};
    std::size_t count = 0;
    for (const TokenEpoch& epoch : tokens.epochs())
        record.epochs[count++] = {.number = epoch.number, .is_open = epoch.is_open};
    if (!write_record(record)) return false;
    at_.next_token = tokens.first_position();
    at_.part = Part::tokens;
    return true;
}

// Those that are kept now; the log tells of those to come.
bool SnapshotWriter::write_tokens(const Tokens& tokens, std::size_t& visits_left) noexcept {
    if (!at_.next_token) at_.next_token = tokens.first_unmarked();
    while (visits_left > 0) {
        TokenPosition behind = *at_.next_token;
        const auto token = tokens.next(behind, visits_left);
        if (token && !write_record(saved(*token))) return false;
        at_.next_token = behind;
        if (token || visits_left == 0) continue;
        at_.pass_tokens();
        break;
    }
    return true;
}

// A piece of those of one pool.
bool SnapshotWriter::write_links(const Links& links, std::size_t& visits_left) noexcept {
    if (at_.pool >= links.index_end()) {
        at_.pass_links();
        return true;
    }
    std::array<std::byte, items_size_max> memory;
    RunWriter items(memory, at_.next_id, Links::saved_generation);
    const Id covered = links.save(at_.pool, at_.next_id, items, visits_left);
    const RunItems saved{items.finish()};
    const bool is_empty = at_.next_id == 0 && covered == id_max && saved.bytes.empty();
    if (!is_empty && !write_record(LinksSaved{.pool = at_.pool,
                                              .parent = links.parent_of(at_.pool),
                                              .covered = {at_.next_id, covered},
                                              .items = saved})) {
        return false;
    }
    at_.pass(covered);
    return true;
}

bool SnapshotWriter::write_last_holders(const SnapshotSource& source) noexcept {
    if (!write_holders(source.holders())) return false;
    if (source.pool_count() > 0) return write_definition(source);
    at_.part = Part::done;
    return true;
}

bool SnapshotWriter::write_holders(const Holders& holders) noexcept {
    for (HolderIndex index = at_.next_holder; index < holders.index_end(); ++index) {
        // One of which no record has told yet comes with the log.
        if (!holders.contains(index) || !holders.is_recorded(index)) continue;
        if (!write_record(HolderDefined{.index = index, .holder = holders[index]})) return false;
        at_.next_holder = index + 1;
    }
    return true;
}

// Both records in one group: a pool that is defined is one that is being restored.
bool SnapshotWriter::write_definition(const SnapshotSource& source) noexcept {
    const Pool& pool = source.pool_at(at_.pool);
    if (!journal_.has_snapshot_room(2 * encoded_record_size_max)) return false;
    const PoolIndex parent = source.links().parent_of(at_.pool);
    static_cast<void>(write_record(definition_of(at_.pool, pool.spec(), parent)));
    static_cast<void>(write_record(SequenceSaved{.pool = at_.pool, .state = pool.sequence()}));
    at_.part = Part::claims;
    return true;
}

bool SnapshotWriter::write_part(const Pool& pool, std::size_t& visits_left) noexcept {
    std::array<std::byte, items_size_max> memory;
    const std::uint64_t generation = at_.part == Part::live ? pool.sequence().generation : 0;
    RunWriter items(memory, at_.next_id, generation);
    const Id covered = save(pool, items, visits_left);
    const RunItems saved{items.finish()};
    // Of claims and of what rests nothing is said where there is none. Of what is reserved it is: a record
    // of the log behind it that reserves more is told by it from one that it has in it already.
    const bool may_be_left_out = at_.part == Part::claims || at_.part == Part::rests ||
                                 (at_.part == Part::reserves && !pool.spec().tracking);
    const bool is_empty =
        may_be_left_out && at_.next_id == 0 && covered == id_max && saved.bytes.empty();
    if (!is_empty && !write_record(record_of(pool, covered, saved))) return false;
    at_.pass(covered);
    return true;
}

Id SnapshotWriter::save(const Pool& pool, RunWriter& items,
                        std::size_t& visits_left) const noexcept {
    switch (at_.part) {
        case Part::claims: return pool.save_claims(at_.next_id, items, visits_left);
        case Part::reserves: return pool.save_reserved(at_.next_id, items, visits_left);
        case Part::rests: return pool.save_resting(at_.next_id, items, visits_left);
        default: return pool.save_live(at_.next_id, all_, items, visits_left);
    }
}

Record SnapshotWriter::record_of(const Pool& pool, Id covered, const RunItems& items) const {
    const Range range{at_.next_id, covered};
    switch (at_.part) {
        case Part::claims: return ClaimsSaved{.pool = at_.pool, .covered = range, .items = items};
        case Part::reserves:
            return ReservedSaved{.pool = at_.pool, .covered = range, .items = items};
        case Part::rests:
            return RestingSaved{.pool = at_.pool,
                                .covered = range,
                                .until = pool.last_end_of_rest(),
                                .items = items};
        default:
            return LiveSaved{.pool = at_.pool,
                             .covered = range,
                             .generation = pool.sequence().generation,
                             .items = items};
    }
}

}  // namespace inod
