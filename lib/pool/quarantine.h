// Where released IDs of a pool rest before they may be handed out again.
//
// Beside the pool's tree of what is live this keeps a second one of what is live or rests: that is
// what a search for free IDs goes by in such a pool, and to end a rest is to erase from it, which
// the tree has prepaid. A release only adds a piece to a queue, oldest first
// (lib/pool/rest_queue.h), which is prepaid by promising it a piece for each ID that is handed out:
// 16 bytes an ID. So a wide lease of such a pool is dear, and the widest are refused with
// out_of_memory.
//
// Times are milliseconds of a clock that does not go back while the machine runs. They are
// arguments, from 0 to RestQueue::forever; later ones count as that. Whoever cuts a clock to
// milliseconds has a rest that may be shorter by less than one.
//
// Why a rest that ends never frees an ID that is live. Call R what rests. R is exactly what the
// pieces of the queue have, or in recovery the entries of `replayed_`; each ID once:
//   - rest() and replay_rest() take live IDs, which are not in R. restore_resting() replaces what R
//     has of its range, and refuses live IDs.
//   - store() of what a search found, or of what the pool saw to be free in occupied(), takes IDs
//     that are not in R, and asserts that by the count of what is occupied.
//   - In recovery alone the journal may say that IDs of R were handed out again, or reserved: the
//     daemon that wrote it had ended their rests, which it does not record. The queue could not let
//     go of them; in what order it stood is not even known, since a snapshot is in the order of IDs,
//     and to end the rests of others with them would be to end them early. So recovery keeps R by
//     ID, in a tree of its own, from which store() and take_back() erase just these IDs; begin_run()
//     makes the queue of what is left.
//   - A rest that ends takes its piece out of the queue with its IDs from the tree, and asserts
//     that all of them were there.
//
// Recovery begins with restore_resting() or replay_rest() and ends with begin_run(); a quarantine
// that is new has none. After an error in it nothing but the destructor may be called.
//
// Thread safety: none of its own; that of the pool that owns it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "lib/base/guard.h"
#include "lib/base/memory_budget.h"
#include "lib/base/range.h"
#include "lib/base/result.h"
#include "lib/pool/rest_queue.h"
#include "lib/tree/range_tree.h"

namespace inod {

class Quarantine {
public:
    // `rest_ms`: how long a released ID rests. `budget` and `memory` outlive the quarantine.
    Quarantine(std::uint64_t rest_ms, MemoryBudget& budget,
               NodeMemory& memory = NodeMemory::system());

    // All that is live or rests, with one value; in recovery, what is live. The pool may put
    // `reserved` IDs there too, where none are live or rest (in recovery it tells take_back() of them),
    // and takes them away itself.
    [[nodiscard]] const RangeTree& occupied() const noexcept { return occupied_; }
    [[nodiscard]] RangeTree& occupied() noexcept { return occupied_; }

    // Takes what store() of `range` and all that may follow needs, down to the last rest's end. May
    // drop `guard`; what is needed is worked out anew then, and the caller looks again at what it
    // had decided. Errors: range_reversed, out_of_memory.
    [[nodiscard]] Result<> prepare(GuardRef guard, Range range);
    // `range` was handed out. Requires prepare(range) just before, and that none of it is occupied;
    // in recovery it may rest.
    void store(Range range) noexcept;
    // Live IDs were released and rest until then: the first `now` at which end_rests() frees them.
    // Of a time below that of the call before, theirs is taken: nothing rests for a shorter time.
    void rest(Range range, std::uint64_t until) noexcept;
    // Live IDs are forgotten, and free at once.
    void forget(Range range) noexcept;
    // When a rest ends that begins at `now`.
    [[nodiscard]] std::uint64_t end_of_rest(std::uint64_t now) const noexcept;

