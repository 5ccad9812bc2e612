// What the journal is doing with the disk, told from its calls: so that the simulation can say at
// which steps of it a process ended.
//
// Thread safety: none of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "lib/journal/segment.h"
#include "tests/sim/mem_storage.h"

namespace inod::sim {

// What is being written or synced. A segment that is opened takes two steps: its header, and the
// frame that names it.
enum class Step : std::size_t {
    other,
    group,            // log records alone
    snapshot_piece,   // a group with a piece of a snapshot
    snapshot_end,     // with the last one
    header,           // of a segment that goes on
    name,             // the frame that names it
    snapshot_header,  // of a segment in which a snapshot begins
    snapshot_name,
    base_header,  // of a segment with a new base: everything before that is superfluous with it
    base_name,
    spare,      // a spare is made
    recycling,  // a header goes into a file that held another segment
    removal,    // of files that are no longer needed
    end         // how many there are
};

std::string_view name(Step step);

class JournalSteps {
public:
    // The step that this call belongs to.
    Step on_call(const DiskCall& call);

    // Of the last call: does it open a segment, and was its file used by another one before?
    [[nodiscard]] bool opens_segment() const { return opens_segment_; }
    [[nodiscard]] bool reuses_file() const { return reuses_file_; }

private:
    Step on_write(const DiskCall& call);
    Step on_header(const DiskCall& call);

    Step step_ = Step::other;   // of the last write, which a sync belongs to as well
    Step naming_ = Step::name;  // what a frame that names a segment is, after the last header
    std::uint64_t base_ = 0;    // in the last header
    std::map<std::string, std::uint64_t, std::less<>> uses_;  // how often a file got a header
    bool opens_segment_ = false;
    bool reuses_file_ = false;
};

}  // namespace inod::sim
