// How much space is set aside on disk so that every release goes through, and when it is used.
//
// A release is a record in the log, and the log has no end. So when the disk is full, the state is
// written out once more, as a snapshot, into spares; everything before it is superfluous then, and
// its files are the spares of the next round. This goes on for as long as it takes if enough spares
// were there when the last lease was handed out. How many is enough:
//
//   E   bytes that the state as it is takes in a snapshot (StateSize::kept). Releasing whole leases
//       only makes that less. It was written before, as records in the log or as a snapshot, and
//       took at least as much there.
//   W   by so much releases can make it grow, by holes in wide ranges (StateSize::holes).
//   F   bytes of files that hold the last snapshot and the log since then.
//   X   bytes of spares when the last lease was handed out.
//
// While a snapshot is written for lack of space, the log grows by at most an eighth of what the
// snapshot does (Journal::has_room). So a round takes at most 9/8 (E + W) of spares, and a segment
// more that is opened at its end: R = 9/8 (E + W) + 1 segment must be there when it begins.
// Afterwards the spares are all there was, F + X, less what is in use: the new snapshot with the log
// beside it, 9/8 S, and the segment opened at the end. Its size S is at most E + W; it is also at
// most F + W, since F held all of it but the holes. So what is left is at least
//
//   F + X - 9/8 min(E, F) - 9/8 W - 1 segment  >=  X - 1/8 E - 9/8 W - 1 segment
//
// which must be at least R, for the next round, and a segment more for the log until then:
//
//   X = 5/4 E + 9/4 W + 3 segments, and one for what stays unused at the ends.
//
// E and W only shrink from then on, so the same holds after every further round.
//
// With at most 12.8 bytes a lease in E and 0.13 a number in W that is 16 bytes a lease, 0.3 a number
// and four segments; lib/pool/pool_snapshot.cc says what the state takes.
#pragma once

#include <algorithm>
#include <cstdint>

#include "lib/journal/frame.h"
#include "lib/journal/segment.h"

namespace inod {

class SpacePlan {
public:
    explicit SpacePlan(std::uint64_t segment_size)
        : usable_(segment_size - frames_offset - next_frame_size -
                  frame_size_on_disk(frame_payload_max)) {}

    // R: spares that a round can take.
    [[nodiscard]] std::uint64_t to_write_out(const StateSize& size) const {
        const std::uint64_t once = size.kept + size.holes;
        return segments(once + once / 8) + 1;
    }
    // The same for the rest of a snapshot, where so many bytes of frames are there or have room.
    [[nodiscard]] std::uint64_t to_complete(const StateSize& size, std::uint64_t done) const {
        const std::uint64_t once = size.kept + size.holes;
        const std::uint64_t framed_size = framed(once + once / 8);
        return (framed_size - std::min(framed_size, done) + usable_ - 1) / usable_ + 1;
    }
    // For a snapshot that had so many bytes of frames.
    [[nodiscard]] std::uint64_t to_hold(std::uint64_t snapshot_size) const {
        return (snapshot_size + usable_ - 1) / usable_;
    }
    // X: spares that let every release go through.
    [[nodiscard]] std::uint64_t to_release(const StateSize& size) const {
        return segments(release_size(size)) + fixed_segments;
    }
    // Are these enough? The same without a division, for every hand-out.
    [[nodiscard]] bool suffice(std::uint64_t spares, const StateSize& size) const {
        return spares >= fixed_segments &&
               framed(release_size(size)) <= (spares - fixed_segments) * usable_;
    }

private:
    static constexpr std::uint64_t fixed_segments = 4;

    static std::uint64_t release_size(const StateSize& size) {
        return size.kept + size.kept / 4 + 2 * size.holes + size.holes / 4;
    }
    // Frames add less than a 64th: a frame of a snapshot is at least three quarters full, but for one
    // in each group.
    static std::uint64_t framed(std::uint64_t records_size) {
        return records_size + records_size / 64;
    }
    [[nodiscard]] std::uint64_t segments(std::uint64_t records_size) const {
        return (framed(records_size) + usable_ - 1) / usable_;
    }

    // Bytes for frames in a segment: at its end less than one frame stays unused.
    const std::uint64_t usable_;
};

}  // namespace inod
