// Writes the whole state into the journal as a snapshot, a piece with every group, while requests go
// on. It keeps nothing but where it stands: each piece has the state as it is when it is written.
//
// Thread safety: none of its own; the allocator's lock guards it. No call allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "lib/allocator/holders.h"
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

    [[nodiscard]] virtual const Holders& holders() const noexcept = 0;
    [[nodiscard]] virtual std::size_t pool_count() const noexcept = 0;
    [[nodiscard]] virtual const Pool& pool_at(std::size_t index) const noexcept = 0;
};

class SnapshotWriter {
public:
    explicit SnapshotWriter(Journal& journal) : journal_(journal) {}

    // Starts from the beginning. Leases that are not recorded are left out, as a crash would forget
    // them, unless `all` is said, for the end of a life.
    void begin(bool all) noexcept;

    // Adds to the journal's next group what it has room for, or as much as can be gathered in about
    // a millisecond, and ends the snapshot when all is in it. Requires that one is under way.
    void write(const SnapshotSource& source) noexcept;

private:
    enum class Part { holders, definition, claims, live, done };

    [[nodiscard]] bool write_record(const Record& record) noexcept;
    [[nodiscard]] bool write_holders(const Holders& holders) noexcept;
    [[nodiscard]] bool write_definition(const Pool& pool) noexcept;
    [[nodiscard]] bool write_claims(const Pool& pool, std::size_t& visits_left) noexcept;
    [[nodiscard]] bool write_live(const Pool& pool, std::size_t& visits_left) noexcept;
    void go_on_behind(Id covered, Part then) noexcept;

    Journal& journal_;
    bool all_ = false;
    Part part_ = Part::done;
    HolderIndex next_holder_ = 0;
    PoolIndex pool_ = 0;
    Id next_id_ = 0;
};

}  // namespace inod