    // Frees what has rested, at most `max` pieces, of 2^20 IDs at most. True if more is due.
    bool end_rests(std::uint64_t now, std::size_t max) noexcept;
    // Frees the oldest piece, however long it was to rest. False if there is none.
    bool end_oldest() noexcept;
    // When the next piece is due. Nothing if none is, at any time.
    [[nodiscard]] std::optional<std::uint64_t> next_end() const noexcept;
    // When all that rests is due at the latest: what a snapshot, which is in the order of IDs, can
    // say of each. Nothing if nothing rests. Not in recovery.
    [[nodiscard]] std::optional<std::uint64_t> last_end() const noexcept;

    // Gives memory back. Not between prepare() and store(), or a pool that prepares anew whenever
    // its guard was dropped would never come to an end.
    void trim() noexcept;

    // What rests, by ID; not in recovery. `live` is the pool's tree of what is live.
    [[nodiscard]] bool is_resting(Id id, const RangeTree& live) const noexcept {
        return occupied_.load(id) != 0 && live.load(id) == 0;
    }
    [[nodiscard]] std::uint64_t resting_count() const noexcept { return resting_count_; }
    struct NextResting {
        std::optional<Range> range;  // the first that rests, at or after where it was asked for
        Id looked_to;                // up to here there is no other; the caller goes on behind it
    };
    // The first that begins in `window`. Looks at no more entries than `visits_left` says, which counts down;
    // at one at least.
    [[nodiscard]] NextResting next_resting(Range window, const RangeTree& live,
                                           std::size_t& visits_left) const noexcept;

    // Recovery. Errors of all: out_of_memory.

    // A snapshot says that these rest until then, whatever was known of their rests before. Error
    // too: journal_damaged, with an ID that is live or reserved. What is live of a part of the pool is restored
    // before or with what rests there, and all records behind that are replayed: one that was left
    // out could have begun a new rest, and only the old one would be known.
    [[nodiscard]] Result<> restore_resting(Range range, std::uint64_t until);
    // Of these, what rests does so no more: the journal says that they were handed out, or reserved.
    void take_back(Range range) noexcept;
    // Live IDs were released then.
    [[nodiscard]] Result<> replay_rest(Range range, std::uint64_t until);
    // The journal says that the clock stood at `now` at least: what had rested by then is free, at
    // once or later. Without it recovery would need memory for all that was released since the
    // snapshot.
    void replay_time(std::uint64_t now) noexcept;
    // The machine was started anew, and its clock with it: after what had rested by the last
    // replay_time() is freed, everything has its whole rest again from `now`.
    [[nodiscard]] Result<> restart_rests(std::uint64_t now);
    // Recovery is over, and the clock stands at `now`.
    [[nodiscard]] Result<> begin_run(std::uint64_t now);

    // Checks every invariant. Says what is broken, or nothing.
    [[nodiscard]] std::optional<std::string> verify(const RangeTree& live) const;

private:
    // quarantine_replay.cc
    RangeTree& replayed();
    [[nodiscard]] Result<> remember(Range range, std::uint64_t until);
    void end_replayed() noexcept;
    [[nodiscard]] Result<> fill_queue();

    // quarantine_verify.cc
    [[nodiscard]] std::optional<std::string> verify_counts(const RangeTree& live) const;
    [[nodiscard]] std::optional<std::string> verify_resting(const RangeTree& live) const;

    void occupy(Range range) noexcept;
    void free(Range range) noexcept;

    const std::uint64_t rest_ms_;
    MemoryBudget& budget_;
    NodeMemory& memory_;
    RangeTree occupied_;
    RestQueue queue_;  // what is promised: as many pieces as IDs are live
    std::uint64_t resting_count_ = 0;

    // In recovery: what rests, with its time + 1 as value. It is not in the other tree then, nor in
    // the queue.
    std::optional<RangeTree> replayed_;
    std::uint64_t replayed_now_ = 0;
    std::uint64_t end_replayed_at_ = 0;  // entries
};

}  // namespace inod
