// Writes the whole state into the journal as a snapshot, a piece with every group, while requests go
// on. It keeps nothing but where it stands: each piece has the state as it is when it is written.
//
// Thread safety: none of its own; the allocator's lock guards it. No call allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "lib/allocator/holders.h"
#include "lib/allocator/links.h"
#include "lib/allocator/tokens.h"
#include "lib/base/range.h"
#include "lib/journal/journal.h"
#include "lib/pool/pool.h"
#include "lib/pool/record.h"

namespace inod {

// The state that is written.
class SnapshotSource {
public:
    SnapshotSource() = default;
    SnapshotSource(const SnapshotSource&) = delete;
    SnapshotSource& operator=(const SnapshotSource&) = delete;
    virtual ~SnapshotSource() = default;

    // What the machine's present start is, and how far the IDs of holders have come.
    [[nodiscard]] virtual Booted booted() const noexcept = 0;
    [[nodiscard]] virtual const Holders& holders() const noexcept = 0;
    [[nodiscard]] virtual const Tokens& tokens() const noexcept = 0;
    [[nodiscard]] virtual const Links& links() const noexcept = 0;
    [[nodiscard]] virtual std::size_t pool_count() const noexcept = 0;
    [[nodiscard]] virtual const Pool& pool_at(std::size_t index) const noexcept = 0;
};

// How far a snapshot has come.
class SnapshotPosition {
public:
    enum class Part {
        booted,
        epochs,
        tokens,
        links,
        holders,
        definition,
        claims,
        reserves,
        live,
        rests,
        done
    };

    // What comes next: tokens behind `next_token`, which is of this life; where there is none, those that
    // a life before has not written. Holders from `next_holder` on, or of `pool` this part, of IDs from
    // `next_id` on.
    // The links of all pools come before all else of any: whoever reads of a release then knows what
    // goes with what, or has read of none of it yet.
    // The first pool is defined with the last holders: whoever reads it knows then that none is left.
    Part part = Part::booted;
    std::optional<TokenPosition> next_token{};
    HolderIndex next_holder = 0;
    PoolIndex pool = 0;
    Id next_id = 0;

    // All IDs up to `covered` are in it.
    void pass(Id covered) noexcept;
    // There are no further tokens; no pool has further links.
    void pass_tokens() noexcept;
    void pass_links() noexcept;

    // A record of the snapshot was read: moves behind it. False if it is not the one that was to come.
    [[nodiscard]] bool follow(const Record& record) noexcept;
    // Can it be gone on with from here? Not within a pool's definition, which is two records.
    [[nodiscard]] bool is_between_records() const noexcept { return !is_half_defined_; }

private:
    [[nodiscard]] bool follow(const Booted& record) noexcept;
    [[nodiscard]] bool follow(const EpochsSaved& record) noexcept;
    [[nodiscard]] bool follow(const TokenSaved& record) noexcept;
    [[nodiscard]] bool follow(const LinksSaved& record) noexcept;
    [[nodiscard]] bool follow(const HolderDefined& record) noexcept;
    [[nodiscard]] bool follow(const PoolDefined& record) noexcept;
    [[nodiscard]] bool follow(const SequenceSaved& record) noexcept;
    [[nodiscard]] bool follow(const ClaimsSaved& record) noexcept;
    [[nodiscard]] bool follow(const ReservedSaved& record) noexcept;
    [[nodiscard]] bool follow(const LiveSaved& record) noexcept;
    [[nodiscard]] bool follow(const RestingSaved& record) noexcept;
    template <class Other>
    [[nodiscard]] bool follow(const Other& /*record*/) noexcept {
        return false;  // no record of a snapshot
    }
    [[nodiscard]] bool follow(Part of, PoolIndex of_pool, Range covered) noexcept;

    bool is_half_defined_ = false;
};

// What the journal says of a pool; `parent`: no_pool where it has none.
[[nodiscard]] PoolDefined definition_of(PoolIndex index, const PoolSpec& spec,
                                        PoolIndex parent) noexcept;

class SnapshotWriter {
public:
    explicit SnapshotWriter(Journal& journal) : journal_(journal) {}

    // Starts from the beginning. Leases that are not recorded are left out, as a crash would forget
    // them, unless `all` is said, for the end of a life.
    void begin(bool all) noexcept;
    // Goes on from there, with what a crash would not forget.
    void resume(const SnapshotPosition& position) noexcept;

    // Adds to the journal's next group what it has room for, or as much as can be gathered in about
    // a millisecond, and ends the snapshot when all is in it. Requires that one is under way.
    void write(const SnapshotSource& source) noexcept;

private:
    using Part = SnapshotPosition::Part;

    [[nodiscard]] bool write_record(const Record& record) noexcept;
    [[nodiscard]] bool write_head(const SnapshotSource& source) noexcept;
    [[nodiscard]] bool write_epochs(const Tokens& tokens) noexcept;
    [[nodiscard]] bool write_tokens(const Tokens& tokens, std::size_t& visits_left) noexcept;
    [[nodiscard]] bool write_links(const Links& links, std::size_t& visits_left) noexcept;
    [[nodiscard]] bool write_holders(const Holders& holders) noexcept;
    [[nodiscard]] bool write_definition(const SnapshotSource& source) noexcept;
    [[nodiscard]] bool write_last_holders(const SnapshotSource& source) noexcept;
    [[nodiscard]] bool write_part(const Pool& pool, std::size_t& visits_left) noexcept;
    [[nodiscard]] Id save(const Pool& pool, RunWriter& items,
                          std::size_t& visits_left) const noexcept;
    [[nodiscard]] Record record_of(const Pool& pool, Id covered, const RunItems& items) const;

    Journal& journal_;
    bool all_ = false;
    SnapshotPosition at_;
};

}  // namespace inod
