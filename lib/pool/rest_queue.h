// Which IDs rest, oldest first, in a queue whose growth is prepaid.
//
// Each ID that is handed out may be released by itself, and each release that touches no other is a
// piece of its own. So whoever hands out IDs promises the queue as many pieces as there are IDs,
// and from then on push() needs nothing from outside. A piece takes 16 bytes. Pieces lie in chunks
// of 2 KiB that a NodeReserve has set aside: none is ever copied or moved, and a chunk whose pieces
// are all gone is there for the next ones.
//
// Thread safety: none of its own; whoever owns it also owns the lock.
//
// Invariant, checked by verify(): room() >= promised(). It holds whatever is pushed and popped: a
// push for n IDs takes room for n pieces at most, and redeems n; a pop takes none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/guard.h"
#include "lib/base/memory_budget.h"
#include "lib/base/range.h"
#include "lib/base/result.h"
#include "lib/tree/node_reserve.h"

namespace inod {

class RestQueue {
public:
    // Milliseconds. Later than any clock gets, 557 years after it began: a rest until then is ended
    // by no time.
    static constexpr std::uint64_t forever = (std::uint64_t{1} << 44U) - 1;
    // IDs in a piece; wider ranges are several.
    static constexpr std::uint64_t piece_count_max = std::uint64_t{1} << 20U;

    struct Piece {
        Range range;
        std::uint64_t until;  // ms
    };

    // Both outlive the queue.
    RestQueue(MemoryBudget& budget, NodeMemory& memory) noexcept;

    // Sees to it that `count` more pieces can be promised, or pushed, under the same lock. Drops
    // and retakes `guard` while it gets memory, and only then. Error: out_of_memory.
    [[nodiscard]] Result<> prepare(GuardRef guard, std::uint64_t count) {
        if (count <= UINT64_MAX - promised_ && room() >= promised_ + count) [[likely]]
            return {};
        return fill(guard, count);
    }
    // `count` IDs may each become a piece. Requires prepare(count) just before.
    void promise(std::uint64_t count) noexcept;
    // Of `count` IDs that is no longer so, or they have become pieces.
    void redeem(std::uint64_t count) noexcept;
    [[nodiscard]] std::uint64_t promised() const noexcept { return promised_; }

    // Adds a newest piece: as several if it is a wide one, as none if it can join the newest.
    // Requires until <= forever, and that all its IDs are promised or as many pieces as it takes
    // are prepared.
    void push(Range range, std::uint64_t until) noexcept;
    // How many pieces that takes at most.
    [[nodiscard]] static std::uint64_t pieces_of(Range range) noexcept {
        return range.span() / piece_count_max + 1;
    }

    [[nodiscard]] bool is_empty() const noexcept { return pieces_.is_empty(); }
    [[nodiscard]] Piece oldest() const noexcept;                // requires that there is one
    [[nodiscard]] std::uint64_t newest_until() const noexcept;  // likewise
    void pop() noexcept;                                        // likewise; the oldest

    // Brings the pieces into the order of their times, and of their IDs where those are equal. For
    // recovery; takes two chunks more, for a while. Error: out_of_memory, and nothing has changed.
    [[nodiscard]] Result<> sort() noexcept;

    // Gives memory back to the system if twice what is promised, and four slabs, would still be
    // there. Not between prepare() and what it was for.
    void trim() noexcept;

    // Pieces that can be pushed without memory from outside.
    [[nodiscard]] std::uint64_t room() const noexcept {
        return pieces_.room() + reserve_.size() * Chunk::capacity;
    }

    // Calls f(Piece) for every piece, oldest first.
    template <class F>
    void for_each(F&& f) const {
        unsigned index = pieces_.begin;
        for (const Chunk* chunk = pieces_.head; chunk != nullptr; chunk = chunk->next) {
            for (; index < pieces_.end_in(*chunk); ++index)
                f(unpacked(chunk->pieces[index]));
            index = 0;
        }
    }

    // Checks the invariant and the counts. Says what is broken, or nothing.
    [[nodiscard]] std::optional<std::string> verify() const;

private:
    struct Packed {
        Id first;
        std::uint64_t until_and_span;  // the span in the low 20 bits
    };
    struct Chunk {
        static constexpr std::size_t size = 2048;  // bytes; that of a tree's nodes, to share arenas
        static constexpr unsigned capacity = (size - 16) / sizeof(Packed);

        Chunk* next;
        unsigned place;  // in its slab
        std::array<Packed, capacity> pieces;
    };
    static_assert(sizeof(Chunk) == Chunk::size);

    // Pieces in a chain of chunks, all full but for the first one's begin and the last one's end.
    struct Chain {
        Chunk* head = nullptr;
        Chunk* tail = nullptr;
        unsigned begin = 0;  // in the first chunk
        unsigned end = 0;    // in the last chunk
        std::uint64_t count = 0;

        [[nodiscard]] bool is_empty() const noexcept { return count == 0; }
        [[nodiscard]] unsigned room() const noexcept {
            return tail != nullptr ? Chunk::capacity - end : 0;
        }
        [[nodiscard]] unsigned end_in(const Chunk& chunk) const noexcept {
            return &chunk == tail ? end : Chunk::capacity;
        }
        [[nodiscard]] const Packed& front() const noexcept { return head->pieces[begin]; }
        [[nodiscard]] Packed& back() const noexcept { return tail->pieces[end - 1]; }
        void push(Packed piece, NodeReserve& reserve) noexcept;
        void pop(NodeReserve& reserve) noexcept;
        [[nodiscard]] Chain split_chunk() noexcept;
    };

    static constexpr std::uint64_t span_mask = piece_count_max - 1;

    [[nodiscard]] static Packed packed(Range range, std::uint64_t until) noexcept {
        return {range.first, until * piece_count_max + range.span()};
    }
    [[nodiscard]] static Piece unpacked(Packed piece) noexcept {
        return {{piece.first, piece.first + (piece.until_and_span & span_mask)},
                piece.until_and_span / piece_count_max};
    }
    [[nodiscard]] static bool is_before(const Packed& a, const Packed& b) noexcept;
    [[nodiscard]] Chain merged(Chain a, Chain b) noexcept;
    [[nodiscard]] bool joins_newest(Range range, std::uint64_t until) noexcept;
    [[nodiscard]] std::uint64_t chunks_for(std::uint64_t pieces) const noexcept;
    [[nodiscard]] Result<> fill(GuardRef guard, std::uint64_t count);

    NodeReserve reserve_;
    Chain pieces_;
    std::uint64_t promised_ = 0;
};

}  // namespace inod
